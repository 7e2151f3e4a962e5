"""The canonical order of a harvest: breadth first over its documents, each in its own order.

It depends only on the contents of the documents, so an interrupted, a parallel and an
uninterrupted harvest have the same order. The state of a walk is in temporary tables, so that
memory does not grow with the harvest.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from data_prep.candidate import Candidate
from data_prep.ledger.contents import FORMER, ROOT
from data_prep.ledger.jobs import CANDIDATE
from data_prep.ledger.ledger import Ledger

_NUMBERS: Final = itertools.count()


@dataclass(frozen=True)
class Visit:
    """A document in canonical order."""

    document: int
    uri: str
    state: str
    reason: str | None
    opt_out: tuple[str, ...]


@dataclass(frozen=True)
class SourcePosition:
    """The first position of a key in canonical order."""

    key: str
    document: int
    ordinal: int
    opt_out: tuple[str, ...]


def visits(ledger: Ledger) -> Iterator[Visit]:
    """Every document that can be reached, once, in canonical order.

    A withdrawal of a document counts unless the same address occurred earlier in the order, because change
    streams are read from their newest end. A withdrawal of a catalogue record counts wherever it is, because
    lists have no such order.
    """
    with _withdrawn(ledger) as gone:
        yield from _visits(ledger, gone)


def places(ledger: Ledger, repeated: Callable[[str, Visit], None] | None = None) -> Iterator[SourcePosition]:
    """Every key once, at its first position in canonical order.

    Args:
        repeated: called with the key and the document of every later position.
    """
    database = ledger.database
    columns = "(key TEXT PRIMARY KEY) WITHOUT ROWID"
    with (
        _withdrawn(ledger) as gone,
        _scratch(ledger, "placed", columns) as placed,
        _scratch(ledger, "named", columns) as named,
    ):
        # Present entries take precedence over former entries with the same identifier.
        database.execute(
            f"INSERT OR IGNORE INTO {named} SELECT i.base FROM sightings f JOIN items i ON i.key = f.key "
            "WHERE f.ordinal >= ?1 AND EXISTS (SELECT 1 FROM items o JOIN sightings s ON s.key = o.key "
            "WHERE o.base = i.base AND s.ordinal < ?1)", (FORMER,),
        )  # fmt: skip
        here = (
            "SELECT ordinal, key FROM sightings WHERE document = ? "
            f"AND (record IS NULL OR record NOT IN (SELECT source_id FROM {gone})) "
            f"AND (ordinal < {FORMER} OR (SELECT base FROM items WHERE items.key = sightings.key) "
            f"NOT IN (SELECT key FROM {named})) ORDER BY ordinal"
        )
        for visit in _visits(ledger, gone):
            for ordinal, key in database.execute(here, (visit.document,)).fetchall():
                if database.execute(f"INSERT OR IGNORE INTO {placed} VALUES (?)", (key,)).rowcount:
                    yield SourcePosition(key, visit.document, ordinal, visit.opt_out)
                elif repeated is not None:
                    repeated(key, visit)


def shared_identifiers(ledger: Ledger) -> frozenset[str]:
    """The sample keys whose identifier shows more than one image, including images
    that could not be downloaded.
    """
    database = ledger.database
    suspects = database.execute("SELECT base FROM items GROUP BY base HAVING count(*) > 1 LIMIT 1").fetchone()
    if suspects is None:
        return frozenset()
    counts: Counter[str] = Counter()
    for place in places(ledger):
        (base,) = database.execute("SELECT base FROM items WHERE key = ?", (place.key,)).fetchone()
        counts[base] += 1
    return frozenset(base for base, count in counts.items() if count > 1)


def _visits(ledger: Ledger, gone: str) -> Iterator[Visit]:
    database = ledger.database
    has_withdrawals = database.execute("SELECT 1 FROM withdrawals LIMIT 1").fetchone() is not None
    with _scratch(ledger, "met", "(position INTEGER PRIMARY KEY, document INTEGER NOT NULL UNIQUE)") as met:
        next_document = (
            f"SELECT d.id, d.uri, d.state, d.reason, d.opt_out FROM {met} m JOIN documents d ON d.id ="
            " m.document WHERE m.position = ?"
        )
        children = (
            f"INSERT OR IGNORE INTO {met} (document) SELECT child FROM edges WHERE parent = ? "
            f"AND (record IS NULL OR record NOT IN (SELECT source_id FROM {gone})) ORDER BY ordinal"
        )
        withdrawals = (
            f"INSERT OR IGNORE INTO {gone} SELECT source_id FROM withdrawals WHERE document = ? AND NOT"
            f" EXISTS (SELECT 1 FROM documents d JOIN {met} m ON m.document = d.id WHERE d.uri = source_id)"
        )
        database.execute(children, (ROOT,))
        for position in itertools.count(1):
            row = database.execute(next_document, (position,)).fetchone()
            if row is None:
                return
            document, uri, state, reason, opt_out = row
            if has_withdrawals and _is_in(database, gone, uri):
                continue
            yield Visit(document, uri, state, reason, tuple(opt_out.split()))
            database.execute(children, (document,))
            if has_withdrawals:
                database.execute(withdrawals, (document,))


# Withdrawals of things that a catalogue record named: a manifest that it points to, or its own image.
_OF_RECORDS: Final = (
    "(w.source_id IN (SELECT record FROM edges WHERE record IS NOT NULL) "
    "OR w.source_id IN (SELECT record FROM sightings WHERE record IS NOT NULL))"
)


@contextmanager
def _withdrawn(ledger: Ledger) -> Iterator[str]:
    """Make the table of withdrawals; at first with the records that one document
    contains and another withdraws.
    """
    database = ledger.database
    columns = "(source_id TEXT PRIMARY KEY) WITHOUT ROWID"
    with _scratch(ledger, "gone", columns) as gone:
        if database.execute(f"SELECT 1 FROM withdrawals w WHERE {_OF_RECORDS} LIMIT 1").fetchone():
            # Only documents that can still be reached count.
            with _scratch(ledger, "unused", columns) as unused:
                for visit in _visits(ledger, unused):
                    database.execute(
                        f"INSERT OR IGNORE INTO {gone} SELECT w.source_id FROM withdrawals w WHERE w.document"
                        f" = ? AND {_OF_RECORDS}",
                        (visit.document,),
                    )
        yield gone


def _is_in(database: sqlite3.Connection, table: str, source_id: str) -> bool:
    return database.execute(f"SELECT 1 FROM {table} WHERE source_id = ?", (source_id,)).fetchone() is not None


@contextmanager
def _scratch(ledger: Ledger, name: str, columns: str) -> Iterator[str]:
    """A temporary table for one walk; several walks may run at the same time."""
    table = f"{name}_{next(_NUMBERS)}"
    ledger.database.execute(f"CREATE TEMP TABLE {table} {columns}")
    try:
        yield f"temp.{table}"
    finally:
        # An interrupted walk may end after its ledger was closed.
        with suppress(sqlite3.ProgrammingError):
            ledger.database.execute(f"DROP TABLE temp.{table}")


def settle(ledger: Ledger, refused: Callable[[Candidate], str | None]) -> int:
    """Give every key the candidate of its first position in the order, if it has another one.

    Args:
        refused: gives the reason why a candidate is refused because of its rights, or None.

    Returns:
        The number of items to download again: the candidates show different images,
            or the rights now allow it.
    """
    database = ledger.database
    if database.execute("SELECT 1 FROM sightings WHERE candidate IS NOT NULL LIMIT 1").fetchone() is None:
        return 0
    num_again = 0
    for place in places(ledger):
        other, known, reason = database.execute(
            "SELECT s.candidate, i.candidate, i.reason FROM sightings s JOIN items i ON i.key = s.key "
            "WHERE s.document = ? AND s.ordinal = ?",
            (place.document, place.ordinal),
        ).fetchone()
        if other is None or other == known:
            continue
        before, now = CANDIDATE.validate_json(known), CANDIDATE.validate_json(other)
        was_forbidden = reason is not None and reason.startswith("rights:")
        again = _image(before) != _image(now) or (was_forbidden and refused(now) is None)
        ledger.replace_candidate(place.key, other, again=again)
        num_again += again
    return num_again


def _image(candidate: Candidate) -> Any:
    service = candidate.service
    return (service.id if service else None, candidate.image_uri, json.dumps(str(candidate.region)))
