"""Downloading: one queue per host, with as many workers as the host allows; results go
to the ledger in batches.

A worker takes a job, does it (data_prep.harvest.documents, data_prep.harvest.items), and passes the outcome
to a committer. The committer writes outcomes: bytes first, then one transaction. Nothing counts as done
before that, but workers do not wait for it.
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

from data_prep.config_groups import Network
from data_prep.harvest.documents import LOCAL, DocumentReader
from data_prep.harvest.items import ItemFetcher
from data_prep.ledger.jobs import DocumentJob, ItemJob, Job, Outcome
from data_prep.ledger.ledger import Ledger
from data_prep.network.answers import Gone, HostPaused, NotNow, Refused
from data_prep.network.fetch import Fetcher
from iconoclip.progress import Meter

MAX_ROUNDS: Final = 3
BUFFER_JOBS: Final = 200
MAX_UNCOMMITTED: Final = 400
SECONDS_BETWEEN_COMMITS: Final = 0.25
SECONDS_BETWEEN_PULSES: Final = 2.0


@dataclass
class HostQueue:
    """The queue of one host, with its workers' state."""

    host: str
    buffer: deque[Job] = field(default_factory=deque)
    last_document: int = 0
    last_item: int = 0
    is_paused: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """Does the work in a ledger until none is left, or none that can be done now.

    Args:
        network: the pauses before a job is retried.
        ledger: the source of the work, and the destination of the results.
        fetcher: sends requests, and knows how many each host allows at the same time.
        documents: reads documents.
        items: downloads images; None only lists them (a dry run).
        meter: counts finished items, or documents in a dry run.
    """

    def __init__(
        self,
        network: Network,
        ledger: Ledger,
        fetcher: Fetcher,
        documents: DocumentReader,
        items: ItemFetcher | None,
        meter: Meter,
    ) -> None:
        self._network, self._ledger, self._fetcher = network, ledger, fetcher
        self._documents, self._items, self._meter = documents, items, meter
        self._queues: dict[str, HostQueue] = {}
        self._taken: set[tuple[type, int]] = set()
        self._done: list[Outcome] = []
        self._has_outcomes = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_UNCOMMITTED)
        self._num_refused = self._num_documents = 0
        self._num_settled, self._since, self._pulse_at = 0, time.time(), 0.0

    async def run(self) -> dict[str, str]:
        """Work until nothing is left that can be done now.

        Returns:
            The hosts that were paused, each with the reason; their work is still in the ledger.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._open_queues(self._ledger.hosts_with_work())
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
        return {queue.host: self._pause_reason(queue) for queue in self._queues.values() if queue.is_paused}

    # Queues

    _workers: list[asyncio.Task[None]]

    def _open_queues(self, hosts: list[str] | set[str]) -> None:
        if not self._queues:
            self._workers = []
        for host in sorted(hosts):
            if host in self._queues:
                self._queues[host].news.set()
                continue
            queue = self._queues[host] = HostQueue(host)
            width = 4 if host == LOCAL else self._fetcher.gate(host).pace.concurrency
            self._workers += [self._group.create_task(self._work(queue)) for _ in range(width)]

    async def _work(self, queue: HostQueue) -> None:
        while not queue.is_paused:
            job = self._next(queue)
            if job is None:
                await self._wait(queue)
                continue
            await self._room.acquire()
            try:
                outcome = await self._do(job)
            except HostPaused:
                queue.is_paused = True
                self._taken.discard((type(job), job.id))
                self._room.release()
                self._has_outcomes.set()
                return
            self._done.append(outcome)
            self._has_outcomes.set()

    def _next(self, queue: HostQueue) -> Job | None:
        if not queue.buffer:
            queue.buffer.extend(self._refill(queue))
        if not queue.buffer:
            return None
        job = queue.buffer.popleft()
        self._taken.add((type(job), job.id))
        return job

    def _refill(self, queue: HostQueue) -> list[Job]:
        queue.news.clear()
        jobs = self._ledger.pending(
            queue.host, queue.last_document, queue.last_item, BUFFER_JOBS, with_items=self._items is not None
        )
        for job in jobs:
            if isinstance(job, DocumentJob):
                queue.last_document = max(queue.last_document, job.id)
            else:
                queue.last_item = max(queue.last_item, job.id)
        if not jobs:
            # Jobs to retry now, and documents to be read again because a change stream named them meanwhile.
            late, _ = self._ledger.to_retry_later(queue.host, BUFFER_JOBS, time.time())
            late += self._ledger.pending(
                queue.host, 0, 0, BUFFER_JOBS + MAX_UNCOMMITTED, with_items=self._items is not None
            )
            jobs = [job for job in late if (type(job), job.id) not in self._taken]
        return _interleaved(jobs)

    async def _wait(self, queue: HostQueue) -> None:
        """Wait until there is news for the queue, or until it is time to retry a job."""
        _, next_time = self._ledger.to_retry_later(queue.host, 1, 0)
        timeout = None if next_time is None else max(0.05, next_time - time.time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await queue.news.wait()

    # Committing

    async def _commit_until_done(self) -> None:
        while not self._is_done():
            await self._has_outcomes.wait()
            self._has_outcomes.clear()
            # Documents bring new work, so they are committed at once; images are collected into batches.
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
            # Interrupted while bytes were written to the disk: they are complete, so they count.
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
        self._open_queues(hosts)
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
        """Record the speed from time to time, for `iconoclip status`."""
        now = time.time()
        if now - self._pulse_at >= SECONDS_BETWEEN_PULSES:
            self._pulse_at = now
            self._ledger.note(
                pulse=json.dumps({"at": now, "since": self._since, "settled": self._num_settled})
            )

    def _is_done(self) -> bool:
        if self._done or self._taken:
            return False
        paused = {queue.host for queue in self._queues.values() if queue.is_paused}
        with_work = set(self._ledger.hosts_with_work(with_items=self._items is not None)) - paused
        self._open_queues(with_work)
        return not with_work

    def _commit_rest(self) -> None:
        """Commit also the work that was finished when the run was interrupted."""
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
                paused=gate.paused,
            )

    def _pause_reason(self, queue: HostQueue) -> str:
        return self._fetcher.gate(queue.host).paused or "the server asks to wait"

    # One job

    async def _do(self, job: Job) -> Outcome:
        """Do one job. The only errors raised are those that stop the whole harvest or pause the host."""
        try:
            if isinstance(job, DocumentJob):
                return await self._documents.read(job)
            assert self._items is not None
            return await self._items.fetch(job)
        except Gone as gone:
            # If a list is gone, the objects that it listed may still exist.
            is_object = isinstance(job, ItemJob) or job.is_leaf
            return Outcome(job, "refused" if is_object else "not-known", str(gone))
        except Refused as refused:
            return Outcome(job, "not-known", str(refused))
        except HostPaused:
            raise
        except NotNow as later:
            return self._retry_later(job, str(later))

    def _retry_later(self, job: Job, reason: str) -> Outcome:
        if job.rounds + 1 >= MAX_ROUNDS:
            return Outcome(job, "not-known", f"given up: {reason}")
        network = self._network
        pause = min(network.retry_seconds * 10 * 4**job.rounds, network.max_wait_seconds)
        return Outcome(job, "retry-later", reason, not_before=time.time() + pause * random.uniform(0.8, 1.2))


def _interleaved(jobs: list[Job]) -> list[Job]:
    """Documents and items in turn: while a document is read, an image can be decoded in another process."""
    documents = [job for job in jobs if isinstance(job, DocumentJob)]
    items = [job for job in jobs if not isinstance(job, DocumentJob)]
    return [job for pair in zip_longest(documents, items) for job in pair if job is not None]


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The most important exception of a group: an interruption first, a cancellation last."""
    leaves: list[BaseException] = []
    for failure in failures.exceptions:
        leaves.append(_first(failure) if isinstance(failure, BaseExceptionGroup) else failure)
    return next((leaf for leaf in leaves if isinstance(leaf, KeyboardInterrupt)), leaves[0])
