"""Zero-shot classification of pictures by prompts in several languages.

The classes are in a YAML file:

    name: heraldic charges
    of: iconclass            # or: object_type, institution, field:NAME (the text of a caption field)
    prompts:
      en: ["a coat of arms with a {}", "{}"]
      fr: ["des armoiries avec {}"]
    classes:
      "46A122(LION)": {en: [lion], fr: [un lion]}
      "46A122(EAGLE)": {}    # labels from Iconclass itself, where `of` is iconclass

With `of: iconclass` a class is a branch: a picture belongs to it if one of its notations is in the branch. A
picture may belong to several classes; a picture without a class is left out.

Letters: N images, C classes, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from iconoclip import iconclass, metrics
from iconoclip.config import Config, load
from iconoclip.errors import BadInput
from training.data.samples import Samples

FloatArray = npt.NDArray[np.float32]
EmbedTexts = Callable[[Sequence[str]], FloatArray]


class LabelSet(Config):
    """The classes of a zero-shot test."""

    name: str = Field(description="of the set, for the table")
    of: str = Field(
        "iconclass",
        description="iconclass, object_type, institution, or field:NAME",
        pattern=r"^(iconclass|object_type|institution|field:.+)$",
    )
    prompts: dict[str, list[str]] = Field(
        description="by language, with {} where the label goes", min_length=1
    )
    classes: dict[str, dict[str, list[str]]] = Field(
        description="the labels of each class, by language", min_length=2
    )

    def labels(self, name: str, language: str) -> list[str]:
        """The labels of a class in a language; from Iconclass if the file gives none."""
        given = self.classes[name].get(language)
        if given:
            return given
        text = iconclass.label(name, language) if self.of == "iconclass" else ""
        return [text] if text else []


def read_labels(path: Path) -> LabelSet:
    """Read a label set.

    Raises:
        MissingRequirement: no such file.
        ConfigError: it is not a label set.
        BadInput: a prompt has no place for the label, or a class no label in a language.
    """
    found = load(LabelSet, path)
    for language, prompts in found.prompts.items():
        for prompt in prompts:
            if prompt.count("{}") != 1:
                raise BadInput(
                    f"a prompt needs one {{}} for the label: '{prompt}'",
                    where=path,
                    remedy="correct the prompt",
                )
        missing = [name for name in found.classes if not found.labels(name, language)]
        if missing:
            raise BadInput(
                f"no label in '{language}' for {', '.join(missing[:5])}",
                where=path,
                remedy="add the labels, or drop the language",
            )
    return found


def truth(samples: Samples, rows: Sequence[int], labels: LabelSet) -> npt.NDArray[np.bool_]:
    """Which classes each image belongs to, [N, C]."""
    values = _values(samples, rows, labels.of)
    classes = list(labels.classes)

    def belongs(value: str, name: str) -> bool:
        return (
            iconclass.is_beneath(value, name)
            if labels.of == "iconclass"
            else value.casefold() == name.casefold()
        )

    # Values repeat, and there may be thousands of classes, so each value is compared only once.
    members = {
        value: np.array([number for number, name in enumerate(classes) if belongs(value, name)], dtype=int)
        for value in {value for one in values for value in one}
    }
    truth_NC = np.zeros((len(rows), len(classes)), dtype=bool)
    for position, one in enumerate(values):
        for value in one:
            truth_NC[position, members[value]] = True
    return truth_NC


def _values(samples: Samples, rows: Sequence[int], of: str) -> list[list[str]]:
    if of == "iconclass":
        return samples.values("iconclass", rows)
    if of.startswith("field:"):
        wanted = of.removeprefix("field:")
        captions = samples.captions
        return [
            [captions.text[n].as_py() for n in captions.of_row(row) if captions.kind_of(n).field == wanted]
            for row in rows
        ]
    return [[value] if value else [] for value in samples.values(of, rows)]


def class_vectors(labels: LabelSet, language: str, embed: EmbedTexts) -> FloatArray:
    """One unit vector per class, [C, D]: the mean over its prompts, as in CLIP (arXiv
    2103.00020, section 3.1.4).
    """
    texts = [
        [
            prompt.replace("{}", label)
            for label in labels.labels(name, language)
            for prompt in labels.prompts[language]
        ]
        for name in labels.classes
    ]
    vectors = np.split(embed([text for group in texts for text in group]), np.cumsum([*map(len, texts)])[:-1])
    found_CD = np.stack([vector.mean(axis=0) for vector in vectors])
    unit_CD: FloatArray = found_CD / np.linalg.norm(found_CD, axis=1, keepdims=True)
    return unit_CD


def classify(
    images_ND: FloatArray,
    classes_CD: FloatArray,
    truth_NC: npt.NDArray[np.bool_],
    group_N: npt.NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Accuracy at 1 and 5, and the mean recall of classes, over images that belong to a class.

    Args:
        group_N: images of one group count as one piece of evidence for the interval.

    Raises:
        BadInput: no image belongs to any class.
    """
    known_N = truth_NC.any(axis=1)
    if not known_N.any():
        raise BadInput(
            "no image belongs to any of the classes",
            where="labels",
            remedy="check `of` and the classes' names",
        )
    scores_NC, truth_NC = images_ND[known_N] @ classes_CD.T, truth_NC[known_N]
    ranks = metrics.relevant_ranks(scores_NC, truth_NC)
    first_N = np.array([r[0] for r in ranks])
    by_class = [float(np.mean(first_N[members] <= 1)) for members in truth_NC.T if members.any()]
    clusters = None if group_N is None else group_N[known_N]
    low, high = metrics.bootstrap_interval((first_N <= 1).astype(np.float64), cluster_Q=clusters)
    return {
        "num_images": int(known_N.sum()),
        "num_classes": len(by_class),
        "accuracy@1": {"value": metrics.recall_at_k(ranks, 1), "low": low, "high": high},
        "accuracy@5": {"value": metrics.recall_at_k(ranks, 5)},
        "mean_class_recall": {"value": float(np.mean(by_class))},
    }
