"""Real services on loopback, servers that misbehave, and federations of both."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from retrieval.config import FederateConfig, ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.federation.app import create_federation
from retrieval.service.serve import bind

# Seconds: for a service that answers at once, and where others must not, on a busy machine.
TIMEOUT, PATIENCE = 5.0, 3.0
HTML = {"accept": "text/html"}
SLUGS = ("armorial-valcendre", "armorial-wexcombe")
Handle = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    with bind("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield "http://{}:{}".format(*listener.getsockname()[:2])
        server.should_exit = True
        thread.join(5)


@contextmanager
def misbehaving(handle: Handle) -> Iterator[str]:
    """A server that answers each GET as `handle` does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sending(body: bytes, status: int = 200, **headers: str) -> Handle:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        given = {"Content-Type": "application/json", "Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        for name, value in given.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return handle


@pytest.fixture(scope="module")
def services(engine: SearchEngine, index_folder: Path) -> Iterator[list[str]]:
    """Two services, each with one institution of the index, the second below a path."""
    with ExitStack() as stack:
        addresses = []
        for number, slug in enumerate(SLUGS):
            hidden = [other for other in (*SLUGS, "armorial-aldersheim") if other != slug]
            config = ServeConfig(
                index=str(index_folder), rate_limit_per_minute=0, preload=False, hidden=hidden
            )
            addresses.append(stack.enter_context(serving(create_app(engine, config))) + "/" * number)
        yield addresses


@pytest.fixture(scope="module")
def federation(services: list[str]) -> Iterator[TestClient]:
    named = [f"Library {number}={address}" for number, address in enumerate(services)]
    with federating(*named, timeout_seconds=20.0) as client:
        yield client


@contextmanager
def federating(*services: str, **settings: Any) -> Iterator[TestClient]:
    values = {"services": list(services), "rate_limit_per_minute": 0, "timeout_seconds": TIMEOUT}
    with TestClient(create_federation(FederateConfig(**(values | settings)))) as client:
        yield client


def asked(client: TestClient, query: str = "lion", **more: object) -> dict[str, Any]:
    answer = client.get("/api/v1/search", params={"q": query, **more})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def pages(client: TestClient, query: str, k: int) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        found = asked(client, query, k=k, **({"cursor": cursor} if cursor else {}))
        yield found
        cursor = found["next_cursor"]
        if cursor is None:
            return


def hit_of(services: list[str], **changes: Any) -> dict[str, Any]:
    with urllib.request.urlopen(f"{services[0]}/api/v1/search?q=lion&k=1&reusable=true") as answer:
        hit = json.load(answer)["hits"][0]
    return {**hit, **changes}
