"""Draws captions of a sample's neighbours, which a step adds to its texts as hard negatives.

A sample's own order and that of all others stay as they are: only texts of neighbours are read, never their
pictures. Which ones is a function of (seed, position) alone, as all draws are.

Letters: B samples of a batch, E captions of neighbours for each, M neighbours of a sample, L context length,
R relations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from training.data.captions import CaptionSampler, Weights
from training.data.neighbour_cache import Neighbours
from training.data.randomness import NEGATIVE, mix, text_positions, uniform
from training.data.samples import Captions

IntArray = npt.NDArray[np.int64]


@dataclass
class NegativeTexts:
    """The captions of neighbours in one rank's share of a batch."""

    tokens_BEL: Tensor
    """int64 token ids"""
    rows_BE: Tensor
    """int64 row numbers of the neighbours; -1 where a sample has none left, and the text does not count"""
    texts_BE: Tensor
    """int64, equal for captions of equal text"""
    labels_BER: Tensor
    """int64, as the batch's labels of images"""

    def changed(self, change: Callable[[Tensor], Tensor]) -> NegativeTexts:
        """The same with every tensor changed."""
        return NegativeTexts(*map(change, (self.tokens_BEL, self.rows_BE, self.texts_BE, self.labels_BER)))


class HardNegatives:
    """Draws E neighbours of each sample without replacement, all alike, and a caption of each by weight.

    Args:
        neighbours: of all samples.
        captions: of all samples.
        weight_C: the weights with which captions are drawn.
        num: E.
        seed: the seed of the run.
    """

    def __init__(
        self, neighbours: Neighbours, captions: Captions, weight_C: Weights, *, num: int, seed: int
    ) -> None:
        self._rows_NM, self._num, self._seed = neighbours.rows_NM, num, seed
        # With a seed of its own: the draws of a sample's own captions have the same positions.
        own = int(mix(seed, NEGATIVE) >> np.uint64(1))
        self._captions = CaptionSampler(captions, weight_C, num_captions=1, seed=own)

    def draw(self, row_B: IntArray, position_B: IntArray) -> tuple[IntArray, IntArray]:
        """The rows of neighbours and the numbers of their captions, [B, E]; the row is -1 where there is
        none, and the caption then one of the sample itself.
        """
        rows_BM = self._rows_NM[row_B].astype(np.int64)
        draws_BM = uniform(self._seed, NEGATIVE, position_B[:, None], np.arange(rows_BM.shape[1]))
        turns_BM = np.argsort(np.where(rows_BM < 0, 2.0, draws_BM), axis=1, kind="stable")
        turns_BE = turns_BM[:, np.minimum(np.arange(self._num), rows_BM.shape[1] - 1)]
        rows_BE = np.take_along_axis(rows_BM, turns_BE, axis=1)
        # Fewer neighbours are kept than are asked for: none is taken twice.
        rows_BE[:, rows_BM.shape[1] :] = -1
        readable_BE = np.where(rows_BE < 0, row_B[:, None], rows_BE)
        positions_T = text_positions(position_B, self._num)
        drawn = self._captions.draw(readable_BE.reshape(-1).tolist(), positions_T)
        return rows_BE, drawn.reshape(rows_BE.shape)
