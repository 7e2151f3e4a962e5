"""One rate limit per host, shared by all tasks of a job array through files on a shared file system.

There are two kinds of files per host. Slots (`HOST.0`, `HOST.1`, ...) are locked during a request, one slot
per request. The clock (`HOST.clock`) contains the time from which the next request may be sent. Locks are
released when their process ends, so a killed task blocks no other. File locks work across nodes on NFSv4,
Lustre (mounted with `flock`) and GPFS. On a file system without them the harvest is refused: the marker file
of a killed task on another node would block a host for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from iconoclip.locks import lock_file

SECONDS_BETWEEN_LOOKS: Final = 0.05


class SharedPace:
    """The slots and the clock of one host.

    Args:
        folder: a folder on the shared file system.
        host: name and port.
        concurrency: the number of concurrent requests, over all tasks.

    Raises:
        LocksUnsupported: by `place` and `reserve`, if the file system has no file locks.
    """

    def __init__(self, folder: Path, host: str, concurrency: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^a-z0-9.-]", "_", host.lower())[:200]
        self._places = [folder / f"{name}.{number}" for number in range(concurrency)]
        self._clock = folder / f"{name}.clock"

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a free slot of the host, and hold it while the block runs."""
        while (held := self._take()) is None:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        try:
            yield
        finally:
            os.close(held)

    def _take(self) -> int | None:
        for path in self._places:
            # Each attempt opens the file itself, because locks belong to the open file, not to the process.
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            is_held = False
            try:
                is_held = lock_file(handle)
            finally:
                if not is_held:
                    os.close(handle)
            if is_held:
                return handle
        return None

    def reserve(self, interval: float, closed_until: float) -> float:
        """Reserve the next time for a request. Returns 0, or the seconds to wait before another attempt.

        Args:
            interval: seconds between two requests.
            closed_until: the time, in seconds since 1970, until which the host must get no request,
                as far as this task knows.
        """
        with self._locked_clock() as handle:
            now = time.time()
            next_turn, closed = _read(handle)
            closed = max(closed, closed_until)
            if closed > now:
                _write(handle, next_turn, closed)
                return closed - now
            if next_turn > now:
                return next_turn - now
            _write(handle, now + interval, closed)
            return 0.0

    @contextlib.contextmanager
    def _locked_clock(self) -> Iterator[int]:
        handle = os.open(self._clock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock_file(handle, waits=True)
            yield handle
        finally:
            os.close(handle)


def _read(handle: int) -> tuple[float, float]:
    words = os.pread(handle, 100, 0).split()
    try:
        return float(words[0]), float(words[1])
    except (IndexError, ValueError):
        return 0.0, 0.0


def _write(handle: int, next_turn: float, closed: float) -> None:
    os.pwrite(handle, f"{next_turn:.6f} {closed:.6f}\n".encode().ljust(48), 0)
