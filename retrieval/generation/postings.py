"""The rows that have a frequent word, one bit per row: read at once, instead of one by one from FTS5.

A query often has words that a tenth of a collection has. FTS5 takes a tenth of a microsecond per row, which
is 50 milliseconds for a word of half a million items. One bit per row of a million is 125 kB, read and
unpacked in a fifth of a millisecond. So words that more than one item in 256 has are also stored so:

frequent_rows  term; num_named: how many items have the word in their makers' names; bits: one bit per row,
               the first the lowest, compressed with zlib where that halves them

An index without this table is searched through FTS5, with the same result.

Shapes: N rows.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

TABLE = "frequent_rows"
SCHEMA = f"CREATE TABLE {TABLE}(term TEXT PRIMARY KEY, num_named INTEGER NOT NULL, bits BLOB NOT NULL)"
# Below, reading the rows one by one is as fast as unpacking a bit for each row of the index.
LEAST_SHARE = 1 / 256
_LEVEL = 1


def packed(rows: Rows, num_rows: int) -> bytes:
    """A bit for each row of the index, compressed where that halves them."""
    has_N = np.zeros(num_rows, bool)
    has_N[rows] = True
    plain = np.packbits(has_N, bitorder="little").tobytes()
    short = zlib.compress(plain, _LEVEL)
    return short if 2 * len(short) <= len(plain) else plain


def unpacked(bits: bytes, num_rows: int) -> Mask:
    """Which rows have the word, from what `packed` returned.

    Raises:
        DamagedData: these are not the bits of so many rows.
    """
    num_bytes = -(-num_rows // 8)
    if len(bits) != num_bytes:
        bits = _decompressed(bits, num_bytes)
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=num_rows, bitorder="little").view(np.bool_)


def _decompressed(bits: bytes, num_bytes: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        found = decompressor.decompress(bits, num_bytes)
    except zlib.error:
        found = b""
    if len(found) != num_bytes:
        raise DamagedData("the rows of a word cannot be read", remedy="build the index again")
    return found


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

    def most_named(self, terms: Sequence[str]) -> int | None:
        """How many items may have one of the words in their makers' names, at most; None if unknown."""
        nums = [self._num_named.get(term) for term in terms]
        known = [num for num in nums if num is not None]
        return sum(known) if len(known) == len(nums) else None

    def add_to(self, has_N: Mask, terms: Iterable[str]) -> None:
        """Also mark the rows that have one of the words."""
        for term in terms:
            (bits,) = self._run(f"SELECT bits FROM {TABLE} WHERE term=?", (term,)).fetchone()
            has_N |= unpacked(bits, self._num_rows)
