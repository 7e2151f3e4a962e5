"""Writes the result for a document or an item into the ledger's tables. The caller opens the transaction."""

from __future__ import annotations

import json
import sqlite3

from data_prep.ledger.contents import add_history, clear_contents, replace_contents
from data_prep.ledger.jobs import FACTS, DocumentJob, ItemJob, Outcome
from data_prep.ledger.spool import Place


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
