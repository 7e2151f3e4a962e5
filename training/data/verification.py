"""Compares shards with their checksums: all ranks together before the first step, as many as time allows. Of
each other shard the pictures are compared, each when it is read (`storage.py`).

A set of many terabytes takes hours to read, and ranks that wait for one of them give up after half an hour. A
batch of one rank comes from hundreds of shards, so comparing these before it is used takes as long.
"""

from __future__ import annotations

import mmap
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from iconoclip.address_cache import is_remote
from iconoclip.errors import IconoclipError
from iconoclip.shardset import ShardSet

# Before the first step, a rank reads shards for so long; the last ones it has begun are read to their ends.
SECONDS_BEFORE_THE_FIRST_STEP = 30.0
MAX_THREADS = 4


class VerifiedShards:
    """Which shards of some sets have been compared with their checksums.

    Processes that are forked later share this with their parent, so a loader process does not read again what
    another one has compared.

    Args:
        sets: the shard sets of the run.
    """

    def __init__(self, sets: Sequence[ShardSet]) -> None:
        self._sets = sets
        self._shards = [(number, shard) for number, one in enumerate(sets) for shard in one.manifest.shards]
        self._place_of = {(number, shard.name): at for at, (number, shard) in enumerate(self._shards)}
        # A byte for each shard. Memory without a file, which forked processes share.
        self._is_done = mmap.mmap(-1, max(1, len(self._shards)))

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def num_left(self) -> int:
        """The number of shards that have not been compared yet."""
        return sum(not self._is_done[at] for at in range(len(self)))

    def is_left(self, set_number: int, name: str) -> bool:
        """Whether a shard has not been compared yet. One at an address is compared when it is downloaded."""
        place = self._place_of.get((set_number, name))
        if place is None or self._is_done[place]:
            return False
        if not is_remote(self._sets[set_number].location_of(name)):
            return True
        self._is_done[place] = 1
        return False

    def check(self, set_number: int, name: str) -> None:
        """Compare a shard with its checksum, unless that was done before.

        Raises:
            DamagedData: it is missing or differs.
        """
        place = self._place_of.get((set_number, name))
        if place is not None:
            self._check(place)

    def check_share(self, rank: int, num_ranks: int) -> tuple[list[int], list[IconoclipError]]:
        """Compare a rank's share of the shards, for a limited time.

        Returns:
            The places of those that are as they should be, and the first error, if there was one.
        """
        until = time.monotonic() + SECONDS_BEFORE_THE_FIRST_STEP
        problems: list[IconoclipError] = []

        def one(place: int) -> None:
            if time.monotonic() >= until or problems:
                return
            try:
                self._check(place)
            except IconoclipError as error:
                problems.append(error)

        share = [place for place in range(rank, len(self), num_ranks) if not self._is_done[place]]
        with ThreadPoolExecutor(min(MAX_THREADS, len(os.sched_getaffinity(0)))) as threads:
            list(threads.map(one, share))
        return [place for place in share if self._is_done[place]], problems[:1]

    def compared(self) -> str:
        """Which shards have been compared: a bit for each, as hexadecimal digits."""
        return f"{sum(1 << at for at in range(len(self)) if self._is_done[at]):x}"

    def places_in(self, compared: object) -> list[int]:
        """The places of the shards in what `compared` gave for the same sets; none in anything else."""
        if not isinstance(compared, str) or not re.fullmatch(f"[0-9a-f]{{1,{len(self) // 4 + 1}}}", compared):
            return []
        bits = int(compared, 16)
        return [at for at in range(len(self)) if bits >> at & 1]

    def note(self, places: Sequence[int]) -> None:
        """Record that other ranks, or an earlier command, have compared these shards."""
        for place in places:
            self._is_done[place] = 1

    def _check(self, place: int) -> None:
        if self._is_done[place]:
            return
        set_number, shard = self._shards[place]
        owner = self._sets[set_number]
        # What is at an address is compared when it is downloaded.
        if not is_remote(owner.location_of(shard.name)):
            owner.verify_shard(shard)
        self._is_done[place] = 1
