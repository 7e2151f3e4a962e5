"""How fast each host is asked: requests at a time, pace, and penalties that decay.

One `HostGate` a host. All requests of a process pass through it; its pace is the slower of the profile's and the
robots.txt's, and it slows down when the server says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from data_prep.network.shared_pace import SharedPace

# A penalty doubles the time between requests; it fades with time and with every good answer.
HALF_LIFE_SECONDS: Final = 120.0
RELIEF_OF_A_SUCCESS: Final = 0.1
MAX_LEVEL: Final = 5.0
# Where no pace is set (this machine), a penalty still needs something to double.
SMALLEST_INTERVAL_SECONDS: Final = 0.01
# So many failures in a row and a host is left alone for the rest of the run.
FAILURES_TO_PARK: Final = 40
PAGES_OF_A_FIREWALL: Final = 4
MAX_CRAWL_DELAY_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Pace:
    """What a host bears. `interval_seconds` 0 means no pace."""

    interval_seconds: float = 1.0
    concurrency: int = 2
    cool_down_seconds: float = 60.0
    refusal_is_final: bool = True


class HostGate:
    """The door to one host.

    Args:
        host: name and port.
        pace: what it bears.
        now: a clock in seconds; tests pass their own.
        shared: the pace that other processes keep as well.
    """

    def __init__(
        self,
        host: str,
        pace: Pace,
        now: Callable[[], float] = time.monotonic,
        shared: SharedPace | None = None,
    ) -> None:
        self.host, self.pace, self._shared = host, pace, shared
        self.parked: str | None = None
        self.num_requests = 0
        self.num_bytes = 0
        self._now = now
        self._slots = asyncio.Semaphore(pace.concurrency)
        self._interval = pace.interval_seconds
        self._next_turn = 0.0
        self._closed_until = 0.0
        self._level, self._level_at = 0.0, 0.0
        self._failures = self._walls = 0
        self._opened_at = now()

    def respect_crawl_delay(self, seconds: float | None) -> None:
        """Slow down to the crawl delay that robots.txt asks for."""
        if seconds:
            self._interval = max(self._interval, min(seconds, MAX_CRAWL_DELAY_SECONDS))

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free slot and for the pace, then hold the slot while the block runs."""
        async with self._slots, self._shared.place() if self._shared else contextlib.nullcontext():
            while (wait := self._reserve()) > 0:
                await asyncio.sleep(wait)
            self.num_requests += 1
            yield

    def _reserve(self) -> float:
        """Take the next place in time, or say how long to wait before asking again."""
        now = self._now()
        interval = self.interval_seconds
        if self._shared:
            return self._shared.reserve(interval, time.time() + self._closed_until - now)
        if self._closed_until > now:
            return self._closed_until - now
        if interval <= 0:
            return 0.0
        if self._next_turn > now:
            return self._next_turn - now
        self._next_turn = now + interval
        return 0.0

    @property
    def level(self) -> float:
        """How many doublings of the interval are in force now."""
        decayed = self._level * 0.5 ** ((self._now() - self._level_at) / HALF_LIFE_SECONDS)
        return decayed if decayed > 0.05 else 0.0

    @property
    def interval_seconds(self) -> float:
        """The present time between two requests."""
        level = self.level
        base = self._interval or (SMALLEST_INTERVAL_SECONDS if level else 0.0)
        return float(base * 2**level)

    @property
    def seconds_open(self) -> float:
        """How long ago the first request was made."""
        return self._now() - self._opened_at

    @property
    def seconds_closed(self) -> float:
        """How long the host asked, or is given, to be left alone from now."""
        return max(0.0, self._closed_until - self._now())

    def punished(self, retry_after: float | None = None) -> float:
        """The server asked us to slow down. Returns how long the host is left alone, in seconds."""
        now = self._now()
        # Answers to requests that were under way at one time are one rebuke, not several.
        if self._closed_until <= now:
            self._level, self._level_at = min(self.level + 1, MAX_LEVEL), now
        wait = self.pace.cool_down_seconds * random.uniform(1.0, 1.25) if retry_after is None else retry_after
        self._closed_until = max(self._closed_until, now + wait)
        return self._closed_until - now

    def succeeded(self, num_bytes: int) -> None:
        """A request was answered as hoped."""
        self._failures = self._walls = 0
        self.num_bytes += num_bytes
        if self._level:
            self._level, self._level_at = max(0.0, self.level - RELIEF_OF_A_SUCCESS), self._now()

    def walled(self) -> None:
        """A page of HTML came where something else was wanted: once is a bad link, in a row it is a firewall."""
        self._walls += 1
        if self._walls >= PAGES_OF_A_FIREWALL:
            self.punished()

    def failed(self, reason: str) -> None:
        """A request failed for the moment; after many in a row the host is parked."""
        self._failures += 1
        if self._failures >= FAILURES_TO_PARK:
            self.parked = f"{self._failures} requests in a row failed, the last because: {reason}"

    def park(self, reason: str) -> None:
        """Leave the host alone for the rest of the run."""
        self.parked = reason
