"""A real Chromium before the real service on loopback."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.serve import bind
from tests.retrieval.service.armorial_index import build_index

DESKTOP, PHONE = (1280, 860), (390, 844)
PageOf = Callable[..., Page]


# One worker takes the whole folder (TAKEN_WHOLE in tests/conftest.py): one index, service and Chromium.
# Its __init__.py makes it the package of these fixtures, so they end with its last test.
@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service over a small index of drawn arms."""
    index = build_index(tmp_path_factory.mktemp("armorial"), num_arms=72)
    with SearchEngine.open(index) as engine, bind("127.0.0.1", 0) as listener:
        engine.warm_up()
        app = create_app(engine, ServeConfig(index=str(index), rate_limit_per_minute=0, cors_origins=["*"]))
        with running(app, listener) as where:
            yield where


class running:  # noqa: N801
    """The application behind a real socket, in a thread, until the block ends."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._address = "http://{}:{}".format(*listener.getsockname()[:2])

    def __enter__(self) -> str:
        self._thread.start()
        return self._address

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


# Not for the whole session: as long as it lives, Playwright keeps an event loop running in this thread, and
# no other test on this worker could start one.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def item_key(address: str) -> str:
    """An item that may be shown."""
    with urllib.request.urlopen(f"{address}/api/search?reusable=true&k=1") as answer:
        return str(json.load(answer)["hits"][0]["key"])


@pytest.fixture
def page_of(browser: Browser, address: str) -> Iterator[PageOf]:
    """Opens a page of the service in a fresh context; any error it reports and any request to another host
    fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(
        path: str = "/", *, size: tuple[int, int] = DESKTOP, scheme: str = "light", **options: Any
    ) -> Page:
        width, height = size
        settings = {"locale": "en-GB", "color_scheme": scheme, "viewport": {"width": width, "height": height}}
        context = browser.new_context(**(settings | options))
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: _note_foreign(request.url, address, complaints))
        page.on("requestfailed", lambda request: _note_failure(request, complaints))
        page.goto(address + path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def _note_foreign(url: str, address: str, complaints: list[str]) -> None:
    if not url.startswith((address, "data:", "blob:")):
        complaints.append(f"a request to {url}")


def _note_failure(request: Any, complaints: list[str]) -> None:
    # A picture that was still loading when the reader left the page is not an error.
    if request.failure != "net::ERR_ABORTED":
        complaints.append(f"failed: {request.url} {request.failure}")


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture for a search by example."""
    from PIL import Image

    path = tmp_path_factory.mktemp("own") / "shield.png"
    Image.new("RGB", (120, 150), "#1f4f9a").save(path)
    return path
