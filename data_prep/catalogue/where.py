"""Selects rows of a catalogue by a condition in SQL, which DuckDB evaluates.

DuckDB has access to this one table and nothing else: no files, no network, no extensions, no Python
variables, and its settings are locked. Exactly one expression is accepted, not a statement.
"""

from __future__ import annotations

import re
from typing import Any, Final

import duckdb
import numpy as np

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
# "width = (SELECT max(width) FROM catalogue)" reads the table more than once.
_QUERY: Final = re.compile(r"\b(?:select|from|with|table|catalogue)\b", re.IGNORECASE)


def selected(catalogue: Catalogue, where: str | None) -> Any:
    """The `ordinal` of the rows that a condition selects, ascending (int64 array); all without a condition.

    Raises:
        ConfigError: `where` is no condition over the columns.
        BadInput: it selects nothing.
    """
    with parquet_errors(catalogue.path):
        schema, columns = catalogue.schema, catalogue.columns
        # An error in the condition names columns like the one that was meant: it needs to see all of them.
        _evaluated(schema.empty_table(), columns, where)
        found = _evaluated(_rows_for(catalogue, where), columns, where)
    if not len(found):
        raise BadInput(
            "no row of the catalogue is selected" if where else "the catalogue is empty",
            where=catalogue.path,
            remedy="query the file with DuckDB or pandas to see what it contains",
        )
    return np.sort(found)


def _rows_for(catalogue: Catalogue, where: str | None) -> Any:
    """The rows as DuckDB reads them: once, in batches. For a condition that queries the table again, a data
    set of Arrow's, which reads the file's metadata once more: 30 MB for a million rows.
    """
    if where is not None and _QUERY.search(where):
        import pyarrow.dataset as ds

        return ds.dataset(catalogue.path, format="parquet")
    return catalogue.reader(_named(where, catalogue.columns))


def _named(where: str | None, columns: list[str]) -> list[str]:
    """The columns that a condition may need: those whose names occur in it, and the ordinal."""
    if where is None:
        return ["ordinal"]
    if _ANY_COLUMN.search(where):
        return columns
    condition = where.casefold()
    return [name for name in columns if name == "ordinal" or name.casefold() in condition]


def _evaluated(table: Any, columns: list[str], where: str | None) -> Any:
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
