"""Reads slices of shards: one open file per shard, with positioned reads, so that
threads share no file position.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict

from iconoclip.errors import DamagedData
from iconoclip.shardset import MAX_SHARD_BYTES, ShardSet
from training.data.numbers import checksum_number
from training.data.samples import Samples
from training.data.verification import VerifiedShards

MAX_OPEN_SHARDS = 64
FETCHES = 5
_COPY_AGAIN = "copy the shard set again from where it came; `iconoclip check` reports what else differs"


class ShortShard(DamagedData):
    """A shard ends before the bytes of a picture."""


class ShardReader:
    """Reads image bytes by row, and keeps a few shards open. A process may fork before the first read.

    Args:
        samples: the rows.
        verified: which shards have been compared with their checksums; of the others, each picture is
            compared. Nothing is if None.
    """

    def __init__(self, samples: Samples, verified: VerifiedShards | None = None) -> None:
        self._samples, self._verified = samples, verified
        self._open: OrderedDict[int, int] = OrderedDict()

    def image_bytes(self, row: int) -> bytes:
        """The stored bytes of a row's image.

        Raises:
            ShortShard: the shard is shorter than the index states.
            DamagedData: the shard is missing or does not match its checksum, or the index is impossible.
        """
        size = int(self._samples.size_N[row])
        if not 0 < size <= MAX_SHARD_BYTES:
            raise DamagedData(
                "the index claims an impossible size", where=self._where(row), remedy=_COPY_AGAIN
            )
        data = os.pread(self._descriptor(row), size, int(self._samples.offset_N[row]))
        self._compare(row, data)
        if len(data) != size:
            raise ShortShard(
                "a shard is shorter than the index states", where=self._where(row), remedy=_COPY_AGAIN
            )
        return data

    def _compare(self, row: int, data: bytes) -> None:
        """Compare a picture of a shard that has not been compared as a whole. Where it differs, the shard is,
        so that the error is the same as before the first step.
        """
        if self._verified is None:
            return
        shard = self._samples.shards[int(self._samples.shard_N[row])]
        if not self._verified.is_left(shard.set_number, shard.name):
            return
        if len(data) != self._samples.size_N[row] or checksum_number(data) != self._samples.checksum_N[row]:
            self._verified.check(shard.set_number, shard.name)

    def _descriptor(self, row: int) -> int:
        number = int(self._samples.shard_N[row])
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        shard = self._samples.shards[number]
        owner = self._samples.sets[shard.set_number]
        descriptor = self._opened(owner, shard.name)
        if len(self._open) >= MAX_OPEN_SHARDS:
            os.close(self._open.popitem(last=False)[1])
        self._open[number] = descriptor
        return descriptor

    def _opened(self, owner: ShardSet, name: str) -> int:
        for _ in range(FETCHES):
            # Between download and opening, another process may remove the shard from the cache.
            with contextlib.suppress(FileNotFoundError):
                return os.open(owner.path_of(name), os.O_RDONLY)
        raise DamagedData("a shard is missing", where=owner.location_of(name), remedy=_COPY_AGAIN)

    def _where(self, row: int) -> str:
        shard = self._samples.shards[int(self._samples.shard_N[row])]
        location = self._samples.sets[shard.set_number].location_of(shard.name)
        return f"{location}: {self._samples.keys[row].as_py()}"

    def close(self) -> None:
        """Close every shard that is open."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        self.close()
