"""The queries for packing: images in the ledger, and the set that was published before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from data_prep.ledger.ledger import Ledger


class Holding(NamedTuple):
    """An item whose image is stored: in a spool (`offset` and `size` in bytes), or in the published set."""

    base: str
    state: str
    candidate_json: str
    facts_json: str
    spool: int | None
    offset: int
    size: int


def num_held(ledger: Ledger) -> int:
    """The number of images that are stored."""
    (count,) = ledger.database.execute("SELECT count(*) FROM items WHERE facts IS NOT NULL").fetchone()
    return int(count)


def holding(ledger: Ledger, key: str) -> Holding | None:
    """The stored image of an item; None if there is none.

    If the item had another image before, and the new one could not be downloaded yet, this is the former one.
    """
    row = ledger.database.execute(
        "SELECT base, state, candidate, facts, spool, offset, size FROM items WHERE key = ?", (key,)
    ).fetchone()
    if row[3] is None and row[1] != "refused":
        former = ledger.database.execute(
            "SELECT facts, spool, offset, size FROM items WHERE base = ? AND facts IS NOT NULL "
            "AND key NOT IN (SELECT key FROM sightings) ORDER BY id DESC", (row[0],),
        ).fetchone()  # fmt: skip
        row = (*row[:3], *former) if former else row
    return None if row[3] is None else Holding(*row)


class ItemProgress(NamedTuple):
    """The state of an item with its reason, and the place of its image in a spool, if it has one."""

    state: str
    reason: str | None
    facts_json: str | None
    spool: int | None
    offset: int | None
    size: int | None


def progress_of(ledger: Ledger, key: str) -> ItemProgress | None:
    """The state of an item and the place of its image; None if the ledger has no item with this key."""
    row = ledger.database.execute(
        "SELECT state, reason, facts, spool, offset, size FROM items WHERE key = ?", (key,)
    ).fetchone()
    return ItemProgress(*row) if row else None


def perceptual_hashes(ledger: Ledger) -> Iterator[str]:
    """The perceptual hash of every stored image."""
    rows = ledger.database.execute("SELECT json_extract(facts, '$.phash') FROM items WHERE facts IS NOT NULL")
    return (phash for (phash,) in rows)


def looks(ledger: Ledger) -> Iterator[tuple[str, str, str, str]]:
    """Group, perceptual hash, colours (JSON) and checksum of every stored image."""
    return ledger.database.execute(
        "SELECT json_extract(candidate, '$.group'), json_extract(facts, '$.phash'), "
        "json_extract(facts, '$.colours'), json_extract(facts, '$.sha256') FROM items"
        " WHERE facts IS NOT NULL"
    )


class Published:
    """The keys of the previously published set, in a temporary table. Use as a context manager."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> Published:
        self._database.execute(
            "CREATE TEMP TABLE published (key TEXT PRIMARY KEY, shard TEXT, offset INTEGER, size INTEGER, "
            "is_kept INTEGER DEFAULT 0)"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._database.execute("DROP TABLE published")

    def add(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Add samples: key, shard, offset and size of the image in it."""
        self._database.executemany(
            "INSERT OR IGNORE INTO published (key, shard, offset, size) VALUES (?, ?, ?, ?)", rows
        )

    def place(self, key: str) -> tuple[str, int, int] | None:
        """Shard, offset and size of a sample's image."""
        query = "SELECT shard, offset, size FROM published WHERE key = ?"
        row: tuple[str, int, int] | None = self._database.execute(query, (key,)).fetchone()
        return row

    def keep(self, key: str) -> None:
        """Record that the new set also contains the sample."""
        self._database.execute("UPDATE published SET is_kept = 1 WHERE key = ?", (key,))

    def not_kept(self) -> list[str]:
        """The keys that the new set does not contain, in their order."""
        rows = self._database.execute("SELECT key FROM published WHERE NOT is_kept ORDER BY rowid")
        return [key for (key,) in rows]

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM published").fetchone()
        return int(count)
