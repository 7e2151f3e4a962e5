"""Claim: the service adds less than 3 ms to the engine's time for a search, including
the page of hits as JSON.

    python benchmarks/service_overhead.py INDEX

First calls /api/search over ASGI in this process, with an engine whose result is already computed, so that
only the service is measured. Then over a loopback socket on one connection, which includes the kernel. Prints
medians and 99th percentiles in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvicorn

from retrieval.answers import Results
from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.questions import Query
from retrieval.service.app import create_app
from retrieval.service.serve import bind

NUM_REQUESTS, NUM_FIRST = 500, 50
QUERY = b"q=a+lion+rampant&k=24"


class Ready:
    """An engine with a fixed answer, which costs no time."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine, self._answer = engine, engine.search(Query(text="a lion rampant", k=24))

    def search(self, _query: Query) -> Results:
        """The fixed answer, whatever the query."""
        return self._answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def timed(ask: Callable[[], object]) -> list[float]:
    """Milliseconds of each request, after some to warm up."""
    for _ in range(NUM_FIRST):
        ask()
    times = []
    for _ in range(NUM_REQUESTS):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1000)
    return times


def over_asgi(app: Any, headers: list[tuple[bytes, bytes]]) -> list[float]:
    """Times of the application alone."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/search", "raw_path": b"/api/search", "query_string": QUERY, "root_path": "",
        "headers": [(b"host", b"x"), *headers], "client": ("127.0.0.1", 1), "server": ("x", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: dict[str, Any]) -> None:
        pass

    loop = asyncio.new_event_loop()
    try:
        return timed(lambda: loop.run_until_complete(app({**scope, "state": {}}, receive, send)))
    finally:
        loop.close()


def over_http(app: Any) -> list[float]:
    """Times over one connection on loopback."""
    with bind("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        connection = http.client.HTTPConnection(*listener.getsockname()[:2])

        def ask() -> bytes:
            connection.request("GET", f"/api/search?{QUERY.decode()}")
            return connection.getresponse().read()

        try:
            return timed(ask)
        finally:
            server.should_exit = True
            thread.join(10)


def main() -> None:
    """Measure both ways and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", metavar="INDEX", help="an index, as `iconoclip demo` makes one")
    index = parser.parse_args().index
    with SearchEngine.open(index) as engine:
        config = ServeConfig(index=index, rate_limit_per_minute=1_000_000, preload=False)
        app = create_app(Ready(engine), config)  # type: ignore[arg-type]
        rows = {
            "application": over_asgi(app, []),
            "application, gzip": over_asgi(app, [(b"accept-encoding", b"gzip")]),
            "over loopback": over_http(app),
        }
    for name, times in rows.items():
        print(
            f"{name:20} p50 {statistics.median(times):6.2f} ms   p99"
            f" {sorted(times)[int(0.99 * len(times))]:6.2f} ms"
        )


if __name__ == "__main__":
    main()
