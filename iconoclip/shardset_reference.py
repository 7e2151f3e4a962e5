"""Writes a set by reference: an index of samples whose shards stay in the folders of other sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.shardset_manifest import Shard
from iconoclip.shardset_writing import SetWriter


class ReferenceSetWriter(SetWriter):
    """Writes `records.parquet` and `shardset.json`, and no tars. The name of the set is the first part of the
    names that shards have in it.

    Raises:
        BadInput: a key occurs twice, or there is no sample at all.
        TryAgainLater: the disk is full.
    """

    _remedy = "every sample is withdrawn"

    def __init__(self, *args: Any, **about: Any) -> None:
        super().__init__(*args, **about)
        self._shards: dict[tuple[int, str], Shard] = {}

    def add(self, row: Mapping[str, Any], shard: Shard, part: int) -> None:
        """Append a sample.

        Args:
            row: its row of the index; the name of its shard is replaced.
            shard: the shard as its own set names it, with its address in `at`.
            part: the number of its own set. The rows of a shard must be neighbours, so a shard that two sets
                refer to is listed twice.
        """
        assert shard.at is not None
        identity = part, shard.at
        mine = self._shards.get(identity)
        if mine is None:
            renamed = shard.model_copy(update={"name": self._shard_name(len(self._shards))})
            mine = self._shards.setdefault(identity, renamed)
        with disk_full_is_an_answer(self.folder):
            self._add_row({**row, "shard": mine.name})

    def _finished_shards(self) -> Sequence[Shard]:
        return tuple(self._shards.values())
