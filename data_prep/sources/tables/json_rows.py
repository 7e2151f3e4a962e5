"""Rows in JSON: a list of objects, an object that holds one, or one object per line; and in Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.sources.tables.encodings import encoding_of
from data_prep.sources.tables.rows import Reading, Row, flattened
from iconoclip.errors import BadInput

MAX_LINE_BYTES: Final = 16_000_000
MAX_JSON_BYTES: Final = 500_000_000


def json_line_rows(path: Path) -> Iterator[Row | str]:
    """One object per line; a line that is none is refused alone."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            if not line.strip(b" \t\r\n\xef\xbb\xbf"):
                continue
            try:
                value = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError) as error:
                yield f"not JSON: {error}"
                continue
            yield flattened(value) if isinstance(value, dict) else "not a JSON object"


def json_rows(path: Path, reading: Reading) -> Iterator[Row | str]:
    """The objects of a JSON document.

    Raises:
        BadInput: it is no JSON, holds no list of objects, or is too large.
    """
    if path.stat().st_size > MAX_JSON_BYTES:
        raise BadInput(
            f"a JSON document of more than {MAX_JSON_BYTES} bytes", where=path,
            remedy="write one object per line, as .jsonl",
        )  # fmt: skip
    text = path.read_bytes().decode(encoding_of(path, reading.encoding), errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = text.split("\n", 2)
        if len(lines) > 1 and lines[0].strip().startswith("{") and lines[0].strip().endswith("}"):
            # One object per line, under the name of a document.
            yield from json_line_rows(path)
            return
        raise BadInput(f"not JSON: {error}", where=path, remedy="export the table again") from error
    found = _objects(value)
    if not found:
        raise BadInput("the JSON holds no list of objects", where=path, remedy="is this the right file?")
    yield from (flattened(one) if isinstance(one, dict) else "not a JSON object" for one in found)


def _objects(value: Any, depth: int = 0) -> list[Any]:
    """The longest list of objects in a document; an object of objects counts as one, its keys as `id`."""
    if isinstance(value, list):
        return value if any(isinstance(one, dict) for one in value) else []
    if not isinstance(value, dict) or depth > 3:
        return []
    lists = [_objects(inner, depth + 1) for inner in value.values()]
    longest = max(lists, key=len, default=[])
    objects = {key: inner for key, inner in value.items() if isinstance(inner, dict)}
    if len(objects) > max(len(longest), 1) and len(objects) == len(value):
        return [{"id": key, **inner} for key, inner in objects.items()]
    return longest or ([value] if depth == 0 and value else [])


def parquet_rows(path: Path) -> Iterator[Row | str]:
    """The rows of a Parquet file.

    Raises:
        BadInput: it is none.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1_000):
                yield from (flattened(row) for row in batch.to_pylist())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(
            f"the table cannot be read: {str(error)[:200]}", where=path, remedy="save it again"
        ) from error
