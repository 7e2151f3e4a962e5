"""The finished work on one shard of pages: a Parquet file with the findings and the pictures of each page.

A part is complete or absent. Its name carries the digests of the shard and of everything that decides what is
found, so that a changed shard, engine or correction makes another part.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.errors import DamagedData
from iconoclip.files import atomic_write
from iconoclip.page_layout.findings import Finding, finding_from_json
from iconoclip.record import Record

GROUP_BYTES: Final = 16_000_000
_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("finding", pa.string()),
        pa.field("refused", pa.string()),
        pa.field("note", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("boxes", pa.list_(pa.int32())),
        pa.field("records", pa.list_(pa.string())),
        pa.field("images", pa.list_(pa.binary())),
    ]
)


@dataclass(frozen=True)
class PageResult:
    """What was made of one page: its finding with its pictures, or why it was refused.

    Attributes:
        size: width and height of the stored page, in pixels.
        regions: for some of the boxes, by number, the record and the JPEG bytes of the picture.
        note: why the institution's document about the page was not used.
    """

    key: str
    size: tuple[int, int]
    finding: Finding | None = None
    refused: str | None = None
    regions: tuple[tuple[int, Record, bytes], ...] = ()
    note: str | None = None

    def as_row(self) -> dict[str, object]:
        """The page as a row of a part."""
        return {
            "key": self.key,
            "finding": json.dumps(self.finding.as_json()) if self.finding else None,
            "refused": self.refused,
            "note": self.note,
            "width": self.size[0],
            "height": self.size[1],
            "boxes": [number for number, _, _ in self.regions],
            "records": [record.model_dump_json() for _, record, _ in self.regions],
            "images": [image for _, _, image in self.regions],
        }


def write_part(path: Path, results: Iterator[PageResult]) -> None:
    """Write the results of a shard, a group of pages at a time; the file appears when all are written."""
    with atomic_write(path) as file, pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        rows: list[dict[str, object]] = []
        size = 0
        for result in results:
            rows.append(result.as_row())
            size += 1_000 + sum(len(image) for _, _, image in result.regions)
            if size >= GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
                rows, size = [], 0
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))


def read_part(path: Path) -> Iterator[PageResult]:
    """The pages of a part in their order, a few at a time.

    Raises:
        DamagedData: the file is no part.
    """
    try:
        with pq.ParquetFile(
            io.BytesIO(path.read_bytes()) if path.stat().st_size < 1_000_000 else path
        ) as file:
            for batch in file.iter_batches(32):
                yield from map(_result, batch.to_pylist())
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def has_pages(path: Path, keys: Collection[str]) -> bool:
    """Whether a part is there and has these pages. Pages that were withdrawn when it was read last are not in
    it; their source may offer them again.

    Raises:
        DamagedData: the file is no part.
    """
    if not path.is_file():
        return False
    try:
        return set(keys) <= set(_keys(path))
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _keys(path: Path) -> list[str]:
    # Not pq.read_table, which imports Arrow's datasets.
    with pq.ParquetFile(path) as file:
        keys: list[str] = file.read(columns=["key"])["key"].to_pylist()
    return keys


def _damaged(path: Path, error: Exception) -> DamagedData:
    return DamagedData(
        f"not the result of a shard: {str(error)[:200]}",
        where=path,
        remedy="remove the file and run the same command again",
    )


def _result(row: dict[str, object]) -> PageResult:
    numbers, records, images = row["boxes"], row["records"], row["images"]
    assert isinstance(numbers, list)
    assert isinstance(records, list)
    assert isinstance(images, list)
    regions = tuple(
        (number, Record.model_validate_json(record), image)
        for number, record, image in zip(numbers, records, images, strict=True)
    )
    finding = finding_from_json(json.loads(str(row["finding"]))) if row["finding"] else None
    refused, note = (None if row[name] is None else str(row[name]) for name in ("refused", "note"))
    return PageResult(
        str(row["key"]), (int(str(row["width"])), int(str(row["height"]))), finding, refused, regions, note
    )
