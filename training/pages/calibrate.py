"""Fits how the maps of a model are read, on pages that the model was not trained on.

Shapes: N candidates or pages, F features, K kinds of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.findings import Finding
from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASS_OF_KIND, CLASSES, GRAPHIC_KINDS, PAGE_KINDS
from iconoclip.page_layout.measure import Corners, match
from iconoclip.page_layout.page_kind import FloatArray, KindRegression, kind_features
from iconoclip.page_layout.reading import Place, Reading
from iconoclip.page_layout.regions import FEATURES, Answer, Candidate, candidates
from iconoclip.page_layout.snapping import Grey

# A candidate is right if it overlaps a marked box by this much.
LEAST_OVERLAP: Final = 0.5
SCORE_PULL, BOX_PULL, KIND_PULL = 1.0, 1.0, 3.0
# The weights of a kind are pulled towards those of all by SCORE_PULL over the square of this.
OF_ONE_KIND: Final = 0.5
# Of a candidate's features, those that tell its kind. Its size does not: most small things are initials, but
# on a sheet of photographs small things are photographs.
OF_KIND: Final = np.array(
    [
        name in ("constant", "text around", "text to the right", "touches the edge", "page has pictures")
        or name in {f"share of {kind}" for kind in CLASSES}
        for name in FEATURES
    ]
)


@dataclass(frozen=True)
class HeldOut:
    """The result of a network on a page that it was not trained on, and the marks of people on it.

    `size` is in pixels of the input; `wanted` in shares of the whole image; `place` where the input lies in
    it; `grey_HW` the input in grey.
    """

    answer: Answer
    size: tuple[int, int]
    place: Place
    wanted: Sequence[tuple[str, Corners]]
    kind: str | None
    grey_HW: Grey | None = None

    def read(self, reading: Reading) -> Finding:
        """What is found on the page."""
        return reading.read(self.answer, self.size, self.place, self.grey_HW)

    def candidates(self) -> list[Candidate]:
        """The candidates of the page."""
        return candidates(self.answer, (self.size[0] / CELL, self.size[1] / CELL))

    def in_image(self, box: Corners) -> Corners:
        """A box of the input as a box of the image."""
        left, top, right, bottom = self.place
        across, down = right - left, bottom - top
        return left + box[0] * across, top + box[1] * down, left + box[2] * across, top + box[3] * down


def fitted(pages: Sequence[HeldOut]) -> Reading:
    """The reading that fits held-out pages best."""
    found = [page.candidates() for page in pages]
    right = [_right(page, own) for page, own in zip(pages, found, strict=True)]
    reading = Reading.plain()
    features_NF = np.array([one.features_F for own in found for one in own]).reshape(-1, len(FEATURES))
    kinds = [kind for own in right for kind in own]
    labels_N = np.array([kind is not None for kind in kinds], float)
    if 0 < labels_N.sum() < len(labels_N):
        classes_N = np.array([CLASS_OF_KIND[kind] for kind in kinds if kind is not None])
        marked_NF = features_NF[labels_N > 0] * OF_KIND
        weights = multinomial(marked_NF, classes_N, len(CLASSES), BOX_PULL, reading.box_weights)
        reading = replace(reading, box_weights=weights)
        told_N = np.array([CLASS_OF_KIND[reading.kind_of(one)] for own in found for one in own])
        reading = replace(reading, score_weights=_score_weights(features_NF, told_N, labels_N))
    reading = replace(reading, least_score=_best_threshold(pages, found, right, reading))
    return replace(reading, kinds=_kinds(pages, found, reading))


def _right(page: HeldOut, found: list[Candidate]) -> list[str | None]:
    """The kind of the marked box that each candidate is, None for candidates that are none."""
    right: list[str | None] = [None] * len(found)
    wanted = [(kind, corners) for kind, corners in page.wanted if kind in CLASS_OF_KIND and kind != "text"]
    places = [page.in_image(one.box) for one in found]
    for n, m in match(places, [corners for _, corners in wanted], LEAST_OVERLAP):
        right[n] = wanted[m][0]
    return right


def _score_weights(features_NF: FloatArray, told_N: npt.NDArray[np.intp], labels_N: FloatArray) -> FloatArray:
    """Weights [C, F] of a logistic regression for each kind that candidates are told to be. All are pulled
    towards the weights that they share, because some kinds are rare."""
    own_NCF = np.zeros((len(features_NF), len(CLASSES), len(FEATURES)))
    own_NCF[np.arange(len(features_NF)), told_N] = features_NF * OF_ONE_KIND
    both = logistic(np.concatenate([features_NF, own_NCF.reshape(len(features_NF), -1)], 1), labels_N)
    shared_F, own_CF = both[: len(FEATURES)], both[len(FEATURES) :].reshape(len(CLASSES), -1)
    return shared_F + OF_ONE_KIND * own_CF


def logistic(features_NF: FloatArray, labels_N: FloatArray, pull: float = SCORE_PULL) -> FloatArray:
    """Weights [F] of a logistic regression, pulled towards zero, by Newton's method."""
    weights_F = np.zeros(features_NF.shape[1])
    for _ in range(50):
        chances_N = 1 / (1 + np.exp(-np.clip(features_NF @ weights_F, -30, 30)))
        slope_F = features_NF.T @ (chances_N - labels_N) + pull * weights_F
        curve_FF = (features_NF * (chances_N * (1 - chances_N))[:, None]).T @ features_NF
        step_F = np.linalg.solve(curve_FF + pull * np.eye(len(weights_F)), slope_F)
        weights_F = weights_F - step_F
        if np.abs(step_F).max() < 1e-6:
            break
    return np.asarray(weights_F)


def _best_threshold(
    pages: Sequence[HeldOut],
    found: list[list[Candidate]],
    right: list[list[str | None]],
    reading: Reading,
) -> float:
    """The least score with the highest F1 of pictures and ornaments.

    What is on a page counts as one together, so that a sheet of thirty photographs does not decide for books.
    """
    scores, flags, shares, total = [], [], [], 0.0
    for page, own, kinds in zip(pages, found, right, strict=True):
        num_wanted = sum(kind in GRAPHIC_KINDS for kind, _ in page.wanted)
        total += min(num_wanted, 1)
        for one, kind in zip(own, kinds, strict=True):
            if reading.kind_of(one) in GRAPHIC_KINDS:
                scores.append(reading.score_of(one))
                flags.append(kind in GRAPHIC_KINDS)
                shares.append(1 / max(num_wanted, 1))
    scores_N, shares_N = np.array(scores), np.array(shares)
    right_N = shares_N * np.array(flags, float)

    def f1(least: float) -> float:
        kept_N = scores_N >= least
        return float(2 * right_N[kept_N].sum() / max(shares_N[kept_N].sum() + total, 1e-9))

    return float(max(np.arange(0.2, 0.91, 0.02), key=lambda least: (f1(float(least)), -abs(least - 0.5))))


def _kinds(pages: Sequence[HeldOut], found: list[list[Candidate]], reading: Reading) -> KindRegression:
    known = [(page, own) for page, own in zip(pages, found, strict=True) if page.kind in PAGE_KINDS]
    if not known:
        return reading.kinds
    features_NF = np.array(
        [kind_features(page.answer.kinds_K, reading.boxes(own), page.size) for page, own in known]
    )
    kinds_N = np.array([PAGE_KINDS.index(str(page.kind)) for page, _ in known])
    start = KindRegression(features_NF.mean(0), features_NF.std(0) + 1e-3, reading.kinds.weights)
    inputs_NF = np.array([start.inputs(features_F) for features_F in features_NF])
    return replace(start, weights=multinomial(inputs_NF, kinds_N, len(PAGE_KINDS)))


def multinomial(
    features_NF: FloatArray,
    kinds_N: npt.NDArray[np.intp],
    num_kinds: int,
    pull: float = KIND_PULL,
    start_KF: FloatArray | None = None,
) -> FloatArray:
    """Weights [K, F] of a multinomial regression, pulled towards `start_KF` (zero by default), by gradient
    descent with momentum."""
    base_KF = np.zeros((num_kinds, features_NF.shape[1])) if start_KF is None else start_KF
    weights_KF = base_KF.copy()
    speed_KF = np.zeros_like(weights_KF)
    wanted_NK = np.eye(num_kinds)[kinds_N]
    rate = 1.0 / (0.5 * np.linalg.norm(features_NF, 2) ** 2 / len(kinds_N) + pull / len(kinds_N))
    for _ in range(800):
        logits_NK = features_NF @ weights_KF.T
        chances_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
        chances_NK /= chances_NK.sum(1, keepdims=True)
        slope_KF = ((chances_NK - wanted_NK).T @ features_NF + pull * (weights_KF - base_KF)) / len(kinds_N)
        speed_KF = 0.9 * speed_KF - rate * slope_KF
        weights_KF = weights_KF + speed_KF
    return np.asarray(weights_KF)
