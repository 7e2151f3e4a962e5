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
    """A nested object as columns with dotted names: `{"title": {"de": "Kuh"}}` has a column `title.de`."""
    row: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner and depth < 4:
            row |= flattened(inner, f"{prefix}{name}.", depth + 1)
        else:
            row[f"{prefix}{name}"] = inner
        if len(row) > MAX_COLUMNS:
            break
    return row
