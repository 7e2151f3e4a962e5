"""The catalogue of a generation: records, the locations of their images, and
the index of their words. One SQLite file.

items   row (the vector's row), key, record (JSON, zlib), shard set number, shard, offset and size of the JPEG
words, variants, frequent, spellings, settings   see retrieval.generation.word_index
completions, completion_...   see retrieval.generation.completions
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iconoclip.errors import BadInput, DamagedData
from iconoclip.record import Record
from retrieval.generation.completions import Completions, CompletionWriter
from retrieval.generation.word_index import WordIndex, WordWriter

MAX_RECORD_BYTES = 8_000_000

_SCHEMA = """
CREATE TABLE items(row INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, record BLOB NOT NULL,
                   shardset INTEGER NOT NULL, shard TEXT NOT NULL, offset INTEGER NOT NULL,
                   size INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class ImageLocation:
    """The location of an item's JPEG: number of the shard set in the index
    manifest, shard, offset and size.
    """

    shardset: int
    shard: str
    offset: int
    size: int


class CatalogWriter:
    """Writes a catalogue in one pass, row by row, from one thread. `close` makes it searchable.

    Args:
        path: the file; must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        # A crash leaves a draft folder that CURRENT does not name, so no journal is needed.
        self._connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        self._words = WordWriter(self._connection)
        self._completions = CompletionWriter(self._connection)

    def add(self, row: int, record: Record, place: ImageLocation, subjects: str) -> None:
        """Add an item.

        Args:
            row: the row of its vector.
            record: the record.
            place: the location of its image.
            subjects: the words of its Iconclass notations, in any languages.
        """
        packed = zlib.compress(record.model_dump_json(exclude_defaults=False).encode(), 6)
        self._connection.execute(
            "INSERT INTO items VALUES (?,?,?,?,?,?,?)",
            (row, record.key, packed, place.shardset, place.shard, place.offset, place.size),
        )
        self._words.add(row, record, subjects)
        self._completions.add(row, record)

    def close(self) -> None:
        """Finish the word index and the completions, and close the file."""
        self._words.finish()
        self._completions.finish()
        self._connection.commit()
        self._connection.close()


class Catalog:
    """A catalogue opened for reading, from any thread.

    Args:
        path: the file.
        immutable: the file never changes while it is open, so no locks are needed.

    Raises:
        DamagedData: the file is not a catalogue.
    """

    def __init__(self, path: Path, *, immutable: bool = True) -> None:
        self.path = path
        self._uri = f"{path.resolve().as_uri()}?mode=ro" + ("&immutable=1" if immutable else "")
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        try:
            (num_items,) = self._query("SELECT max(row) + 1 FROM items").fetchone()
            self.words = WordIndex(self._query, num_items or 0)
            self.completions = Completions(self._query)
        except sqlite3.Error as error:
            raise DamagedData(
                f"not a catalogue: {error}", where=path, remedy="build the index again"
            ) from error

    def _query(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection().execute(sql, values)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False)
            # The file may come from outside: no function in its schema is run.
            connection.execute("PRAGMA trusted_schema=OFF")
            self._local.connection = connection
            self._all.append(connection)
        return connection

    def row_of(self, key: str) -> int | None:
        """The row of a key, or None."""
        found = self._query("SELECT row FROM items WHERE key=?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def rows_of(self, keys: Iterable[str]) -> dict[str, int]:
        """The rows of those keys that are in the catalogue."""
        return {key: row for key in keys if (row := self.row_of(key)) is not None}

    def record(self, row: int) -> Record:
        """The record of a row, unpacked."""
        (packed,) = self._query("SELECT record FROM items WHERE row=?", (row,)).fetchone()
        return unpack(packed)

    def records(self, rows: Sequence[int]) -> list[Record]:
        """The records of some rows, unpacked, in their order: quicker than one by one."""
        marks = ",".join("?" * len(rows))
        packed = dict(self._query(f"SELECT row, record FROM items WHERE row IN ({marks})", rows))
        return [unpack(packed[row]) for row in rows]

    def key(self, row: int) -> str:
        """The key of the item in a row."""
        return str(self._query("SELECT key FROM items WHERE row=?", (row,)).fetchone()[0])

    def place(self, row: int) -> ImageLocation:
        """The location of a row's image."""
        sql = "SELECT shardset, shard, offset, size FROM items WHERE row=?"
        return ImageLocation(*self._query(sql, (row,)).fetchone())

    def items(self) -> Iterator[tuple[int, Record, ImageLocation]]:
        """Every item in row order."""
        sql = "SELECT row, record, shardset, shard, offset, size FROM items ORDER BY row"
        for row, packed, *place in self._query(sql):
            yield row, unpack(packed), ImageLocation(*place)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._all:
            connection.close()


def unpack(packed: bytes) -> Record:
    """A record from its compressed JSON.

    Raises:
        DamagedData: it is not a record, or is larger than 8 MB uncompressed.
    """
    decompressor = zlib.decompressobj()
    try:
        data = decompressor.decompress(packed, MAX_RECORD_BYTES)
        if decompressor.unconsumed_tail:
            raise DamagedData("a record of more than 8 MB", remedy="build the index again")
        return Record.model_validate_json(data)
    except (zlib.error, ValueError) as error:
        raise DamagedData(
            "a record in the catalogue cannot be read", remedy="build the index again"
        ) from error


def no_such_item(key: str) -> BadInput:
    """The error for a key that is unknown or withdrawn."""
    return BadInput(f"no item '{key}' here, or it was withdrawn", where=key, remedy="check the key")
