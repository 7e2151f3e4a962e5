"""What a document held, in the ledger's tables: links, items, refusals, withdrawals. Read again, it is replaced."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from data_prep.candidate import Found
from data_prep.ledger.jobs import ELSEWHERE, FoundRows, ItemRow, LinkRow


def replace_contents(
    database: sqlite3.Connection,
    document: int,
    found: Found,
    rows: FoundRows,
    depth: int,
    context: Mapping[str, Any],
) -> None:
    """Write what a document holds in place of what it held before.

    Args:
        depth: of what it links to.
        context: of the link that led to it.
    """
    if "changed" in context:
        _ask_for_images_again(database, document)
    clear_contents(database, document)
    add_links(database, document, rows.links, depth)
    if not any("history" in row.context for row in rows.links):
        add_history(database, document, context, ordinal=len(rows.links))
    _add_items(database, document, rows.items)
    database.executemany(
        "INSERT INTO refusals VALUES (?, ?, ?, ?)",
        [(document, n, refusal.source, refusal.reason) for n, refusal in enumerate(found.refusals)],
    )
    database.executemany(
        "INSERT INTO withdrawals VALUES (?, ?, ?, ?)",
        [(document, n, gone.source_id, gone.at) for n, gone in enumerate(found.withdrawals)],
    )


def _ask_for_images_again(database: sqlite3.Connection, document: int) -> None:
    """Where a stream says that a Manifest changed, its images may have; they are asked with their validators."""
    database.execute(
        "UPDATE items SET state = 'pending', rounds = 0 WHERE state = 'fetched' "
        "AND key IN (SELECT key FROM sightings WHERE document = ?)",
        (document,),
    )


def clear_contents(database: sqlite3.Connection, document: int) -> None:
    """The document holds nothing."""
    for table in ("sightings", "refusals", "withdrawals"):
        database.execute(f"DELETE FROM {table} WHERE document = ?", (document,))
    database.execute("DELETE FROM edges WHERE parent = ?", (document,))


def add_history(
    database: sqlite3.Connection, document: int, context: Mapping[str, Any], ordinal: int = 0
) -> None:
    """The stream as it was known follows the last page that was read of it, or the one that is yet to be read."""
    if "history" in context:
        database.execute("INSERT INTO edges VALUES (?, ?, ?, NULL)", (document, ordinal, context["history"]))


def add_links(database: sqlite3.Connection, parent: int, links: Iterable[LinkRow], depth: int) -> None:
    """What a document links to, in its order; a document that is known already is not entered twice."""
    for ordinal, row in enumerate(links):
        context = json.dumps(row.context, ensure_ascii=False, sort_keys=True, default=str)
        state = ELSEWHERE if row.is_elsewhere else "pending"
        new = database.execute(
            "INSERT OR IGNORE INTO documents (uri, kind, context, host, depth, is_shared, state) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.uri, row.kind, context, row.host, depth, row.is_shared, state),
        ).rowcount
        if new and "history" in row.context:
            (document,) = database.execute("SELECT last_insert_rowid()").fetchone()
            add_history(database, document, row.context)
        elif not new and "changed" in row.context:
            _ask_again(database, row, context)
        database.execute(
            "INSERT INTO edges SELECT ?, ?, id, ? FROM documents WHERE uri = ? AND kind = ?",
            (parent, ordinal, row.record, row.uri, row.kind),
        )


def _ask_again(database: sqlite3.Connection, row: LinkRow, context: str) -> None:
    """A change stream says when a document changed: what was read before that is to be read again."""
    database.execute(
        "UPDATE documents SET context = ?, rounds = 0, state = iif(state = ?, state, 'pending') "
        "WHERE uri = ? AND kind = ? AND coalesce(json_extract(context, '$.changed'), '') < ?",
        (context, ELSEWHERE, row.uri, row.kind, row.context["changed"]),
    )


def _add_items(database: sqlite3.Connection, document: int, rows: Iterable[ItemRow]) -> None:
    for ordinal, row in enumerate(rows):
        state = ELSEWHERE if row.is_elsewhere else "refused" if row.refused else "pending"
        new = database.execute(
            "INSERT INTO items (key, host, candidate, state, reason) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO NOTHING",
            (row.key, row.host, row.candidate_json, state, row.refused),
        ).rowcount
        # The candidate is stored once, with the item, unless a second sighting differs.
        other = None if new else row.candidate_json
        database.execute(
            "INSERT INTO sightings VALUES (?, ?, ?, ?, ?)", (document, ordinal, row.key, other, row.record)
        )
