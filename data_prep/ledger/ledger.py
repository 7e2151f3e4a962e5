"""The ledger of a harvest: every document and item, its state, and where its bytes are. An interrupted
harvest resumes from it.

One SQLite file and, in the same folder, spools: files to which finished JPEGs are appended until they are
packed. A batch is committed in this order: bytes to the spool, the spool to the disk, then one transaction.
So the images that the ledger records as fetched exist, at whatever moment the process died; bytes after the
last committed end are ignored.

States: `pending`, `fetched`, `refused` (final: gone, or forbidden by its rights), `retry-later` (not
before a time), `not-known` (could not be fetched; the next run requests it again). If an item has `facts`,
its image is stored, in the spool or in the published set, whatever the result of the last request.

Order. Samples are packed in breadth-first order over the documents, and within a document in the document's
order. So the order follows from the documents alone and not from the speed of servers. A document or key that
occurs twice counts at its first position.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from data_prep.candidate import Found
from data_prep.ledger.contents import ROOT, add_links, record_document, record_item, replace_contents
from data_prep.ledger.database import (
    LEDGER_NAME,
    SCHEMA_VERSION,
    database_errors,
    exclusive_lock,
    migrate,
    open_database,
)
from data_prep.ledger.jobs import (
    DocumentJob,
    FoundRows,
    ItemJob,
    Job,
    LinkRow,
    Outcome,
    item_key_of_json,
)
from data_prep.ledger.spool import SPOOLS_OF_A_TASK, Place, Spool
from data_prep.network.sites import SiteRules
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import DamagedData
from iconoclip.locks import Hold, require_posix


class Ledger:
    """The ledger of one harvest, or of one task of it. One writer at a time.

    Args:
        folder: holds the SQLite file and the spools; None keeps everything in memory (a dry run).

    Raises:
        BadInput: another process is writing here.
        DamagedData: the file is not a ledger of this version.
        TryAgainLater: the disk is full.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._lock: Hold | None = None
        self.spool: Spool | None = None
        self._has_news = False
        if folder is not None:
            with disk_full_is_an_answer(folder):
                folder.mkdir(parents=True, exist_ok=True)
                require_posix(folder)
                self._lock = exclusive_lock(folder / "lock")
        with database_errors(folder):
            path = ":memory:" if folder is None else str(folder / LEDGER_NAME)
            # Public within this package, for the modules that report on the harvest.
            self.database = open_database(path)
            if self.get("schema_version") == "2":
                migrate(self.database, item_key_of_json)
            if self.get("schema_version") != SCHEMA_VERSION:
                raise DamagedData(
                    "the ledger was written by another version of iconoclip",
                    where=folder,
                    remedy="finish the harvest with that version, or choose another --out",
                )
        if folder is not None:
            self.spool = Spool(folder, *self._end_of_spools())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and the spools."""
        if self.spool:
            self.spool.close()
        self.database.close()
        if self._lock:
            self._lock.close()

    # Meta

    def get(self, key: str) -> str | None:
        """A value of the table `meta`; None if absent."""
        row = self.database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def note(self, **values: str) -> None:
        """Write values of `meta`, in one transaction."""
        with self.transaction():
            self.put(**values)

    def put(self, **values: str) -> None:
        """Write values of `meta` within a transaction that the caller has opened."""
        self.database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def round_times(self) -> list[str]:
        """The time at which each round over the sources began."""
        return [self.get(f"round_{number}_at") or "" for number in range(int(self.get("round") or 0) + 1)]

    # Work to do

    def begin(self, identity: Mapping[str, Any], started_at: str, **more: str) -> None:
        """Store the settings that decide what this set contains, once; `get("config")` gives them as JSON."""
        if self.get("config") is None:
            self.note(config=json.dumps(dict(identity)), round="0", round_0_at=started_at, **more)

    def add_chunk(self, number: int, link: LinkRow, found: Found, rows: FoundRows) -> None:
        """Add a part of a table, which was read already, as a document. Does nothing if it is there
        already."""
        with self.transaction():
            if self.database.execute(
                "SELECT 1 FROM edges WHERE parent = ? AND ordinal = ?", (ROOT, number)
            ).fetchone():
                return
            self.database.execute(
                "INSERT INTO documents (uri, kind, context, host, depth, state) VALUES (?, ?, '{}', '', 0,"
                " 'fetched')",
                (link.uri, link.kind),
            )
            (document,) = self.database.execute("SELECT last_insert_rowid()").fetchone()
            self.database.execute("INSERT INTO edges VALUES (?, ?, ?, NULL)", (ROOT, number, document))
            replace_contents(self.database, document, found, rows, 1, {})

    def institutions(self) -> set[str]:
        """The slugs of the institutions of all items."""
        # A key is the slug, a hyphen and 16 digits.
        rows = self.database.execute("SELECT DISTINCT substr(base, 1, length(base) - 17) FROM items")
        return {row[0] for row in rows}

    def add_roots(self, links: Iterable[LinkRow]) -> None:
        """Add the documents that the user named, in their order."""
        with self.transaction():
            add_links(self.database, ROOT, links, depth=0)

    def pending(
        self, host: str, after_document: int, after_item: int, limit: int, *, with_items: bool = True
    ) -> list[Job]:
        """Up to `limit` documents and up to `limit` items of a host, after the given row numbers, in the
        order in which they were found."""
        with database_errors(self.folder):
            jobs = self._documents("host = ? AND state = 'pending' AND id > ?", (host, after_document), limit)
            if with_items:
                jobs += self._items("host = ? AND state = 'pending' AND id > ?", (host, after_item), limit)
        return jobs

    def to_retry_later(self, host: str, limit: int, now: float) -> tuple[list[Job], float | None]:
        """The jobs of a host that must be retried now, and the time of the next one."""
        condition = "host = ? AND state = 'retry-later' AND not_before <= ?"
        jobs: list[Job] = self._documents(condition, (host, now), limit)
        jobs += self._items(condition, (host, now), limit)
        query = (
            "SELECT min(not_before) FROM (SELECT not_before FROM {0} WHERE host = ? AND state ="
            " 'retry-later')"
        )
        times = [
            self.database.execute(query.format(table), (host,)).fetchone()[0]
            for table in ("documents", "items")
        ]
        return jobs, min((at for at in times if at is not None), default=None)

    def hosts_with_work(self, *, with_items: bool = True) -> list[str]:
        """Hosts with jobs that are pending or to be retried later."""
        query = "SELECT DISTINCT host FROM {0} WHERE state IN ('pending', 'retry-later')"
        tables = ("documents", "items") if with_items else ("documents",)
        with database_errors(self.folder):
            return sorted({row[0] for table in tables for row in self.database.execute(query.format(table))})

    def _documents(self, condition: str, values: tuple[Any, ...], limit: int) -> list[Job]:
        rows = self.database.execute(
            "SELECT id, uri, kind, context, depth, rounds, etag, last_modified, sha256, is_shared, opt_out,"
            " was, is_list, EXISTS (SELECT 1 FROM edges WHERE parent = documents.id) OR EXISTS (SELECT 1"
            f" FROM sightings WHERE document = documents.id) FROM documents WHERE {condition} ORDER BY id"
            " LIMIT ?",
            (*values, limit),
        )
        return [DocumentJob(row[0], row[1], row[2], json.loads(row[3]), *row[4:]) for row in rows]

    def _items(self, condition: str, values: tuple[Any, ...], limit: int) -> list[Job]:
        rows = self.database.execute(
            f"SELECT id, key, candidate, rounds, etag, last_modified, facts, was FROM items WHERE {condition}"
            " ORDER BY id LIMIT ?",
            (*values, limit),
        )
        return [ItemJob(*row) for row in rows]

    # Results

    def append(self, outcomes: Sequence[Outcome]) -> list[Place]:
        """Append the JPEGs of a batch to the spool and flush it to the disk. Returns the start of each JPEG.

        Raises:
            TryAgainLater: the disk is full.
        """
        jpegs = [outcome.jpeg or b"" for outcome in outcomes]
        return self.spool.append(jpegs) if self.spool else [(0, 0)] * len(jpegs)

    def commit(self, outcomes: Sequence[Outcome], places: Sequence[Place]) -> None:
        """Record a batch whose bytes are on the disk, in one transaction.

        Raises:
            TryAgainLater: the disk is full.
        """
        num_news = 0
        with self.transaction():
            for outcome, place in zip(outcomes, places, strict=True):
                if isinstance(outcome.job, DocumentJob):
                    record_document(self.database, outcome, outcome.job)
                else:
                    record_item(self.database, outcome, outcome.job, place)
                num_news += outcome.is_news
                for uri, body in outcome.services.items():
                    self.database.execute("INSERT OR REPLACE INTO services VALUES (?, ?)", (uri, body))
            if num_news and not self._has_news:
                self.database.execute("INSERT OR REPLACE INTO meta VALUES ('changed', 'yes')")
        self._has_news |= num_news > 0

    def replace_candidate(self, key: str, candidate_json: str, *, again: bool) -> None:
        """Replace the candidate of a key; with `again`, its image is downloaded again."""
        with self.transaction():
            self.database.execute("UPDATE items SET candidate = ? WHERE key = ?", (candidate_json, key))
            if again:
                self.database.execute(
                    "UPDATE items SET state = 'pending', reason = NULL, etag = NULL, last_modified = NULL, "
                    # The response must not look unchanged: another part of the same image may be needed now.
                    "facts = json_set(facts, '$.source_sha256', '') WHERE key = ?",
                    (key,),
                )

    def forget(self, key: str) -> None:
        """Mark an item to be fetched again from scratch."""
        with self.transaction():
            self.database.execute(
                "UPDATE items SET state = 'pending', etag = NULL, last_modified = NULL, spool = NULL, facts ="
                " NULL WHERE key = ?",
                (key,),
            )

    def forget_changes(self) -> None:
        """Begin a new round, in which nothing has changed yet."""
        self._has_news = False

    def finish(self) -> None:
        """Mark the harvest as finished: the set is in place, and the spools are no longer needed."""
        self.note(finished="yes")
        self.drop_spools()

    def drop_spools(self) -> None:
        """Remove the spools after packing: the bytes are in the shards now."""
        if self.spool is None:
            return
        with self.transaction():
            self.database.execute(
                "UPDATE items SET spool = NULL, offset = NULL, size = NULL WHERE spool IS NOT NULL"
            )
        self.spool.drop()

    def uri_of(self, document: int) -> str:
        """The address of a document."""
        row = self.database.execute("SELECT uri FROM documents WHERE id = ?", (document,)).fetchone()
        return str(row[0])

    def candidate_of(self, key: str) -> str:
        """The candidate that counts for a key, as JSON."""
        row = self.database.execute("SELECT candidate FROM items WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    def candidates_of(self, document: int) -> list[tuple[str]]:
        """The candidates of a document, in its order, as JSON."""
        rows = self.database.execute(
            "SELECT coalesce(s.candidate, i.candidate) FROM sightings s JOIN items i ON i.key = s.key "
            "WHERE s.document = ? ORDER BY s.ordinal", (document,),
        )  # fmt: skip
        return rows.fetchall()

    def set_aside_addresses(self, state: str) -> int:
        """Give pending items with a web address another state, so that none is requested. Returns their
        number."""
        with self.transaction():
            return self.database.execute(
                "UPDATE items SET state = ? WHERE host != '' AND state = 'pending'", (state,)
            ).rowcount

    def candidates_in(self, state: str) -> list[str]:
        """The candidates of the items in a state, as JSON, in the order of the source."""
        rows = self.database.execute("SELECT candidate FROM items WHERE state = ? ORDER BY id", (state,))
        return [candidate for (candidate,) in rows.fetchall()]

    def holds(self, document: int) -> bool:
        """Whether the ledger contains links or items of a document."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM edges WHERE parent = ?1) OR EXISTS (SELECT 1 FROM sightings WHERE"
            " document = ?1)"
        )
        return bool(self.database.execute(query, (document,)).fetchone()[0])

    def refusals_of(self, document: int) -> list[tuple[str, str]]:
        """The refusals of a document's reader, in its order."""
        rows = self.database.execute(
            "SELECT source, reason FROM refusals WHERE document = ? ORDER BY ordinal", (document,)
        )
        return rows.fetchall()

    # What sites and services said

    def recall_site(self, origin: str) -> SiteRules | None:
        """The rules of a site, if they were requested before."""
        row = self.database.execute(
            "SELECT robots_txt, tdmrep, at FROM sites WHERE origin = ?", (origin,)
        ).fetchone()
        return SiteRules(row[0], row[1], row[2]) if row else None

    def remember_site(self, origin: str, rules: SiteRules) -> None:
        """Store the rules of a site for later runs."""
        with self.transaction():
            self.database.execute(
                "INSERT OR REPLACE INTO sites VALUES (?, ?, ?, ?)",
                (origin, rules.robots_txt, rules.tdmrep, rules.at),
            )

    def recall_service(self, uri: str) -> bytes | None:
        """An info.json, if it was requested before."""
        row = self.database.execute("SELECT body FROM services WHERE uri = ?", (uri,)).fetchone()
        return row[0] if row else None

    def count_host(
        self, host: str, *, requests: int, num_bytes: int, seconds: float, paused: str | None
    ) -> None:
        """Add to a host's counters."""
        self.database.execute(
            "INSERT INTO hosts VALUES (?, ?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET"
            " requests = requests + excluded.requests, bytes = bytes + excluded.bytes,"
            " seconds = seconds + excluded.seconds, parked = excluded.parked",
            (host, requests, num_bytes, seconds, paused),
        )

    def _end_of_spools(self) -> Place:
        """The number of this ledger's last spool, and the end of its committed bytes."""
        row = self.database.execute(
            "SELECT max(spool) FROM items WHERE spool < ?", (SPOOLS_OF_A_TASK,)
        ).fetchone()
        number = row[0] or 0
        row = self.database.execute(
            "SELECT max(offset + size) FROM items WHERE spool = ?", (number,)
        ).fetchone()
        return number, row[0] or 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction: everything in the block is written, or nothing.

        Raises:
            TryAgainLater: the disk is full.
        """
        with database_errors(self.folder):
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.database.execute("ROLLBACK")
                raise
            self.database.execute("COMMIT")
