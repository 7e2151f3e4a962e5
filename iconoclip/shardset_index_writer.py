"""Writes `records.parquet`, row after row, in bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from iconoclip.errors import BadInput
from iconoclip.shardset_index import RECORDS_SCHEMA

ROWS_OF_A_GROUP: Final = 10_000
# A row group is closed at this many bytes of JSON, so that long catalogue entries do not fill the memory.
BYTES_OF_A_GROUP: Final = 64_000_000


class IndexWriter:
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
