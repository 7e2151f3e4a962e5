"""Draws the captions of an image for training by weight, as a function of (seed, epoch, position) alone.

Letters: B samples of a batch, K captions per image, C captions of all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from training.data.randomness import CAPTION, uniform
from training.data.samples import Captions


def caption_weights(
    captions: Captions,
    *,
    language_temperature: float,
    field_weights: Mapping[str, float],
    origin_weights: Mapping[str, float],
    level_weights: Mapping[str, float] | None = None,
    role_weights: Mapping[str, float] | None = None,
) -> npt.NDArray[np.float64]:
    """The weight of each caption, [C].

    A weight is the product of the weights of language, field, origin, level and role. A language with a share
    s of the captions has the weight s^(1/T - 1): T = 1 keeps the languages' frequencies, a larger T makes
    rare ones more likely within an image (the temperature of Arivazhagan et al. 2019, arXiv 1907.05019). An
    origin
    `machine:NAME` that is not listed has the weight of `machine`. Captions of sets of older versions have no
    level and no role: their weight is 1.
    """
    shares = _shares(captions.language)
    found = [
        _weigh(captions.language, lambda name: shares[name] ** (1 / language_temperature - 1)),
        _weigh(captions.field, lambda name: field_weights.get(name, 1.0)),
        _weigh(captions.origin, lambda name: _origin_weight(name, origin_weights)),
        _weigh(captions.level, lambda name: (level_weights or {}).get(name, 1.0)),
        _weigh(captions.role, lambda name: (role_weights or {}).get(name, 1.0)),
    ]
    weights: npt.NDArray[np.float64] = np.prod(found, axis=0)
    return weights


def _shares(column: pa.Array) -> dict[str, float]:
    """The share of each value of a column."""
    return {one["values"]: one["counts"] / len(column) for one in column.value_counts().to_pylist()}


def _weigh(column: pa.Array, weight: Callable[[str], float]) -> npt.NDArray[np.float64]:
    """The weight of each entry of a column, [C]; computed once per distinct value."""
    encoded = column.dictionary_encode()
    weights = np.array([weight(value) for value in encoded.dictionary.to_pylist()], dtype=np.float64)
    found: npt.NDArray[np.float64] = weights[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def _origin_weight(origin: str, weights: Mapping[str, float]) -> float:
    return weights.get(origin, weights.get(origin.partition(":")[0], 1.0))


class CaptionSampler:
    """Draws K captions of each sample without replacement, in proportion to their weights.

    If an image has fewer than K usable captions, they are repeated. Captions with weight zero are drawn only
    if the image has no others.
    """

    def __init__(
        self, captions: Captions, weight_C: npt.NDArray[np.float64], *, num_captions: int, seed: int
    ) -> None:
        self._captions, self._weight_C = captions, weight_C
        self._num, self._seed = num_captions, seed

    def draw(self, rows: Sequence[int], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The caption numbers of each sample, [B, K].

        The captions with the largest keys u^(1/w): weighted sampling without replacement
        (Efraimidis and Spirakis 2006).
        """
        first_B, count_B = self._captions.first_N[rows], np.diff(self._captions.first_N)[rows]
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
