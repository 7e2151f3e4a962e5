"""CSV and its relatives: separated by commas, semicolons, tabs or bars, in any encoding."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_prep.sources.tables.encodings import encoding_of
from data_prep.sources.tables.grid import LINES_LOOKED_AT, rows_of
from data_prep.sources.tables.rows import MAX_CELL_CHARS, Reading, Row
from iconoclip.errors import BadInput

SEPARATORS: Final = (",", ";", "\t", "|", "^", "\x1f")
# The first line of some spreadsheets' exports names their separator.
_STATED_SEPARATOR: Final = re.compile(r'\ufeff?"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)
SAMPLE_CHARS: Final = 200_000


def delimited_rows(path: Path, reading: Reading) -> Iterator[Row | str]:
    """The rows of a text table.

    Raises:
        BadInput: it is no text, or holds a cell of more than a million characters.
    """
    csv.field_size_limit(MAX_CELL_CHARS)
    encoding = encoding_of(path, reading.encoding)
    # Of a damaged file the other rows can still be read; what is no text stands out in those that cannot.
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        first = file.readline(MAX_CELL_CHARS)
        separator = reading.separator
        if stated := _STATED_SEPARATOR.fullmatch(first):
            start, separator = file.tell(), separator or stated[1]
        else:
            start = 0
        file.seek(start)
        sample = file.read(SAMPLE_CHARS)
        file.seek(start)
        try:
            yield from rows_of(csv.reader(_lines(file), delimiter=separator or separator_of(sample)))
        except csv.Error as error:
            raise BadInput(
                f"the table cannot be read: {error}", where=path, remedy="is a quotation mark left open?"
            ) from error


def separator_of(sample: str) -> str:
    """The separator that divides most lines into equally many cells, and into most of them."""
    return max(SEPARATORS, key=lambda one: _regularity(sample, one))


def _regularity(sample: str, separator: str) -> tuple[float, int]:
    """How well a separator fits: the share of the characters in lines of the most common width, and that
    width."""
    lines = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    widths: Counter[int] = Counter()
    try:
        for cells in itertools.islice(lines, LINES_LOOKED_AT):
            # Separators at the end of a line are decoration.
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                widths[len(cells)] += 1
    except csv.Error:
        return 0.0, 0
    if not widths:
        return 0.0, 0
    wide = Counter({width: count for width, count in widths.items() if width > 1})
    if not wide:
        return 0.0, 1
    width, _ = max(wide.items(), key=lambda item: (item[1], item[0]))
    # Rows may be short at their end, where the last columns are empty; none may be longer.
    short = sum(count for other, count in widths.items() if width / 2 <= other < width)
    return (widths[width] + short / 2) / widths.total(), width


def _lines(file: Iterator[str]) -> Iterator[str]:
    """The lines without NUL characters and without marks of the byte order inside of the text."""
    for line in file:
        yield line.replace("\0", "").replace("\ufeff", "")
