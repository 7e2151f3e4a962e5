"""Counts over a ledger, for reports and for `iconoclip status`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.ledger.ledger import Ledger


def num_documents_read(ledger: Ledger) -> int:
    """The number of documents that were read."""
    # Pages of a stream from an earlier round (data_prep.ledger.rounds) are not counted again.
    query = "SELECT count(*) FROM documents WHERE state = 'fetched' AND kind NOT GLOB '*@*'"
    return int(ledger.database.execute(query).fetchone()[0])


def num_items_waiting(ledger: Ledger) -> int:
    """The number of known items that are still to be downloaded."""
    query = "SELECT count(*) FROM items WHERE state IN ('pending', 'retry-later')"
    return int(ledger.database.execute(query).fetchone()[0])


def requests_by_host(ledger: Ledger) -> dict[str, dict[str, int]]:
    """Requests made and bytes received, per host."""
    rows = ledger.database.execute("SELECT host, requests, bytes FROM hosts ORDER BY host")
    return {host: {"requests": requests, "bytes": num_bytes} for host, requests, num_bytes in rows}


def failed_items(ledger: Ledger, document: int) -> list[tuple[str, str, bool, str | None]]:
    """The items of a document that were refused or could not be downloaded: key, candidate (JSON), whether
    an image is stored, reason.
    """
    rows = ledger.database.execute(
        "SELECT s.key, i.candidate, i.facts IS NOT NULL, i.reason FROM sightings s "
        "JOIN items i ON i.key = s.key WHERE s.document = ? AND i.state IN ('refused', 'not-known') "
        "ORDER BY s.ordinal", (document,),
    )  # fmt: skip
    return rows.fetchall()


@dataclass(frozen=True)
class Counts:
    """The numbers of documents and items in a ledger, by state."""

    meta: dict[str, str]
    documents: list[tuple[str, int]]
    """State and number."""
    items: list[tuple[str, str, int]]
    """Host, state and number."""
    hosts: list[tuple[str, int, int, str | None]]
    """Host, requests, bytes, and why it is paused."""
    reasons: list[tuple[str | None, int]]


def read_counts(path: Path) -> Counts:
    """The counts of a ledger that another process may be writing.

    Raises:
        sqlite3.DatabaseError: it cannot be read.
    """
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return Counts(
            dict(database.execute("SELECT key, value FROM meta")),
            database.execute(
                "SELECT state, count(*) FROM documents WHERE kind NOT GLOB '*@*' GROUP BY state"
            ).fetchall(),
            database.execute("SELECT host, state, count(*) FROM items GROUP BY host, state").fetchall(),
            database.execute("SELECT host, requests, bytes, parked FROM hosts").fetchall(),
            list(_reasons(database)),
        )
    finally:
        database.close()


def _reasons(database: sqlite3.Connection) -> Iterator[tuple[str | None, int]]:
    for table in ("documents", "items"):
        yield from database.execute(
            f"SELECT reason, count(*) FROM {table} WHERE state IN ('refused', 'not-known', 'retry-later') "
            "GROUP BY reason"
        )
    yield from database.execute("SELECT reason, count(*) FROM refusals GROUP BY reason")
