"""The order of samples: a function of (seed, epoch) alone, the same for any number of workers and ranks.

An epoch shuffles blocks of neighbouring samples, then the samples within a window of blocks: as random as a
shuffle buffer the size of a window, and read in runs of a block, which suits a parallel file system. Epochs follow
one another without a gap, and a global batch may straddle two of them: every sample comes exactly once an
epoch, every batch is full, and no rank ever has one batch more than another.

Letters: N samples, S shards, B global batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.data.randomness import ORDER, QUOTA, WINDOW, mix, shuffled

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EpochOrder:
    """The order of every epoch of a training set.

    Args:
        shard_lengths_S: samples of each shard, in the order of the rows.
        seed: of the run.
        block_samples: neighbouring samples that are read in one go.
        window_blocks: blocks whose samples are shuffled together.
        institution_quotas: for each institution its rows and how many of them an epoch draws; None takes each
            sample once.
    """

    shard_lengths_S: tuple[int, ...]
    seed: int
    block_samples: int = 256
    window_blocks: int = 64
    institution_quotas: tuple[tuple[IntArray, int], ...] | None = None

    @property
    def num_samples(self) -> int:
        """Samples an epoch."""
        if self.institution_quotas is None:
            return sum(self.shard_lengths_S)
        return sum(quota for _, quota in self.institution_quotas)

    def rows(self, epoch: int) -> IntArray:
        """The row numbers of one epoch, in the order in which they are trained on."""
        blocks = [block for block in self._blocks(self._repeats(epoch)) if len(block)]
        turns = shuffled(len(blocks), self.seed, ORDER, epoch)
        ordered = [blocks[turn] for turn in turns]
        windows = []
        for number, start in enumerate(range(0, len(ordered), self.window_blocks)):
            window = np.concatenate(ordered[start : start + self.window_blocks])
            windows.append(window[shuffled(len(window), self.seed, WINDOW, epoch, number)])
        return np.concatenate(windows)

    def _blocks(self, repeats_N: IntArray | None) -> Iterator[IntArray]:
        first = 0
        for length in self.shard_lengths_S:
            for start in range(first, first + length, self.block_samples):
                rows = np.arange(start, min(start + self.block_samples, first + length))
                yield rows if repeats_N is None else np.repeat(rows, repeats_N[rows])
            first += length

    def _repeats(self, epoch: int) -> IntArray | None:
        """How often each row comes in this epoch: its institution's quota, spread as evenly as whole numbers go."""
        if self.institution_quotas is None:
            return None
        repeats_N = np.zeros(sum(self.shard_lengths_S), dtype=np.int64)
        for rows, quota in self.institution_quotas:
            repeats_N[rows] = quota // len(rows)
            lucky = np.argsort(mix(self.seed, QUOTA, epoch, rows), kind="stable")[: quota % len(rows)]
            repeats_N[rows[lucky]] += 1
        return repeats_N


def quotas(institution_N: npt.NDArray[np.integer], alpha: float) -> tuple[tuple[IntArray, int], ...] | None:
    """How many samples of each institution an epoch draws, in proportion to n^alpha, N in all.

    alpha = 1 takes every sample once (None is returned), 0 gives every institution the same number. The remainder
    goes to the largest fractions (Hamilton's method).
    """
    if alpha == 1.0:
        return None
    counts = np.bincount(institution_N)
    present = np.flatnonzero(counts)
    ideal = counts[present] ** alpha
    ideal = ideal * counts.sum() / ideal.sum()
    whole = np.floor(ideal).astype(np.int64)
    whole[np.argsort(-(ideal - whole), kind="stable")[: counts.sum() - whole.sum()]] += 1
    return tuple(
        (np.flatnonzero(institution_N == code), int(quota))
        for code, quota in zip(present, whole, strict=True)
    )


class Schedule:
    """Which row stands at which position of the endless stream of epochs, and which rows make a batch.

    Args:
        order: of each epoch.
        batch_size: of the global batch, over all ranks.
    """

    def __init__(self, order: EpochOrder, batch_size: int) -> None:
        self.order, self.batch_size = order, batch_size
        # A batch may straddle two epochs; a third is never needed at once.
        self._rows = lru_cache(maxsize=2)(order.rows)

    def num_steps(self, epochs: float) -> int:
        """Steps after which every sample has come `epochs` times; the last batch is filled up from the next epoch."""
        return -(-round(epochs * self.order.num_samples) // self.batch_size)

    def batch(self, step: int, rank: int = 0, num_ranks: int = 1) -> list[tuple[int, int]]:
        """(position, row) of each sample that `rank` trains on at `step`."""
        share = self.batch_size // num_ranks
        first = step * self.batch_size + rank * share
        return [(position, self.row_at(position)) for position in range(first, first + share)]

    def row_at(self, position: int) -> int:
        """The row at a position of the stream."""
        epoch, index = divmod(position, self.order.num_samples)
        return int(self._rows(epoch)[index])

    def times_seen(self, row: int, num_steps: int) -> int:
        """How often a row has been trained on after `num_steps` steps."""
        whole, rest = divmod(num_steps * self.batch_size, self.order.num_samples)
        epochs = [self._rows(epoch) for epoch in range(whole)] if self.order.institution_quotas else []
        full = sum(int(np.sum(rows == row)) for rows in epochs) if epochs else whole
        return full + int(np.sum(self._rows(whole)[:rest] == row))


class RankBatches(Sequence[list[tuple[int, int]]]):
    """The batches of one rank from `first_step` on; torch's DataLoader takes it as a batch sampler."""

    def __init__(
        self, schedule: Schedule, *, first_step: int, num_steps: int, rank: int, num_ranks: int
    ) -> None:
        self._schedule, self._rank, self._num_ranks = schedule, rank, num_ranks
        self._steps = range(first_step, num_steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> list[tuple[int, int]]:  # type: ignore[override]
        return self._schedule.batch(self._steps[index], self._rank, self._num_ranks)
