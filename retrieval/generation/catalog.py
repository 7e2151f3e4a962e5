"""The catalogue of a generation: records, the locations of their images, and
full-text search. One SQLite file.

items   row (the vector's row), key, record (JSON, zlib), shard set number, shard, offset and size of the JPEG
words   FTS5 without stored content: title, captions, creators, subjects, identifiers; case and diacritics
        folded
frequent  words that more than a few items have, and the number of these items
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from iconoclip.errors import BadInput, DamagedData
from iconoclip.record import Record
from retrieval.generation.columns import Mask
from retrieval.words import folded, words_in

MAX_RECORD_BYTES = 8_000_000
# The bm25 weights of title, captions, creators, subjects, identifiers.
WEIGHTS = (4.0, 2.0, 4.0, 1.0, 4.0)
# A word that more than a tenth of the items have does not distinguish them.
COMMON_SHARE, COMMON_MIN = 0.1, 2_000
FREQUENT_MIN = 200
# Scoring the words of an item takes microseconds. These limits say how many items are scored: in a
# keyword search; in a hybrid search, of those that have every word; and of those that have some
# words, the rarest words first.
MAX_SCORED, MAX_EVERY_WORD_IN_HYBRID, MAX_SOME_WORDS_IN_HYBRID = 20_000, 4_000, 600

_SCHEMA = """
CREATE TABLE items(row INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, record BLOB NOT NULL,
                   shardset INTEGER NOT NULL, shard TEXT NOT NULL, offset INTEGER NOT NULL,
                   size INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(title, captions, creators, subjects, identifiers,
                                      content='', tokenize="unicode61 remove_diacritics 2");
CREATE TABLE frequent(term TEXT PRIMARY KEY, num_items INTEGER NOT NULL) WITHOUT ROWID;
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


@dataclass(frozen=True)
class WordMatch:
    """An item that full-text search found. Lower tiers are better: 0 the phrase, 1
    every word, 2 some words.
    """

    row: int
    tier: int
    bm25: float


class CatalogWriter:
    """Writes a catalogue in one pass, row by row, from one thread. `close` makes it searchable.

    Args:
        path: the file; must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        # A crash leaves a draft folder that CURRENT does not name, so no journal is needed.
        self._connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)

    def add(self, row: int, record: Record, place: ImageLocation, subjects: str) -> None:
        """Add an item.

        Args:
            row: the row of its vector.
            record: the record.
            place: the location of its image.
            subjects: the words of its Iconclass notations, in any languages.
        """
        insert_item(self._connection, row, record, place, subjects)

    def close(self) -> None:
        """Finish: store the frequent words, optimise the full-text index, close the file."""
        connection = self._connection
        connection.execute("INSERT INTO words(words) VALUES('optimize')")
        connection.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row)")
        connection.execute(
            "INSERT INTO frequent SELECT term, doc FROM temp.vocabulary WHERE doc > ?", (FREQUENT_MIN,)
        )
        connection.commit()
        connection.close()


def insert_item(
    connection: sqlite3.Connection, row: int, record: Record, place: ImageLocation, subjects: str
) -> None:
    """Insert one item into the tables of a catalogue."""
    packed = zlib.compress(record.model_dump_json(exclude_defaults=False).encode(), 6)
    connection.execute(
        "INSERT INTO items VALUES (?,?,?,?,?,?,?)",
        (row, record.key, packed, place.shardset, place.shard, place.offset, place.size),
    )
    connection.execute(
        "INSERT INTO words(rowid, title, captions, creators, subjects, identifiers) VALUES (?,?,?,?,?,?)",
        (row, *words_of(record), subjects, _identifiers(record)),
    )


def words_of(record: Record) -> tuple[str, str, str]:
    """The title, captions and creators of a record as text for full-text search."""
    return (
        record.title,
        "\n".join(caption.text for caption in record.captions[1:]),
        "\n".join(record.creators),
    )


def _identifiers(record: Record) -> str:
    return "\n".join([*record.iconclass, record.source.id, record.key])


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
            self._frequent: dict[str, int] = dict(self._query("SELECT term, num_items FROM frequent"))
            (num_items,) = self._query("SELECT max(row) + 1 FROM items").fetchone()
            self._num_common = max(COMMON_MIN, COMMON_SHARE * (num_items or 0))
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

    def match_words(
        self,
        text: str,
        limit: int,
        mask_N: Mask | None = None,
        *,
        telling_only: bool = False,
        near: Sequence[int] = (),
    ) -> list[WordMatch]:
        """Items that contain the words of `text`: first those with the phrase, then with every word, then
        with some words; best first in each group.

        Args:
            text: what a person typed; it is never read as a query language.
            limit: the largest number of items.
            mask_N: rows that may be found.
            telling_only: find nothing if every word is common, as it would add nothing to a semantic search.
            near: rows found by meaning. Words that thousands of items have are searched only in these rows.
        """
        words = words_in(text)
        if telling_only and all(self._is_common(word) for word in words):
            return []
        if telling_only and words and min(map(self._num_with, words)) > MAX_EVERY_WORD_IN_HYBRID:
            return self._unweighted(words, near)
        tiers = self._tiers(words, mask_N, limit, telling_only)
        found: dict[int, WordMatch] = {}
        for tier, scored in enumerate(tiers):
            for row, bm25 in scored:
                found.setdefault(row, WordMatch(row, tier, bm25))
        return sorted(found.values(), key=lambda match: (match.tier, match.bm25, match.row))[:limit]

    def _tiers(
        self, words: list[str], mask_N: Mask | None, limit: int, telling_only: bool
    ) -> tuple[list[tuple[int, float]], ...]:
        """Rows with their weights: those that contain the phrase, every word, or
        some word that is not common.
        """
        most = MAX_EVERY_WORD_IN_HYBRID if telling_only else MAX_SCORED
        needed = [word for word in words if not (telling_only and self._is_common(word))]
        every = self._scored(" ".join(f'"{word}"' for word in needed), mask_N, limit, most) if needed else []
        if len(words) < 2:
            return [], every
        # If no item contains every word, none contains the phrase.
        phrase = self._scored(f'"{" ".join(words)}"', mask_N, limit, most) if every else []
        telling = self._telling(words, MAX_SOME_WORDS_IN_HYBRID if telling_only else MAX_SCORED)
        if len(every) >= limit or not telling:
            return phrase, every
        return phrase, every, self._scored(" OR ".join(telling), mask_N, limit, most)

    def _telling(self, words: list[str], most: int) -> list[str]:
        """The rarest words, quoted: as many as possible such that at most about
        `most` items have one of them.
        """
        telling, num_scored = [], 0
        for word in sorted(set(words), key=lambda word: (self._num_with(word), word)):
            num_scored += self._num_with(word)
            if num_scored > most:
                break
            telling.append(f'"{word}"')
        return telling

    def _unweighted(self, words: list[str], near: Sequence[int]) -> list[WordMatch]:
        """Those of the given rows that have every word that is not common, without a score: bm25 would count
        every item that has one of the words.
        """
        expression = " ".join(f'"{word}"' for word in words if not self._is_common(word))
        wanted, cursor = set(near), self._query("SELECT rowid FROM words WHERE words MATCH ?", (expression,))
        return [WordMatch(row, 1, 0.0) for (row,) in cursor if row in wanted]

    def _is_common(self, word: str) -> bool:
        return self._num_with(word) > self._num_common

    def _num_with(self, word: str) -> int:
        return self._frequent.get(folded(word), FREQUENT_MIN)

    def _scored(self, expression: str, mask_N: Mask | None, limit: int, most: int) -> list[tuple[int, float]]:
        """The best rows that the mask allows, each with its weight."""
        weights = ",".join(map(str, WEIGHTS))
        # Rounded, so that equal texts tie whatever the order in which their words were summed. SQLite sorts,
        # because that is faster than reading all rows in Python.
        sql = (
            f"SELECT rowid, score FROM (SELECT rowid, round(bm25(words,{weights}), 6) AS score FROM words"
            " WHERE words MATCH ? LIMIT ?) ORDER BY score, rowid"
        )
        cursor = self._query(sql, (expression, most if mask_N is None else -1))
        passing = ((int(row), float(bm25)) for row, bm25 in cursor if mask_N is None or mask_N[row])
        return list(islice(passing, limit))

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
