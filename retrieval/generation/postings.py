"""The rows that have a frequent word, read at once, instead of one by one from FTS5.

FTS5 takes a tenth of a microsecond per row, which is 50 milliseconds for a word that half of a million items
have. Words that more than 200 items have are also stored so:

rows_of_words  term; num_named: how many items have the word in their makers' names; rows: the row numbers,
               which ascend, as 32-bit integers; or one bit per row of the index, the first the lowest, where
               that is shorter

An index without this table is searched through FTS5, with the same result.

Shapes: N rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from iconoclip.errors import DamagedData
from retrieval.generation.row_lists import Mask, Rows, among

TABLE = "rows_of_words"
SCHEMA = f"CREATE TABLE {TABLE}(term TEXT PRIMARY KEY, num_named INTEGER NOT NULL, rows BLOB NOT NULL)"


def packed(rows: Rows, num_rows: int) -> bytes:
    """Rows, which ascend, as numbers or as bits, whichever is shorter."""
    if 4 * len(rows) < _num_bytes(num_rows):
        return rows.astype("<u4").tobytes()
    has_N = np.zeros(num_rows, bool)
    has_N[rows] = True
    return np.packbits(has_N, bitorder="little").tobytes()


def unpacked(data: bytes, num_rows: int) -> Rows:
    """The rows that `packed` was given.

    Raises:
        DamagedData: these are not rows of so many.
    """
    num_bytes = _num_bytes(num_rows)
    if len(data) == num_bytes:
        bits = np.frombuffer(data, np.uint8)
        return np.flatnonzero(np.unpackbits(bits, count=num_rows, bitorder="little").view(np.bool_))
    if len(data) > num_bytes or len(data) % 4:
        raise _damaged()
    rows = np.frombuffer(data, "<u4").astype(np.int64)
    if len(rows) and (rows[-1] >= num_rows or (rows[1:] <= rows[:-1]).any()):
        raise _damaged()
    return rows


def held(data: bytes, rows: Rows, num_rows: int) -> Mask:
    """Which of some rows, which ascend, are among those that `packed` was given.

    Raises:
        DamagedData: these are not rows of so many.
    """
    if len(data) != _num_bytes(num_rows):
        return among(rows, unpacked(data, num_rows))
    bits = np.frombuffer(data, np.uint8)
    return np.asarray(bits[rows >> 3] >> (rows & 7).astype(np.uint8) & 1, bool)


def _num_bytes(num_rows: int) -> int:
    return -(-num_rows // 8)


def _damaged() -> DamagedData:
    return DamagedData("the rows of a word cannot be read", remedy="build the index again")


def write(
    connection: sqlite3.Connection, num_rows: int, frequent: Iterable[str], rows_of: Callable[..., Rows]
) -> None:
    """Write the table for frequent words; `rows_of` gives the rows with a word, in a column or anywhere."""
    connection.execute(SCHEMA)

    def written() -> Iterator[tuple[str, int, bytes]]:
        for term in frequent:
            yield term, len(rows_of((term,), "creators")), packed(rows_of((term,)), num_rows)

    connection.executemany(f"INSERT INTO {TABLE} VALUES (?,?,?)", written())


class Postings:
    """The table, opened for reading.

    Args:
        run: runs SQL on the connection of the calling thread.
        num_rows: the number of rows of the index.
    """

    def __init__(self, run: Callable[..., sqlite3.Cursor], num_rows: int) -> None:
        self._run, self._num_rows = run, num_rows
        self._num_named: dict[str, int] = dict(run(f"SELECT term, num_named FROM {TABLE}"))

    def __contains__(self, term: str) -> bool:
        return term in self._num_named

    def divided(self, terms: Sequence[str]) -> tuple[list[str], list[str]]:
        """The words that are in the table, and the others."""
        stored = [term for term in terms if term in self]
        return stored, [term for term in terms if term not in self]

    def most_named(self, terms: Sequence[str]) -> int | None:
        """How many items may have one of the words in their makers' names, at most; None if unknown."""
        nums = [self._num_named.get(term) for term in terms]
        known = [num for num in nums if num is not None]
        return sum(known) if len(known) == len(nums) else None

    def rows(self, term: str) -> Rows:
        """The rows that have a word of the table.

        Raises:
            DamagedData: the table is damaged.
        """
        return unpacked(self._data(term), self._num_rows)

    def held(self, term: str, rows: Rows) -> Mask:
        """Which of some rows, which ascend, have a word of the table.

        Raises:
            DamagedData: the table is damaged.
        """
        return held(self._data(term), rows, self._num_rows)

    def _data(self, term: str) -> bytes:
        (data,) = self._run(f"SELECT rows FROM {TABLE} WHERE term=?", (term,)).fetchone()
        return bytes(data)
