"""Rate limit per host: concurrent requests, time between requests, and slow-downs that decay.

There is one `HostGate` per host, and all requests of a process pass through it. Its rate is the lower of the
profile's and that of robots.txt, and it slows down when the server asks for it.
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

# A slow-down doubles the time between requests; it decays with time and with every good answer.
HALF_LIFE_SECONDS: Final = 120.0
RELIEF_OF_A_SUCCESS: Final = 0.1
MAX_LEVEL: Final = 5.0
# The interval that a slow-down doubles if there is no rate limit (on this machine).
SMALLEST_INTERVAL_SECONDS: Final = 0.01
# After so many failures in a row a host is paused for the rest of the run.
FAILURES_TO_PAUSE: Final = 40
PAGES_OF_A_FIREWALL: Final = 4
# So many files that are missing with an Accept header are looked for without one.
TRIES_WITHOUT_ACCEPT: Final = 3
MAX_CRAWL_DELAY_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Pace:
    """What a host allows. `interval_seconds` 0 means no rate limit."""

    interval_seconds: float = 1.0
    concurrency: int = 2
    cool_down_seconds: float = 60.0
    refusal_is_final: bool = True


class HostGate:
    """The rate limiter of one host.

    Args:
        host: name and port.
        pace: what the host allows.
        now: a clock in seconds; tests pass their own.
        shared: the rate limit shared with other processes.
    """

    def __init__(
        self,
        host: str,
        pace: Pace,
        now: Callable[[], float] = time.monotonic,
        shared: SharedPace | None = None,
    ) -> None:
        self.host, self.pace, self._shared = host, pace, shared
        self.paused: str | None = None
        self.num_requests = 0
        self.num_bytes = 0
        self._now = now
        self._slots = asyncio.Semaphore(pace.concurrency)
        self._interval = pace.interval_seconds
        self._next_turn = 0.0
        self._closed_until = 0.0
        self._level, self._level_at = 0.0, 0.0
        self._failures = self._firewall_pages = 0
        self._opened_at = now()
        self.wants_no_accept = False
        """Whether its documents only come to requests without a specific Accept header."""
        self._num_accept_tries = 0

    def may_mind_accept(self, status: int | None) -> bool:
        """Whether a response of 404 or 406 may be due to the Accept header, so that one more request is worth
        it.

        If the first missing files of a host are missing without the header too, it is not tried any more.
        """
        if self.wants_no_accept or status not in (404, 406):
            return False
        return status == 406 or self._num_accept_tries < TRIES_WITHOUT_ACCEPT

    def tried_without_accept(self, *, has_helped: bool) -> None:
        """Record whether a request without a specific Accept header succeeded."""
        self.wants_no_accept = self.wants_no_accept or has_helped
        self._num_accept_tries += 1

    def respect_crawl_delay(self, seconds: float | None) -> None:
        """Slow down to the crawl delay that robots.txt sets."""
        if seconds:
            self._interval = max(self._interval, min(seconds, MAX_CRAWL_DELAY_SECONDS))

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free slot and for the rate limit, then keep the slot while the block runs."""
        async with self._slots, self._shared.place() if self._shared else contextlib.nullcontext():
            while (wait := self._reserve()) > 0:
                await asyncio.sleep(wait)
            self.num_requests += 1
            yield

    def _reserve(self) -> float:
        """Reserve the next request. Returns 0, or how many seconds to wait before trying again."""
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
        """The number of doublings of the interval that apply now."""
        decayed = self._level * 0.5 ** ((self._now() - self._level_at) / HALF_LIFE_SECONDS)
        return decayed if decayed > 0.05 else 0.0

    @property
    def interval_seconds(self) -> float:
        """The current number of seconds between two requests."""
        level = self.level
        base = self._interval or (SMALLEST_INTERVAL_SECONDS if level else 0.0)
        return float(base * 2**level)

    @property
    def seconds_open(self) -> float:
        """The seconds since the first request."""
        return self._now() - self._opened_at

    @property
    def seconds_closed(self) -> float:
        """The seconds from now during which the host must get no request."""
        return max(0.0, self._closed_until - self._now())

    def slow_down(self, retry_after: float | None = None) -> float:
        """Slow down because the server requested it. Returns the seconds during which
        the host gets no request.
        """
        now = self._now()
        # Responses to requests that were sent at the same time count only once.
        if self._closed_until <= now:
            self._level, self._level_at = min(self.level + 1, MAX_LEVEL), now
        wait = self.pace.cool_down_seconds * random.uniform(1.0, 1.25) if retry_after is None else retry_after
        self._closed_until = max(self._closed_until, now + wait)
        return self._closed_until - now

    def succeeded(self, num_bytes: int) -> None:
        """Record a successful response, which lets a slow-down decay faster."""
        self._failures = self._firewall_pages = 0
        self.num_bytes += num_bytes
        if self._level:
            self._level, self._level_at = max(0.0, self.level - RELIEF_OF_A_SUCCESS), self._now()

    def got_firewall_page(self) -> None:
        """Record a page of HTML instead of data: one is a bad link, several in a row are a firewall."""
        self._firewall_pages += 1
        if self._firewall_pages >= PAGES_OF_A_FIREWALL:
            self.slow_down()

    def failed(self, reason: str) -> None:
        """Record a failed request; after many in a row the host is paused for the run."""
        self._failures += 1
        if self._failures >= FAILURES_TO_PAUSE:
            self.paused = f"{self._failures} requests in a row failed, the last because: {reason}"

    def pause_host(self, reason: str) -> None:
        """Send the host no more requests in this run."""
        self.paused = reason
