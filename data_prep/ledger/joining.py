"""Joins the ledgers of an array's tasks into one ledger, from which the set is packed.

Every task reads the lists and stores what it read. If tasks differ (one could not read a list that another
could), the contents from the task that read it count, those of the others are kept as former rows, and the
list counts as not known. So nothing is withdrawn because of it, and the next run requests it again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.ledger.contents import FORMER
from data_prep.ledger.database import SCHEMA, SCHEMA_VERSION
from data_prep.ledger.spool import SPOOLS_OF_A_TASK


def meta_of(path: Path) -> dict[str, str]:
    """The `meta` of a ledger that another process may be writing; empty if it does not exist yet."""
    if not path.exists():
        return {}
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return dict(database.execute("SELECT key, value FROM meta"))
    except sqlite3.OperationalError:
        return {}
    finally:
        database.close()


def join_ledgers(joined: Path, paths: Sequence[Path]) -> None:
    """Join the ledgers `paths` into `joined`, unless this has already been done."""
    metas = [meta_of(path) for path in paths]
    state = json.dumps([[meta.get("round"), meta.get("runs")] for meta in metas])
    if meta_of(joined).get("joined_rounds") == state:
        return
    partial = joined.with_name(f".{joined.name}.partial")
    partial.unlink(missing_ok=True)
    database = sqlite3.connect(partial, isolation_level=None)
    database.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    # Lists that some tasks could read, but others could not.
    database.execute("CREATE TEMP TABLE mixed (id INTEGER PRIMARY KEY)")
    for task, path in enumerate(paths):
        database.execute("ATTACH ? AS t", (str(path),))
        script = _JOIN.format(
            first_spool=(task + 1) * SPOOLS_OF_A_TASK, shift=(task + 1) * FORMER, former=FORMER
        )
        database.executescript(script)
        database.execute("DETACH t")
    database.executescript(_NOBODYS)
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", _joined_meta(metas, state).items())
    database.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{joined}{suffix}").unlink(missing_ok=True)
    partial.replace(joined)


def _joined_meta(metas: Sequence[dict[str, str]], state: str) -> dict[str, str]:
    first = metas[0]
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION, "round": first["round"], "joined_rounds": state,
    }  # fmt: skip
    # The array began when its first task did.
    values |= {
        name: min(meta[name] for meta in metas if name in meta) for name in first if name.startswith("round_")
    }
    if any("changed" in meta for meta in metas):
        values["changed"] = "yes"
    values["config"] = json.dumps({**json.loads(first["config"]), "task": None})
    return values


def forget_what_was_withdrawn(task: sqlite3.Connection, joined: Path) -> None:
    """Drop from a task's ledger the former rows that the joined one knows to be no longer listed."""
    if not joined.exists():
        return
    task.execute("ATTACH ? AS joined", (str(joined),))
    try:
        for table, owner in (("edges", "parent"), ("sightings", "document")):
            task.execute(
                f"DELETE FROM main.{table} WHERE ordinal >= ?1 AND NOT EXISTS (SELECT 1 FROM main.documents d"
                f" JOIN joined.documents o ON o.uri = d.uri AND o.kind = d.kind JOIN joined.{table} f ON"
                f" f.{owner} = o.id AND f.ordinal >= ?1 WHERE d.id = main.{table}.{owner})",
                (FORMER,),
            )
    finally:
        task.execute("DETACH joined")


# Rows of a task's ledger get new numbers. A row that is `elsewhere` in other tasks is
# filled in from its owner.
_JOIN: Final = """
BEGIN;
CREATE TEMP TABLE states (id INTEGER PRIMARY KEY, state TEXT);
INSERT INTO states SELECT id, state FROM documents;
INSERT INTO documents (uri, kind, context, host, depth, state, reason, rounds, not_before, etag,
    last_modified, sha256,
        opt_out, seen_until, was, is_list, is_cut)
    SELECT uri, kind, context, host, depth, state, reason, rounds, not_before, etag, last_modified, sha256,
        opt_out, seen_until, was, is_list, is_cut
    FROM t.documents WHERE true ORDER BY id
    ON CONFLICT (uri, kind) DO UPDATE SET
        context = excluded.context, state = excluded.state, reason = excluded.reason, etag = excluded.etag,
        last_modified = excluded.last_modified, sha256 = excluded.sha256, opt_out = excluded.opt_out,
        seen_until = coalesce(excluded.seen_until, documents.seen_until),
        is_list = coalesce(excluded.is_list, documents.is_list), is_cut = max(excluded.is_cut,
        documents.is_cut)
    WHERE excluded.state <> 'elsewhere'
        AND (documents.state = 'elsewhere' OR (documents.state = 'fetched' AND excluded.state <> 'fetched'));
CREATE TEMP TABLE numbers (theirs INTEGER PRIMARY KEY, ours INTEGER, shift INTEGER NOT NULL DEFAULT 0);
INSERT INTO numbers SELECT d.id, o.id,
        iif(d.state <> 'fetched' AND (s.state = 'fetched' OR s.id IN (SELECT id FROM mixed)), {shift}, 0)
    FROM t.documents d JOIN documents o ON o.uri = d.uri AND o.kind = d.kind
        LEFT JOIN states s ON s.id = o.id;
INSERT INTO numbers VALUES (0, 0, 0);
CREATE TEMP TABLE overtaken AS SELECT n.ours AS id FROM t.documents d JOIN numbers n ON n.theirs = d.id
    JOIN states s ON s.id = n.ours WHERE d.state = 'fetched' AND s.state IN ('not-known', 'pending',
        'retry-later')
    AND s.id NOT IN (SELECT id FROM mixed);
INSERT OR IGNORE INTO mixed SELECT id FROM overtaken;
INSERT OR IGNORE INTO mixed SELECT n.ours FROM t.documents d JOIN numbers n ON n.theirs = d.id
    JOIN states s ON s.id = n.ours WHERE s.state = 'fetched' AND d.state NOT IN ('fetched', 'elsewhere');
UPDATE edges SET ordinal = ordinal + {shift} WHERE parent IN (SELECT id FROM overtaken)
    AND ordinal < {former};
UPDATE sightings SET ordinal = ordinal + {shift} WHERE document IN (SELECT id FROM overtaken)
    AND ordinal < {former};
INSERT OR IGNORE INTO edges
    SELECT p.ours, e.ordinal + p.shift, c.ours, e.record FROM t.edges e
    JOIN numbers p ON p.theirs = e.parent JOIN numbers c ON c.theirs = e.child;
INSERT INTO items (key, host, candidate, state, reason, rounds, not_before, etag, last_modified, spool,
    offset, size,
        facts, was, base)
    SELECT key, host, candidate, state, reason, rounds, not_before, etag, last_modified,
        spool + {first_spool}, offset,
        size, facts, was, base
    FROM t.items WHERE true ORDER BY id
    ON CONFLICT (key) DO UPDATE SET
        candidate = excluded.candidate, state = excluded.state, reason = excluded.reason,
            etag = excluded.etag,
        last_modified = excluded.last_modified, spool = excluded.spool, offset = excluded.offset,
        size = excluded.size,
        facts = excluded.facts, was = excluded.was
    WHERE items.state = 'elsewhere' AND excluded.state <> 'elsewhere';
INSERT OR IGNORE INTO sightings
    SELECT n.ours, s.ordinal + n.shift, s.key,
        nullif(coalesce(s.candidate, theirs.candidate), ours.candidate), s.record
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
DROP TABLE states;
DROP TABLE overtaken;
COMMIT;
"""
# Rows that are `elsewhere` in every task: the owner does not know them, because it could not read
# the list that contains them.
_NOBODYS: Final = """
UPDATE documents SET state = 'not-known',
    reason = 'the task that is to read it could not read the list that names it'
    WHERE state = 'elsewhere';
UPDATE items SET state = 'not-known',
    reason = 'the task that is to fetch it could not read the list that names it'
    WHERE state = 'elsewhere';
"""
