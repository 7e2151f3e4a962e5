"""The kind of a page, from the model's logits and from the boxes found on it.

Shapes: F features, K kinds of pages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.findings import FoundBox
from iconoclip.page_layout.kinds import GRAPHIC_KINDS, PAGE_KINDS, PICTURE_KINDS

FloatArray = npt.NDArray[np.float64]
_NUM_OTHERS: Final = 5
# A page of a kind that was not seen in training may lie far from all others.
_FARTHEST: Final = 6.0


def kind_features(
    logits_K: npt.NDArray[np.floating], boxes: list[FoundBox], size: tuple[float, float]
) -> FloatArray:
    """The features of a page [F]: the logits of the kinds, the scores and areas of the boxes, and how wide
    the page is for its height: `size` is its width and height."""
    graphic = max((box.score for box in boxes if box.kind in GRAPHIC_KINDS), default=0.0)
    own = [box for box in boxes if box.kind in PICTURE_KINDS]
    picture = max((box.score for box in own), default=0.0)
    covered = sum((box.right - box.left) * (box.bottom - box.top) for box in own)
    others = [graphic, picture, min(covered, 1.0), min(len(own), 4) / 4, math.log(size[0] / size[1])]
    return np.concatenate([np.asarray(logits_K, np.float64), others])


@dataclass(frozen=True)
class KindRegression:
    """Multinomial logistic regression from the features of a page to its kind.

    Attributes:
        mean, deviation: of the features [F], on the pages it was fitted to.
        weights: [K, F + 1]; the last column is the constant.
    """

    mean: FloatArray
    deviation: FloatArray
    weights: FloatArray

    @classmethod
    def undecided(cls) -> KindRegression:
        """A regression before anything is fitted: all kinds are equally likely."""
        num = len(PAGE_KINDS) + _NUM_OTHERS
        return cls(np.zeros(num), np.ones(num), np.zeros((len(PAGE_KINDS), num + 1)))

    def inputs(self, features_F: FloatArray) -> FloatArray:
        """The features in deviations from their mean, and a constant."""
        scaled = np.clip((features_F - self.mean) / self.deviation, -_FARTHEST, _FARTHEST)
        return np.append(scaled, 1.0)

    def probabilities(self, features_F: FloatArray) -> FloatArray:
        """The probability of each kind [K]."""
        logits_K = self.weights @ self.inputs(features_F)
        chances_K = np.exp(logits_K - logits_K.max())
        return np.asarray(chances_K / chances_K.sum())

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> KindRegression:
        """Read what `as_json` gave.

        Raises:
            ValueError: the numbers do not fit together.
        """
        mean, deviation, weights = (
            np.asarray(values[name], np.float64) for name in ("mean", "deviation", "weights")
        )
        if mean.shape != deviation.shape or weights.shape != (len(PAGE_KINDS), len(mean) + 1):
            raise ValueError("the weights of the kinds of page have other sizes")
        return cls(mean, deviation, weights)

    def as_json(self) -> dict[str, Any]:
        """The regression as plain values."""
        return {
            "mean": [float(f"{value:.6g}") for value in self.mean],
            "deviation": [float(f"{value:.6g}") for value in self.deviation],
            "weights": [[float(f"{value:.5g}") for value in row] for row in self.weights],
        }
