"""Fetches from the tests' server with a client of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from data_prep.network.addresses import AllowList
from data_prep.network.fetch import Fetcher, Limits
from data_prep.network.hosts import Pace

FAST = Pace(interval_seconds=0, concurrency=8, cool_down_seconds=0.05)
JSON = {"Content-Type": "application/json"}
# Nothing stalls in most tests, and a slow machine must not look like a stalled server.
PATIENT = Limits(max_attempts=3, stall_seconds=30, max_wait_seconds=1.5, retry_seconds=0.01)
# For servers that do stall.
IMPATIENT = replace(PATIENT, max_attempts=2, stall_seconds=0.4)


def fetcher_of(
    server: Any,
    *,
    pace: Pace = FAST,
    contact: str | None = None,
    allow: tuple[str, ...] | None = None,
    limits: Limits = PATIENT,
    memory: Any = None,
) -> Fetcher:
    """A fetcher that may send requests to the test's server, or to the hosts in `allow`."""
    allowed = AllowList((f"127.0.0.1:{server.port}",) if allow is None else allow)
    return Fetcher(contact=contact, allowed=allowed, pace_of=lambda _: pace, memory=memory, limits=limits)


def get(
    server: Any,
    *paths: str,
    pace: Pace = FAST,
    contact: str | None = None,
    allow: tuple[str, ...] | None = None,
    limits: Limits = PATIENT,
    memory: Any = None,
    **options: Any,
) -> Any:
    """Fetch one path (or absolute address), or several at once."""
    wanted = {"wanted": "json", "max_bytes": 1_000_000, **options}

    async def run() -> list[Any]:
        async with fetcher_of(
            server, pace=pace, contact=contact, allow=allow, limits=limits, memory=memory
        ) as fetcher:
            uris = [path if "//" in path else server.origin + path for path in paths]
            return await asyncio.gather(*(fetcher.fetch(uri, **wanted) for uri in uris))

    results = asyncio.run(run())
    return results[0] if len(results) == 1 else results
