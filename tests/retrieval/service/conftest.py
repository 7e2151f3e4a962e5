"""A real index, a real engine and the whole application, without stand-ins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from tests.retrieval.service.armorial_index import build_index

ClientOf = Callable[..., TestClient]


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_index(tmp_path_factory.mktemp("armorial"))


@pytest.fixture(scope="session")
def engine(index_folder: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(index_folder) as opened:
        opened.warm_up()
        yield opened


@pytest.fixture(scope="session")
def client_of(engine: SearchEngine, index_folder: Path) -> Iterator[ClientOf]:
    """Makes a client of an application with other settings than the usual."""
    clients: list[TestClient] = []

    def make(**settings: Any) -> TestClient:
        config = ServeConfig(index=str(index_folder), **({"rate_limit_per_minute": 0} | settings))
        client = TestClient(create_app(engine, config), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        wait_until_ready(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(client_of: ClientOf) -> TestClient:
    return client_of()


def wait_until_ready(client: TestClient, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while client.get("/api/ready").status_code != 200:
        assert time.monotonic() < until, "the model is not loaded"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def shown_key(client: TestClient) -> str:
    """An item that may be shown."""
    return _first(client, lambda hit: hit["rights"]["display"] == "yes")


@pytest.fixture(scope="session")
def link_key(client: TestClient) -> str:
    """An item that may be linked to only."""
    return _first(client, lambda hit: hit["rights"]["display"] == "link")


def _first(client: TestClient, wanted: Callable[[dict[str, Any]], bool]) -> str:
    hits = client.get("/api/search", params={"k": 200}).json()["hits"]
    return next(hit["key"] for hit in hits if wanted(hit))
