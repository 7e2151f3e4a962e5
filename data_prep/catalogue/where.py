"""Selects rows of a catalogue by a condition in SQL, which DuckDB evaluates.

DuckDB has access to this one table and nothing else: no files, no network, no extensions, no Python
variables, and its settings are locked. Exactly one expression is accepted, not a statement.
"""

from __future__ import annotations

import re
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from data_prep.catalogue.files import Catalogue, parquet_errors
from iconoclip.errors import BadInput, ConfigError

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
MAX_WHERE_CHARS: Final = 100_000
# `COLUMNS('regular expression')` and `*` name columns without their names.
_ANY_COLUMN: Final = re.compile(r"\bcolumns\b|\*", re.IGNORECASE)


def selected(catalogue: Catalogue, where: str | None) -> Any:
    """The `ordinal` of the rows that a condition selects, ascending (int64 array); all without a condition.

    Raises:
        ConfigError: `where` is no condition over the columns.
        BadInput: it selects nothing.
    """
    with parquet_errors(catalogue.path):
        # Arrow's datasets would read the file's metadata once more, 30 MB for a million rows.
        found = _evaluated(catalogue.reader(_named(where, catalogue.columns)), catalogue.columns, where)
    if not len(found):
        raise BadInput(
            "no row of the catalogue is selected" if where else "the catalogue is empty",
            where=catalogue.path,
            remedy="query the file with DuckDB or pandas to see what it contains",
        )
    return np.sort(found)


def _named(where: str | None, columns: list[str]) -> list[str]:
    """The columns that a condition may need: those whose names occur in it, and the ordinal."""
    if where is None:
        return ["ordinal"]
    if _ANY_COLUMN.search(where):
        return columns
    words = {word.casefold() for word in re.findall(r"\w+", where)}
    return [name for name in columns if name == "ordinal" or name.casefold() in words]


def _evaluated(table: pa.RecordBatchReader, columns: list[str], where: str | None) -> Any:
    if where is not None and len(where) > MAX_WHERE_CHARS:
        raise ConfigError(f"--where is longer than {MAX_WHERE_CHARS} characters", remedy="shorten it")
    with duckdb.connect(":memory:", config=_SETTINGS) as database:
        database.register("catalogue", table)
        database.execute("SET lock_configuration = true")
        try:
            relation = database.table("catalogue")
            if where is not None:
                relation = relation.filter(where)
            return relation.project("ordinal").fetchnumpy()["ordinal"]
        except duckdb.Error as error:
            raise ConfigError(
                f"--where is not a valid condition over the catalogue: {_first_lines(str(error))}",
                where=repr(where),
                remedy=f"a SQL condition over the columns {', '.join(columns)}; as an example,"
                ' "usable AND latest < 1800"',
            ) from error


def _first_lines(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines[:2])[:500]
