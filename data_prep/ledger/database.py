"""The ledger's SQLite file: its tables, opening it, and translating its errors into messages."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from iconoclip import locks
from iconoclip.errors import BadInput, DamagedData, MissingRequirement, TryAgainLater

LEDGER_NAME: Final = "ledger.sqlite"
SCHEMA_VERSION: Final = "3"

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, uri TEXT NOT NULL, kind TEXT NOT NULL, context TEXT NOT NULL, host TEXT NOT NULL,
    depth INTEGER NOT NULL, is_shared INTEGER NOT NULL DEFAULT 1, state TEXT NOT NULL DEFAULT 'pending',
    reason TEXT,
    rounds INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0, etag TEXT, last_modified TEXT,
    sha256 TEXT,
    opt_out TEXT NOT NULL DEFAULT '', seen_until TEXT, was TEXT, is_list INTEGER,
    is_cut INTEGER NOT NULL DEFAULT 0,
    UNIQUE (uri, kind)
);
CREATE INDEX documents_by_host ON documents (host, state, id);
CREATE TABLE edges (
    parent INTEGER NOT NULL, ordinal INTEGER NOT NULL, child INTEGER NOT NULL, record TEXT,
    PRIMARY KEY (parent, ordinal)
) WITHOUT ROWID;
CREATE INDEX edges_by_child ON edges (child);
CREATE TABLE items (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, host TEXT NOT NULL, candidate TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending', reason TEXT, rounds INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, etag TEXT, last_modified TEXT,
    spool INTEGER, offset INTEGER, size INTEGER, facts TEXT, was TEXT, base TEXT
);
CREATE INDEX items_by_host ON items (host, state, id);
CREATE INDEX items_by_base ON items (base);
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
        sqlite3.DatabaseError: the file is not a ledger, or is damaged.
    """
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    # WAL: readers (`iconoclip status`) never wait. NORMAL: a killed process loses nothing that was committed;
    # after a power cut the last batches may be missing and are fetched again.
    database.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
    )
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        database.executescript(
            f"BEGIN; {SCHEMA} INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}'); COMMIT;"
        )
    return database


# From version 2, which had neither the state `not-known` nor two images of one identifier.
_FROM_2: Final = """
BEGIN;
ALTER TABLE documents ADD COLUMN was TEXT;
ALTER TABLE documents ADD COLUMN is_list INTEGER;
ALTER TABLE documents ADD COLUMN is_cut INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN was TEXT;
ALTER TABLE items ADD COLUMN base TEXT;
UPDATE documents SET is_list = EXISTS (SELECT 1 FROM edges WHERE parent = documents.id)
    WHERE state = 'fetched';
UPDATE documents SET state = 'not-known', etag = NULL, last_modified = NULL, sha256 = NULL
    WHERE state = 'dead' OR (state = 'refused' AND reason NOT GLOB 'HTTP 404*'
        AND reason NOT GLOB 'HTTP 410*');
UPDATE documents SET etag = NULL, last_modified = NULL, sha256 = NULL WHERE state = 'refused';
UPDATE items SET state = 'not-known', etag = NULL, last_modified = NULL
    WHERE state = 'dead' OR (state = 'refused' AND reason NOT GLOB 'HTTP 404*' AND reason NOT GLOB 'HTTP 410*'
    AND reason NOT GLOB 'rights:*' AND reason NOT GLOB 'does not fit a record*');
UPDATE items SET etag = NULL, last_modified = NULL, facts = NULL WHERE state = 'refused';
UPDATE items SET base = key;
INSERT OR IGNORE INTO items (key, host, candidate, base)
    SELECT item_key(s.candidate, s.key), i.host, s.candidate, i.base FROM sightings s
        JOIN items i ON i.key = s.key
    WHERE s.candidate IS NOT NULL AND item_key(s.candidate, s.key) <> item_key(i.candidate, i.key);
UPDATE sightings SET key = item_key(
    coalesce(candidate, (SELECT candidate FROM items WHERE items.key = sightings.key)), key);
UPDATE items SET key = item_key(candidate, key);
CREATE INDEX items_by_base ON items (base);
CREATE INDEX edges_by_child ON edges (child);
UPDATE meta SET value = '3' WHERE key = 'schema_version';
COMMIT;
"""


def migrate(database: sqlite3.Connection, item_key: Callable[[str, str], str]) -> None:
    """Bring a ledger of version 2 to this version, in one transaction.

    Args:
        item_key: a candidate as JSON, and the key it had -> the key that tells its image from
            others of its identifier.
    """
    database.create_function("item_key", 2, item_key, deterministic=True)
    database.executescript(_FROM_2)


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
    """Turn database errors inside the block into errors with a remedy.

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
                remedy="free some space and run the same command again; it resumes",
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedData(
                "the ledger is damaged", where=where, remedy="remove it and harvest again"
            ) from error
        raise
