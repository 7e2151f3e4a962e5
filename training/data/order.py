"""The order of samples: a function of (seed, epoch) alone, the same for any number of workers and ranks.

`EpochOrder` is the order of runs of earlier versions (`data.order: windows`); new runs have that of
`streams.py`. It shuffles blocks of neighbouring samples, then the samples within a window of blocks. This is
as random as a shuffle buffer of the size of a window. One process reads whole blocks; but a rank among many
reads from nearly all blocks of a window, and pages of one object often meet in a batch.

Epochs follow each other without a gap, and a global batch may contain samples of two epochs. So every sample
comes exactly once per epoch, every batch is full, and no rank ever has one batch more than another.

Letters: N samples, S shards, B global batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.data.randomness import ORDER, QUOTA, WINDOW, mix, shuffled

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EpochOrder:
    """The order of every epoch of a training set.

    Args:
        shard_lengths_S: the number of samples of each shard, in the order of the rows.
        seed: the seed of the run.
        block_samples: the number of neighbouring samples that are read together.
        window_blocks: the number of blocks whose samples are shuffled together.
        institution_quotas: for each institution, its rows and how many samples of it an epoch contains;
            None takes each sample once.
    """

    shard_lengths_S: tuple[int, ...]
    seed: int
    block_samples: int = 256
    window_blocks: int = 64
    institution_quotas: tuple[tuple[IntArray, int], ...] | None = None

    @property
    def num_samples(self) -> int:
        """The number of samples per epoch."""
        return num_samples_of(self.institution_quotas, self.shard_lengths_S)

    def rows(self, epoch: int) -> IntArray:
        """The row numbers of one epoch, in the order in which they are trained on."""
        return Epoch(self, epoch).rows(0, self.num_samples)

    @cached_property
    def blocks(self) -> tuple[IntArray, IntArray]:
        """The first row of each block, and the row after its last."""
        ends = list(itertools.accumulate(self.shard_lengths_S))
        starts = [
            np.arange(end - length, end, self.block_samples)
            for length, end in zip(self.shard_lengths_S, ends, strict=True)
        ]
        stops = [np.append(start[1:], end) for start, end in zip(starts, ends, strict=True)]
        return np.concatenate(starts), np.concatenate(stops)

    def epoch(self, number: int) -> Epoch:
        """The order of one epoch."""
        return Epoch(self, number)

    def repeats(self, epoch: int) -> IntArray | None:
        """How often each row comes in an epoch; None if each comes once."""
        return repeats_of(self.institution_quotas, sum(self.shard_lengths_S), self.seed, epoch)


def num_samples_of(quotas: tuple[tuple[IntArray, int], ...] | None, shard_lengths_S: tuple[int, ...]) -> int:
    """The number of samples per epoch: the quotas together, or without any all rows."""
    return sum(shard_lengths_S) if quotas is None else sum(quota for _, quota in quotas)


def repeats_of(
    quotas: tuple[tuple[IntArray, int], ...] | None, num_rows: int, seed: int, epoch: int
) -> IntArray | None:
    """How often each row comes in an epoch: the quota of its institution, distributed as evenly as whole
    numbers allow. None without quotas.
    """
    if quotas is None:
        return None
    repeats_N = np.zeros(num_rows, dtype=np.int64)
    for rows, quota in quotas:
        repeats_N[rows] = quota // len(rows)
        lucky = np.argsort(mix(seed, QUOTA, epoch, rows), kind="stable")[: quota % len(rows)]
        repeats_N[rows[lucky]] += 1
    return repeats_N


class Epoch:
    """The order of one epoch, computed window by window: of a hundred million samples, a rank needs only
    a few thousand at a time.

    Args:
        order: the order of all epochs.
        number: the number of this epoch.
    """

    def __init__(self, order: EpochOrder, number: int) -> None:
        self._order, self._number = order, number
        self._repeats_N = order.repeats(number)
        starts, stops = order.blocks
        sizes = stops - starts if self._repeats_N is None else np.add.reduceat(self._repeats_N, starts)
        present = np.flatnonzero(sizes)
        turns = present[shuffled(len(present), order.seed, ORDER, number)]
        self._starts, self._stops = starts[turns], stops[turns]
        firsts = np.arange(0, len(turns), order.window_blocks)
        self._window_ends = np.cumsum(np.add.reduceat(sizes[turns], firsts))
        # A batch may straddle two windows.
        self._window = lru_cache(maxsize=2)(self._lay_out)

    def rows(self, first: int, last: int) -> IntArray:
        """The row numbers at the positions from `first` up to `last` of the epoch."""
        window = int(np.searchsorted(self._window_ends, first, side="right"))
        parts: list[IntArray] = [np.zeros(0, dtype=np.int64)]
        while first < last:
            start = int(self._window_ends[window - 1]) if window else 0
            parts.append(self._window(window)[first - start : last - start])
            first, window = first + len(parts[-1]), window + 1
        return np.concatenate(parts)

    def _lay_out(self, window: int) -> IntArray:
        order = self._order
        blocks = slice(window * order.window_blocks, (window + 1) * order.window_blocks)
        bounds = zip(self._starts[blocks], self._stops[blocks], strict=True)
        rows = np.concatenate([np.arange(start, stop) for start, stop in bounds])
        if self._repeats_N is not None:
            rows = np.repeat(rows, self._repeats_N[rows])
        shuffled_rows: IntArray = rows[shuffled(len(rows), order.seed, WINDOW, self._number, window)]
        return shuffled_rows


def quotas(
    institution_N: npt.NDArray[np.integer], alpha: float, weight_N: npt.NDArray[np.float64] | None = None
) -> tuple[tuple[IntArray, int], ...] | None:
    """The number of samples of each institution in an epoch, in proportion to n^alpha, N in total.

    alpha = 1 takes every sample once (None is returned); alpha = 0 gives every institution the same number.
    The remainder goes to the largest fractions (Hamilton's method).

    Args:
        weight_N: how many times as often each sample is drawn, for sets that were merged with weights.
    """
    if weight_N is not None and np.ptp(weight_N):
        return _weighted_quotas(institution_N, alpha, weight_N)
    if alpha == 1.0:
        return None
    counts = np.bincount(institution_N)
    present = np.flatnonzero(counts)
    return _shared_out(institution_N, present, counts[present] ** alpha)


def _weighted_quotas(
    institution_N: npt.NDArray[np.integer], alpha: float, weight_N: npt.NDArray[np.float64]
) -> tuple[tuple[IntArray, int], ...]:
    """The quotas of the samples of one institution and one weight, which are drawn alike."""
    # Whole numbers are sorted twenty times as fast as pairs; the classes are in the same order.
    place_N = np.unique(weight_N, return_inverse=True)[1].astype(np.int64)
    pair_N = institution_N.astype(np.int64) * (place_N.max() + 1) + place_N
    class_N = np.unique(pair_N, return_inverse=True)[1]
    share_N = np.bincount(institution_N)[institution_N] ** (alpha - 1.0) * weight_N
    return _shared_out(class_N, np.arange(class_N.max() + 1), np.bincount(class_N, weights=share_N))


def _shared_out(
    class_N: npt.NDArray[np.integer], present: npt.NDArray[np.integer], ideal: npt.NDArray[Any]
) -> tuple[tuple[IntArray, int], ...]:
    """N samples in whole numbers, in proportion to `ideal` of each class present."""
    ideal = ideal * len(class_N) / ideal.sum()
    whole = np.floor(ideal).astype(np.int64)
    whole[np.argsort(-(ideal - whole), kind="stable")[: len(class_N) - whole.sum()]] += 1
    return tuple(
        (np.flatnonzero(class_N == code), int(quota)) for code, quota in zip(present, whole, strict=True)
    )


class OneEpoch(Protocol):
    """The order of one epoch."""

    def rows(self, first: int, last: int) -> IntArray:
        """The row numbers at the positions from `first` up to `last` of the epoch."""


class Order(Protocol):
    """The order of every epoch."""

    @property
    def num_samples(self) -> int:
        """The number of samples per epoch."""

    @property
    def institution_quotas(self) -> tuple[tuple[IntArray, int], ...] | None:
        """For each institution, its rows and how many samples of it an epoch contains."""

    def rows(self, epoch: int) -> IntArray:
        """The row numbers of one epoch, in the order in which they are trained on."""

    def epoch(self, number: int) -> OneEpoch:
        """The order of one epoch."""


class Schedule:
    """Gives the row at each position in the endless sequence of epochs, and the rows of each batch.

    Args:
        order: the order of the epochs.
        batch_size: the size of the global batch, over all ranks.
    """

    def __init__(self, order: Order, batch_size: int) -> None:
        self.order, self.batch_size = order, batch_size
        # A batch may straddle two epochs.
        self._epoch = lru_cache(maxsize=2)(order.epoch)

    def num_steps(self, epochs: float) -> int:
        """The number of steps after which every sample has come `epochs` times. The last batch is
        filled up from the next epoch.
        """
        return -(-round(epochs * self.order.num_samples) // self.batch_size)

    def batch(self, step: int, rank: int = 0, num_ranks: int = 1) -> list[tuple[int, int]]:
        """The (position, row) of each sample that `rank` trains on at `step`."""
        share = self.batch_size // num_ranks
        first = step * self.batch_size + rank * share
        positions = range(first, first + share)
        return list(zip(positions, self._rows(first, first + share).tolist(), strict=True))

    def _rows(self, first: int, last: int) -> IntArray:
        """The rows at the positions from `first` up to `last` of the stream."""
        parts: list[IntArray] = []
        while first < last:
            epoch, start = divmod(first, self.order.num_samples)
            stop = min(start + last - first, self.order.num_samples)
            parts.append(self._epoch(epoch).rows(start, stop))
            first += stop - start
        return np.concatenate(parts)

    def times_seen(self, row: int, num_steps: int) -> int:
        """How often a row has been trained on after `num_steps` steps."""
        whole, rest = divmod(num_steps * self.batch_size, self.order.num_samples)
        full = whole
        if self.order.institution_quotas:
            full = sum(int(np.sum(self.order.rows(epoch) == row)) for epoch in range(whole))
        return full + int(np.sum(self._epoch(whole).rows(0, rest) == row))


class RankBatches(Sequence[list[tuple[int, int]]]):
    """The batches of one rank from `first_step`, as a batch sampler for torch's DataLoader."""

    def __init__(
        self, schedule: Schedule, *, first_step: int, num_steps: int, rank: int, num_ranks: int
    ) -> None:
        self._schedule, self._rank, self._num_ranks = schedule, rank, num_ranks
        self._steps = range(first_step, num_steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> list[tuple[int, int]]:  # type: ignore[override]
        return self._schedule.batch(self._steps[index], self._rank, self._num_ranks)
