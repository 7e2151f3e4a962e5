"""Items that are no longer listed: decides whether they are withdrawn, or whether a list just could not be
read.

When a list is read again, its earlier entries are kept as former rows (data_prep.ledger.contents). They are
dropped once every list below the same source has been read to its end in this round; until then, an object
may have moved to a list that could not be read. An object that is itself gone (404, 410; a deletion in a
stream or a catalogue) is withdrawn without looking at lists.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from data_prep.ledger.contents import FORMER, ROOT
from data_prep.ledger.ledger import Ledger

# A list that was not read to its end. An unreadable Manifest affects only itself; a Collection that did not
# exist in the previous run either (a dangling link) affects nothing.
_UNREAD_LIST: Final = """
(d.state <> 'fetched' OR d.is_cut) AND d.kind NOT GLOB '*@*' AND (
    d.is_list OR (d.is_list IS NULL AND d.state <> 'refused' AND d.kind <> 'annotations'
        AND coalesce(json_extract(d.context, '$.type'), '') <> 'Manifest'
        AND json_extract(d.context, '$.record') IS NULL
        AND NOT (coalesce(json_extract(d.context, '$.type'), '') = 'Collection'
            AND coalesce(d.reason, '') GLOB 'HTTP 4[01][04]*' AND coalesce(d.was, '') GLOB 'HTTP 4[01][04]*'))
)
"""
_BELOW: Final = """
WITH RECURSIVE below (id) AS (
    SELECT ?1 UNION SELECT e.child FROM below JOIN edges e ON e.parent = below.id WHERE e.ordinal < ?2
)
"""
# The kind of a list that the user keeps (data_prep.sources.address_list). That a user takes an address out of
# it says nothing about what the institution offers.
OF_THE_USER: Final = "addresses"
_EVERYTHING: Final = (1 << 63) - 1


def drop_what_is_no_longer_listed(ledger: Ledger) -> None:
    """Withdraw items that are no longer listed, by deleting the former rows of lists that were read to their
    end.
    """
    with ledger.transaction():
        if _drop_former(ledger.database):
            ledger.put(changed="yes")


def _drop_former(database: sqlite3.Connection) -> bool:
    if not _has_former(database):
        return False
    database.execute("CREATE TEMP TABLE uncertain (id INTEGER PRIMARY KEY)")
    try:
        for (root,) in database.execute("SELECT child FROM edges WHERE parent = ?", (ROOT,)).fetchall():
            unread = (
                f"{_BELOW} SELECT 1 FROM below JOIN documents d ON d.id = below.id WHERE {_UNREAD_LIST}"
                " LIMIT 1"
            )
            if database.execute(unread, (root, FORMER)).fetchone():
                database.execute(
                    f"INSERT OR IGNORE INTO temp.uncertain {_BELOW} SELECT id FROM below", (root, _EVERYTHING)
                )
        counts = [
            database.execute(
                f"DELETE FROM {table} WHERE ordinal >= ? AND {owner} NOT IN (SELECT id FROM temp.uncertain)"
                f" AND {owner} NOT IN (SELECT id FROM documents WHERE kind = ?)",
                (FORMER, OF_THE_USER),
            ).rowcount
            for table, owner in (("edges", "parent"), ("sightings", "document"))
        ]
        return any(counts)
    finally:
        database.execute("DROP TABLE temp.uncertain")


def num_kept_unlisted(database: sqlite3.Connection) -> int:
    """The number of items that are kept although no list contains them any more."""
    if not _has_former(database):
        return 0
    counts = [
        database.execute(
            f"{_BELOW} SELECT count(DISTINCT s.key) FROM below JOIN sightings s ON s.document = below.id "
            "WHERE s.ordinal < ?2", (ROOT, bound),
        ).fetchone()[0]
        for bound in (_EVERYTHING, FORMER)
    ]  # fmt: skip
    return int(counts[0] - counts[1])


def _has_former(database: sqlite3.Connection) -> bool:
    return any(
        database.execute(f"SELECT 1 FROM {table} WHERE ordinal >= ? LIMIT 1", (FORMER,)).fetchone()
        for table in ("edges", "sightings")
    )


def drop_unreachable(database: sqlite3.Connection) -> None:
    """Delete documents that no source leads to any more, and their items. If they come back, they are new.

    If an identifier now shows another image which could not be downloaded yet, the item of
    the former image is kept.
    """
    database.execute("CREATE TEMP TABLE reached (id INTEGER PRIMARY KEY)")
    database.execute(
        f"INSERT INTO temp.reached {_BELOW} SELECT id FROM below WHERE id <> ?1", (ROOT, _EVERYTHING)
    )
    for table, owner in (
        ("edges", "parent"), ("sightings", "document"), ("refusals", "document"), ("withdrawals", "document"),
    ):  # fmt: skip
        database.execute(
            f"DELETE FROM {table} WHERE {owner} <> ? AND {owner} NOT IN (SELECT id FROM temp.reached)",
            (ROOT,),
        )
    database.execute("DELETE FROM documents WHERE id NOT IN (SELECT id FROM temp.reached)")
    database.execute(
        "DELETE FROM items WHERE key NOT IN (SELECT key FROM sightings) AND NOT (facts IS NOT NULL AND base"
        " IN (SELECT i.base FROM items i JOIN sightings s ON s.key = i.key WHERE i.facts IS NULL AND i.state"
        " <> 'refused'))"
    )
    database.execute("DROP TABLE temp.reached")
