"""Rounds over the sources: the first harvest is round 0, each refresh one more.

In a new round everything is requested again, with validators; but from a change stream only new activities
are read. The stream is read from its newest end down to the newest activity seen before. After the last page
that was read follows the stream as it was known from earlier rounds (its `history`). In that order, the first
mention of a document is the newest one. So documents keep their contents until the stream names them again.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from data_prep.ledger.absence import drop_unreachable
from data_prep.ledger.contents import ROOT, add_history
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.selected import CATALOGUED

# A stream's documents of an earlier round: `discovery@0`.
_OF_ROUND: Final = "@"

_CHAIN: Final = """
WITH RECURSIVE chain (id) AS (
    SELECT ? UNION
    SELECT d.id FROM chain JOIN edges e ON e.parent = chain.id JOIN documents d ON d.id = e.child
    WHERE d.seen_until IS NOT NULL OR d.kind = 'discovery'
)
SELECT d.id, d.kind, d.state, d.seen_until FROM chain JOIN documents d ON d.id = chain.id
"""
_ASKED: Final = """
WITH RECURSIVE asked (id) AS (
    SELECT child FROM edges WHERE parent = 0 AND child NOT IN (SELECT id FROM temp.heads)
    UNION SELECT e.child FROM asked JOIN edges e ON e.parent = asked.id
)
INSERT INTO temp.asked SELECT id FROM asked
"""


@dataclass(frozen=True)
class _Stream:
    """A change stream that is read down to where the previous round began."""

    head: int
    since: str
    of_this_round: tuple[int, ...]


def begin_round(ledger: Ledger, at: str) -> None:
    """Set everything back to pending, except what was refused because of its rights.

    Args:
        at: ISO 8601 time, recorded with everything that is downloaded in this round.
    """
    database = ledger.database
    number = int(ledger.get("round") or 0)
    with ledger.transaction():
        drop_unreachable(database)
        streams = [found for root in _roots(database) if (found := _stream(database, root))]
        _ask_all_but(database, streams)
        for stream in streams:
            _continue(database, stream, number)
        database.execute("DELETE FROM services")
        _retry(database, _NOT_FOR_RIGHTS)
        values = {"round": str(number + 1), f"round_{number + 1}_at": at}
        database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
        database.execute("DELETE FROM meta WHERE key IN ('finished', 'changed', 'fetched', 'stopped')")
    ledger.forget_changes()


def add_round(ledger: Ledger, at: str) -> None:
    """Begin a round that requests nothing again, for items that are new in the ledger.

    Call it within a transaction.

    Args:
        at: ISO 8601 time, recorded with everything that is downloaded in this round.
    """
    number = int(ledger.get("round") or 0) + 1
    values = {"round": str(number), f"round_{number}_at": at}
    ledger.database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
    if ledger.get("finished"):
        # Otherwise something may be fetched that is not packed yet.
        ledger.database.execute("DELETE FROM meta WHERE key = 'changed'")
    ledger.database.execute("DELETE FROM meta WHERE key IN ('finished', 'fetched', 'stopped')")
    _retry(ledger.database, "state = 'not-known'")
    ledger.forget_changes()


def retry_refused(ledger: Ledger) -> bool:
    """Set what a server refused, or what was given up, back to pending. Returns whether there is any."""
    return _continue_round(ledger, _NOT_FOR_RIGHTS)


def retry_not_known(ledger: Ledger) -> bool:
    """Set everything that is `not-known` back to pending, as every run does. Returns whether there is any."""
    return _continue_round(ledger, "state = 'not-known'")


def _continue_round(ledger: Ledger, condition: str) -> bool:
    with ledger.transaction():
        drop_unreachable(ledger.database)
        count = _retry(ledger.database, condition)
        if count:
            if ledger.get("finished"):
                ledger.database.execute("DELETE FROM meta WHERE key = 'changed'")
            ledger.database.execute("DELETE FROM meta WHERE key IN ('finished', 'fetched')")
            # An array joins its tasks' ledgers again if one of them has continued.
            runs = str(int(ledger.get("runs") or 0) + 1)
            ledger.database.execute("INSERT OR REPLACE INTO meta VALUES ('runs', ?)", (runs,))
    ledger.forget_changes()
    return count > 0


_NOT_FOR_RIGHTS: Final = "reason NOT GLOB 'rights:*' AND reason NOT GLOB 'does not fit a record*'"


def _retry(database: sqlite3.Connection, condition: str) -> int:
    return sum(
        database.execute(
            f"UPDATE {table} SET state = 'pending', rounds = 0, was = reason, reason = NULL "
            f"WHERE state IN ('refused', 'not-known') AND {condition} "
            + (f"AND kind NOT GLOB '*{_OF_ROUND}*'" if table == "documents" else "")
        ).rowcount
        for table in ("documents", "items")
    )


def _roots(database: sqlite3.Connection) -> list[int]:
    return [row[0] for row in database.execute("SELECT child FROM edges WHERE parent = ?", (ROOT,))]


def _stream(database: sqlite3.Connection, root: int) -> _Stream | None:
    """The stream of a root, if the root is a stream whose newest activity is known.

    A page that could not be read may contain activities. Then the newest activity of the previous round is
    used, not that of this one.
    """
    chain = database.execute(_CHAIN, (root,)).fetchall()
    now = [row for row in chain if _OF_ROUND not in row[1]]
    is_whole = all(state == "fetched" for _, _, state, _ in now)
    counted = chain if is_whole else [row for row in chain if _OF_ROUND in row[1]]
    newest = max((seen for *_, seen in counted if seen), default=None)
    if newest is None:
        return None
    # If a stream dated an activity in the future, all later activities before that date would be missed.
    today = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return _Stream(root, min(newest, today), tuple(row[0] for row in now))


def _ask_all_but(database: sqlite3.Connection, streams: list[_Stream]) -> None:
    """Set everything back to pending, except what only streams lead to."""
    database.execute("CREATE TEMP TABLE heads (id INTEGER PRIMARY KEY)")
    database.execute("CREATE TEMP TABLE asked (id INTEGER PRIMARY KEY)")
    database.executemany("INSERT INTO temp.heads VALUES (?)", [(stream.head,) for stream in streams])
    database.execute(_ASKED)
    database.execute(
        "UPDATE documents SET state = 'pending', rounds = 0, was = NULL "
        f"WHERE state = 'fetched' AND kind NOT GLOB '{CATALOGUED}*' AND id IN (SELECT id FROM temp.asked)"
    )
    database.execute(
        "UPDATE items SET state = 'pending', rounds = 0, was = NULL WHERE state = 'fetched' AND key IN "
        "(SELECT s.key FROM temp.asked a JOIN sightings s ON s.document = a.id)"
    )
    database.execute("DROP TABLE temp.heads")
    database.execute("DROP TABLE temp.asked")


def _continue(database: sqlite3.Connection, stream: _Stream, number: int) -> None:
    """Put a new head before the known part of the stream, to be read down to the newest activity seen."""
    database.executemany(
        f"UPDATE documents SET kind = kind || '{_OF_ROUND}{number}' WHERE id = ?",
        [(document,) for document in stream.of_this_round],
    )
    context = json.dumps({"since": stream.since, "history": stream.head})
    database.execute(
        "INSERT INTO documents (uri, kind, context, host, depth, is_shared) SELECT uri, substr(kind, 1,"
        f" instr(kind, '{_OF_ROUND}') - 1), ?, host, 0, is_shared FROM documents WHERE id = ?",
        (context, stream.head),
    )
    (head,) = database.execute("SELECT last_insert_rowid()").fetchone()
    database.execute("UPDATE edges SET child = ? WHERE parent = ? AND child = ?", (head, ROOT, stream.head))
    add_history(database, head, {"history": stream.head})
