"""Decodes images in separate processes, so that no image can crash the harvest.

The event loop itself talks to the processes over Unix sockets. With decoding in threads, it waited for the
interpreter's lock after every system call, and a harvest of 1024-pixel images had two thirds of the speed.
With the process pool of `concurrent.futures` the loss was smaller, but still there, because two threads
transfer its jobs. If an image kills its process (a bug of the decoder, memory, time), the process is replaced
and the image tried once more; if it kills the new process too, it is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Final, Self, cast

from pydantic import TypeAdapter

from data_prep.images.decoding import LENGTHS, MAX_SECONDS, message
from data_prep.images.mosaic import Place
from data_prep.images.store import StoredImage, Wanted
from iconoclip.machine import num_cores
from iconoclip.pictures import ImageRefused
from iconoclip.record import Region

# Images per process: one is being decoded, and one waits so that the process is never idle.
JOBS_PER_PROCESS: Final = 2
MAX_DEATHS: Final = 2
MAX_FAILED_STARTS: Final = 5
KILLS: Final = (
    f"the image kills the program that decodes it, or takes more than {MAX_SECONDS:.0f} s of its time"
)
MAX_HEAD_BYTES: Final = 1_000_000
MAX_BODY_BYTES: Final = 500_000_000


_STORED: Final = TypeAdapter(StoredImage)


@dataclass
class _Job:
    body: bytes
    crop: Region | None
    crop_space: tuple[int, int] | None
    turn: int
    tiles: tuple[Place, ...]
    done: asyncio.Future[StoredImage]
    num_deaths: int = 0

    def message(self) -> bytes:
        crop = self.crop
        box = None if crop is None else (crop.x, crop.y, crop.width, crop.height)
        head = {"crop": box, "space": self.crop_space, "turn": self.turn, "tiles": self.tiles}
        return message(head, self.body)

    def answered(self, facts: dict[str, Any], jpeg: bytes) -> None:
        if "refused" in facts:
            self.failed(ImageRefused(facts["refused"]))
        elif not self.done.done():
            self.done.set_result(_checked(facts, jpeg or self.body))

    def failed(self, reason: Exception) -> None:
        # The waiting task may have been cancelled.
        if not self.done.done():
            self.done.set_exception(reason)


def _checked(facts: dict[str, Any], jpeg: bytes) -> StoredImage:
    """The checked answer of a decoding process, which a hostile image may have taken over.

    Raises:
        ValueError: the answer is inconsistent. pydantic's ValidationError is a ValueError.
    """
    stored = _STORED.validate_python({**facts, "jpeg": jpeg})
    if hashlib.sha256(jpeg).hexdigest() != stored.sha256 or not re.fullmatch("[0-9a-f]{16}", stored.phash):
        raise ValueError("the answer of a decoding process does not fit the image")
    return stored


class _Process(asyncio.Protocol):
    """One decoding process and its jobs, in the order in which it does them."""

    def __init__(self, decoders: Decoders) -> None:
        self._decoders = decoders
        self._received = bytearray()
        self.jobs: deque[_Job] = deque()
        self.is_ready = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._decoders.won(self)

    def give(self, job: _Job) -> None:
        """Send an image to the process."""
        self.jobs.append(job)
        self._transport.write(job.message())

    def data_received(self, data: bytes) -> None:
        """Read the answers in the bytes received so far."""
        self._received += data
        while (answer := self._next()) is not None:
            if self.is_ready:
                # A job is removed when it is answered. An invalid answer raises, and the loop closes the
                # connection.
                self.jobs[0].answered(*answer)
                self.jobs.popleft()
            else:
                self.is_ready = True
        self._decoders.give_work()

    def _next(self) -> tuple[dict[str, Any], bytes] | None:
        if len(self._received) < LENGTHS.size:
            return None
        head_size, body_size = LENGTHS.unpack_from(self._received)
        if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
            raise ValueError("the answer of a decoding process is larger than an image can be")
        start = LENGTHS.size + head_size
        if len(self._received) < start + body_size:
            return None
        head = json.loads(self._received[LENGTHS.size : start])
        body = bytes(memoryview(self._received)[start : start + body_size])
        del self._received[: start + body_size]
        return head, body

    def connection_lost(self, error: Exception | None) -> None:
        self._decoders.lost(self)

    def close(self) -> None:
        """Close the connection, which ends the process."""
        self._transport.abort()


class Decoders:
    """Decodes and encodes images for one event loop. Use as an async context manager.

    Args:
        wanted: how images are to be stored.
        num_workers: the number of processes; None for one per core."""

    PROGRAM = (sys.executable, "-m", "data_prep.images.decoding")

    def __init__(self, wanted: Wanted, num_workers: int | None = None) -> None:
        self._wanted = wanted
        self._num_workers = num_workers or num_cores()
        self._waiting: deque[_Job] = deque()
        self._processes: list[_Process] = []
        self._programs: list[subprocess.Popen[bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_failed_starts = 0
        self._failure: Exception | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        # The processes start while the first documents are requested.
        await self._add_processes(self._num_workers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        for process in self._processes:
            process.close()
        for program in self._programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()

    async def store(
        self,
        body: bytes,
        crop: Region | None = None,
        crop_space: tuple[int, int] | None = None,
        turn: int = 1,
        tiles: tuple[Place, ...] = (),
    ) -> StoredImage:
        """Call `data_prep.images.store.store_image` in another process.

        Args:
            tiles: the position of each file, if `body` consists of several; see data_prep.images.mosaic.

        Raises:
            ImageRefused: as in `store_image`, or because the image kills the process.
        """
        if self._failure:
            raise self._failure
        job = _Job(body, crop, crop_space, turn, tiles, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self.give_work()
        return await job.done

    def give_work(self) -> None:
        """Give waiting images to the processes with the fewest jobs."""
        while self._waiting and self._processes:
            idlest = min(self._processes, key=lambda process: len(process.jobs))
            if len(idlest.jobs) >= JOBS_PER_PROCESS:
                return
            idlest.give(self._waiting.popleft())

    def won(self, process: _Process) -> None:
        """Add a new process, which accepts work when its libraries are loaded."""
        self._processes.append(process)
        self.give_work()

    def lost(self, process: _Process) -> None:
        """Handle the end of a process. Its first image caused it and is tried once more; the others are sent
        again."""
        self._processes.remove(process)
        if self._is_closed:
            return
        again = list(process.jobs)
        self._programs = [program for program in self._programs if program.poll() is None]
        self._num_failed_starts = 0 if process.is_ready else self._num_failed_starts + 1
        if self._num_failed_starts > MAX_FAILED_STARTS:
            self._failure = RuntimeError("the program that decodes images does not start")
        if self._failure:
            self._give_up([*again, *self._waiting], self._failure)
            return
        if again and process.is_ready:
            again[0].num_deaths += 1
            if again[0].num_deaths >= MAX_DEATHS:
                again.pop(0).failed(ImageRefused(KILLS))
        self._waiting.extendleft(reversed(again))
        task = asyncio.get_running_loop().create_task(self._replace())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self) -> None:
        try:
            await self._add_processes(1)
        except OSError as error:
            self._failure = error
            self._give_up(list(self._waiting), error)

    def _give_up(self, jobs: list[_Job], failure: Exception) -> None:
        self._waiting.clear()
        for job in jobs:
            job.failed(failure)

    async def _add_processes(self, num_processes: int) -> None:
        pairs = [socket.socketpair() for _ in range(num_processes)]
        theirs = [end.fileno() for _, end in pairs]
        try:
            # Its own process group: only the harvest handles Ctrl-C, and no process is left behind at the
            # end.
            self._programs.append(
                subprocess.Popen(
                    [*self.PROGRAM, json.dumps(asdict(self._wanted)), *map(str, theirs)],
                    pass_fds=theirs,
                    stdin=subprocess.DEVNULL,
                    process_group=0,
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
                )
            )
        finally:
            for _, end in pairs:
                end.close()
        loop = asyncio.get_running_loop()
        for ours, _ in pairs:
            await loop.create_unix_connection(lambda: _Process(self), sock=ours)
