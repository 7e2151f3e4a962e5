"""The ledger of a harvest: every document and item, its state, and where its bytes are. The source of resume.

One SQLite file and, beside it, spools: files to which finished JPEGs are appended until they are packed. A batch is
committed in this order: bytes to the spool, the spool to the disk, then one transaction. So what the ledger calls
fetched is there, whatever moment the process died at; bytes past the last committed end are nobody's.

States: `pending`, `fetched`, `refused` (final), `retry-later` (not before a time), `dead` (given up).

Order. Samples are packed in breadth-first order over the documents, each in its own order, so the order follows
from the documents alone and not from which server was quick. A document or key met twice counts where it stands
first in that order.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from data_prep.candidate import Found
from data_prep.config import HarvestConfig
from data_prep.database import SCHEMA_VERSION, database_errors, exclusive_lock, open_database
from data_prep.jobs import ELSEWHERE, FACTS, DocumentJob, FoundRows, ItemJob, ItemRow, Job, LinkRow, Outcome
from data_prep.sites import SiteRules
from data_prep.spool import SPOOLS_OF_A_TASK, Place, Spool
from iconoclip.errors import DamagedData
from iconoclip.files import disk_full_is_an_answer

# What a parent document of a source given by the user is called in `edges`.
ROOT: Final = 0

# What decides which samples a set holds and what they are. The rest (pace, bounds, tries) may change between runs.
IDENTITY_FIELDS = (
    "sources", "source", "institution", "name", "policy", "keep", "max_side_pixels", "jpeg_quality", "val_share",
    "test_share", "split_seed", "near_duplicate_bits", "max_shard_bytes", "num_tasks", "task",
)  # fmt: skip


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
        self._lock: IO[bytes] | None = None
        self.spool: Spool | None = None
        self._is_changed = False
        if folder is not None:
            with disk_full_is_an_answer(folder):
                folder.mkdir(parents=True, exist_ok=True)
                self._lock = exclusive_lock(folder / "lock")
        with database_errors(folder):
            path = ":memory:" if folder is None else str(folder / "ledger.sqlite")
            self._database = open_database(path)
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
        """Let go of the files."""
        if self.spool:
            self.spool.close()
        self._database.close()
        if self._lock:
            self._lock.close()

    # Meta

    def get(self, key: str) -> str | None:
        """A value of `meta`."""
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def note(self, **values: str) -> None:
        """Write values of `meta`, in one transaction."""
        with self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    # Work to do

    def begin(self, config: HarvestConfig, started_at: str, **more: str) -> None:
        """Note the settings that decide what this set holds, once."""
        if self.get("config") is None:
            values = {
                name: value
                for name, value in config.model_dump(mode="json").items()
                if name in IDENTITY_FIELDS
            }
            self.note(config=json.dumps(values), round="0", round_0_at=started_at, **more)

    def add_chunk(self, number: int, link: LinkRow, found: Found, rows: FoundRows) -> None:
        """A part of a table, read already, as a document of its own; nothing happens when it is there."""
        with self._transaction():
            if self._database.execute(
                "SELECT 1 FROM edges WHERE parent = ? AND ordinal = ?", (ROOT, number)
            ).fetchone():
                return
            self._database.execute(
                "INSERT INTO documents (uri, kind, context, host, depth, state) VALUES (?, ?, '{}', '', 0, 'fetched')",
                (link.uri, link.kind),
            )
            (document,) = self._database.execute("SELECT last_insert_rowid()").fetchone()
            self._database.execute("INSERT INTO edges VALUES (?, ?, ?)", (ROOT, number, document))
            self._add_found(document, found, rows, depth=1)

    def institutions(self) -> set[str]:
        """The slugs of the institutions that items are of."""
        # A key is the slug, a hyphen and 16 digits.
        rows = self._database.execute("SELECT DISTINCT substr(key, 1, length(key) - 17) FROM items")
        return {row[0] for row in rows}

    def add_roots(self, links: Iterable[LinkRow]) -> None:
        """The documents the user named, in their order."""
        with self._transaction():
            self._add_links(ROOT, links, depth=0)

    def pending(
        self, host: str, after_document: int, after_item: int, limit: int, *, with_items: bool = True
    ) -> list[Job]:
        """Jobs of a host in the order they were found, documents first, past the given row numbers."""
        with database_errors(self.folder):
            jobs: list[Job] = self._documents(
                "host = ? AND state = 'pending' AND id > ?", (host, after_document), limit
            )
            if with_items and len(jobs) < limit:
                jobs += self._items(
                    "host = ? AND state = 'pending' AND id > ?", (host, after_item), limit - len(jobs)
                )
        return jobs

    def put_off(self, host: str, limit: int, now: float) -> tuple[list[Job], float | None]:
        """Jobs of a host that were put off and whose time has come, and when the first one's does."""
        condition = "host = ? AND state = 'retry-later' AND not_before <= ?"
        jobs: list[Job] = self._documents(condition, (host, now), limit)
        jobs += self._items(condition, (host, now), limit)
        query = "SELECT min(not_before) FROM (SELECT not_before FROM {0} WHERE host = ? AND state = 'retry-later')"
        times = [
            self._database.execute(query.format(table), (host,)).fetchone()[0]
            for table in ("documents", "items")
        ]
        return jobs, min((at for at in times if at is not None), default=None)

    def hosts_with_work(self, *, with_items: bool = True) -> list[str]:
        """Hosts with pending or put-off jobs."""
        query = "SELECT DISTINCT host FROM {0} WHERE state IN ('pending', 'retry-later')"
        tables = ("documents", "items") if with_items else ("documents",)
        with database_errors(self.folder):
            return sorted({row[0] for table in tables for row in self._database.execute(query.format(table))})

    def _documents(self, condition: str, values: tuple[Any, ...], limit: int) -> list[Job]:
        rows = self._database.execute(
            "SELECT id, uri, kind, context, depth, rounds, etag, last_modified, sha256, is_shared FROM documents "
            f"WHERE {condition} ORDER BY id LIMIT ?",
            (*values, limit),
        )
        return [DocumentJob(row[0], row[1], row[2], json.loads(row[3]), *row[4:]) for row in rows]

    def _items(self, condition: str, values: tuple[Any, ...], limit: int) -> list[Job]:
        rows = self._database.execute(
            f"SELECT id, key, candidate, rounds, etag, last_modified, facts FROM items WHERE {condition} ORDER BY id LIMIT ?",
            (*values, limit),
        )
        return [ItemJob(*row) for row in rows]

    # Results

    def append(self, outcomes: Sequence[Outcome]) -> list[Place]:
        """Write the JPEGs of a batch to the spool and to the disk. Returns where each begins.

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
        num_changed = 0
        with self._transaction():
            for outcome, place in zip(outcomes, places, strict=True):
                if isinstance(outcome.job, DocumentJob):
                    self._record_document(outcome, outcome.job)
                else:
                    self._record_item(outcome, outcome.job, place)
                num_changed += not outcome.is_unchanged
                for uri, body in outcome.services.items():
                    self._database.execute("INSERT OR REPLACE INTO services VALUES (?, ?)", (uri, body))
            if num_changed and not self._is_changed:
                self._database.execute("INSERT OR REPLACE INTO meta VALUES ('changed', 'yes')")
        self._is_changed |= num_changed > 0

    def _record_document(self, outcome: Outcome, job: DocumentJob) -> None:
        rounds = job.rounds + (outcome.state == "retry-later")
        self._database.execute(
            "UPDATE documents SET state = ?, reason = ?, rounds = ?, not_before = ? WHERE id = ?",
            (outcome.state, outcome.reason, rounds, outcome.not_before, job.id),
        )
        if outcome.state in ("refused", "dead"):
            # What it held before (a refresh) is held no longer.
            self._clear_document(job.id)
        if outcome.found is None or outcome.rows is None:
            return
        self._database.execute(
            "UPDATE documents SET etag = ?, last_modified = ?, sha256 = ?, opt_out = ? WHERE id = ?",
            (outcome.etag, outcome.last_modified, outcome.sha256, " ".join(outcome.opt_out), job.id),
        )
        # A document read again (a refresh) replaces what it said before.
        self._clear_document(job.id)
        self._add_found(job.id, outcome.found, outcome.rows, job.depth + 1)

    def _add_found(self, document: int, found: Found, rows: FoundRows, depth: int) -> None:
        self._add_links(document, rows.links, depth)
        self._add_items(document, rows.items)
        self._database.executemany(
            "INSERT INTO refusals VALUES (?, ?, ?, ?)",
            [(document, n, refusal.source, refusal.reason) for n, refusal in enumerate(found.refusals)],
        )
        self._database.executemany(
            "INSERT INTO withdrawals VALUES (?, ?, ?, ?)",
            [(document, n, gone.source_id, gone.at) for n, gone in enumerate(found.withdrawals)],
        )

    def _clear_document(self, document: int) -> None:
        for table in ("sightings", "refusals", "withdrawals"):
            self._database.execute(f"DELETE FROM {table} WHERE document = ?", (document,))
        self._database.execute("DELETE FROM edges WHERE parent = ?", (document,))

    def _add_links(self, parent: int, links: Iterable[LinkRow], depth: int) -> None:
        for ordinal, row in enumerate(links):
            context = json.dumps(row.context, ensure_ascii=False, sort_keys=True, default=str)
            self._database.execute(
                "INSERT OR IGNORE INTO documents (uri, kind, context, host, depth, is_shared, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    row.uri,
                    row.kind,
                    context,
                    row.host,
                    depth,
                    row.is_shared,
                    ELSEWHERE if row.is_elsewhere else "pending",
                ),
            )
            self._database.execute(
                "INSERT INTO edges SELECT ?, ?, id FROM documents WHERE uri = ? AND kind = ?",
                (parent, ordinal, row.uri, row.kind),
            )

    def _add_items(self, document: int, rows: Iterable[ItemRow]) -> None:
        for ordinal, row in enumerate(rows):
            state = ELSEWHERE if row.is_elsewhere else "refused" if row.refused else "pending"
            new = self._database.execute(
                "INSERT INTO items (key, host, candidate, state, reason) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO NOTHING",
                (row.key, row.host, row.candidate_json, state, row.refused),
            ).rowcount
            # The candidate is stored once, with the item, unless a second sighting differs.
            other = None if new else row.candidate_json
            self._database.execute(
                "INSERT INTO sightings VALUES (?, ?, ?, ?)", (document, ordinal, row.key, other)
            )

    def _record_item(self, outcome: Outcome, job: ItemJob, place: Place) -> None:
        if outcome.is_unchanged:
            self._database.execute(
                "UPDATE items SET state = 'fetched', reason = NULL WHERE id = ?", (job.id,)
            )
            return
        rounds = job.rounds + (outcome.state == "retry-later")
        self._database.execute(
            "UPDATE items SET state = ?, reason = ?, rounds = ?, not_before = ? WHERE id = ?",
            (outcome.state, outcome.reason, rounds, outcome.not_before, job.id),
        )
        if outcome.jpeg is not None and outcome.facts is not None:
            self._database.execute(
                "UPDATE items SET etag = ?, last_modified = ?, spool = ?, offset = ?, size = ?, facts = ? WHERE id = ?",
                (
                    outcome.etag, outcome.last_modified, *place, len(outcome.jpeg),
                    FACTS.dump_json(outcome.facts).decode(), job.id,
                ),
            )  # fmt: skip

    def replace_candidate(self, key: str, candidate_json: str, *, same_image: bool) -> int:
        """Let another candidate speak for a key. Returns 1 when its image must be fetched anew, else 0."""
        with self._transaction():
            self._database.execute("UPDATE items SET candidate = ? WHERE key = ?", (candidate_json, key))
            if same_image:
                return 0
            return self._database.execute(
                "UPDATE items SET state = 'pending', reason = NULL, etag = NULL, last_modified = NULL WHERE key = ?",
                (key,),
            ).rowcount

    def forget(self, key: str) -> None:
        """Mark an item to be fetched again from scratch."""
        with self._transaction():
            self._database.execute(
                "UPDATE items SET state = 'pending', etag = NULL, last_modified = NULL, spool = NULL, facts = NULL WHERE key = ?",
                (key,),
            )

    def begin_round(self, at: str) -> None:
        """Everything is to be asked again, with the validators of what there is; 403 and 410 stay as they are."""
        with self._transaction():
            self._database.execute(
                "UPDATE documents SET state = 'pending', rounds = 0 WHERE state = 'fetched'"
            )
            self._database.execute("UPDATE items SET state = 'pending', rounds = 0 WHERE state = 'fetched'")
            self._database.execute("DELETE FROM services")
            self._retry("NOT (reason GLOB 'HTTP 403*' OR reason GLOB 'HTTP 410*' OR reason GLOB 'rights:*')")
            number = str(int(self.get("round") or 0) + 1)
            rows = {"round": number, f"round_{number}_at": at}
            self._database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows.items())
            self._database.execute("DELETE FROM meta WHERE key IN ('finished', 'changed', 'fetched')")
        self._is_changed = False

    def round_times(self) -> list[str]:
        """When each round over the sources began; what was fetched in a round carries its time."""
        return [self.get(f"round_{number}_at") or "" for number in range(int(self.get("round") or 0) + 1)]

    def retry_refused(self) -> bool:
        """What was refused by a server or given up is to be tried again. Returns whether there is any."""
        with self._transaction():
            count = self._retry("reason NOT GLOB 'rights:*'")
            if count:
                self._database.execute("DELETE FROM meta WHERE key IN ('finished', 'fetched')")
        return count > 0

    def _retry(self, condition: str) -> int:
        return sum(
            self._database.execute(
                f"UPDATE {table} SET state = 'pending', rounds = 0 WHERE state IN ('refused', 'dead') AND {condition}"
            ).rowcount
            for table in ("documents", "items")
        )

    def drop_spools(self) -> None:
        """After packing: the bytes are in the shards now."""
        if self.spool is None:
            return
        with self._transaction():
            self._database.execute(
                "UPDATE items SET spool = NULL, offset = NULL, size = NULL WHERE spool IS NOT NULL"
            )
        self.spool.drop()

    def candidates_of(self, document: int) -> list[tuple[str]]:
        """The candidates of a document, in its order, as JSON."""
        rows = self._database.execute(
            "SELECT coalesce(s.candidate, i.candidate) FROM sightings s JOIN items i ON i.key = s.key "
            "WHERE s.document = ? ORDER BY s.ordinal", (document,),
        )  # fmt: skip
        return rows.fetchall()

    def refusals_of(self, document: int) -> list[tuple[str, str]]:
        """What a document's reader refused, in its order."""
        rows = self._database.execute(
            "SELECT source, reason FROM refusals WHERE document = ? ORDER BY ordinal", (document,)
        )
        return rows.fetchall()

    # What sites and services said

    def recall_site(self, origin: str) -> SiteRules | None:
        """The rules of a site, where they were asked before."""
        row = self._database.execute(
            "SELECT robots_txt, tdmrep, at FROM sites WHERE origin = ?", (origin,)
        ).fetchone()
        return SiteRules(row[0], row[1], row[2]) if row else None

    def remember_site(self, origin: str, rules: SiteRules) -> None:
        """Keep the rules of a site."""
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO sites VALUES (?, ?, ?, ?)",
                (origin, rules.robots_txt, rules.tdmrep, rules.at),
            )

    def recall_service(self, uri: str) -> bytes | None:
        """An info.json that was asked before."""
        row = self._database.execute("SELECT body FROM services WHERE uri = ?", (uri,)).fetchone()
        return row[0] if row else None

    def count_host(
        self, host: str, *, requests: int, num_bytes: int, seconds: float, parked: str | None
    ) -> None:
        """Add to a host's counters."""
        self._database.execute(
            "INSERT INTO hosts VALUES (?, ?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET requests = requests + excluded.requests,"
            " bytes = bytes + excluded.bytes, seconds = seconds + excluded.seconds, parked = excluded.parked",
            (host, requests, num_bytes, seconds, parked),
        )

    def _end_of_spools(self) -> Place:
        """The last spool of this ledger's own, and where its committed bytes end."""
        row = self._database.execute(
            "SELECT max(spool) FROM items WHERE spool < ?", (SPOOLS_OF_A_TASK,)
        ).fetchone()
        number = row[0] or 0
        row = self._database.execute(
            "SELECT max(offset + size) FROM items WHERE spool = ?", (number,)
        ).fetchone()
        return number, row[0] or 0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with database_errors(self.folder):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    @property
    def database(self) -> sqlite3.Connection:
        """The connection, for readers of this package that report on the harvest."""
        return self._database
