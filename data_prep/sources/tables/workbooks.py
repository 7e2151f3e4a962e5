"""Workbooks of Excel and LibreOffice: .xlsx, .xls, .xlsb, .ods, read by calamine.

Where a workbook has several sheets, the one that looks most like a catalogue counts, with all others that
have the same columns (a sheet per year or per collection). `sheets` names others.
"""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.sources.tables.grid import header_place, names_of, rows_of
from data_prep.sources.tables.rows import MAX_CELL_CHARS, Reading, Row
from data_prep.sources.tables.vocabulary import is_known_name
from iconoclip.config import nearest
from iconoclip.errors import BadInput, ConfigError

SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
# A workbook is a zip file: what it unpacks to is bounded before it is read.
MAX_UNPACKED_BYTES: Final = 1_000_000_000
MAX_CELLS: Final = 50_000_000

Lines = list[list[str]]


def workbook_rows(path: Path, reading: Reading) -> Iterator[Row | str]:
    """The rows of the chosen sheets.

    Raises:
        BadInput: not a workbook, locked by a password, or too large.
        ConfigError: it has no sheet of that name.
    """
    sheets = _sheets(path)
    for name in chosen_sheets(sheets, reading.sheets, path):
        yield from rows_of(sheets[name])


def chosen_sheets(sheets: dict[str, Lines], wanted: Sequence[str], path: Path) -> list[str]:
    """The names of the sheets to read: those that the user named, or those that look like the catalogue.

    Raises:
        ConfigError: there is no sheet of that name.
        BadInput: all are empty.
    """
    for name in wanted:
        if name not in sheets:
            raise ConfigError(
                f"no sheet '{name}' in the workbook", where=path, remedy=nearest(name, list(sheets))
            )
    if wanted:
        return list(wanted)
    headers = {name: _header(lines) for name, lines in sheets.items()}
    filled = [name for name, lines in sheets.items() if len(lines) > 1 and headers[name]]
    if not filled:
        raise BadInput("the workbook holds no rows", where=path, remedy="is this the right file?")
    best = max(
        filled,
        key=lambda name: (sum(map(is_known_name, headers[name])), len(headers[name]), len(sheets[name])),
    )
    return [name for name in filled if set(headers[name]) == set(headers[best])]


def _header(lines: Lines) -> list[str]:
    place = header_place(lines[:60])
    return names_of(lines[place]) if place is not None else ["column"] * max(map(len, lines[:60]), default=0)


def _sheets(path: Path) -> dict[str, Lines]:
    """The cells of every visible sheet, as texts."""
    # Imported here: most tables are no workbooks.
    import python_calamine as calamine

    try:
        _check_size(path)
        with calamine.CalamineWorkbook.from_path(str(path)) as book:
            shown = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.typ == calamine.SheetTypeEnum.WorkSheet
                and sheet.visible == calamine.SheetVisibleEnum.Visible
            ]
            return {name: _lines(book.get_sheet_by_name(name), path) for name in shown or book.sheet_names}
    except calamine.PasswordError:
        raise BadInput(
            "the workbook is locked by a password", where=path, remedy="save it again without one"
        ) from None
    except (calamine.CalamineError, OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise BadInput(
            f"the workbook cannot be read: {str(error)[:200]}", where=path, remedy="save it again as .xlsx"
        ) from error


def _check_size(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        size = sum(part.file_size for part in parts.infolist())
    if size > MAX_UNPACKED_BYTES:
        raise BadInput(
            f"the workbook unpacks to {size} bytes, more than {MAX_UNPACKED_BYTES}",
            where=path,
            remedy="save the sheet as CSV",
        )


def _lines(sheet: Any, path: Path) -> Lines:
    if sheet.total_height * sheet.total_width > MAX_CELLS:
        raise BadInput(
            f"a sheet of {sheet.total_height} rows and {sheet.total_width} columns is too large",
            where=path,
            remedy="save it as CSV",
        )
    lines = [[_text(cell) for cell in line] for line in sheet.iter_rows()]
    # Only .xlsx and .xls tell which cells are merged.
    _fill_down(lines, sheet.merged_cell_ranges or ())
    return lines


def _fill_down(lines: Lines, merged: Iterable[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Repeat what is in a cell that spans several rows of a column: it holds for each of them."""
    for (top, column), (bottom, last_column) in merged:
        if column != last_column or top >= len(lines) or column >= len(lines[top]):
            continue
        for line in lines[top + 1 : bottom + 1]:
            if column < len(line) and not line[column]:
                line[column] = lines[top][column]


def _text(cell: Any) -> str:
    """A cell as a person sees it: whole numbers without a fraction, dates without midnight."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat(" ") if isinstance(cell, datetime.datetime) else cell.isoformat()
    return str(cell)[:MAX_CELL_CHARS]
