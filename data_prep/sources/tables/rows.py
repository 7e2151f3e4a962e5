"""The types that every reader of tables shares: rows, how a file is to be read, and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_CELL_CHARS: Final = 1_000_000
MAX_COLUMNS: Final = 2_000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """How a table is to be read, where the user says so; None detects it."""

    sheets: tuple[str, ...] = ()
    encoding: str | None = None
    separator: str | None = None


class Spoken(str):
    """A text with the language that its source gives for it."""

    __slots__ = ("language",)
    language: str | None

    def __new__(cls, text: str, language: str | None = None) -> Spoken:
        spoken = super().__new__(cls, text)
        spoken.language = language
        return spoken


def flattened(value: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """A nested object as columns with dotted names: `{"title": {"de": "Kuh"}}` has a column `title.de`.

    A list of objects stays as it is, because it may be one of regions, and also gives a list for each of
    their names: `{"images": [{"file": "a.jpg"}]}` has a column `images.file`.
    """
    row: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner and depth < 4:
            row |= flattened(inner, f"{prefix}{name}.", depth + 1)
            continue
        row[f"{prefix}{name}"] = inner
        if depth < 4:
            for one in _objects_in(inner):
                for column, part in flattened(one, f"{prefix}{name}.", depth + 1).items():
                    row.setdefault(column, []).append(part)
        if len(row) > MAX_COLUMNS:
            break
    return row


def _objects_in(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list that holds nothing else."""
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return []
    return value[:MAX_COLUMNS]
