"""`pages.parquet`: one row per page, keyed by its record, with its kind and its boxes; readable as
annotations."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.segment.parts import PageResult
from iconoclip.files import atomic_write
from iconoclip.page_layout.findings import Finding

ROWS_OF_A_GROUP: Final = 10_000
_BOX: Final = pa.struct(
    [
        ("kind", pa.string()),
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("score", pa.float32()),
        ("tilt", pa.float32()),
        ("key", pa.string()),
    ]
)
PAGES_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("kind", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("graphic_probability", pa.float32()),
        pa.field("origin", pa.string()),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("boxes", pa.list_(_BOX)),
        pa.field("refused", pa.string()),
        pa.field("note", pa.string()),
    ]
)


class PagesTable:
    """Writes pages.parquet; the file appears when the block ends without an error.

    A box is in pixels of the stored page; its `key` is that of the picture's record, where there is one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        file = self._stack.enter_context(atomic_write(self._path))
        self._writer = self._stack.enter_context(pq.ParquetWriter(file, PAGES_SCHEMA, compression="zstd"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._stack.__exit__(kind, error, trace)

    def add(self, result: PageResult) -> None:
        """Append the row of a page; groups of rows go to disk."""
        keys = {number: record.key for number, record, _ in result.regions}
        finding = result.finding
        self._rows.append(
            {
                "key": result.key,
                "kind": finding.kind if finding else None,
                "probability": finding.probability if finding else None,
                "graphic_probability": finding.graphic_probability if finding else None,
                "origin": finding.origin if finding else None,
                "width": result.size[0],
                "height": result.size[1],
                "boxes": _boxes(finding, result.size, keys) if finding else None,
                "refused": result.refused,
                "note": result.note,
            }
        )
        if len(self._rows) >= ROWS_OF_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=PAGES_SCHEMA))
        self._rows = []


def _boxes(finding: Finding, size: tuple[int, int], keys: dict[int, str]) -> list[dict[str, Any]]:
    boxes = []
    for number, box in enumerate(finding.boxes):
        x, y, width, height = box.pixels(*size)
        place = {"x": x, "y": y, "width": width, "height": height}
        boxes.append(
            {"kind": box.kind, **place, "score": box.score, "tilt": box.tilt, "key": keys.get(number)}
        )
    return boxes
