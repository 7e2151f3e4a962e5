"""Writes a shard set in one pass and bounded memory: each sample into the tar, its row into the index."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import BadInput
from iconoclip.files import sha256_of, write_json
from iconoclip.record import Record
from iconoclip.shardset_index import RECORDS_SCHEMA, Counts, index_row
from iconoclip.shardset_manifest import (
    MANIFEST_NAME,
    MAX_SHARD_BYTES,
    RECORDS_NAME,
    Parent,
    Shard,
    ShardSetManifest,
    Tombstone,
    unseal,
)

ROWS_OF_A_GROUP: Final = 10_000
# A row group is closed at this many bytes of JSON, so that long catalogue entries do not fill the memory.
BYTES_OF_A_GROUP: Final = 64_000_000


class ShardSetWriter:
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
        max_shard_bytes: int = MAX_SHARD_BYTES,
    ) -> None:
        self.folder = Path(folder)
        self._name, self._policy = name, policy
        self._created_at, self._created_by = created_at, created_by
        self._parents, self._tombstones = tuple(parents), tuple(tombstones)
        self._max_shard_bytes = max_shard_bytes
        self._shards: list[Shard] = []
        self._counts = Counts()
        self._index = _IndexWriter(self.folder / f".{name}.parquet.partial")
        self._tar: _TarWriter | None = None
        self._partial = self.folder / f".{name}.tar.partial"
        self._num_in_shard = 0

    def __enter__(self) -> ShardSetWriter:
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
            if self._tar:
                self._tar.abandon()
            self._index.abandon()
            self._partial.unlink(missing_ok=True)
            self._index.path.unlink(missing_ok=True)

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
            self._counts.add(row)
            self._index.add(row)

    def _append(self, key: str, members: dict[str, bytes]) -> dict[str, int]:
        size = sum(tarfile.BLOCKSIZE + _padded(len(data)) for data in members.values())
        if self._tar and self._tar.offset + size + 2 * tarfile.BLOCKSIZE > self._max_shard_bytes:
            self._close_shard()
        if not self._tar:
            self._tar = _TarWriter(self._partial)
        offsets = {
            extension: self._tar.add(f"{key}.{extension}", data) for extension, data in members.items()
        }
        self._num_in_shard += 1
        return offsets

    def _shard_name(self, number: int) -> str:
        return f"{self._name}-{number:06d}.tar"

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
            )
        )
        self._num_in_shard = 0
        self._partial.replace(path)

    def _finish(self) -> None:
        totals = self._counts.totals()
        if not totals.num_samples:
            raise BadInput(
                "no sample to write", where=self.folder, remedy="see the report for why each item was refused"
            )
        with disk_full_is_an_answer(self.folder):
            self._index.close()
            self._close_shard()
            self._index.path.replace(self.folder / RECORDS_NAME)
        manifest = ShardSetManifest(
            name=self._name,
            policy=self._policy,
            created_at=self._created_at,
            created_by=self._created_by,
            records_sha256=sha256_of(self.folder / RECORDS_NAME),
            shards=tuple(self._shards),
            totals=totals,
            parents=self._parents,
            tombstones=self._tombstones,
        )
        self._remove_leftover_shards()
        write_json(self.folder / MANIFEST_NAME, manifest.model_dump(mode="json"))

    def _remove_leftover_shards(self) -> None:
        """Remove shards of an earlier, longer set of the same name."""
        ours = {shard.name for shard in self._shards}
        for path in self.folder.glob(f"{self._name}-[0-9][0-9][0-9][0-9][0-9][0-9].tar"):
            if path.name not in ours:
                path.unlink()


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


class _TarWriter:
    """Writes files without owner and time into a tar.

    The bytes are the same as those of `tarfile` (POSIX.1-1988 ustar). `tarfile` needs a third of the
    time of packing a harvest to build the headers; here name, size and checksum are set in a header that
    it made once.
    """

    TEMPLATE: Final = tarfile.TarInfo("-").tobuf(tarfile.USTAR_FORMAT)
    MAX_NAME_BYTES: Final = 100

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.offset = 0

    def add(self, name: str, data: bytes) -> int:
        """Append a file and return the offset of its bytes."""
        start = self.offset + tarfile.BLOCKSIZE
        padding = bytes(_padded(len(data)) - len(data))
        self._file.write(b"".join((self._header(name, len(data)), data, padding)))
        self.offset = start + len(data) + len(padding)
        return start

    def _header(self, name: str, size: int) -> bytes:
        encoded = name.encode()
        # Longer names, and files of 8 GiB, would need another header; keys are shorter (iconoclip.record) and
        # shards smaller.
        assert len(encoded) <= self.MAX_NAME_BYTES
        assert size < 8**11
        header = bytearray(self.TEMPLATE)
        header[: self.MAX_NAME_BYTES] = encoded.ljust(self.MAX_NAME_BYTES, b"\0")
        header[124:135] = b"%011o" % size
        header[148:156] = b" " * 8
        header[148:155] = b"%06o\0" % sum(header)
        return bytes(header)

    def close(self) -> None:
        """End the archive and fill its last record, as the tar format requires."""
        end = 2 * tarfile.BLOCKSIZE
        self._file.write(bytes(end + -(self.offset + end) % tarfile.RECORDSIZE))
        self._file.close()

    def abandon(self) -> None:
        """Close the unfinished file; the disk may be full."""
        with contextlib.suppress(OSError):
            self._file.close()


class _IndexWriter:
    """Appends rows to a Parquet file, one row group after the other, and refuses duplicate keys.

    For each key written, an eight-byte digest stays in memory. Among a million samples, two keys have the
    same digest in one of 40 million sets; they would be refused as duplicates.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[bytes] = []
        self._num_bytes = 0
        self._keys: set[str] = set()
        self._written: list[np.ndarray[Any, np.dtype[np.uint64]]] = []
        self._file: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Append a row to the index.

        Raises:
            BadInput: its key came before.
        """
        if row["key"] in self._keys:
            raise _duplicate(row["key"])
        self._keys.add(row["key"])
        self._rows.append(json.dumps(row, ensure_ascii=False).encode())
        self._num_bytes += len(self._rows[-1])
        if len(self._rows) >= ROWS_OF_A_GROUP or self._num_bytes >= BYTES_OF_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        digests = {key: _digest(key) for key in self._keys}
        these = np.fromiter(digests.values(), np.uint64, len(digests))
        for earlier in self._written:
            if np.isin(these, earlier).any():
                duplicates = set(these[np.isin(these, earlier)].tolist())
                raise _duplicate(next(key for key, digest in digests.items() if digest in duplicates))
        self._written.append(these)
        if self._writer is None:
            self._file = self.path.open("wb")
            self._writer = pq.ParquetWriter(self._file, RECORDS_SCHEMA, compression="zstd")
        self._writer.write_table(_table(self._rows))
        self._rows, self._num_bytes, self._keys = [], 0, set()

    def abandon(self) -> None:
        """Close the file, finished or not. A second call does nothing."""
        self._rows = []
        with contextlib.suppress(OSError, pa.ArrowException):
            self.close()

    def close(self) -> None:
        """Write the rows that are left and close the file."""
        if self._rows:
            self._flush()
        if self._writer:
            self._writer.close()
            self._writer = None
        if self._file:
            self._file.close()
            self._file = None


def _table(rows: list[bytes]) -> pa.Table:
    """Convert rows to a table through JSON. Arrow's conversion of Python values would import pandas if
    it is installed.
    """
    lines = b"\n".join(rows)
    table = pyarrow.json.read_json(
        io.BytesIO(lines),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=RECORDS_SCHEMA, unexpected_field_behavior="error"
        ),
    )
    return pa.Table.from_arrays(table.columns, schema=RECORDS_SCHEMA)


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


def _duplicate(key: str) -> BadInput:
    return BadInput(f"the key {key} appears twice", remedy="give each item its own source id")
