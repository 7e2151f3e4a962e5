"""The table among the files that a user names, and its rows by the kind of the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from data_prep.sources.tables import workbooks
from data_prep.sources.tables.delimited import delimited_rows
from data_prep.sources.tables.json_rows import json_line_rows, json_rows, parquet_rows
from data_prep.sources.tables.records import record_rows
from data_prep.sources.tables.rows import Reading, Row
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import sha256_of

TEXT: Final = (".csv", ".tsv", ".tab", ".txt", ".asc", ".psv")
LINES: Final = (".jsonl", ".ndjson")
RECORDS: Final = (".xml", ".lido", ".mods")
# The kinds that are looked for in a folder; a .txt there may be anything.
SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", *workbooks.SUFFIXES)
READ: Final = (*SUFFIXES, *TEXT, *RECORDS)
ROWS_OF_A_CHUNK: Final = 1_000


def table_files(path: Path) -> list[Path]:
    """The table itself; the one table in a folder; or all records in XML of a folder without one.

    Raises:
        MissingRequirement: there is none.
        BadInput: there are several, or the file is of another kind.
    """
    if path.is_file():
        if path.suffix.lower() not in READ:
            raise BadInput(
                "not a table", where=path, remedy=f"one of {', '.join(READ)} is read; save it as one of them"
            )
        return [path]
    # Files that programs lock or hide begin with a dot, `~$` or `.~`.
    files = [
        file for file in sorted(path.glob("*")) if not file.name.startswith((".", "~")) and file.is_file()
    ]
    tables = [file for file in files if file.suffix.lower() in SUFFIXES]
    if len(tables) > 1:
        raise BadInput(
            f"{len(tables)} tables here: {', '.join(file.name for file in tables[:5])}",
            where=path, remedy="name the one that is meant",
        )  # fmt: skip
    records = [file for file in files if file.suffix.lower() in RECORDS]
    if not tables and not records:
        raise MissingRequirement(
            "no table here",
            where=path,
            remedy="put a metadata.csv or metadata.jsonl next to the images, or name the file",
        )
    return tables or records


def rows(path: Path | Sequence[Path], reading: Reading | None = None) -> Iterator[tuple[int, Row | str]]:
    """The rows of a table with their numbers, from 1; a text instead of a row says why it cannot be read.

    Raises:
        BadInput: the file is not of the kind that its name says.
        ConfigError: it has no sheet of the name that `reading` gives.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    yield from enumerate(_rows(paths, reading or Reading()), 1)


def _rows(paths: list[Path], reading: Reading) -> Iterator[Row | str]:
    path = paths[0]
    suffix = path.suffix.lower()
    if suffix in RECORDS:
        return record_rows(paths)
    if suffix in LINES:
        return json_line_rows(path)
    if suffix == ".json":
        return json_rows(path, reading)
    if suffix == ".parquet":
        return parquet_rows(path)
    if suffix in workbooks.SUFFIXES or _is_workbook(path):
        return workbooks.workbook_rows(path, reading)
    return delimited_rows(path, reading)


def _is_workbook(path: Path) -> bool:
    """Whether a file is a workbook under another name, by its first bytes (zip, or an OLE document)."""
    with path.open("rb") as file:
        return file.read(8).startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))


def digest_of(paths: Sequence[Path]) -> str:
    """The SHA-256 of a table; of several files, that of their digests."""
    digests = [sha256_of(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
