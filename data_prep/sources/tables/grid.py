"""Lines of cells -> rows: finds the line with the names of the columns.

Exports put a title or a date above that line, leave empty columns at the end, use a name twice, or repeat the
names further down. A line is taken for the names if it is about as wide as the table and no cell of it is the
name of a picture or a number; a line that holds known names of columns has precedence.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from data_prep.sources.tables.rows import MAX_COLUMNS, Row
from data_prep.sources.tables.vocabulary import is_known_name

LINES_LOOKED_AT: Final = 60
MAX_LINES_ABOVE: Final = 20
# Cells that are values and not names of columns: a picture's name, an address, a number, a date.
_VALUE: Final = re.compile(
    r".*\.(?:jpe?g|tiff?|png|jp2|webp|gif|bmp)|https?://.*|[\d\s.,:/-]*\d[\d\s.,:/-]*", re.IGNORECASE
)

Line = Sequence[str]


def rows_of(lines: Iterable[Line]) -> Iterator[Row | str]:
    """The rows below the names of the columns; a text in place of a row says what is wrong with it."""
    rest = iter(lines)
    first = list(itertools.islice(rest, LINES_LOOKED_AT))
    place = header_place(first)
    if place is None:
        columns = [f"column {number}" for number in range(1, max(map(_width, first), default=0) + 1)]
        below: Iterable[Line] = itertools.chain(first, rest)
    else:
        columns = names_of(first[place])
        below = itertools.chain(first[place + 1 :], rest)
    names = _folded_line(columns) if place is not None else ()
    for line in below:
        if _width(line) == 0 or (names and _folded_line(line) == names):
            continue
        yield _row(columns, line)


def header_place(lines: Sequence[Line]) -> int | None:
    """The number of the line that names the columns, from 0; None where the table has no such line."""
    filled = [_num_filled(line) for line in lines]
    widths = Counter(count for count in filled if count)
    if not widths:
        return None
    usual = max(widths, key=lambda count: (widths[count], count))
    known = [sum(is_known_name(cell) for cell in line) for line in lines[:MAX_LINES_ABOVE]]
    best = max(known, default=0)
    if best >= 2:
        return known.index(best)
    needed = max(-(-usual * 3 // 5), min(usual, 2))
    for place, line in enumerate(lines[:MAX_LINES_ABOVE]):
        if filled[place] >= needed:
            return None if any(_VALUE.fullmatch(cell.strip()) for cell in line if cell.strip()) else place
    return None


def names_of(line: Line) -> list[str]:
    """The names of the columns: on one line, in one Unicode form, each of them once."""
    names: list[str] = []
    for number, cell in enumerate(line[: min(_width(line), MAX_COLUMNS)], 1):
        name = unicodedata.normalize("NFC", " ".join(cell.split())).strip("\ufeff ") or f"column {number}"
        names.append(name)
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    return names


def _row(columns: Sequence[str], line: Line) -> Row | str:
    if surplus := sum(bool(cell.strip()) for cell in line[len(columns) :]):
        return f"{surplus} cells more than the header has columns"
    padded = [*line[: len(columns)], *[""] * (len(columns) - len(line))]
    return dict(zip(columns, padded, strict=True))


def _num_filled(line: Line) -> int:
    return sum(bool(cell.strip()) for cell in line)


def _width(line: Line) -> int:
    """The number of cells up to the last filled one."""
    return max((number for number, cell in enumerate(line, 1) if cell.strip()), default=0)


def _folded_line(line: Line) -> tuple[str, ...]:
    return tuple(" ".join(cell.split()).casefold() for cell in line[: _width(line)])
