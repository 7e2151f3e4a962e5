"""Fits how the maps of a model are read, on pages that the model was not trained on.

Shapes: N candidates or pages, F features, K kinds of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import GRAPHIC_KINDS, PAGE_KINDS
from iconoclip.page_layout.measure import Corners, Score, match
from iconoclip.page_layout.page_kind import FloatArray, kind_features, starting_weights
from iconoclip.page_layout.reading import Place, Reading
from iconoclip.page_layout.regions import FEATURES, Candidate, Maps, boxes_of, candidates

# A candidate is right if it overlaps a marked box by this much.
LEAST_OVERLAP: Final = 0.5
SCORE_PULL, KIND_PULL = 1.0, 2.0
_FAMILIES: Final = (GRAPHIC_KINDS, frozenset({"initial"}), frozenset({"stamp"}))


@dataclass(frozen=True)
class HeldOut:
    """What a network said of a page that it was not trained on, and what people marked on it.

    `size` is in pixels of the input; `wanted` in shares of the whole image; `place` where the input lies in
    it.
    """

    maps_CHW: Maps
    logits_K: npt.NDArray[np.float32]
    size: tuple[int, int]
    place: Place
    wanted: Sequence[tuple[str, Corners]]
    kind: str | None

    def candidates(self) -> list[Candidate]:
        """The candidates of the page."""
        return list(candidates(self.maps_CHW, (self.size[0] / CELL, self.size[1] / CELL)))

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
    labels_N = np.array([flag for own in right for flag in own], float)
    if 0 < labels_N.sum() < len(labels_N):
        reading = replace(reading, score_weights=logistic(features_NF, labels_N))
    reading = replace(reading, least_score=_best_threshold(pages, found, right, reading))
    return replace(reading, kind_weights=_kind_weights(pages, found, reading))


def _right(page: HeldOut, found: list[Candidate]) -> list[bool]:
    """Which candidates are marked boxes of their family of kinds."""
    right = [False] * len(found)
    for kinds in _FAMILIES:
        own = [n for n, one in enumerate(found) if one.kind in kinds]
        wanted = [corners for kind, corners in page.wanted if kind in kinds]
        for n, _ in match([page.in_image(found[n].box) for n in own], wanted, LEAST_OVERLAP):
            right[own[n]] = True
    return right


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
    pages: Sequence[HeldOut], found: list[list[Candidate]], right: list[list[bool]], reading: Reading
) -> float:
    """The least score with the highest F1 of pictures and ornaments."""
    scored = [
        (one.scored(reading.score_weights), flag)
        for own, flags in zip(found, right, strict=True)
        for one, flag in zip(own, flags, strict=True)
        if one.kind in GRAPHIC_KINDS
    ]
    num_wanted = sum(kind in GRAPHIC_KINDS for page in pages for kind, _ in page.wanted)

    def f1(least: float) -> float:
        kept = [flag for score, flag in scored if score >= least]
        return Score(sum(kept), len(kept) - sum(kept), num_wanted - sum(kept)).f1

    return float(max(np.arange(0.2, 0.81, 0.02), key=lambda least: (f1(float(least)), -abs(least - 0.5))))


def _kind_weights(pages: Sequence[HeldOut], found: list[list[Candidate]], reading: Reading) -> FloatArray:
    known = [(page, own) for page, own in zip(pages, found, strict=True) if page.kind in PAGE_KINDS]
    if not known:
        return starting_weights()
    features_NF = np.array(
        [
            kind_features(
                page.logits_K, page.maps_CHW, boxes_of(own, reading.score_weights, reading.least_score)
            )
            for page, own in known
        ]
    )
    kinds_N = np.array([PAGE_KINDS.index(str(page.kind)) for page, _ in known])
    return multinomial(features_NF, kinds_N, starting_weights())


def multinomial(
    features_NF: FloatArray, kinds_N: npt.NDArray[np.intp], start_KF: FloatArray, pull: float = KIND_PULL
) -> FloatArray:
    """Weights [K, F] of a multinomial regression, pulled towards `start_KF`, by gradient descent."""
    weights_KF = start_KF.copy()
    wanted_NK = np.eye(len(start_KF))[kinds_N]
    rate = 2.0 / (np.square(features_NF).sum(1).mean() + pull / len(features_NF))
    for _ in range(600):
        logits_NK = features_NF @ weights_KF.T
        chances_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
        chances_NK /= chances_NK.sum(1, keepdims=True)
        slope_KF = ((chances_NK - wanted_NK).T @ features_NF + pull * (weights_KF - start_KF)) / len(kinds_N)
        weights_KF = weights_KF - rate * slope_KF
    return np.asarray(weights_KF)
