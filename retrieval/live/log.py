"""The mutable segment on disk: a log of additions and withdrawals since the last compaction, in SQLite.

SQLite's write-ahead log has the properties that are needed: whatever happens to the process, a change is
complete or absent, and readers in other processes see it at once. A reader applies the changes after the last
one that the generation contains (`compacted_through` in its manifest).

shardsets  id, path, name, records_sha256: sets that images of additions are read from
changes    seq, kind (add or withdraw), key, and for an addition its record, vector, place and its captions'
           vector, if any
withdrawn  keys withdrawn and not added again: kept for good, so that no rebuild brings an item back
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iconoclip import locks
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import DamagedData, TryAgainLater
from iconoclip.record import Record
from retrieval.generation.catalog import ImageLocation, unpack
from retrieval.generation.manifest import ShardSetReference

LIVE_NAME = "live.sqlite"
# Another process is writing, or the disk is full; the file itself is not damaged.
FOR_LATER = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
BUSY_TIMEOUT_SECONDS = 30.0

# One transaction: a process that is killed while it makes the file leaves an empty one, which means
# that there are no changes.
_SCHEMA = """
PRAGMA journal_mode=WAL;
BEGIN;
CREATE TABLE IF NOT EXISTS shardsets(id INTEGER PRIMARY KEY, path TEXT NOT NULL, name TEXT NOT NULL,
                                     records_sha256 TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS changes(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
key TEXT NOT NULL,
                                   record BLOB, vector BLOB, shardset INTEGER, shard TEXT, offset INTEGER,
                                   size INTEGER,
                                   caption BLOB);
CREATE TABLE IF NOT EXISTS withdrawn(key TEXT PRIMARY KEY) WITHOUT ROWID;
COMMIT;
"""


@dataclass(frozen=True)
class Addition:
    """An item that was added or replaced. The shard set number in its location is the
    id of a row of `shardsets`.
    """

    record: Record
    vector: npt.NDArray[np.float16]
    place: ImageLocation
    caption: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Change:
    """One line of the log: an addition, or the withdrawal of a key."""

    seq: int
    key: str
    addition: Addition | None


class LiveLog:
    """The log of an index folder. Open a new one for each use; this is cheap."""

    def __init__(self, index: Path) -> None:
        self.path = index / LIVE_NAME

    def add(self, reference: ShardSetReference, additions: Iterable[Addition]) -> int:
        """Append additions whose images are in one shard set, all or none of them. Returns their number.

        Raises:
            TryAgainLater: the disk is full, or another command writes.
        """
        with self._writing() as connection:
            number = self._number_of(connection, reference)
            rows = [
                (
                    "add",
                    each.record.key,
                    zlib.compress(each.record.model_dump_json().encode(), 6),
                    each.vector.astype(np.float16).tobytes(),
                    number,
                    each.place.shard,
                    each.place.offset,
                    each.place.size,
                    None if each.caption is None else each.caption.astype(np.float16).tobytes(),
                )
                for each in additions
            ]
            connection.executemany(
                "INSERT INTO changes(kind, key, record, vector, shardset, shard, offset, size, caption) "
                "VALUES (?,?,?,?,?,?,?,?,?)",
                rows,
            )
            connection.executemany("DELETE FROM withdrawn WHERE key=?", [(row[1],) for row in rows])
        return len(rows)

    def withdraw(self, keys: Iterable[str]) -> None:
        """Append withdrawals.

        Raises:
            TryAgainLater: the disk is full, or another command writes.
        """
        rows = [(key,) for key in keys]
        with self._writing() as connection:
            connection.executemany("INSERT INTO changes(kind, key) VALUES ('withdraw', ?)", rows)
            connection.executemany("INSERT OR IGNORE INTO withdrawn VALUES (?)", rows)

    def forget(self, through: int) -> None:
        """Delete the changes that a generation contains."""
        if self._has_begun():
            with self._writing() as connection:
                connection.execute("DELETE FROM changes WHERE seq <= ?", (through,))

    def withdrawn(self) -> frozenset[str]:
        """Every key that was ever withdrawn here and not added again."""
        if not self._has_begun():
            return frozenset()
        with self._reading() as connection:
            return frozenset(key for (key,) in connection.execute("SELECT key FROM withdrawn"))

    def last_seq(self) -> int:
        """The number of the last change; 0 if there has never been one."""
        if not self._has_begun():
            return 0
        with self._reading() as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name='changes'").fetchone()
            return int(row[0]) if row else 0

    def shardsets(self) -> tuple[ShardSetReference, ...]:
        """The shard sets of additions, by id from 1."""
        if not self._has_begun():
            return ()
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT path, name, records_sha256 FROM shardsets ORDER BY id"
            ).fetchall()
        return tuple(ShardSetReference(path=path, name=name, records_sha256=sha) for path, name, sha in rows)

    def changes(self, after: int) -> Iterator[Change]:
        """The changes with a higher number than `after`, in order.

        Raises:
            DamagedData: a record cannot be read.
        """
        if not self._has_begun():
            return
        with self._reading() as connection:
            caption = "caption" if _has_caption_column(connection) else "NULL"
            sql = (
                f"SELECT seq, kind, key, record, vector, {caption}, shardset, shard, offset, size "
                "FROM changes WHERE seq > ? ORDER BY seq"
            )
            for seq, kind, key, record, vector, caption, *place in connection.execute(sql, (after,)):
                if kind == "withdraw":
                    yield Change(seq, key, None)
                else:
                    image_D, caption_D = _vector(vector), None if caption is None else _vector(caption)
                    yield Change(
                        seq, key, Addition(unpack(record), image_D, ImageLocation(*place), caption_D)
                    )

    def _has_begun(self) -> bool:
        if not self.path.exists():
            return False
        with self._reading() as connection:
            sql = "SELECT count(*) FROM sqlite_master WHERE name='withdrawn'"
            return bool(connection.execute(sql).fetchone()[0])

    @staticmethod
    def _number_of(connection: sqlite3.Connection, reference: ShardSetReference) -> int:
        connection.execute(
            "INSERT INTO shardsets(path, name, records_sha256) VALUES (?,?,?) "
            "ON CONFLICT(records_sha256) DO UPDATE SET path=excluded.path",
            (reference.path, reference.name, reference.records_sha256),
        )
        sql = "SELECT id FROM shardsets WHERE records_sha256=?"
        return int(connection.execute(sql, (reference.records_sha256,)).fetchone()[0])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with disk_full_is_an_answer(self.path), self._connection() as connection:
            connection.executescript(_SCHEMA)
            # One transaction: after a crash, all of it is there or nothing. Immediate: if two processes find
            # an old log, the second one checks again when the first is done.
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if not _has_caption_column(connection):
                    connection.execute("ALTER TABLE changes ADD COLUMN caption BLOB")
                yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            yield connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in FOR_LATER:
                # Without file locks SQLite always reports a busy file.
                locks.require_posix(self.path.parent)
                raise TryAgainLater(
                    f"the log of changes cannot be written now: {error}",
                    where=self.path,
                    remedy="let the other command finish, or free some space, and run it again",
                ) from error
            raise DamagedData(
                f"the log of changes cannot be read or written: {error}",
                where=self.path,
                remedy="put it back from a copy, or remove the file: changes since the last"
                " compaction are lost",
            ) from error


def _has_caption_column(connection: sqlite3.Connection) -> bool:
    """Whether the log has the column for captions. The first indexes had none, and their
    withdrawals must stay valid.
    """
    return any(name == "caption" for _, name, *_ in connection.execute("PRAGMA table_info(changes)"))


def _vector(stored: bytes) -> npt.NDArray[np.float16]:
    return np.frombuffer(stored, np.float16)
