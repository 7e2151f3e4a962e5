"""Draws the captions of an image for training by weight, as a function of (seed, epoch, position) alone.

Letters: B samples of a batch, K captions per image, C captions of all samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.data.randomness import CAPTION, uniform
from training.data.samples import Captions


class Weights(Protocol):
    """The weight of each caption: an array, or what can be indexed like one."""

    def __getitem__(self, numbers: Any) -> npt.NDArray[np.float64]: ...


class WeightsByKind:
    """The weights of captions of which all of a kind weigh the same: one number is stored per kind."""

    def __init__(self, kind_C: npt.NDArray[np.integer], weight_K: npt.NDArray[np.float64]) -> None:
        self._kind_C, self._weight_K = kind_C, weight_K

    def __getitem__(self, numbers: Any) -> npt.NDArray[np.float64]:
        weights: npt.NDArray[np.float64] = self._weight_K[self._kind_C[numbers]]
        return weights


def caption_weights(
    captions: Captions,
    *,
    language_temperature: float,
    field_weights: Mapping[str, float],
    origin_weights: Mapping[str, float],
    level_weights: Mapping[str, float] | None = None,
    role_weights: Mapping[str, float] | None = None,
) -> WeightsByKind:
    """The weight of each caption, [C].

    A weight is the product of the weights of language, field, origin, level and role. A language with a share
    s of the captions has the weight s^(1/T - 1): T = 1 keeps the languages' frequencies, a larger T makes
    rare ones more likely within an image (the temperature of Arivazhagan et al. 2019, arXiv 1907.05019). An
    origin `machine:NAME` that is not listed has the weight of `machine`. Captions of sets of older versions
    have no level and no role: their weight is 1.
    """
    num_of = Counter[str]()
    for kind, num in zip(captions.kinds, captions.num_of_kind, strict=True):
        num_of[kind.language] += num
    weights = [
        (num_of[kind.language] / len(captions)) ** (1 / language_temperature - 1)
        * field_weights.get(kind.field, 1.0)
        * _origin_weight(kind.origin, origin_weights)
        * (level_weights or {}).get(kind.level, 1.0)
        * (role_weights or {}).get(kind.role, 1.0)
        for kind in captions.kinds
    ]
    return WeightsByKind(captions.kind_C, np.array(weights, dtype=np.float64))


def _origin_weight(origin: str, weights: Mapping[str, float]) -> float:
    return weights.get(origin, weights.get(origin.partition(":")[0], 1.0))


class CaptionSampler:
    """Draws K captions of each sample without replacement, in proportion to their weights.

    If an image has fewer than K usable captions, they are repeated. Captions with weight zero are drawn only
    if the image has no others.
    """

    def __init__(self, captions: Captions, weight_C: Weights, *, num_captions: int, seed: int) -> None:
        self._captions, self._weight_C = captions, weight_C
        self._num, self._seed = num_captions, seed

    def draw(self, rows: Sequence[int], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The caption numbers of each sample, [B, K].

        The captions with the largest keys u^(1/w): weighted sampling without replacement
        (Efraimidis and Spirakis 2006).
        """
        row_B = np.asarray(rows, dtype=np.int64)
        first_B = self._captions.first_N[row_B]
        count_B = self._captions.first_N[row_B + 1] - first_B
        owner = np.repeat(np.arange(len(rows)), count_B)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count_B) - count_B, count_B)
        numbers = first_B[owner] + within
        weights = self._weight_C[numbers]
        draws = uniform(self._seed, CAPTION, positions[owner], within)
        with np.errstate(divide="ignore"):
            keys = np.where(weights > 0, np.log(np.maximum(draws, 2.0**-60)) / weights, -np.inf)
        # Captions without weight come last, and are drawn only if there is nothing else.
        turns = np.lexsort((within, -keys, owner))
        usable_B = np.bincount(owner[weights > 0], minlength=len(rows))
        usable_B = np.where(usable_B > 0, usable_B, count_B)
        starts_B = np.cumsum(count_B) - count_B
        picks_BK = starts_B[:, None] + np.arange(self._num) % usable_B[:, None]
        drawn: npt.NDArray[np.int64] = numbers[turns][picks_BK]
        return drawn
