"""What a document held, in the ledger's tables: links, items, refusals, withdrawals. Read again, it is
replaced.

What a list held before and does not hold any more stays behind what it holds now, as rows whose ordinals
begin at FORMER, until data_prep.ledger.absence knows that everything above it was read to its end.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final

from data_prep.candidate import Found
from data_prep.ledger.jobs import ELSEWHERE, FoundRows, ItemRow, LinkRow

# What the parent of a source given by the user is called in `edges`.
ROOT: Final = 0
# Ordinals from here on are those of what a list held in an earlier round.
FORMER: Final = 1 << 40


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
    (was_list,) = database.execute("SELECT is_list FROM documents WHERE id = ?", (document,)).fetchone()
    is_list = found.is_list or bool(was_list)
    links_before = _links_alone(database, document) if rows.links else {}
    if is_list:
        _become_former(database, document)
    else:
        clear_contents(database, document)
    database.execute(
        "UPDATE documents SET is_list = ?, is_cut = ? WHERE id = ?", (found.is_list, found.is_cut, document)
    )
    add_links(database, document, rows.links, depth)
    if not any("history" in row.context for row in rows.links):
        add_history(database, document, context, ordinal=len(rows.links))
    _add_items(database, document, rows.items)
    if is_list:
        _drop_former_twins(database, document)
    _renew_contexts(database, links_before, rows.links)
    database.executemany(
        "INSERT INTO refusals VALUES (?, ?, ?, ?)",
        [(document, n, refusal.source, refusal.reason) for n, refusal in enumerate(found.refusals)],
    )
    database.executemany(
        "INSERT INTO withdrawals VALUES (?, ?, ?, ?)",
        [(document, n, gone.source_id, gone.at) for n, gone in enumerate(found.withdrawals)],
    )


def _ask_for_images_again(database: sqlite3.Connection, document: int) -> None:
    """Where a stream says that a Manifest changed, its images may have; they are asked with their
    validators."""
    database.execute(
        "UPDATE items SET state = 'pending', rounds = 0 WHERE state = 'fetched' "
        "AND key IN (SELECT key FROM sightings WHERE document = ?)",
        (document,),
    )


def _become_former(database: sqlite3.Connection, document: int) -> None:
    for table, owner in (("edges", "parent"), ("sightings", "document")):
        (last,) = database.execute(
            f"SELECT max(ordinal) FROM {table} WHERE {owner} = ?", (document,)
        ).fetchone()
        shift = max(FORMER, (last or 0) + 1)
        database.execute(
            f"UPDATE {table} SET ordinal = ordinal + ? WHERE {owner} = ? AND ordinal < ?",
            (shift, document, FORMER),
        )
    for table in ("refusals", "withdrawals"):
        database.execute(f"DELETE FROM {table} WHERE document = ?", (document,))


def _drop_former_twins(database: sqlite3.Connection, document: int) -> None:
    """What the list holds now as well, and what it held twice."""
    for table, owner, what in (("edges", "parent", "child"), ("sightings", "document", "key")):
        database.execute(
            f"DELETE FROM {table} WHERE {owner} = ?1 AND ordinal >= ?2 AND EXISTS (SELECT 1 FROM {table}"
            f" other WHERE other.{owner} = ?1 AND other.{what} = {table}.{what} AND other.ordinal <"
            f" {table}.ordinal)",
            (document, FORMER),
        )


def _links_alone(database: sqlite3.Connection, document: int) -> dict[tuple[str, str], int]:
    """The documents that this one links to and no other does: what it says of them is what is known of
    them."""
    rows = database.execute(
        "SELECT d.uri, d.kind, d.id FROM edges e JOIN documents d ON d.id = e.child WHERE e.parent = ?1 "
        "AND (d.context GLOB '*\"record\"*' OR d.context GLOB '*\"page\"*') "
        "AND NOT EXISTS (SELECT 1 FROM edges o WHERE o.child = d.id AND o.parent <> ?1)", (document,),
    )  # fmt: skip
    return {(uri, kind): child for uri, kind, child in rows}


def _renew_contexts(
    database: sqlite3.Connection, children: Mapping[tuple[str, str], int], links: Iterable[LinkRow]
) -> None:
    """A catalogue record or a page says something else of what it links to: that is read again."""
    children = dict(children)
    for row in links:
        # Of two links to one document the first counts.
        child = children.pop((row.uri, row.kind), None)
        if child is not None:
            context = _as_json(row.context)
            database.execute(
                "UPDATE documents SET context = ?1, rounds = 0, etag = NULL, last_modified = NULL, sha256 ="
                " NULL, state = iif(state = ?2, state, 'pending') WHERE id = ?3 AND context <> ?1",
                (context, ELSEWHERE, child),
            )


def _as_json(context: Mapping[str, Any]) -> str:
    return json.dumps(context, ensure_ascii=False, sort_keys=True, default=str)


def clear_contents(database: sqlite3.Connection, document: int) -> None:
    """The document holds nothing."""
    for table in ("sightings", "refusals", "withdrawals"):
        database.execute(f"DELETE FROM {table} WHERE document = ?", (document,))
    database.execute("DELETE FROM edges WHERE parent = ?", (document,))


def add_history(
    database: sqlite3.Connection, document: int, context: Mapping[str, Any], ordinal: int = 0
) -> None:
    """The stream as it was known follows the last page that was read of it, or the one that is yet to be
    read."""
    if "history" in context:
        database.execute("INSERT INTO edges VALUES (?, ?, ?, NULL)", (document, ordinal, context["history"]))


def add_links(database: sqlite3.Connection, parent: int, links: Iterable[LinkRow], depth: int) -> None:
    """What a document links to, in its order; a document that is known already is not entered twice."""
    for ordinal, row in enumerate(links):
        context = _as_json(row.context)
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
            "INSERT INTO items (key, host, candidate, state, reason, base) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO NOTHING",
            (row.key, row.host, row.candidate_json, state, row.refused, row.base or row.key),
        ).rowcount
        # The candidate is stored once, with the item, unless a second sighting differs.
        other = None if new else row.candidate_json
        database.execute(
            "INSERT INTO sightings VALUES (?, ?, ?, ?, ?)", (document, ordinal, row.key, other, row.record)
        )
