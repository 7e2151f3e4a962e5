"""The texts in the cells of a row: names of columns in any spelling, file patterns, lists within a cell."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from data_prep.sources.tables.rows import Row, Spoken

# Fields whose texts may be lists. A separator that is meant for these must not cut titles and addresses.
LIST_FIELDS: Final = frozenset(
    ("subject", "person", "place", "technique", "creators", "iconclass", "object_type")
)
_BRACES: Final = re.compile(r"\{([^{}]+)\}")


def names_in(spec: str | list[str] | None) -> list[str]:
    """The columns that a setting names, in their order."""
    return [spec] if isinstance(spec, str) else spec or []


def columns_in(name: str) -> list[str]:
    """The columns in a name: those in the braces of a pattern such as `{id}.tif`, or the name itself."""
    return _BRACES.findall(name) or [name]


class Cells:
    """Reads the cells of rows.

    Args:
        header: the names of the columns as the table writes them.
        list_separator: separates several values in a cell of a field that may be a list.
        separators: column -> what separates several values in its cells, whatever its field.
    """

    def __init__(
        self,
        header: Iterable[str],
        list_separator: str | None = None,
        separators: Mapping[str, str] | None = None,
    ) -> None:
        self._list_separator = list_separator
        self._as_written: dict[str, str] = {}
        for name in header:
            self._as_written.setdefault(_same(name), name)
        self._separators = {_same(name): separator for name, separator in (separators or {}).items()}

    def has(self, name: str) -> bool:
        """Whether the table has a column of this name, or all columns of a pattern."""
        return all(_same(column) in self._as_written for column in columns_in(name))

    def value(self, row: Row, name: str) -> Any:
        """The value of a cell as it is."""
        return row[name] if name in row else row.get(self._as_written.get(_same(name), name))

    def cells(self, row: Row, spec: str | list[str] | None, field: str = "") -> list[tuple[str, str]]:
        """The texts in the first filled one of the columns, each with the column's name."""
        for name in names_in(spec):
            if texts := self._texts(row, name, field):
                return [(name, text) for text in texts]
        return []

    def all_cells(self, row: Row, spec: str | list[str] | None, field: str = "") -> list[tuple[str, str]]:
        """The texts in all of the columns, each once, with the column's name."""
        found: dict[str, str] = {}
        for name in names_in(spec):
            for text in self._texts(row, name, field):
                found.setdefault(text, name)
        return [(name, text) for text, name in found.items()]

    def texts(self, row: Row, spec: str | list[str] | None, field: str = "") -> list[str]:
        """The texts in the first filled one of the columns."""
        return [text for _, text in self.cells(row, spec, field)]

    def text(self, row: Row, spec: str | list[str] | None) -> str | None:
        """The first text in the first filled one of the columns."""
        return next(iter(self.texts(row, spec)), None)

    def _texts(self, row: Row, name: str, field: str) -> list[str]:
        if _BRACES.search(name) and name not in row:
            filled = self._filled(row, name)
            return [filled] if filled else []
        separator = self._separators.get(_same(name)) or (
            self._list_separator if field in LIST_FIELDS else None
        )
        return [text for value in values_of(self.value(row, name)) for text in _split(value, separator)]

    def _filled(self, row: Row, pattern: str) -> str | None:
        """A pattern with the row's values; None if one of them is empty."""
        values = {name: next(iter(values_of(self.value(row, name))), "") for name in columns_in(pattern)}
        if not all(values.values()):
            return None
        return _BRACES.sub(lambda match: values[match[1]], pattern)


def _same(name: str) -> str:
    """A column's name without what differs between exports: case, Unicode form, spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _split(value: str, separator: str | None) -> Iterator[str]:
    language = value.language if isinstance(value, Spoken) else None
    for part in value.split(separator) if separator else [value]:
        if text := part.strip():
            yield Spoken(text, language) if language else text


def values_of(value: Any) -> list[str]:
    """The texts in a cell: a text, a number, a list of them, or a list written as JSON."""
    if value is None or isinstance(value, bool | dict):
        return []
    if isinstance(value, list | tuple):
        return [text for part in value for text in values_of(part)]
    if isinstance(value, Spoken):
        return [value] if value.strip() else []
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value).strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        if isinstance(parsed, list) and not any(isinstance(part, list | dict) for part in parsed):
            return values_of(parsed)
    return [text] if text else []
