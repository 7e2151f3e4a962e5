"""Fetching: one lane a host, each as wide as the host bears; results go to the ledger in batches.

A worker takes a job, has it done (data_prep.harvest.documents, data_prep.harvest.items), and hands over an outcome. A committer writes outcomes: bytes first,
then one transaction. Nothing counts as done before that, and nobody waits for it but the progress bar.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from data_prep.config import HarvestConfig
from data_prep.harvest.documents import LOCAL, DocumentReader
from data_prep.harvest.items import ItemFetcher
from data_prep.ledger.jobs import DocumentJob, ItemJob, Job, Outcome
from data_prep.ledger.ledger import Ledger
from data_prep.network.answers import Gone, HostParked, NotNow, Refused
from data_prep.network.fetch import Fetcher
from iconoclip.progress import Meter

MAX_ROUNDS: Final = 3
BUFFER_JOBS: Final = 200
MAX_UNCOMMITTED: Final = 400
SECONDS_BETWEEN_COMMITS: Final = 0.25
SECONDS_BETWEEN_PULSES: Final = 2.0


@dataclass
class Lane:
    """The queue of one host."""

    host: str
    buffer: deque[Job] = field(default_factory=deque)
    last_document: int = 0
    last_item: int = 0
    is_parked: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """Does the work that a ledger holds until none is left, or none that can be done now.

    Args:
        config: bounds.
        ledger: where work comes from and results go to.
        fetcher: asks servers, and knows how wide the lane of each host is.
        documents: reads documents.
        items: fetches images; None lists them only (a dry run).
        meter: counts items that are settled; documents in a dry run.
    """

    def __init__(
        self,
        config: HarvestConfig,
        ledger: Ledger,
        fetcher: Fetcher,
        documents: DocumentReader,
        items: ItemFetcher | None,
        meter: Meter,
    ) -> None:
        self._config, self._ledger, self._fetcher = config, ledger, fetcher
        self._documents, self._items, self._meter = documents, items, meter
        self._lanes: dict[str, Lane] = {}
        self._taken: set[tuple[type, int]] = set()
        self._done: list[Outcome] = []
        self._has_outcomes = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_UNCOMMITTED)
        self._num_refused = self._num_documents = 0
        self._num_settled, self._since, self._pulse_at = 0, time.time(), 0.0

    async def run(self) -> dict[str, str]:
        """Work until nothing is left that can be done now.

        Returns:
            The hosts that were parked, with the reason; their work is still in the ledger.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._open_lanes(self._ledger.hosts_with_work())
                try:
                    await self._commit_until_done()
                finally:
                    for task in self._workers:
                        task.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        finally:
            self._commit_rest()
            self._count_hosts()
        return {lane.host: self._parked_reason(lane) for lane in self._lanes.values() if lane.is_parked}

    # Lanes

    _workers: list[asyncio.Task[None]]

    def _open_lanes(self, hosts: list[str] | set[str]) -> None:
        if not self._lanes:
            self._workers = []
        for host in sorted(hosts):
            if host in self._lanes:
                self._lanes[host].news.set()
                continue
            lane = self._lanes[host] = Lane(host)
            width = 4 if host == LOCAL else self._fetcher.gate(host).pace.concurrency
            self._workers += [self._group.create_task(self._work(lane)) for _ in range(width)]

    async def _work(self, lane: Lane) -> None:
        while not lane.is_parked:
            job = self._next(lane)
            if job is None:
                await self._wait(lane)
                continue
            await self._room.acquire()
            try:
                outcome = await self._do(job)
            except HostParked:
                lane.is_parked = True
                self._taken.discard((type(job), job.id))
                self._room.release()
                self._has_outcomes.set()
                return
            self._done.append(outcome)
            self._has_outcomes.set()

    def _next(self, lane: Lane) -> Job | None:
        if not lane.buffer:
            lane.buffer.extend(self._refill(lane))
        if not lane.buffer:
            return None
        job = lane.buffer.popleft()
        self._taken.add((type(job), job.id))
        return job

    def _refill(self, lane: Lane) -> list[Job]:
        lane.news.clear()
        jobs = self._ledger.pending(
            lane.host, lane.last_document, lane.last_item, BUFFER_JOBS, with_items=self._items is not None
        )
        for job in jobs:
            if isinstance(job, DocumentJob):
                lane.last_document = max(lane.last_document, job.id)
            else:
                lane.last_item = max(lane.last_item, job.id)
        if not jobs:
            # What was put off, and what was read before and is to be read again: a change stream says so as it is read.
            late, _ = self._ledger.put_off(lane.host, BUFFER_JOBS, time.time())
            late += self._ledger.pending(
                lane.host, 0, 0, BUFFER_JOBS + MAX_UNCOMMITTED, with_items=self._items is not None
            )
            jobs = [job for job in late if (type(job), job.id) not in self._taken]
        return _interleaved(jobs)

    async def _wait(self, lane: Lane) -> None:
        """Until there is news for the lane, or the time of a job that was put off has come."""
        _, next_time = self._ledger.put_off(lane.host, 1, 0)
        timeout = None if next_time is None else max(0.05, next_time - time.time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await lane.news.wait()

    # Committing

    async def _commit_until_done(self) -> None:
        while not self._is_done():
            await self._has_outcomes.wait()
            self._has_outcomes.clear()
            # Documents bring new work and are committed at once; images gather.
            if (
                not any(isinstance(outcome.job, DocumentJob) for outcome in self._done)
                and len(self._done) < MAX_UNCOMMITTED // 2
            ):
                await asyncio.sleep(SECONDS_BETWEEN_COMMITS)
            batch, self._done = self._done, []
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[Outcome]) -> None:
        writing = asyncio.ensure_future(asyncio.to_thread(self._ledger.append, batch))
        try:
            places = await asyncio.shield(writing)
        except asyncio.CancelledError:
            # Interrupted with bytes on their way to the disk: they came, so they count.
            self._ledger.commit(batch, await writing)
            raise
        self._committed(batch, places)

    def _committed(self, batch: list[Outcome], places: list[tuple[int, int]]) -> None:
        self._ledger.commit(batch, places)
        hosts: set[str] = set()
        num_new = num_settled = 0
        for outcome in batch:
            self._taken.discard((type(outcome.job), outcome.job.id))
            self._room.release()
            if isinstance(outcome.job, DocumentJob):
                self._num_documents += outcome.state == "fetched"
                if outcome.rows:
                    hosts |= {row.host for row in outcome.rows.links if not row.is_elsewhere}
                    hosts |= {row.host for row in outcome.rows.items if not (row.refused or row.is_elsewhere)}
                    num_new += sum(1 for row in outcome.rows.items if not (row.refused or row.is_elsewhere))
            elif outcome.state != "retry-later":
                num_settled += 1
                self._num_refused += outcome.state in ("refused", "not-known")
        self._open_lanes(hosts)
        self._num_settled += num_settled
        self._pulse()
        if self._items is not None:
            self._meter.expect((self._meter.total or 0) + num_new)
            self._meter.text = f"{self._num_documents} documents" + (
                f", {self._num_refused} refused" if self._num_refused else ""
            )
            self._meter.advance(num_settled)
        else:
            self._meter.advance(sum(isinstance(outcome.job, DocumentJob) for outcome in batch))

    def _pulse(self) -> None:
        """Tell `iconoclip status` now and then how fast it goes."""
        now = time.time()
        if now - self._pulse_at >= SECONDS_BETWEEN_PULSES:
            self._pulse_at = now
            self._ledger.note(
                pulse=json.dumps({"at": now, "since": self._since, "settled": self._num_settled})
            )

    def _is_done(self) -> bool:
        if self._done or self._taken:
            return False
        parked = {lane.host for lane in self._lanes.values() if lane.is_parked}
        with_work = set(self._ledger.hosts_with_work(with_items=self._items is not None)) - parked
        self._open_lanes(with_work)
        return not with_work

    def _commit_rest(self) -> None:
        """What was finished when the work was cut short is kept as well."""
        batch, self._done = self._done, []
        if batch:
            self._ledger.commit(batch, self._ledger.append(batch))

    def _count_hosts(self) -> None:
        for host, gate in self._fetcher.gates.items():
            self._ledger.count_host(
                host,
                requests=gate.num_requests,
                num_bytes=gate.num_bytes,
                seconds=gate.seconds_open,
                parked=gate.parked,
            )

    def _parked_reason(self, lane: Lane) -> str:
        return self._fetcher.gate(lane.host).parked or "the server asks to wait"

    # One job

    async def _do(self, job: Job) -> Outcome:
        """Never fails but by a fault that stops the whole harvest, or a host that is parked."""
        try:
            if isinstance(job, DocumentJob):
                return await self._documents.read(job)
            assert self._items is not None
            return await self._items.fetch(job)
        except Gone as gone:
            # A list that is gone says nothing of what it listed.
            is_object = isinstance(job, ItemJob) or job.is_leaf
            return Outcome(job, "refused" if is_object else "not-known", str(gone))
        except Refused as refused:
            return Outcome(job, "not-known", str(refused))
        except HostParked:
            raise
        except NotNow as later:
            return self._put_off(job, str(later))

    def _put_off(self, job: Job, reason: str) -> Outcome:
        if job.rounds + 1 >= MAX_ROUNDS:
            return Outcome(job, "not-known", f"given up: {reason}")
        pause = min(self._config.retry_seconds * 10 * 4**job.rounds, self._config.max_wait_seconds)
        return Outcome(job, "retry-later", reason, not_before=time.time() + pause * random.uniform(0.8, 1.2))


def _interleaved(jobs: list[Job]) -> list[Job]:
    """Documents and items in turn: while the one is read, the other is decoded elsewhere."""
    documents = [job for job in jobs if isinstance(job, DocumentJob)]
    items = [job for job in jobs if not isinstance(job, DocumentJob)]
    return [job for pair in zip_longest(documents, items) for job in pair if job is not None]


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first real failure of a group: an interruption before all, a cancellation last."""
    leaves: list[BaseException] = []
    for failure in failures.exceptions:
        leaves.append(_first(failure) if isinstance(failure, BaseExceptionGroup) else failure)
    return next((leaf for leaf in leaves if isinstance(leaf, KeyboardInterrupt)), leaves[0])
