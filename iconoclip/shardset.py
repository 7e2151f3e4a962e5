"""Shard set: a folder of WebDataset tars, an index of every sample, and a file with all checksums.

    shardset.json       schema version, sha256 of every file, totals, policy, parents, tombstones
    withdrawn.parquet   the keys of the withdrawn samples, for readers of other kinds
    records.parquet     one row per sample: the position of its bytes, and the fields a loader selects by
    INSTITUTION-000000.tar ...   KEY.jpg, KEY.json (the Record), KEY.txt (the first caption), adjacent
    shardset.json.sig   a detached signature, if the publisher has signed the set
    README.md           the dataset card
    croissant.json      the same for machines
    quality.html        a report with pictures

A set by reference has no tars of its own: `shardset.json` says where each shard is, by a path relative to the
set or an address, and `records.parquet` states the group, split and rights that its records have in this set.

The tars are plain: any WebDataset trainer reads them. They are also canonical (fixed owner, mode and mtime),
so that the same samples in the same order give the same bytes. This module reads a set; `shardset_manifest`
and `shardset_index` define its two files, and `shardset_writer` writes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from iconoclip import transfer
from iconoclip.address_cache import cached_shard, is_cached, is_remote, resolve
from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.files import sha256_of
from iconoclip.record import Record
from iconoclip.replacing import complete
from iconoclip.shardset_index import (
    RECORDS_SCHEMA,
    as_of_today,
    columns_there,
    index_row,
    raw_digest,
    totals_of,
)
from iconoclip.shardset_manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    MAX_SHARD_BYTES,
    QUALITY_NAME,
    RECORDS_NAME,
    SIGNATURE_NAME,
    Parent,
    Shard,
    ShardSetManifest,
    Tombstone,
    Totals,
    unseal,
    with_tombstones,
)
from iconoclip.shardset_overlay import Overlay
from iconoclip.shardset_parts import MERGE_AGAIN, Parts
from iconoclip.shardset_writer import ShardSetWriter
from iconoclip.vocabulary import PolicyName
from iconoclip.withdrawals import origin_of, withdrawn_from

__all__ = [
    "MANIFEST_NAME",
    "MAX_MANIFEST_BYTES",
    "MAX_RECORD_BYTES",
    "MAX_SHARD_BYTES",
    "QUALITY_NAME",
    "RECORDS_NAME",
    "RECORDS_SCHEMA",
    "SIGNATURE_NAME",
    "Parent",
    "Shard",
    "ShardSet",
    "ShardSetManifest",
    "ShardSetWriter",
    "Tombstone",
    "Totals",
    "index_row",
    "raw_digest",
    "totals_of",
    "unseal",
    "with_tombstones",
]

MAX_RECORD_BYTES = 4_000_000
ROWS_OF_A_BATCH = 10_000


class ShardSet:
    """A shard set on disk, opened for reading.

    Raises:
        MissingRequirement: the folder holds no shard set.
        DamagedData: `shardset.json` is not one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / MANIFEST_NAME).exists():
            complete(self.folder)
        self.manifest = _read_manifest(self.folder / MANIFEST_NAME)
        self.base = origin_of(self.folder)
        """where the set is: its folder, or the address that it was downloaded from"""
        self.withdrawn = withdrawn_from(self.folder, self.manifest)
        self._shards = {shard.name: shard for shard in self.manifest.shards}
        self._overlay: Overlay | None = None
        self._parts = Parts()

    def __len__(self) -> int:
        """The number of samples without the withdrawn ones."""
        # Tombstones also mark samples that a merge or a new harvest has left out: those are not among
        # the totals.
        return self.table(["key"]).num_rows if self.withdrawn else self.manifest.totals.num_samples

    @property
    def digest(self) -> str:
        """The SHA-256 of `shardset.json`, which lists the checksums of all other files."""
        return sha256_of(self.folder / MANIFEST_NAME)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The rows of `records.parquet` in shard order, withdrawn samples left out.

        Raises:
            DamagedData: the index is missing, or does not match its checksum in the manifest.
        """
        path = self._checked_index()
        wanted = None if columns is None else list(dict.fromkeys([*columns, "key"]))
        with _reading(path):
            table = as_of_today(
                pq.read_table(path, columns=columns_there(pq.read_schema(path), wanted)),
                wanted or RECORDS_SCHEMA.names,
            )
        table = self._without_withdrawn(table)
        return table if columns is None or "key" in columns else table.drop_columns(["key"])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same, some thousand rows at a time, in memory that does not grow with the index."""
        path, wanted = self._checked_index(), list(dict.fromkeys([*columns, "key"]))
        with _reading(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_OF_A_BATCH, columns=columns_there(file.schema_arrow, wanted)):
                table = self._without_withdrawn(as_of_today(pa.Table.from_batches([batch]), wanted))
                yield table if "key" in columns else table.drop_columns(["key"])

    def _checked_index(self) -> Path:
        path = self.folder / RECORDS_NAME
        if not path.is_file() or sha256_of(path) != self.manifest.records_sha256:
            raise DamagedData("the index does not match shardset.json", where=path, remedy=_COPY_AGAIN)
        return path

    def _without_withdrawn(self, table: pa.Table) -> pa.Table:
        if not self.withdrawn:
            return table
        return table.filter(pc.invert(pc.is_in(table["key"], value_set=self._withdrawn_keys)))

    @cached_property
    def _withdrawn_keys(self) -> pa.Array:
        return pa.array(sorted(self.withdrawn), pa.string())

    def table_of_withdrawn(self) -> pa.Table:
        """Key and place of the withdrawn samples that are still in the index."""
        with pq.ParquetFile(self._checked_index()) as file:
            table = file.read(columns=["key", "shard", "image_offset"])
        return table.filter(pc.is_in(table["key"], value_set=self._withdrawn_keys))

    def rows(self, columns: Sequence[str] = tuple(RECORDS_SCHEMA.names)) -> Iterator[dict[str, Any]]:
        """The rows of the index in shard order, a batch at a time, withdrawn samples left out.

        The checksum of the index is not compared: `verify` does that.
        """
        return (row for row in self.all_rows(columns) if row["key"] not in self.withdrawn)

    def all_rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The same with the withdrawn samples, for what must find or remove them."""
        wanted = list(dict.fromkeys([*columns, "key"]))
        with pq.ParquetFile(self.folder / RECORDS_NAME) as file:
            for batch in file.iter_batches(1_000, columns=columns_there(file.schema_arrow, wanted)):
                yield from as_of_today(pa.Table.from_batches([batch]), wanted).to_pylist()

    def is_known_as(self, records_sha256: str) -> bool:
        """Whether this is the set with that index, or what is left of it after samples were purged."""
        return records_sha256 in (self.manifest.records_sha256, *self.manifest.formerly)

    @property
    def policy(self) -> PolicyName:
        """The policy that its rights were judged under."""
        name = self.manifest.policy.partition("@")[0]
        return name if name in ("open", "noncommercial", "research") else "open"  # type: ignore[return-value]

    def verify(self) -> None:
        """Compare every file with its checksum, but for shards at addresses: these are compared when they
        are downloaded.

        Raises:
            DamagedData: a shard is missing or differs; the message names it.
        """
        self.table(["key"])
        for shard in self.manifest.shards:
            if not is_remote(self.location_of(shard.name)):
                self.verify_shard(shard)

    def location_of(self, name: str) -> str:
        """The path or address of a shard.

        Raises:
            DamagedData: the set has no such shard, or may not name this address.
        """
        if name not in self._shards:
            raise DamagedData(
                f"the index names a shard '{name}' that shardset.json does not",
                where=self.folder,
                remedy=_COPY_AGAIN,
            )
        shard = self._shards[name]
        if shard.at is None:
            return resolve(self.base, name) if is_remote(self.base) else str(self.folder / name)
        try:
            return resolve(self.base, shard.at)
        except BadInput as refused:
            raise DamagedData(refused.what, where=refused.where, remedy=refused.remedy) from refused

    def path_of(self, name: str) -> Path:
        """The local file of a shard. One at an address is downloaded first, if the cache does not have it.

        Raises:
            DamagedData: the set has no such shard, or what was downloaded differs from its checksum.
            MissingRequirement: it does not exist at its address, or may not be read.
            TryAgainLater: the server still fails after all retries, or the disk is full.
        """
        location, shard = self.location_of(name), self._shards[name]
        if not is_remote(location):
            if shard.at is not None:
                self._parts.checksum_of(Path(location), shard.sha256)
            return Path(location)
        return cached_shard(location, shard.sha256, shard.num_bytes)

    def as_indexed(self, record: Record) -> Record:
        """A record read from a shard with the group, split and rights that it has in this set."""
        if not self.manifest.is_by_reference:
            return record
        if self._overlay is None:
            self._overlay = Overlay(self.folder / RECORDS_NAME, self.policy)
        return self._overlay.applied_to(record)

    def is_gone(self, shard: Shard) -> bool:
        """Whether all samples of another set's shard are withdrawn; a purge may have removed it there."""
        names = self.table(["shard"])["shard"].unique()
        return shard.at is not None and shard.name not in names.to_pylist()

    def verify_shard(self, shard: Shard) -> None:
        """Compare one shard with its checksum.

        Raises:
            DamagedData: it is missing or differs.
        """
        try:
            path, sha256 = self.path_of(shard.name), shard.sha256
        except DamagedData:
            if self.is_gone(shard):
                return
            raise
        if not path.is_file():
            raise DamagedData("a shard is missing", where=path, remedy=self._remedy(shard.name))
        if shard.at is not None and not is_remote(self.location_of(shard.name)):
            sha256 = self._parts.checksum_of(path, sha256)
        if path.stat().st_size != shard.num_bytes or sha256_of(path) != sha256:
            raise DamagedData(
                "a shard's checksum differs from shardset.json", where=path, remedy=self._remedy(shard.name)
            )

    def samples(self) -> Iterator[tuple[Record, bytes]]:
        """Every record with the bytes of its image, in shard order, withdrawn samples left out."""
        return ((record, image) for _, record, image in self.placed_samples())

    def placed_samples(self) -> Iterator[tuple[str, Record, bytes]]:
        """The same, each with the name of its shard."""
        columns = ["shard", "image_offset", "image_size", "record_offset", "record_size"]
        table = self.table(columns)
        shard_name, file = "", None
        try:
            for row in zip(*(table[name].to_pylist() for name in columns), strict=True):
                if row[0] != shard_name:
                    if file:
                        file.close()
                    shard_name, file = row[0], self._open_shard(row[0])
                assert file is not None
                yield (shard_name, *self._sample(file, *row[1:]))
        finally:
            if file:
                file.close()

    def records(self) -> Iterator[Record]:
        """Every record in shard order without its image, withdrawn samples left out."""
        columns = ["shard", "record_offset", "record_size"]
        table = self.table(columns)
        shard_name, file = "", None
        try:
            for shard, offset, size in zip(*(table[name].to_pylist() for name in columns), strict=True):
                if shard != shard_name:
                    if file:
                        file.close()
                    shard_name, file = shard, self._open_shard(shard)
                assert file is not None
                yield self.as_indexed(_parse_record(self._slice(file, offset, size), file.name))
        finally:
            if file:
                file.close()

    def read_bytes(self, shard: str, offset: int, size: int) -> bytes:
        """`size` bytes of `shard` from `offset`, as the index gives them.

        Raises:
            DamagedData: the shard is shorter than the index states.
        """
        with self._open_shard(shard) as file:
            return self._slice(file, offset, size)

    def read_few_bytes(self, shard: str, offset: int, size: int) -> bytes:
        """Like `read_bytes`, but of a shard at an address only these bytes are downloaded."""
        location = self.location_of(shard)
        if not is_remote(location) or is_cached(self._shards[shard].sha256):
            return self.read_bytes(shard, offset, size)
        return transfer.read_part(location, offset, size)

    def read_record(self, shard: str, offset: int, size: int) -> Record:
        """The record whose JSON starts at `offset` of `shard`."""
        return self.as_indexed(_parse_record(self.read_bytes(shard, offset, size), shard))

    def _open_shard(self, name: str) -> IO[bytes]:
        try:
            return self.path_of(name).open("rb")
        except FileNotFoundError:
            remedy = self._remedy(name)
            raise DamagedData("a shard is missing", where=self.location_of(name), remedy=remedy) from None

    def _remedy(self, name: str) -> str:
        return MERGE_AGAIN if self._shards[name].at is not None else _COPY_AGAIN

    def _sample(
        self, file: IO[bytes], image_offset: int, image_size: int, record_offset: int, record_size: int
    ) -> tuple[Record, bytes]:
        image = self._slice(file, image_offset, image_size)
        record = _parse_record(self._slice(file, record_offset, record_size), file.name)
        return self.as_indexed(record), image

    def _slice(self, file: IO[bytes], offset: int, size: int) -> bytes:
        if size > MAX_SHARD_BYTES:
            raise DamagedData(
                "the index claims a sample larger than a shard", where=file.name, remedy=_COPY_AGAIN
            )
        file.seek(offset)
        data = file.read(size)
        if len(data) != size:
            raise DamagedData("a shard is shorter than the index states", where=file.name, remedy=_COPY_AGAIN)
        return data


_COPY_AGAIN = "copy the shard set again from where it came; `iconoclip check` lists what else differs"


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise DamagedData(
            f"the index is not one of a shard set: {str(error)[:200]}", where=path, remedy=_COPY_AGAIN
        ) from error


def _read_manifest(path: Path) -> ShardSetManifest:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise DamagedData("shardset.json is too large to be one", where=path, remedy=_COPY_AGAIN)
        return ShardSetManifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise MissingRequirement(
            "no shard set here", where=path, remedy="`iconoclip harvest` or `iconoclip pack` makes one"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedData(
            f"not a shardset.json: {first['msg']} at {'.'.join(map(str, first['loc']))}",
            where=path,
            remedy=_COPY_AGAIN,
        ) from error


def _parse_record(data: bytes, where: str) -> Record:
    try:
        return Record.model_validate_json(data)
    except ValidationError as error:
        raise DamagedData(
            f"not a record: {error.errors()[0]['msg']}", where=where, remedy=_COPY_AGAIN
        ) from error
