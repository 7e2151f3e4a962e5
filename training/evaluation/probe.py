"""How well image features alone separate classes: a linear probe and nearest neighbours, on frozen features.

A field of the records gives the classes: the institution, the type of the object, the division of Iconclass,
the century, or the text of a caption field. Both learn from the split `train` and are measured on another
one; splits keep groups apart, so no page of a book is predicted from its neighbour.

Linear probe    multinomial logistic regression, as in CLIP (arXiv 2103.00020, appendix A.3)
Neighbours      cosine similarity, k = 20, votes weighted by exp(s / 0.07), as in DINO (arXiv 2104.14294)

Letters: N training images, M measured images, D embedding dimension, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from iconoclip import metrics
from iconoclip.errors import BadInput, ConfigError
from training.data.randomness import mix
from training.data.samples import Samples
from training.evaluation.centuries import UNDATED, century

NEIGHBOURS: Final = 20
TEMPERATURE: Final = 0.07
# Strongest first: each fit starts from the one before, and of equal ones the stronger is chosen.
PENALTIES: Final = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
DEFAULT_PENALTY: Final = 1e-4
# Fewer examples say more about these than about the class.
MIN_OF_CLASS: Final = 5
HELD_OUT_GROUPS: Final = 5
CHUNK: Final = 1024
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """The features of some rows of a set."""

    samples: Samples
    rows: Sequence[int]
    features_ND: FloatArray


def main_language(samples: Samples, field: str) -> str:
    """The language of most captions of a field: the same text in two languages is one class."""
    num_of = Counter[str]()
    for kind, num in zip(samples.captions.kinds, samples.captions.num_of_kind, strict=True):
        if kind.field == field:
            num_of[kind.language] += num
    return min(num_of, key=lambda language: (-num_of[language], language), default="")


def classes_of(
    samples: Samples, rows: Sequence[int], of: str, language: str | None = None
) -> list[str | None]:
    """The class of each row; None where it has none, or several.

    Args:
        samples: the set.
        rows: of the set.
        of: what makes the classes.
        language: of captions that are classes; by default that of most captions of the field.

    Raises:
        ConfigError: there is no such field.
    """
    if of == "century":
        years = zip(samples.values("earliest", rows), samples.values("latest", rows), strict=True)
        found = [century(*pair) for pair in years]
        return [None if name == UNDATED else name for name in found]
    if of == "iconclass":
        return [_only({notation[:1] for notation in one}) for one in samples.values("iconclass", rows)]
    if of in ("institution", "object_type"):
        return samples.values(of, rows)
    if of.startswith("field:"):
        name, captions = of.removeprefix("field:"), samples.captions
        wanted = (name, main_language(samples, name) if language is None else language)
        texts = [
            {
                captions.text[number].as_py()
                for number in captions.of_row(row)
                if (captions.kind_of(number).field, captions.kind_of(number).language) == wanted
            }
            for row in rows
        ]
        return [_only(one) for one in texts]
    raise ConfigError(
        f"no classes can be made of '{of}'",
        where="probes",
        remedy="take institution, object_type, iconclass, century or field:NAME",
    )


def _only(values: set[str]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None


Chosen = tuple[Samples, Sequence[int]]


def numbered_classes(train: Chosen, test: Chosen, of: str) -> tuple[list[str], IntArray, IntArray]:
    """The classes, and their number for each training image, [N], and each measured one, [M]; -1 for none.

    Raises:
        ConfigError: there is no such field.
        BadInput: fewer than two classes have enough images, or none of the measured images has one of them.
    """
    language = main_language(train[0], of.removeprefix("field:"))
    names_N, names_M = (classes_of(samples, rows, of, language) for samples, rows in (train, test))
    counts = {name: names_N.count(name) for name in set(names_N) if name is not None}
    classes = sorted(name for name, num in counts.items() if num >= MIN_OF_CLASS)
    number_of: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
    class_N = np.array([number_of.get(name, -1) for name in names_N])
    class_M = np.array([number_of.get(name, -1) for name in names_M])
    if len(classes) < 2 or (class_M < 0).all():
        raise BadInput(
            f"no probe of '{of}': {len(classes)} classes with {MIN_OF_CLASS} or more images to train on, "
            f"{int((class_M >= 0).sum())} images to measure",
            where="probes",
            remedy="take another field, or more images",
        )
    return classes, class_N, class_M


def probe(train: Features, test: Features, of: str) -> dict[str, Any]:
    """Accuracies of both methods with their intervals, and that of the most common class.

    Raises:
        BadInput: as for `numbered_classes`.
    """
    classes, class_N, class_M = numbered_classes((train.samples, train.rows), (test.samples, test.rows), of)
    known_N, known_M = np.flatnonzero(class_N >= 0), np.flatnonzero(class_M >= 0)
    x_ND, y_N = train.features_ND[known_N], class_N[known_N]
    x_MD, y_M = test.features_ND[known_M], class_M[known_M]
    group_N = train.samples.group_N[np.asarray(train.rows)[known_N]]
    group_M = test.samples.group_N[np.asarray(test.rows)[known_M]]
    penalty = choose_penalty(x_ND, y_N, group_N, len(classes))
    weights_DC, bias_C = fit_path(x_ND, y_N, len(classes), penalty)[penalty]
    most_common = int(np.bincount(y_N).argmax())
    return {
        "num_train": len(known_N),
        "num_images": len(known_M),
        "num_classes": len(classes),
        "num_without_class": len(class_M) - len(known_M),
        "most_common_class": {"accuracy@1": {"value": float(np.mean(y_M == most_common))}},
        "penalty": penalty,
        "linear": _scores((x_MD @ weights_DC + bias_C).argmax(axis=1), y_M, group_M),
        "neighbours": _scores(nearest(x_ND, y_N, x_MD, len(classes)), y_M, group_M),
    }


def _scores(predicted_M: IntArray, y_M: IntArray, group_M: IntArray) -> dict[str, Any]:
    right_M = (predicted_M == y_M).astype(np.float64)
    low, high = metrics.bootstrap_interval(right_M, cluster_Q=group_M)
    by_class = [float(right_M[y_M == number].mean()) for number in np.unique(y_M)]
    return {
        "accuracy@1": {"value": float(right_M.mean()), "low": low, "high": high},
        "mean_class_recall": {"value": float(np.mean(by_class))},
    }


def nearest(x_ND: FloatArray, y_N: IntArray, x_MD: FloatArray, num_classes: int) -> IntArray:
    """The class with most votes among the nearest training images, [M]."""
    k, found = min(NEIGHBOURS, len(x_ND)), []
    for start in range(0, len(x_MD), CHUNK):
        similarity_BN = x_MD[start : start + CHUNK] @ x_ND.T
        # A stable order, so that equal neighbours are the same ones everywhere.
        near_BK = np.argsort(-similarity_BN, axis=1, kind="stable")[:, :k]
        vote_BK = np.exp((np.take_along_axis(similarity_BN, near_BK, axis=1) - 1.0) / TEMPERATURE)
        votes_BC = np.zeros((len(near_BK), num_classes))
        np.add.at(votes_BC, (np.arange(len(near_BK))[:, None], y_N[near_BK]), vote_BK)
        found.append(votes_BC.argmax(axis=1))
    return np.concatenate(found)


def choose_penalty(x_ND: FloatArray, y_N: IntArray, group_N: IntArray, num_classes: int) -> float:
    """The penalty with the best accuracy on a fifth of the groups, which the fits do not see."""
    held_N = mix(0, group_N) % np.uint64(HELD_OUT_GROUPS) == 0
    if not held_N.any() or len(np.unique(y_N[~held_N])) < 2:
        return DEFAULT_PENALTY
    fits = fit_path(x_ND[~held_N], y_N[~held_N], num_classes, PENALTIES[-1])
    right = {
        penalty: np.mean((x_ND[held_N] @ weights_DC + bias_C).argmax(axis=1) == y_N[held_N])
        for penalty, (weights_DC, bias_C) in fits.items()
    }
    return max(PENALTIES, key=lambda penalty: (right[penalty], penalty))


def fit_path(
    x_ND: FloatArray, y_N: IntArray, num_classes: int, until: float
) -> dict[float, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Weights [D, C] and biases [C] by penalty, where cross-entropy + penalty / 2 * |weights|^2 is least.

    Args:
        until: the weakest penalty that is needed; each fit starts from the one before.
    """
    x, y = torch.from_numpy(x_ND).double(), torch.from_numpy(y_N)
    weights = torch.zeros(x.shape[1], num_classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num_classes, dtype=torch.float64, requires_grad=True)
    found = {}
    for penalty in PENALTIES:
        optimizer = torch.optim.LBFGS(
            [weights, bias], max_iter=500, tolerance_grad=1e-7, tolerance_change=1e-10,
            history_size=20, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def loss(optimizer: torch.optim.LBFGS = optimizer, penalty: float = penalty) -> torch.Tensor:
            optimizer.zero_grad()
            value = F.cross_entropy(x @ weights + bias, y) + penalty / 2 * weights.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        with torch.enable_grad():
            optimizer.step(loss)  # type: ignore[no-untyped-call]
        found[penalty] = weights.detach().numpy().copy(), bias.detach().numpy().copy()
        if penalty <= until:
            break
    return found
