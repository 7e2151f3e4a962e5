"""The rows of a table in a CSV, TSV, JSONL or Parquet file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.errors import BadInput, MissingRequirement

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
ROWS_OF_A_CHUNK: Final = 1_000
MAX_CELL_CHARS: Final = 1_000_000
MAX_LINE_BYTES: Final = 16_000_000

# The first line of some spreadsheets' exports names their separator.
_STATED_SEPARATOR: Final = re.compile(r'"?sep=([^\w\s"]|\t)"?\r?\n?', re.IGNORECASE)

Row = Mapping[str, Any]


def table_file(path: Path) -> Path:
    """The table itself, or the one table in a folder.

    Raises:
        MissingRequirement: there is none.
        BadInput: there are several, or the file is of another kind.
    """
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise BadInput(
                "not a table",
                where=path,
                remedy=f"one of {', '.join(SUFFIXES)} is read; save it as one of them",
            )
        return path
    tables = [file for file in sorted(path.glob("*")) if file.suffix.lower() in SUFFIXES]
    if not tables:
        raise MissingRequirement(
            "no table here",
            where=path,
            remedy="put a metadata.csv or metadata.jsonl next to the images, or name the file",
        )
    if len(tables) > 1:
        raise BadInput(
            f"{len(tables)} tables here: {', '.join(file.name for file in tables[:5])}",
            where=path, remedy="name the one that is meant",
        )  # fmt: skip
    return tables[0]


def rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    """The rows of a table with their numbers, from 1; a text instead of a row says why it cannot be read.

    Raises:
        BadInput: the file is not of the kind that its name says.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".jsonl", ".ndjson"):
            yield from enumerate(_jsonl_rows(path), 1)
        elif suffix == ".parquet":
            yield from enumerate(_parquet_rows(path), 1)
        else:
            yield from enumerate(_csv_rows(path), 1)
    except UnicodeDecodeError:
        raise BadInput(
            "the table is not in UTF-8", where=path, remedy="save it again with the encoding UTF-8"
        ) from None
    except (pa.ArrowInvalid, csv.Error) as error:
        raise BadInput(f"the table cannot be read: {error}", where=path, remedy="save it again") from error


def _jsonl_rows(path: Path) -> Iterator[Row | str]:
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield f"not JSON: {error}"
                continue
            yield value if isinstance(value, dict) else "not a JSON object"


def _parquet_rows(path: Path) -> Iterator[Row | str]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1_000):
            yield from batch.to_pylist()


def _csv_rows(path: Path) -> Iterator[Row | str]:
    csv.field_size_limit(MAX_CELL_CHARS)
    with path.open(encoding="utf-8-sig", newline="") as file:
        start, header = 0, file.readline(MAX_CELL_CHARS)
        delimiter = max(",;\t|", key=header.count)
        if stated := _STATED_SEPARATOR.fullmatch(header):
            start, delimiter = file.tell(), stated[1]
        file.seek(start)
        reader = csv.DictReader(file, delimiter=delimiter)
        for row in reader:
            surplus = row.pop(None, None)
            yield f"{len(surplus)} cells more than the header has columns" if surplus else row
