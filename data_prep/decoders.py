"""Where images are decoded: in processes of their own, so that no image can take the harvest down with it.

Measured, not guessed: in threads the event loop waits for the interpreter's lock after every system call, and a harvest
of 1024-pixel images ran at two thirds of the speed. Jobs go over in batches when they queue up, one at a time when
they do not. A process that dies of an image (a decoder's bug, memory) is replaced, and the image tried alone; if it
kills again, it is refused.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.forkserver
import os
import threading
from collections import deque
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from data_prep.images import ImageRefused, StoredImage, Wanted, store_image
from iconoclip.record import Region

MAX_BATCH: Final = 16
MAX_BATCH_BYTES: Final = 4_000_000

# Bytes, the region to cut out, and what it was measured on.
Job = tuple[bytes, Region | None, tuple[int, int] | None]


@dataclass(frozen=True)
class _Waiting:
    job: Job
    done: asyncio.Future[StoredImage]


class Decoders:
    """Decodes and encodes images for one event loop. Use as a context manager.

    Args:
        wanted: how images are to be stored.
        num_workers: processes; 1 decodes in a thread of this process, 0 takes one process a core.
    """

    def __init__(self, wanted: Wanted, num_workers: int = 0) -> None:
        self._wanted = wanted
        self._num_workers = num_workers or len(os.sched_getaffinity(0))
        self._executor = self._make_executor(self._num_workers)
        self._waiting: deque[_Waiting] = deque()
        self._num_under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._alone = asyncio.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=kind is None, cancel_futures=True)

    def _make_executor(self, num_workers: int) -> Executor:
        if self._num_workers == 1:
            return ThreadPoolExecutor(1, thread_name_prefix="decode")
        # Processes are forked off a server that has the decoders loaded and nothing else.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["data_prep.images"])
        # The server loads while the first documents are asked for.
        multiprocessing.forkserver.ensure_running()
        return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_end_with_parent)

    async def store(
        self, body: bytes, crop: Region | None = None, crop_space: tuple[int, int] | None = None
    ) -> StoredImage:
        """As `data_prep.images.store_image`, elsewhere.

        Raises:
            ImageRefused: as there, or because the image kills whatever decodes it.
        """
        waiting = _Waiting((body, crop, crop_space), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._start()
        return await waiting.done

    def _start(self) -> None:
        # Two batches a process: one at work, one at hand.
        while self._waiting and self._num_under_way < 2 * self._num_workers:
            batch = self._next_batch()
            self._num_under_way += 1
            task = asyncio.create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_batch(self) -> list[_Waiting]:
        # What waits is spread over the processes first.
        most = max(1, min(MAX_BATCH, len(self._waiting) // self._num_workers))
        batch = [self._waiting.popleft()]
        num_bytes = len(batch[0].job[0])
        while self._waiting and len(batch) < most and num_bytes < MAX_BATCH_BYTES:
            batch.append(self._waiting.popleft())
            num_bytes += len(batch[-1].job[0])
        return batch

    async def _run(self, batch: list[_Waiting]) -> None:
        jobs = [waiting.job for waiting in batch]
        try:
            results = await self._in(self._executor, jobs)
        except BrokenProcessPool:
            results = [await self._run_alone(job) for job in jobs]
        finally:
            self._num_under_way -= 1
        for waiting, result in zip(batch, results, strict=True):
            if waiting.done.done():
                continue
            if isinstance(result, str):
                waiting.done.set_exception(ImageRefused(result))
            else:
                waiting.done.set_result(result)
        self._start()

    async def _in(self, executor: Executor, jobs: list[Job]) -> list[StoredImage | str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, store_images, jobs, self._wanted)

    async def _run_alone(self, job: Job) -> StoredImage | str:
        """One job in a process of its own, after the pool broke; the pool is made anew by the first who sees it."""
        async with self._alone:
            if getattr(self._executor, "_broken", False):
                self._executor.shutdown(wait=False)
                self._executor = self._make_executor(self._num_workers)
            single = self._make_executor(1)
            try:
                return (await self._in(single, [job]))[0]
            except BrokenProcessPool:
                return "the image kills the program that decodes it"
            finally:
                single.shutdown(wait=False)


def store_images(jobs: list[Job], wanted: Wanted) -> list[StoredImage | str]:
    """Store a batch of images; a text is the reason why one was refused."""
    results: list[StoredImage | str] = []
    for body, crop, crop_space in jobs:
        try:
            results.append(store_image(body, wanted, crop, crop_space))
        except ImageRefused as refused:
            results.append(str(refused))
    return results


def _end_with_parent() -> None:
    """Do not outlive a harvest that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
