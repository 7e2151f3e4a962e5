"""A harvest shared out over the tasks of a job array.

Every task reads the documents that lead to others (collections, pages of lists); each such document is asked for once
and kept for the others on the shared file system. What they lead to is shared out: a Manifest belongs to the task that
the hash of its address says, an item named by a list to the task that the hash of its group says. So no task waits
for another, and any of them can be run again.

Each task has its own ledger and spool. The task that finishes last joins the ledgers and packs; the set is the same, to
the byte, as that of one task.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Final

from data_prep.candidate import Link
from data_prep.config import HarvestConfig
from data_prep.ledger.database import SCHEMA
from data_prep.ledger.spool import SPOOLS_OF_A_TASK
from data_prep.network.fetch import Fetched
from iconoclip.errors import ConfigError
from iconoclip.files import atomic_write

SHARED_FOLDER: Final = "shared"
PACE_FOLDER: Final = "pace"


class Share:
    """What one task of an array is to do.

    Args:
        task: which one, from 0.
        num_tasks: of how many.
        folder: `.harvest` of the whole array.
    """

    def __init__(self, task: int, num_tasks: int, folder: Path) -> None:
        self.task, self.num_tasks, self.folder = task, num_tasks, folder

    def owns(self, identity: str) -> bool:
        """Whether what is so called is this task's."""
        digits = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return int(digits, 16) % self.num_tasks == self.task

    @staticmethod
    def is_leaf(link: Link) -> bool:
        """Whether a link leads to one object, and not to a list of more."""
        return link.context.get("type") == "Manifest" or "record" in link.context

    def recall(self, uri: str, kind: str, round_number: int) -> Fetched | None:
        """A document that some task has asked for already."""
        try:
            head, _, body = self._path(uri, kind, round_number).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        known = json.loads(head)
        return Fetched(body=body, **{**known, "opt_out": tuple(known["opt_out"])})

    def keep(self, uri: str, kind: str, round_number: int, fetched: Fetched) -> None:
        """Keep a document for the other tasks."""
        head = {
            "uri": fetched.uri, "media_type": fetched.media_type, "etag": fetched.etag,
            "last_modified": fetched.last_modified, "opt_out": fetched.opt_out, "not_modified": fetched.not_modified,
        }  # fmt: skip
        with atomic_write(self._path(uri, kind, round_number)) as file:
            file.write(json.dumps(head).encode() + b"\n" + fetched.body)

    def _path(self, uri: str, kind: str, round_number: int) -> Path:
        name = hashlib.sha256(f"{kind} {uri}".encode()).hexdigest()
        return self.folder / SHARED_FOLDER / f"round-{round_number}" / name


def task_folder(folder: Path, task: int, num_tasks: int) -> Path:
    """Where a task keeps its ledger.

    Raises:
        ConfigError: the folder holds a harvest that was shared out otherwise.
    """
    wanted = f"-of-{num_tasks:05d}"
    others = [path for path in folder.glob("task-*-of-*") if not path.name.endswith(wanted)]
    alone = (folder / "ledger.sqlite").exists() and not list(folder.glob("task-*-of-*"))
    if others or (alone and num_tasks > 1):
        raise ConfigError(
            "this folder holds a harvest of another number of tasks", where=folder.parent,
            remedy="give the same --num_tasks to go on, or choose another --out",
        )  # fmt: skip
    return folder if num_tasks == 1 else folder / f"task-{task:05d}{wanted}"


def waiting_for(folder: Path, config: HarvestConfig) -> list[int]:
    """The tasks that have not fetched all of their share."""
    return [
        task
        for task in range(config.num_tasks)
        if not _has_fetched(task_folder(folder, task, config.num_tasks))
    ]


def _has_fetched(folder: Path) -> bool:
    path = folder / "ledger.sqlite"
    if not path.exists():
        return False
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return database.execute("SELECT 1 FROM meta WHERE key = 'fetched'").fetchone() is not None
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()


def join(folder: Path, config: HarvestConfig) -> None:
    """Join the tasks' ledgers into `.harvest/ledger.sqlite`; nothing happens when that is done already."""
    paths = [
        task_folder(folder, task, config.num_tasks) / "ledger.sqlite" for task in range(config.num_tasks)
    ]
    joined = folder / "ledger.sqlite"
    rounds = json.dumps([_meta(path).get("round") for path in paths])
    if joined.exists() and _meta(joined).get("joined_rounds") == rounds:
        return
    partial = folder / ".ledger.sqlite.partial"
    partial.unlink(missing_ok=True)
    database = sqlite3.connect(partial, isolation_level=None)
    database.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    for task, path in enumerate(paths):
        database.execute("ATTACH ? AS t", (str(path),))
        database.executescript(_JOIN.format(first_spool=(task + 1) * SPOOLS_OF_A_TASK))
        database.execute("DETACH t")
    _join_meta(database, [_meta(path) for path in paths], rounds)
    database.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{joined}{suffix}").unlink(missing_ok=True)
    partial.replace(joined)


def _meta(path: Path) -> dict[str, str]:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return dict(database.execute("SELECT key, value FROM meta"))
    finally:
        database.close()


def _join_meta(database: sqlite3.Connection, metas: list[dict[str, str]], rounds: str) -> None:
    first = metas[0]
    values = {"schema_version": first["schema_version"], "round": first["round"], "joined_rounds": rounds}
    # The array began when its first task did.
    values |= {
        name: min(meta[name] for meta in metas if name in meta) for name in first if name.startswith("round_")
    }
    if any("changed" in meta for meta in metas):
        values["changed"] = "yes"
    values["config"] = json.dumps({**json.loads(first["config"]), "task": None})
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


# Rows of a task's ledger take new numbers; a row that another task knows as `elsewhere` is filled in by its owner.
_JOIN: Final = """
BEGIN;
INSERT INTO documents (uri, kind, context, host, depth, state, reason, rounds, not_before, etag, last_modified, sha256, opt_out, seen_until)
    SELECT uri, kind, context, host, depth, state, reason, rounds, not_before, etag, last_modified, sha256, opt_out, seen_until
    FROM t.documents WHERE true ORDER BY id
    ON CONFLICT (uri, kind) DO UPDATE SET
        context = excluded.context, state = excluded.state, reason = excluded.reason, etag = excluded.etag,
        last_modified = excluded.last_modified, sha256 = excluded.sha256, opt_out = excluded.opt_out,
        seen_until = excluded.seen_until
    WHERE documents.state = 'elsewhere' AND excluded.state <> 'elsewhere';
CREATE TEMP TABLE numbers (theirs INTEGER PRIMARY KEY, ours INTEGER);
INSERT INTO numbers SELECT d.id, o.id FROM t.documents d JOIN documents o ON o.uri = d.uri AND o.kind = d.kind;
INSERT INTO numbers VALUES (0, 0);
INSERT OR IGNORE INTO edges
    SELECT p.ours, e.ordinal, c.ours, e.record FROM t.edges e
    JOIN numbers p ON p.theirs = e.parent JOIN numbers c ON c.theirs = e.child;
INSERT INTO items (key, host, candidate, state, reason, rounds, not_before, etag, last_modified, spool, offset, size, facts)
    SELECT key, host, candidate, state, reason, rounds, not_before, etag, last_modified, spool + {first_spool}, offset, size, facts
    FROM t.items WHERE true ORDER BY id
    ON CONFLICT (key) DO UPDATE SET
        candidate = excluded.candidate, state = excluded.state, reason = excluded.reason, etag = excluded.etag,
        last_modified = excluded.last_modified, spool = excluded.spool, offset = excluded.offset, size = excluded.size,
        facts = excluded.facts
    WHERE items.state = 'elsewhere' AND excluded.state <> 'elsewhere';
INSERT OR IGNORE INTO sightings
    SELECT n.ours, s.ordinal, s.key, nullif(coalesce(s.candidate, theirs.candidate), ours.candidate), s.record
    FROM t.sightings s JOIN numbers n ON n.theirs = s.document
    JOIN t.items theirs ON theirs.key = s.key JOIN items ours ON ours.key = s.key;
INSERT OR IGNORE INTO refusals
    SELECT n.ours, r.ordinal, r.source, r.reason FROM t.refusals r JOIN numbers n ON n.theirs = r.document;
INSERT OR IGNORE INTO withdrawals
    SELECT n.ours, w.ordinal, w.source_id, w.at FROM t.withdrawals w JOIN numbers n ON n.theirs = w.document;
INSERT INTO hosts SELECT * FROM t.hosts WHERE true
    ON CONFLICT (host) DO UPDATE SET requests = requests + excluded.requests, bytes = bytes + excluded.bytes,
        seconds = max(seconds, excluded.seconds), parked = excluded.parked;
INSERT OR IGNORE INTO sites SELECT * FROM t.sites;
INSERT OR IGNORE INTO services SELECT * FROM t.services;
DROP TABLE numbers;
COMMIT;
"""
