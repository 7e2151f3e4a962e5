"""Reads records.parquet as a stream, shard by shard, and checks what concerns the index alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.contribute.checking.rules import Finding, shown
from iconoclip.files import sha256_of
from iconoclip.shardset import RECORDS_NAME, RECORDS_SCHEMA, ShardSet, raw_digest
from iconoclip.shardset_index import Counts, as_of_today, columns_there

ROWS_AT_ONCE: Final = 500
# A shard has at most this many rows in memory; one of a gigabyte holds about 20,000 pictures.
MAX_ROWS_OF_A_SHARD: Final = 2_000_000

Row = dict[str, Any]
Report = Callable[[Finding], None]


def is_readable(shardset: ShardSet, report: Report) -> bool:
    """Whether the index has its checksum and the columns of the format; if not, that is reported."""
    path = shardset.folder / RECORDS_NAME
    if not path.is_file():
        report(Finding(RECORDS_NAME, "index-unreadable", "the index is missing"))
        return False
    if sha256_of(path) != shardset.manifest.records_sha256:
        report(Finding(RECORDS_NAME, "index-checksum", "the index does not match shardset.json"))
        return False
    try:
        schema = pq.read_schema(path)
        wanted = columns_there(schema, RECORDS_SCHEMA.names) or []
        if missing := [name for name in wanted if name not in schema.names]:
            report(Finding(RECORDS_NAME, "index-unreadable", f"it lacks the columns {', '.join(missing)}"))
            return False
        for _ in _batches(shardset):
            pass
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        report(Finding(RECORDS_NAME, "index-unreadable", f"not a Parquet file of the format: {shown(error)}"))
        return False
    return True


def _batches(shardset: ShardSet) -> Iterator[list[Row]]:
    with pq.ParquetFile(shardset.folder / RECORDS_NAME) as file:
        columns = columns_there(file.schema_arrow, RECORDS_SCHEMA.names)
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False):
            rows = as_of_today(pa.Table.from_batches([batch]), RECORDS_SCHEMA.names).to_pylist()
            for row in rows:
                if any(row[name] is None for name in ("key", "shard", "group", "split")):
                    raise ValueError("a row without a key, shard, group or split")
                row["captions"] = row["captions"] or []
                row["raw"] = raw_digest(row["raw"])
            yield rows


def rows_by_shard(shardset: ShardSet, report: Report) -> Iterator[tuple[str, dict[str, Row]]]:
    """The rows of each shard by key, in the order of the index; withdrawn ones are left out."""
    name, rows, last = "", dict[str, Row](), -1
    done: set[str] = set()
    for batch in _batches(shardset):
        for row in batch:
            if row["shard"] != name:
                if rows:
                    yield name, rows
                    done.add(name)
                name, rows, last = row["shard"], {}, -1
                if name in done:
                    report(
                        Finding(shown(row["key"]), "index-order", f"comes after the rows of {shown(name)}")
                    )
            if row["image_offset"] < last:
                report(
                    Finding(shown(row["key"]), "index-order", "its offset is before that of the row above")
                )
            last = max(last, row["image_offset"])
            if row["key"] not in shardset.withdrawn and len(rows) < MAX_ROWS_OF_A_SHARD:
                rows[row["key"]] = row
    if rows:
        yield name, rows


class WholeIndex:
    """Needs all rows: repeated keys, groups on two sides of the split, totals. Keeps 40 bytes per row."""

    def __init__(self) -> None:
        self._keys: list[np.ndarray[Any, Any]] = []
        self._groups: list[np.ndarray[Any, Any]] = []
        self._splits: list[np.ndarray[Any, Any]] = []
        self.hashes: list[np.ndarray[Any, Any]] = []
        self.files: list[np.ndarray[Any, Any]] = []
        self._counts = Counts()

    def read(self, shardset: ShardSet) -> None:
        """Read all rows of a set once, in bounded memory."""
        for rows in _batches(shardset):
            kept = [row for row in rows if row["key"] not in shardset.withdrawn]
            self._keys.append(_digests(row["key"] for row in kept))
            self._groups.append(_digests(row["group"] for row in kept))
            self._splits.append(_digests(row["split"] for row in kept))
            self.files.append(_digests(row["image_sha256"] for row in kept))
            self.hashes.append(np.array([int(row["phash"] or "0", 16) for row in kept], np.uint64))
            for row in kept:
                self._counts.add(row)

    def report(self, shardset: ShardSet, report: Report) -> None:
        """Report what is wrong with the rows as a whole."""
        if not self._keys:
            return  # every sample was withdrawn before the set was published
        keys, groups, splits = map(np.concatenate, (self._keys, self._groups, self._splits))
        _, counts = np.unique(keys, return_counts=True)
        if repeated := int((counts > 1).sum()):
            report(
                Finding(RECORDS_NAME, "key-repeated", f"{repeated} keys occur more than once in the index")
            )
        pairs = np.unique(np.stack([groups, splits]), axis=1) if len(groups) else np.empty((2, 0), np.uint64)
        names, sides = np.unique(pairs[0], return_counts=True)
        divided = set(names[sides > 1].tolist())
        if divided:
            self._name_divided(shardset, divided, report)
        if not shardset.withdrawn and self._counts.totals() != shardset.manifest.totals:
            report(Finding("shardset.json", "totals", "its totals are not those of the index"))

    def _name_divided(self, shardset: ShardSet, divided: set[int], report: Report) -> None:
        """Name the groups on two sides, in a second pass over the index: there are hardly any."""
        told: set[str] = set()
        for rows in _batches(shardset):
            for row in rows:
                if row["group"] not in told and int(_digests([row["group"]])[0]) in divided:
                    told.add(row["group"])
                    what = f"its group is on two sides of the split: {shown(row['group'])}"
                    report(Finding(shown(row["key"]), "split-of-group", what))

    def copies(self) -> tuple[int, int]:
        """How many pictures have the same bytes as another one, and how many of these are in two splits."""
        if not self.files:
            return 0, 0
        files, splits = np.concatenate(self.files), np.concatenate(self._splits)
        names, counts = np.unique(files, return_counts=True)
        pairs = np.unique(np.stack([files, splits]), axis=1)
        _, sides = np.unique(pairs[0], return_counts=True)
        return int(counts[counts > 1].sum()), int(counts[sides > 1].sum()) if len(names) else 0


def _digests(texts: Any) -> np.ndarray[Any, Any]:
    digests = [hashlib.blake2b(str(text).encode(), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), np.uint64)
