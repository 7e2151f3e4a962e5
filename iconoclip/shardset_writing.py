"""What both writers of shard sets do: the index, the manifest, and a folder that never holds half a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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


class SetWriter:
    """The base of ShardSetWriter and ReferenceSetWriter. A context manager: leaving it without an error
    writes `records.parquet` and, last, `shardset.json`.

    Args:
        folder: where to write; created if it does not exist.
        name: the name of the set, and the first part of every shard's name.
        facts: `policy`, `created_at` and `created_by` of the manifest.
    """

    # What to do if there is no sample at all.
    _remedy = "see the report for why each item was refused"

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str,
        parents: Iterable[Parent] = (),
        tombstones: Iterable[Tombstone] = (),
        withdrawals: Iterable[str] = (),
        **facts: str,
    ) -> None:
        self.folder, self._name, self._facts = Path(folder), name, facts
        self._parents, self._tombstones = tuple(parents), tuple(tombstones)
        self._withdrawals = tuple(withdrawals)
        self._counts = Counts()
        self._index = IndexWriter(self.folder / f".{name}.parquet.partial")

    def __enter__(self) -> Self:
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
            self._abandon()

    def _abandon(self) -> None:
        self._index.abandon()
        self._index.path.unlink(missing_ok=True)

    def _finished_shards(self) -> Sequence[Shard]:
        """The shards of the set, once the last one is closed."""
        raise NotImplementedError

    def _shard_name(self, number: int) -> str:
        return f"{self._name}-{number:06d}.tar"

    def _add_row(self, row: Mapping[str, Any]) -> None:
        self._counts.add(row)
        self._index.add(dict(row))

    def _finish(self) -> None:
        totals = self._counts.totals()
        if not totals.num_samples:
            raise BadInput("no sample to write", where=self.folder, remedy=self._remedy)
        with disk_full_is_an_answer(self.folder):
            self._index.close()
            shards = tuple(self._finished_shards())
            self._index.path.replace(self.folder / RECORDS_NAME)
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
