"""Writes a shard set in one pass and bounded memory: each sample into the tar, its row into the index."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.files import sha256_of
from iconoclip.record import Record
from iconoclip.shardset_index import index_row
from iconoclip.shardset_manifest import MAX_SHARD_BYTES, Parent, Shard, Tombstone
from iconoclip.shardset_tar import TarWriter, padded
from iconoclip.shardset_writing import SetWriter


class ShardSetWriter(SetWriter):
    """Writes a shard set in one pass; `shardset.json` appears last, so a reader never sees half a set.

    Args:
        folder: where to write; created if it does not exist.
        name: the name of the set, and the first part of every shard's name.
        policy: the rights policy of the decisions, as name@version.
        created_at: ISO 8601 time, UTC.
        created_by: program and version.
        max_shard_bytes: a shard is closed before it would grow past this.

    Use as a context manager: leaving it without an error writes the index and the manifest.

    Raises:
        BadInput: a key occurs twice, or there is no sample at all.
        TryAgainLater: the disk is full.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str,
        policy: str,
        created_at: str,
        created_by: str,
        parents: Iterable[Parent] = (),
        tombstones: Iterable[Tombstone] = (),
        withdrawals: Iterable[str] = (),
        max_shard_bytes: int = MAX_SHARD_BYTES,
    ) -> None:
        super().__init__(
            folder,
            name=name,
            parents=parents,
            tombstones=tombstones,
            withdrawals=withdrawals,
            policy=policy,
            created_at=created_at,
            created_by=created_by,
        )
        self._weight: float | None = None
        self._max_shard_bytes = max_shard_bytes
        self._shards: list[Shard] = []
        self._tar: TarWriter | None = None
        self._partial = self.folder / f".{name}.tar.partial"
        self._num_in_shard = 0

    def _abandon(self) -> None:
        if self._tar:
            self._tar.abandon()
        self._partial.unlink(missing_ok=True)
        super()._abandon()

    def weigh(self, weight: float | None) -> None:
        """Give the samples that follow a weight in training. They go into shards of their own."""
        if weight != self._weight:
            with disk_full_is_an_answer(self.folder):
                self._close_shard()
            self._weight = weight

    def add(self, record: Record, image: bytes) -> None:
        """Append a sample: the record and the JPEG bytes of its image."""
        # A record of an older version is written with the fields of this one, whatever it leaves empty.
        record = record.model_copy(update={"schema_version": 2})
        members = {
            "jpg": image,
            "json": (record.model_dump_json(indent=None) + "\n").encode(),
            "txt": record.title.encode(),
        }
        with disk_full_is_an_answer(self.folder):
            offsets = self._append(record.key, members)
            row = index_row(
                record,
                shard=self._shard_name(len(self._shards)),
                image_offset=offsets["jpg"],
                image_size=len(image),
                record_offset=offsets["json"],
                record_size=len(members["json"]),
            )
            self._add_row(row)

    def _append(self, key: str, members: dict[str, bytes]) -> dict[str, int]:
        size = sum(tarfile.BLOCKSIZE + padded(len(data)) for data in members.values())
        if self._tar and self._tar.offset + size + 2 * tarfile.BLOCKSIZE > self._max_shard_bytes:
            self._close_shard()
        if not self._tar:
            self._tar = TarWriter(self._partial)
        offsets = {
            extension: self._tar.add(f"{key}.{extension}", data) for extension, data in members.items()
        }
        self._num_in_shard += 1
        return offsets

    def _close_shard(self) -> None:
        if not self._tar:
            return
        self._tar.close()
        self._tar = None
        path = self.folder / self._shard_name(len(self._shards))
        self._shards.append(
            Shard(
                name=path.name,
                sha256=sha256_of(self._partial),
                num_bytes=self._partial.stat().st_size,
                num_samples=self._num_in_shard,
                weight=self._weight,
            )
        )
        self._num_in_shard = 0
        self._partial.replace(path)

    def _finished_shards(self) -> Sequence[Shard]:
        self._close_shard()
        self._remove_leftover_shards()
        return self._shards

    def _remove_leftover_shards(self) -> None:
        """Remove shards of an earlier, longer set of the same name."""
        ours = {shard.name for shard in self._shards}
        for path in self.folder.glob(f"{self._name}-[0-9][0-9][0-9][0-9][0-9][0-9].tar"):
            if path.name not in ours:
                path.unlink()
