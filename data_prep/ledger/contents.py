"""Writes results into the ledger's tables: the states of documents and items, and the contents of documents
(links, items, refusals, withdrawals), which are replaced when a document is read again. The caller opens the
transaction.

Former entries of a list are kept after its present ones, as rows whose ordinals begin at FORMER, until
data_prep.ledger.absence finds that all lists of the source were read to their end.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final

from data_prep.candidate import Found
from data_prep.ledger.jobs import (
    ELSEWHERE,
    FACTS,
    DocumentJob,
    FoundRows,
    ItemJob,
    ItemRow,
    LinkRow,
    Outcome,
)
from data_prep.ledger.spool import Place

# The id in `edges` of the parent of the user's sources.
ROOT: Final = 0
# Ordinals from here on are those of entries from an earlier round.
FORMER: Final = 1 << 40


def replace_contents(
    database: sqlite3.Connection,
    document: int,
    found: Found,
    rows: FoundRows,
    depth: int,
    context: Mapping[str, Any],
) -> None:
    """Replace the contents of a document.

    Args:
        depth: the depth of the documents that it links to.
        context: the context of the link that led to it.
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
    """Request the images of a Manifest that changed according to a stream, with their validators: they may
    have changed too.
    """
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
    """Drop former rows that the list still contains, and duplicates among them."""
    for table, owner, what in (("edges", "parent", "child"), ("sightings", "document", "key")):
        database.execute(
            f"DELETE FROM {table} WHERE {owner} = ?1 AND ordinal >= ?2 AND EXISTS (SELECT 1 FROM {table}"
            f" other WHERE other.{owner} = ?1 AND other.{what} = {table}.{what} AND other.ordinal <"
            f" {table}.ordinal)",
            (document, FORMER),
        )


def _links_alone(database: sqlite3.Connection, document: int) -> dict[tuple[str, str], int]:
    """The documents that only this one links to, so that it alone provides their context."""
    rows = database.execute(
        "SELECT d.uri, d.kind, d.id FROM edges e JOIN documents d ON d.id = e.child WHERE e.parent = ?1 "
        "AND (d.context GLOB '*\"record\"*' OR d.context GLOB '*\"page\"*') "
        "AND NOT EXISTS (SELECT 1 FROM edges o WHERE o.child = d.id AND o.parent <> ?1)", (document,),
    )  # fmt: skip
    return {(uri, kind): child for uri, kind, child in rows}


def _renew_contexts(
    database: sqlite3.Connection, children: Mapping[tuple[str, str], int], links: Iterable[LinkRow]
) -> None:
    """If a catalogue record or a page describes its links differently now, the linked
    documents are read again.
    """
    children = dict(children)
    for row in links:
        # If there are two links to one document, the first counts.
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
    """Delete the contents of a document."""
    for table in ("sightings", "refusals", "withdrawals"):
        database.execute(f"DELETE FROM {table} WHERE document = ?", (document,))
    database.execute("DELETE FROM edges WHERE parent = ?", (document,))


def add_history(
    database: sqlite3.Connection, document: int, context: Mapping[str, Any], ordinal: int = 0
) -> None:
    """Append the known part of a stream after the last page that was read, or after
    the page that is read next.
    """
    if "history" in context:
        database.execute("INSERT INTO edges VALUES (?, ?, ?, NULL)", (document, ordinal, context["history"]))


def add_links(database: sqlite3.Connection, parent: int, links: Iterable[LinkRow], depth: int) -> None:
    """Insert the links of a document, in its order. A known document is not inserted twice."""
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
    """Mark a document as pending if it was read before the time of change that a stream gives."""
    database.execute(
        "UPDATE documents SET context = ?, rounds = 0, state = iif(state = ?, state, 'pending') "
        "WHERE uri = ? AND kind = ? AND coalesce(json_extract(context, '$.changed'), '') < ?",
        (context, ELSEWHERE, row.uri, row.kind, row.context["changed"]),
    )


def add_item(database: sqlite3.Connection, row: ItemRow) -> bool:
    """Insert an item whose key is not known yet; returns whether it is new."""
    state = ELSEWHERE if row.is_elsewhere else "refused" if row.refused else "pending"
    num_inserted = database.execute(
        "INSERT INTO items (key, host, candidate, state, reason, base) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (key) DO NOTHING",
        (row.key, row.host, row.candidate_json, state, row.refused, row.base or row.key),
    ).rowcount
    return num_inserted > 0


def _add_items(database: sqlite3.Connection, document: int, rows: Iterable[ItemRow]) -> None:
    for ordinal, row in enumerate(rows):
        # The candidate is stored once, with the item, unless a second sighting differs.
        other = None if add_item(database, row) else row.candidate_json
        database.execute(
            "INSERT INTO sightings VALUES (?, ?, ?, ?, ?)", (document, ordinal, row.key, other, row.record)
        )


def record_document(database: sqlite3.Connection, outcome: Outcome, job: DocumentJob) -> None:
    """Write the result for a document, and replace its contents if it was read."""
    rounds = job.rounds + (outcome.state == "retry-later")
    database.execute(
        "UPDATE documents SET state = ?, reason = ?, rounds = ?, not_before = ? WHERE id = ?",
        (outcome.state, outcome.reason, rounds, outcome.not_before, job.id),
    )
    if outcome.state in ("refused", "not-known"):
        # The validators of an earlier reading must not make the next response look unchanged.
        database.execute(
            "UPDATE documents SET etag = NULL, last_modified = NULL, sha256 = NULL WHERE id = ?",
            (job.id,),
        )
    if outcome.state == "refused":
        # A document that is gone loses its contents. One that merely could not be read keeps them.
        clear_contents(database, job.id)
        add_history(database, job.id, job.context)
    if outcome.state == "fetched":
        _note_if_context_changed(database, job)
    if outcome.found is None or outcome.rows is None:
        if outcome.is_unchanged:
            database.execute(
                "UPDATE documents SET opt_out = ? WHERE id = ?", (" ".join(outcome.opt_out), job.id)
            )
        return
    database.execute(
        "UPDATE documents SET etag = ?, last_modified = ?, sha256 = ?, opt_out = ?, seen_until = ? WHERE"
        " id = ?",
        (
            outcome.etag,
            outcome.last_modified,
            outcome.sha256,
            " ".join(outcome.opt_out),
            outcome.found.seen_until,
            job.id,
        ),
    )
    replace_contents(database, job.id, outcome.found, outcome.rows, job.depth + 1, job.context)


def _note_if_context_changed(database: sqlite3.Connection, job: DocumentJob) -> None:
    """Read a document again if one above it, read again in the meantime, describes it differently."""
    (context,) = database.execute("SELECT context FROM documents WHERE id = ?", (job.id,)).fetchone()
    known = json.loads(context)
    if any(known.get(name) != job.context.get(name) for name in ("record", "page", "size")):
        database.execute("UPDATE documents SET state = 'pending' WHERE id = ?", (job.id,))


def record_item(database: sqlite3.Connection, outcome: Outcome, job: ItemJob, place: Place) -> None:
    """Write the result for an item.

    Args:
        place: the spool and the offset of its JPEG, if it has one.
    """
    if outcome.is_unchanged:
        database.execute(
            "UPDATE items SET state = 'fetched', reason = NULL, etag = coalesce(?, etag), "
            "last_modified = coalesce(?, last_modified) WHERE id = ?",
            (outcome.etag, outcome.last_modified, job.id),
        )
        return
    rounds = job.rounds + (outcome.state == "retry-later")
    database.execute(
        "UPDATE items SET state = ?, reason = ?, rounds = ?, not_before = ? WHERE id = ?",
        (outcome.state, outcome.reason, rounds, outcome.not_before, job.id),
    )
    if outcome.state in ("refused", "not-known"):
        database.execute("UPDATE items SET etag = NULL, last_modified = NULL WHERE id = ?", (job.id,))
    if outcome.state == "refused":
        database.execute(
            "UPDATE items SET facts = NULL, spool = NULL, offset = NULL, size = NULL WHERE id = ?",
            (job.id,),
        )
    if outcome.jpeg is None and outcome.facts is not None:
        database.execute(
            "UPDATE items SET facts = ? WHERE id = ?", (FACTS.dump_json(outcome.facts).decode(), job.id)
        )
    if outcome.jpeg is not None and outcome.facts is not None:
        database.execute(
            "UPDATE items SET etag = ?, last_modified = ?, spool = ?, offset = ?, size = ?, facts = ?"
            " WHERE id = ?",
            (
                outcome.etag,
                outcome.last_modified,
                *place,
                len(outcome.jpeg),
                FACTS.dump_json(outcome.facts).decode(),
                job.id,
            ),
        )
