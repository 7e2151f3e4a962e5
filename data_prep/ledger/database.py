"""The ledger's SQLite file: its tables, how it is opened, and what its errors mean to a person."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from iconoclip import locks
from iconoclip.errors import BadInput, DamagedData, MissingRequirement, TryAgainLater

SCHEMA_VERSION: Final = "2"

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, uri TEXT NOT NULL, kind TEXT NOT NULL, context TEXT NOT NULL, host TEXT NOT NULL,
    depth INTEGER NOT NULL, is_shared INTEGER NOT NULL DEFAULT 1, state TEXT NOT NULL DEFAULT 'pending', reason TEXT, rounds INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, etag TEXT, last_modified TEXT, sha256 TEXT, opt_out TEXT NOT NULL DEFAULT '', seen_until TEXT,
    UNIQUE (uri, kind)
);
CREATE INDEX documents_by_host ON documents (host, state, id);
CREATE TABLE edges (
    parent INTEGER NOT NULL, ordinal INTEGER NOT NULL, child INTEGER NOT NULL, record TEXT, PRIMARY KEY (parent, ordinal)
) WITHOUT ROWID;
CREATE TABLE items (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, host TEXT NOT NULL, candidate TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending', reason TEXT, rounds INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, etag TEXT, last_modified TEXT,
    spool INTEGER, offset INTEGER, size INTEGER, facts TEXT
);
CREATE INDEX items_by_host ON items (host, state, id);
CREATE TABLE sightings (
    document INTEGER NOT NULL, ordinal INTEGER NOT NULL, key TEXT NOT NULL, candidate TEXT, record TEXT,
    PRIMARY KEY (document, ordinal)
) WITHOUT ROWID;
CREATE TABLE refusals (
    document INTEGER NOT NULL, ordinal INTEGER NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (document, ordinal)
) WITHOUT ROWID;
CREATE TABLE withdrawals (
    document INTEGER NOT NULL, ordinal INTEGER NOT NULL, source_id TEXT NOT NULL, at TEXT,
    PRIMARY KEY (document, ordinal)
) WITHOUT ROWID;
CREATE INDEX withdrawals_by_source ON withdrawals (source_id);
CREATE TABLE sites (origin TEXT PRIMARY KEY, robots_txt TEXT, tdmrep BLOB, at REAL) WITHOUT ROWID;
CREATE TABLE services (uri TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
CREATE TABLE hosts (
    host TEXT PRIMARY KEY, requests INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0, parked TEXT
) WITHOUT ROWID;
"""


# SQLite locks its file with POSIX locks (sqlite.org/rescode.html).
_NO_LOCKS: Final = {"SQLITE_IOERR_LOCK", "SQLITE_IOERR_RDLOCK", "SQLITE_IOERR_SHMLOCK", "SQLITE_PROTOCOL"}


def open_database(path: str) -> sqlite3.Connection:
    """Open a ledger's file, or a new one; `:memory:` as well.

    Raises:
        sqlite3.DatabaseError: it is none, or damaged.
    """
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    # WAL: readers (`iconoclip status`) never wait. NORMAL: a killed process loses nothing that was committed; after a
    # power cut the last batches may be missing and are fetched again.
    database.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
    )
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        database.executescript(
            f"BEGIN; {SCHEMA} INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}'); COMMIT;"
        )
    return database


def exclusive_lock(path: Path) -> locks.Hold:
    """Lock a harvest's folder against other processes until the lock is closed.

    Raises:
        BadInput: another process holds it.
        MissingRequirement: the folder cannot be written.
    """
    return locks.hold(
        path,
        lambda holder: BadInput(
            f"another process is harvesting into this folder: {holder}",
            where=path.parent,
            remedy="let it finish, or stop it first",
        ),
    )


@contextlib.contextmanager
def database_errors(where: Path | None) -> Iterator[None]:
    """Tell what a fault of the database in this block means.

    Raises:
        TryAgainLater: the disk is full.
        DamagedData: the file is damaged.
        MissingRequirement: the file system has no file locks.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") in _NO_LOCKS:
            raise MissingRequirement(
                "the file system has no file locks, which the ledger needs",
                where=where,
                remedy="choose an --out on another file system, or ask for it to be mounted with file locks",
            ) from error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise TryAgainLater(
                "the disk is full, or the ledger cannot be written",
                where=where,
                remedy="free some space and run the same command again; it goes on",
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedData(
                "the ledger is damaged", where=where, remedy="remove it and harvest anew"
            ) from error
        raise
