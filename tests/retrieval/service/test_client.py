"""The Python client, from its source, against a real server on loopback."""

from __future__ import annotations

import importlib
import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.serve import bind
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))
iconoclip_client = importlib.import_module("iconoclip_client")
Client, Refused, Unavailable = (
    getattr(iconoclip_client, name) for name in ("Client", "Refused", "Unavailable")
)


@pytest.fixture(scope="module")
def library(engine: SearchEngine, index_folder: Path) -> Iterator[Any]:
    app = create_app(engine, ServeConfig(index=str(index_folder), rate_limit_per_minute=0, preload=False))
    with bind("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        # The texts of Iconclass are read by the first request for them, next to the work of other tests.
        yield Client("http://{}:{}/".format(*listener.getsockname()[:2]), timeout_seconds=120)
        server.should_exit = True
        thread.join(10)


def test_a_search_answers_what_was_asked(library: Any) -> None:
    found = library.search("a lion", reusable=True, institution=["armorial-valcendre"], k=5)
    assert len(found.hits) == 5
    assert all(hit.rights.may_reuse and hit.institution == "armorial-valcendre" for hit in found.hits)


def test_every_parameter_of_the_service_has_a_type(library: Any) -> None:
    with urllib.request.urlopen(f"{library.address}/api/openapi.json") as answer:
        paths = json.load(answer)["paths"]

    def names(path: str) -> set[str]:
        return {each["name"] for each in paths[path]["get"]["parameters"]} - {"q", "image"}

    assert names("/api/v1/search") == set(iconoclip_client.Search.__annotations__)
    assert names("/api/v1/facets") == set(iconoclip_client.Question.__annotations__)
    assert names("/api/v1/search.csv") == set(iconoclip_client.Export.__annotations__) | {"counts"}


def test_order_counts_dates_and_places_are_asked_for(library: Any) -> None:
    found = library.search("lion", sort="oldest", counts=True, k=50)
    assert found.facets.total == found.total > 0
    assert library.facets("lion").total == found.total
    first = library.search("lion", sort="newest", k=1).hits[0]
    assert first.key != found.hits[0].key
    century = int(found.facets.century[0].value)
    period = {"earliest": century, "latest": century + 99}
    possibly, certainly = (
        library.search("lion", dates=dates, **period) for dates in ("possibly", "certainly")
    )
    assert possibly.total == found.facets.century[0]["count"]
    assert possibly.total - (possibly.num_possibly or 0) == certainly.total
    assert library.search("-lion", plain=True).query.parts[0].excluded is False
    assert library.search("lion", place="Nowhere at all").total == 0


def test_hits_run_over_the_pages(library: Any) -> None:
    keys = [hit.key for hit in library.hits("lion", k=7, fold=False)]
    assert len(keys) == len(set(keys)) == library.facets().total
    assert len(list(library.hits("lion", k=7, limit=10))) == 10
    assert [hit.rank for hit in islice(library.hits(k=3), 4)] == [1, 2, 3, 4]


def test_an_item_its_picture_and_similar_items(library: Any, tmp_path: Path) -> None:
    key = library.search(reusable=True, k=1).hits[0].key
    assert library.item(key).record.key == key
    picture = library.image(key)
    assert picture.startswith(b"\xff\xd8")
    path = tmp_path / "own.jpg"
    path.write_bytes(picture)
    for image in (picture, path):
        assert key in [hit.key for hit in library.search(image=image, k=5).hits]
    assert key not in [hit.key for hit in library.similar(key, k=5).hits]
    assert library.explain(key, "a lion").key == key
    assert key in [hit.key for hit in library.hits(image=picture, k=2, limit=5)]
    table = tmp_path / "found.csv"
    assert library.export(table, "lion", k=5) == 5
    assert table.read_text(encoding="utf-8-sig").count("\n") >= 6


def test_a_notation_and_what_is_suggested_below_it(library: Any) -> None:
    key = library.search(reusable=True, k=1).hits[0].key
    found = library.notation("46A12", suggest_for=key, k=3)
    assert len(found.suggested) == 3
    assert all(each.notation.startswith(("46A12", "46AA12")) for each in found.suggested)
    assert "46A122" in {term.notation for term in library.notation("armorial bearing").narrower}


def test_what_the_service_refuses_is_an_error_with_its_remedy(library: Any) -> None:
    with pytest.raises(Refused) as refused:
        library.search("x", insitution="y")
    assert refused.value.remedy == "did you mean 'institution'?"
    with pytest.raises(Refused, match="no such item"):
        library.item("armorial-nowhere-0123456789abcdef")


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be reached"):
        Client(f"http://127.0.0.1:{port}").search("x")


def test_only_web_addresses_are_requested() -> None:
    with pytest.raises(ValueError, match="not a web address"):
        Client("file:///etc/passwd")


def test_another_kind_of_service_is_recognised() -> None:
    class AnotherServer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), AnotherServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{server.server_port}")
        for question in (client.facets, client.search, lambda: client.item("a-0123456789abcdef")):
            with pytest.raises(Unavailable, match="not the answer of an iconoclip service"):
                question()
        server.shutdown()


def test_a_text_is_completed(library: Any) -> None:
    hit = library.search(k=1).hits[0]
    assert hit.institution_name in library.complete(hit.institution_name[:9])
