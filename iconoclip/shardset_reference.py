"""Writes a set by reference: an index of samples whose shards stay in the folders of other sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import BadInput
from iconoclip.files import sha256_of, write_json
from iconoclip.shardset_index import Counts
from iconoclip.shardset_index_writer import IndexWriter
from iconoclip.shardset_manifest import (
    MANIFEST_NAME,
    RECORDS_NAME,
    Parent,
    Shard,
    ShardSetManifest,
    Tombstone,
    unseal,
    version_of,
)


class ReferenceSetWriter:
    """Writes `records.parquet` and `shardset.json`, and no tars. A context manager, as `ShardSetWriter` is.

    Args:
        folder: where to write; created if it does not exist.
        name: the name of the set, and the first part of the names that shards have in it.
        facts: `policy`, `created_at` and `created_by` of the manifest.

    Raises:
        BadInput: a key occurs twice, or there is no sample at all.
        TryAgainLater: the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        parents: Iterable[Parent],
        tombstones: Iterable[Tombstone],
        withdrawals: Iterable[str] = (),
        **facts: str,
    ) -> None:
        self.folder, self._name, self._facts = folder, name, facts
        self._parents, self._tombstones = tuple(parents), tuple(tombstones)
        self._withdrawals = tuple(withdrawals)
        self._index = IndexWriter(folder / f".{name}.parquet.partial")
        self._counts = Counts()
        self._shards: dict[tuple[int, str], Shard] = {}

    def __enter__(self) -> ReferenceSetWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        unseal(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._index.abandon()
            self._index.path.unlink(missing_ok=True)

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
            name = f"{self._name}-{len(self._shards):06d}.tar"
            mine = self._shards.setdefault(identity, shard.model_copy(update={"name": name}))
        with disk_full_is_an_answer(self.folder):
            changed = {**row, "shard": mine.name}
            self._counts.add(changed)
            self._index.add(changed)

    def _finish(self) -> None:
        totals = self._counts.totals()
        if not totals.num_samples:
            raise BadInput("no sample to write", where=self.folder, remedy="every sample is withdrawn")
        with disk_full_is_an_answer(self.folder):
            self._index.close()
            self._index.path.replace(self.folder / RECORDS_NAME)
        shards = tuple(self._shards.values())
        manifest = ShardSetManifest(
            schema_version=version_of(shards, self._parents, self._withdrawals),
            name=self._name,
            records_sha256=sha256_of(self.folder / RECORDS_NAME),
            shards=shards,
            totals=totals,
            parents=self._parents,
            tombstones=self._tombstones,
            withdrawals=self._withdrawals,
            **self._facts,
        )
        write_json(self.folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
