"""The items that were selected from a catalogue, in the ledger of a harvest that reads no documents.

The documents of such a ledger were read when the catalogue was made. They only give the items their order and
their reservations. A selection adds items. An item is not removed because a later selection lacks it, only
because the catalogue lacks it, which means that the source no longer offers it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_prep.ledger.absence import drop_unreachable
from data_prep.ledger.contents import ROOT, add_item
from data_prep.ledger.jobs import ItemRow
from data_prep.ledger.ledger import Ledger

# The kind of their documents, followed by a number: a source may offer one address as two kinds of document.
CATALOGUED = "catalogued"


@dataclass(frozen=True)
class Selected:
    """An item of a catalogue with its position. Documents and items are ordered by their ordinals."""

    document: str
    document_ordinal: int
    ordinal: int
    opt_out: tuple[str, ...]
    item: ItemRow


def replace_selection(ledger: Ledger, items: Iterable[Selected]) -> bool:
    """Make these the items of the ledger. Items that it contained already keep their images.

    Call it within a transaction.

    Returns:
        Whether anything is new, described differently, or gone.
    """
    database = ledger.database
    for table in ("sightings", "edges", "documents", "refusals", "withdrawals"):
        database.execute(f"DELETE FROM {table}")
    is_news = False
    for one in items:
        document = _document(ledger, one)
        row = one.item
        is_new = add_item(database, row)
        other = None if is_new else row.candidate_json
        database.execute(
            "INSERT OR IGNORE INTO sightings SELECT ?1, ?2, key, nullif(?4, candidate), NULL FROM items"
            " WHERE key = ?3",
            (document, one.ordinal, row.key, other),
        )
        is_news |= is_new
    is_news |= _exists(ledger, "sightings WHERE candidate IS NOT NULL")
    is_news |= _exists(ledger, "items WHERE key NOT IN (SELECT key FROM sightings)")
    drop_unreachable(database)
    return is_news


def holds_any(ledger: Ledger) -> bool:
    """Whether the ledger has items from an earlier selection."""
    return _exists(ledger, "items")


def held(ledger: Ledger, sample_keys: Sequence[str]) -> set[str]:
    """Those of the samples that an earlier selection contains."""
    rows = ledger.database.execute(
        "SELECT base FROM items WHERE base IN (SELECT value FROM json_each(?))", (json.dumps(sample_keys),)
    )
    return {str(base) for (base,) in rows}


def _exists(ledger: Ledger, rows: str) -> bool:
    return ledger.database.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchone() is not None


def _document(ledger: Ledger, one: Selected) -> int:
    """The document of an item; a new one becomes one of the sources."""
    database = ledger.database
    kind = f"{CATALOGUED}{one.document_ordinal}"
    known = database.execute(
        "SELECT id FROM documents WHERE uri = ? AND kind = ?", (one.document, kind)
    ).fetchone()
    if known:
        return int(known[0])
    (document,) = database.execute(
        "INSERT INTO documents (uri, kind, context, host, depth, state, opt_out, is_list) VALUES (?, ?, '{}',"
        " '', 0, 'fetched', ?, 0) RETURNING id",
        (one.document, kind, " ".join(one.opt_out)),
    ).fetchone()
    database.execute(
        "INSERT OR IGNORE INTO edges VALUES (?, ?, ?, NULL)", (ROOT, one.document_ordinal, document)
    )
    return int(document)
