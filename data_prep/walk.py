"""The canonical order of a harvest: breadth first over its documents, each in its own order.

It follows from what the documents say alone, so an interrupted, a parallel and an uninterrupted harvest agree on it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data_prep.jobs import CANDIDATE
from data_prep.ledger import ROOT, Ledger


@dataclass(frozen=True)
class Visit:
    """A document in canonical order."""

    document: int
    uri: str
    state: str
    reason: str | None
    opt_out: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a key stands first in canonical order."""

    key: str
    document: int
    ordinal: int
    opt_out: tuple[str, ...]


def visits(ledger: Ledger) -> Iterator[Visit]:
    """Every document that can be reached, once, in canonical order.

    A withdrawal counts unless a document met earlier in the order has already spoken of the same address: change
    streams are read from their newest end.
    """
    database = ledger.database
    queue: deque[int] = deque(_children(ledger, ROOT))
    met = set(queue)
    gone: set[str] = set()
    has_withdrawals = database.execute("SELECT 1 FROM withdrawals LIMIT 1").fetchone() is not None
    while queue:
        document = queue.popleft()
        uri, state, reason, opt_out = database.execute(
            "SELECT uri, state, reason, opt_out FROM documents WHERE id = ?", (document,)
        ).fetchone()
        if uri in gone:
            continue
        yield Visit(document, uri, state, reason, tuple(opt_out.split()))
        children = [child for child in _children(ledger, document) if child not in met]
        met.update(children)
        queue.extend(dict.fromkeys(children))
        if has_withdrawals:
            gone |= _withdrawn(ledger, document, met)


def _children(ledger: Ledger, document: int) -> list[int]:
    rows = ledger.database.execute("SELECT child FROM edges WHERE parent = ? ORDER BY ordinal", (document,))
    return [row[0] for row in rows]


def _withdrawn(ledger: Ledger, document: int, met: set[int]) -> set[str]:
    rows = ledger.database.execute(
        "SELECT w.source_id, d.id FROM withdrawals w LEFT JOIN documents d ON d.uri = w.source_id WHERE w.document = ?",
        (document,),
    )
    return {source_id for source_id, known in rows if known not in met}


def places(ledger: Ledger) -> Iterator[Place]:
    """Every key once, where it stands first in canonical order."""
    seen: set[str] = set()
    for visit in visits(ledger):
        rows = ledger.database.execute(
            "SELECT ordinal, key FROM sightings WHERE document = ? ORDER BY ordinal", (visit.document,)
        )
        for ordinal, key in rows.fetchall():
            if key not in seen:
                seen.add(key)
                yield Place(key, visit.document, ordinal, visit.opt_out)


def settle(ledger: Ledger) -> int:
    """Give every key the candidate of its first place, where a race between servers let another come first.

    Returns:
        How many items must be fetched again, because the two candidates show different images.
    """
    database = ledger.database
    if database.execute("SELECT 1 FROM sightings WHERE candidate IS NOT NULL LIMIT 1").fetchone() is None:
        return 0
    again = 0
    changes: list[tuple[str, str]] = []
    for place in places(ledger):
        (other,) = database.execute(
            "SELECT candidate FROM sightings WHERE document = ? AND ordinal = ?",
            (place.document, place.ordinal),
        ).fetchone()
        if other is not None:
            changes.append((place.key, other))
    for key, candidate in changes:
        (known,) = database.execute("SELECT candidate FROM items WHERE key = ?", (key,)).fetchone()
        if known != candidate:
            again += ledger.replace_candidate(key, candidate, same_image=_image(known) == _image(candidate))
    return again


def _image(candidate_json: str) -> Any:
    candidate = CANDIDATE.validate_json(candidate_json)
    service = candidate.service
    return (service.id if service else None, candidate.image_uri, json.dumps(str(candidate.region)))
