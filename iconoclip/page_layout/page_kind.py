"""The kind of a page, from what the model says of the whole page and from the boxes found on it.

Shapes: K kinds of pages, F features.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.findings import FoundBox
from iconoclip.page_layout.kinds import GRAPHIC_KINDS, PAGE_KINDS, PICTURE_KINDS, TEXT
from iconoclip.page_layout.regions import Maps

FloatArray = npt.NDArray[np.float64]
NUM_FEATURES: Final = len(PAGE_KINDS) + 5


def kind_features(logits_K: npt.NDArray[np.floating], maps_CHW: Maps, boxes: list[FoundBox]) -> FloatArray:
    """The features of a page [F]: log-probabilities of the model, and what its boxes and its text cover."""
    logits = np.asarray(logits_K, np.float64)
    logs_K = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    graphic = max((box.score for box in boxes if box.kind in GRAPHIC_KINDS), default=0.0)
    picture = max((box.score for box in boxes if box.kind in PICTURE_KINDS), default=0.0)
    covered = sum(
        (box.right - box.left) * (box.bottom - box.top) for box in boxes if box.kind in PICTURE_KINDS
    )
    text = float(maps_CHW[TEXT].mean())
    return np.concatenate([np.maximum(logs_K, -12), [1.0, graphic, picture, min(covered, 1.0), text]])


def starting_weights() -> FloatArray:
    """Weights [K, F] that trust the model alone."""
    return np.eye(len(PAGE_KINDS), NUM_FEATURES)


def kind_probabilities(features_F: FloatArray, weights_KF: FloatArray) -> FloatArray:
    """The probability of each kind [K], by multinomial logistic regression."""
    logits_K = weights_KF @ features_F
    chances_K = np.exp(logits_K - logits_K.max())
    return np.asarray(chances_K / chances_K.sum())
