"""The order of samples in streams: each part of a batch reads shards of its own, and pages of one object come
far apart.

A batch is cut into streams, as many for one process as for a thousand. An epoch puts the shards in a random
order and gives each stream a part of that sequence, so a shard is read by one stream, or by two where it is
cut. Ranks take consecutive samples of a batch, so the streams of a rank and of a node are the same in each
step, and a node reads only its own shards, once per epoch.

A stream reads its sequence window by window. Within a window the order is random, but stratified: of any 64
neighbouring rows, one comes in each 64th part of the window. So the pages of a book, which are neighbours
in a shard, nearly never meet in a batch, although the batch is read from few shards.

Everything is a function of (seed, epoch, batch size). Epochs follow each other without a gap; every sample
comes exactly once per epoch.

Letters: N samples, S shards, B global batch, L streams, M rows of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from training.data.order import IntArray, num_samples_of, repeats_of
from training.data.randomness import SHIFT, SPREAD, STRATUM, STREAM, mix, shuffled, uniform

# Neighbouring rows that are spread evenly over a window: more than most objects have pages.
ROWS_OF_A_RUN = 64


@dataclass(frozen=True)
class StreamOrder:
    """The order of every epoch of a training set.

    Args:
        shard_lengths_S: the number of samples of each shard, in the order of the rows.
        seed: the seed of the run.
        batch_size: B.
        max_streams: the number of streams of a large set.
        window_samples: the samples of a stream that are shuffled together.
        institution_quotas: as for `EpochOrder`.
    """

    shard_lengths_S: tuple[int, ...]
    seed: int
    batch_size: int
    max_streams: int = 64
    window_samples: int = 131_072
    institution_quotas: tuple[tuple[IntArray, int], ...] | None = None

    @property
    def num_samples(self) -> int:
        """The number of samples per epoch."""
        return num_samples_of(self.institution_quotas, self.shard_lengths_S)

    @property
    def num_streams(self) -> int:
        """L: as many as have a window each, so that a small set is shuffled as a whole."""
        return max(1, min(self.max_streams, self.batch_size, self.num_samples // self.window_samples))

    @cached_property
    def slot_L(self) -> IntArray:
        """The first place of each stream in a batch, [L + 1]."""
        return -(-np.arange(self.num_streams + 1) * self.batch_size // self.num_streams)

    def before(self, position: IntArray | int, stream: IntArray) -> IntArray:
        """How many positions of the endless sequence of epochs before `position` belong to `stream`."""
        width = self.slot_L[stream + 1] - self.slot_L[stream]
        whole, slot = np.divmod(np.asarray(position), self.batch_size)
        found: IntArray = whole * width + np.clip(slot - self.slot_L[stream], 0, width)
        return found

    def rows(self, epoch: int) -> IntArray:
        """The row numbers of one epoch, in the order in which they are trained on."""
        return self.epoch(epoch).rows(0, self.num_samples)

    def epoch(self, number: int) -> StreamEpoch:
        """The order of one epoch."""
        return StreamEpoch(self, number)

    def repeats(self, epoch: int) -> IntArray | None:
        """How often each row comes in an epoch; None if each comes once."""
        return repeats_of(self.institution_quotas, sum(self.shard_lengths_S), self.seed, epoch)


class StreamEpoch:
    """The order of one epoch, computed window by window.

    Args:
        order: the order of all epochs.
        number: the number of this epoch.
    """

    def __init__(self, order: StreamOrder, number: int) -> None:
        self._order, self._number = order, number
        self._repeats_N = order.repeats(number)
        lengths = np.array(order.shard_lengths_S, dtype=np.int64)
        firsts = np.cumsum(lengths) - lengths
        sizes = lengths if self._repeats_N is None else np.add.reduceat(self._repeats_N, firsts)
        present = np.flatnonzero(sizes)
        turns = present[shuffled(len(present), order.seed, STREAM, number)]
        self._first_S, self._length_S = firsts[turns], lengths[turns]
        # The places of the shards in the sequence that the streams share.
        self._place_S = np.append(0, np.cumsum(sizes[turns]))
        streams = np.arange(order.num_streams)
        self._start = number * order.num_samples
        self._before_L = order.before(self._start, streams)
        counts_L = order.before(self._start + order.num_samples, streams) - self._before_L
        self._place_L = np.append(0, np.cumsum(counts_L))
        self._window_starts = np.concatenate([self._windows_of(stream) for stream in streams.tolist()])
        # Each stream of a batch is in one window, or at the end of one and the beginning of the next.
        self._window = lru_cache(maxsize=order.num_streams + 8)(self._lay_out)

    def _windows_of(self, stream: int) -> IntArray:
        """The places at which the windows of a stream begin. None is smaller than half of M, or the stream.

        The first windows differ in length, so that not all streams open new shards at the same time.
        """
        start, end = int(self._place_L[stream]), int(self._place_L[stream + 1])
        size = self._order.window_samples
        draw = float(uniform(self._order.seed, STREAM, self._number, stream, 0))
        starts = np.arange(start + size // 2 + int(draw * size), end - size // 2, size)
        return np.append(start, starts[starts > start])

    def rows(self, first: int, last: int) -> IntArray:
        """The row numbers at the positions from `first` up to `last` of the epoch."""
        order = self._order
        position = np.arange(first, last, dtype=np.int64) + self._start
        stream = np.searchsorted(order.slot_L, position % order.batch_size, side="right") - 1
        place = self._place_L[stream] + order.before(position, stream) - self._before_L[stream]
        window = np.searchsorted(self._window_starts, place, side="right") - 1
        found = np.empty(len(place), dtype=np.int64)
        turns = np.argsort(window, kind="stable")
        for part in np.split(turns, np.flatnonzero(np.diff(window[turns])) + 1):
            if len(part):
                number = int(window[part[0]])
                found[part] = self._window(number)[place[part] - self._window_starts[number]]
        return found

    def _lay_out(self, window: int) -> npt.NDArray[np.integer]:
        """The rows of a window in their order."""
        start = int(self._window_starts[window])
        is_last = window + 1 == len(self._window_starts)
        stop = self._order.num_samples if is_last else int(self._window_starts[window + 1])
        rows = self._sequence(start, stop)
        return rows[np.argsort(self._times(len(rows), window), kind="stable")]

    def _sequence(self, start: int, stop: int) -> npt.NDArray[np.integer]:
        """The rows at some places of the sequence of shards."""
        parts = []
        shards = range(
            int(np.searchsorted(self._place_S, start, side="right")) - 1,
            int(np.searchsorted(self._place_S, stop, side="left")),
        )
        for shard in shards:
            first = int(self._first_S[shard])
            rows = np.arange(first, first + int(self._length_S[shard]))
            if self._repeats_N is not None:
                rows = np.repeat(rows, self._repeats_N[rows])
            place = int(self._place_S[shard])
            parts.append(rows[max(start - place, 0) : stop - place])
        found = np.concatenate(parts)
        return found.astype(np.int32) if sum(self._order.shard_lengths_S) < 2**31 else found

    def _times(self, num: int, window: int) -> npt.NDArray[np.float64]:
        """When each row of a window comes, in [0, 1): one of each run in each stratum.

        This is stratified sampling with jitter, turned by a random angle for each run.
        """
        seed = self._order.seed
        key = (self._number, window)
        offset = int(mix(seed, STRATUM, *key, -1) % np.uint64(ROWS_OF_A_RUN))
        run_N = (np.arange(num) + offset) // ROWS_OF_A_RUN
        size_R = np.bincount(run_N)
        turns = np.lexsort((mix(seed, STRATUM, *key, np.arange(num)), run_N))
        stratum_N = np.empty(num, dtype=np.int64)
        stratum_N[turns] = np.arange(num) - np.repeat(np.cumsum(size_R) - size_R, size_R)
        jitter_N = uniform(seed, SPREAD, *key, np.arange(num))
        turned_R = uniform(seed, SHIFT, *key, np.arange(len(size_R)))
        times: npt.NDArray[np.float64] = ((stratum_N + jitter_N) / size_R[run_N] + turned_R[run_N]) % 1.0
        return times
