"""What the values of a column look like: names of pictures, addresses, licences, years, notations, lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from data_prep.description.dates import parse_date
from data_prep.iiif.document import web_address
from data_prep.sources.offers import is_image
from data_prep.sources.tables.cells import values_of
from data_prep.sources.tables.picture_files import EXTENSIONS
from data_prep.sources.tables.rows import Row
from iconoclip.iconclass import exists
from iconoclip.rights import read

MAX_VALUES: Final = 200
# In this order: a semicolon divides where it occurs, a comma may belong to a name.
_SEPARATORS: Final = (";", "|", "\n", " // ", " / ")
_NOTATION: Final = re.compile(r"\d{2}[A-Z]{1,2}\d?.{0,40}")
_YEAR: Final = re.compile(r"\b(?:1[0-9]|20)\d\d\b|\b\d{1,2}(?:st|nd|rd|th|\.)\s")


@dataclass(frozen=True)
class ColumnSeen:
    """A column with the shares of its filled cells that look like something; shares are 0 to 1."""

    name: str
    num_filled: int
    examples: tuple[str, ...]
    file: float
    image_address: float
    address: float
    manifest: float
    rights: float
    date: float
    iconclass: float
    distinct: float
    mean_chars: float
    mean_words: float
    separator: str | None
    loose_separator: str | None
    """A comma or a slash between single words, where a list of terms may be."""


def columns_seen(rows: Iterable[Row]) -> list[ColumnSeen]:
    """The columns of the first rows, in their order."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).extend(values_of(value))
    return [_seen(name, texts[:MAX_VALUES]) for name, texts in values.items()]


def _seen(name: str, texts: list[str]) -> ColumnSeen:
    def share(holds: Callable[[str], bool]) -> float:
        return sum(map(holds, texts)) / len(texts) if texts else 0.0

    separator = _separator(texts)
    parts = [
        part.strip()
        for text in texts
        for part in (text.split(separator) if separator else [text])
        if part.strip()
    ]
    return ColumnSeen(
        name=name,
        num_filled=len(texts),
        examples=tuple(texts[:3]),
        file=sum(part.lower().endswith(EXTENSIONS) and not web_address(part) for part in parts)
        / max(1, len(parts)),
        image_address=share(lambda text: web_address(text) is not None and is_image(text)),
        address=share(lambda text: web_address(text) is not None),
        manifest=share(lambda text: web_address(text) is not None and "manifest" in text.lower()),
        rights=share(lambda text: len(text) < 300 and read(text).uri is not None),
        date=share(_is_date),
        iconclass=sum(map(_is_notation, parts)) / max(1, len(parts)),
        distinct=len(set(texts)) / len(texts) if texts else 0.0,
        mean_chars=sum(map(len, texts)) / len(texts) if texts else 0.0,
        mean_words=sum(len(text.split()) for text in texts) / len(texts) if texts else 0.0,
        separator=separator,
        loose_separator=_loose_separator(texts),
    )


def _is_date(text: str) -> bool:
    if len(text) > 40 or not _YEAR.search(text + " "):
        return False
    found = parse_date(text)
    return found is not None and found.earliest is not None


def _is_notation(text: str) -> bool:
    return _NOTATION.fullmatch(text) is not None and exists(text)


def _loose_separator(texts: list[str]) -> str | None:
    """What divides short terms in at least half of the cells."""
    for separator in (",", "/"):
        divided = [text for text in texts if separator in text]
        parts = [part.strip() for text in divided for part in text.split(separator)]
        if 2 * len(divided) >= len(texts) > 0 and sum(len(part.split()) for part in parts) <= 2 * len(parts):
            return separator
    return None


def _separator(texts: list[str]) -> str | None:
    """What divides the values of cells, if some of them hold several."""
    for separator in _SEPARATORS:
        divided = [text for text in texts if separator in text]
        parts = [part for text in divided for part in text.split(separator)]
        # Sentences with a semicolon are no lists.
        if len(divided) >= max(1, len(texts) // 20) and sum(map(len, parts)) / len(parts) < 60:
            return separator
    return None
