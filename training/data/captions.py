"""Which captions of an image are trained on: drawn by weight, as a function of (seed, epoch, position) alone.

Letters: B samples of a batch, K captions an image, C captions of all samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from training.data.randomness import CAPTION, uniform
from training.data.samples import Captions


def caption_weights(
    captions: Captions,
    *,
    language_temperature: float,
    field_weights: Mapping[str, float],
    origin_weights: Mapping[str, float],
) -> npt.NDArray[np.float64]:
    """The weight of each caption, [C].

    A weight is the product of its language's, its field's and its origin's. A language with a share s of the captions
    weighs s^(1/T - 1): T = 1 leaves languages as frequent as they are, a larger T makes rare ones more likely within
    an image (the temperature of Arivazhagan et al. 2019, arXiv 1907.05019). An origin `machine:NAME` that is not
    listed takes the weight of `machine`.
    """
    languages = np.array(captions.language.to_pylist(), dtype=object)
    names, inverse, counts = np.unique(languages, return_inverse=True, return_counts=True)
    share = counts / max(len(languages), 1)
    weight_C = (share ** (1 / language_temperature - 1))[inverse] if len(names) else np.zeros(0)
    fields = np.array([field_weights.get(name, 1.0) for name in captions.field.to_pylist()])
    origins = np.array([_origin_weight(name, origin_weights) for name in captions.origin.to_pylist()])
    weights: npt.NDArray[np.float64] = weight_C * fields * origins
    return weights


def _origin_weight(origin: str, weights: Mapping[str, float]) -> float:
    return weights.get(origin, weights.get(origin.partition(":")[0], 1.0))


class CaptionSampler:
    """Draws K captions of each sample without replacement, in proportion to their weights.

    An image with fewer than K usable captions repeats them. Captions of weight zero are never drawn, unless the
    image has no other.
    """

    def __init__(
        self, captions: Captions, weight_C: npt.NDArray[np.float64], *, num_captions: int, seed: int
    ) -> None:
        self._captions, self._weight_C = captions, weight_C
        self._num, self._seed = num_captions, seed

    def draw(self, rows: Sequence[int], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The caption numbers of each sample, [B, K]."""
        return np.stack([self._of_one(row, int(at)) for row, at in zip(rows, positions, strict=True)])

    def _of_one(self, row: int, position: int) -> npt.NDArray[np.int64]:
        """Keys u^(1/w) and the largest first: weighted sampling without replacement (Efraimidis and Spirakis 2006)."""
        numbers = np.array(self._captions.of_row(row))
        weights = self._weight_C[numbers]
        if weights.any():
            numbers, weights = numbers[weights > 0], weights[weights > 0]
        else:
            weights = np.ones(len(numbers))
        draws = uniform(self._seed, CAPTION, position, np.arange(len(numbers)))
        turns = np.argsort(np.log(np.maximum(draws, 2.0**-60)) / weights, kind="stable")[::-1]
        return np.resize(numbers[turns], self._num)
