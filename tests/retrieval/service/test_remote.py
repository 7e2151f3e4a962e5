"""Pictures by their address: from indexed institutions, from public addresses, and never from anywhere else.

The servers are real ones on loopback; only name resolution and the permission to use loopback are replaced.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image
from starlette.testclient import TestClient

from iconoclip.addresses import is_public
from retrieval.engine import SearchEngine
from retrieval.service.context import ServiceContext
from retrieval.service.guards.refusals import Refusal
from retrieval.service.guards.remote import Hosts, RemotePictures
from tests.retrieval.service.conftest import ClientOf

PICTURE = io.BytesIO()
Image.new("RGB", (40, 30), "#c02030").save(PICTURE, "JPEG")


class Museum(BaseHTTPRequestHandler):
    """Serves a picture, redirects, an endless file, and a page that is not there."""

    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        type(self).asked.append((self.path, self.headers.get("Host")))
        port = self.server.server_address[1]
        redirects = {
            "/moved": "/picture.jpg",
            "/round": "/round",
            "/inside": "http://169.254.169.254/latest/meta-data",
            "/elsewhere": f"http://elsewhere.example:{port}/picture.jpg",
            "/file": "file:///etc/passwd",
        }
        if self.path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[self.path])
            self.end_headers()
        elif self.path in ("/picture.jpg", "/endless"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PICTURE.getvalue() if self.path == "/picture.jpg" else b"x" * 200_000)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def museum() -> Iterator[int]:
    Museum.asked = []
    with HTTPServer(("127.0.0.1", 0), Museum) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def pictures(port: int, **options: object) -> RemotePictures:
    settings = {"resolve": lambda host, port: ["127.0.0.1"], "is_public": lambda address: True} | options
    return RemotePictures(lambda concealed: frozenset({("museum.example", port)}), 100_000, **settings)  # type: ignore[arg-type]


def refused(remote: RemotePictures, url: str) -> Refusal:
    with pytest.raises(Refusal) as found:
        remote.fetch(url)
    return found.value


def test_a_picture_of_an_institution_comes_directly_or_by_a_redirect(museum: int) -> None:
    for path in ("/picture.jpg", "/moved"):
        assert pictures(museum).fetch(f"http://museum.example:{museum}{path}") == PICTURE.getvalue()
    assert {host for _, host in Museum.asked} == {f"museum.example:{museum}"}


@pytest.mark.parametrize("path", ["/inside", "/elsewhere", "/file", "/round", "/nothing"])
def test_a_redirect_leads_nowhere_that_an_address_could_not(museum: int, path: str) -> None:
    assert refused(pictures(museum), f"http://museum.example:{museum}{path}").status == 422
    assert {asked for asked, _ in Museum.asked} == {path}


def test_a_file_without_end_is_cut_off(museum: int) -> None:
    assert refused(pictures(museum), f"http://museum.example:{museum}/endless").status == 413


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/a.jpg", "https://museum.example/a.jpg", "http://127.0.0.1:{port}/picture.jpg",
        "http://museum.example:1/a.jpg", "file:///etc/passwd", "ftp://museum.example/a.jpg",
        "museum.example/a.jpg",
        "http://user:secret@museum.example:{port}/picture.jpg", "http://museum.example:{port}@evil.example/",
        "http://[::1]:{port}/", "http://museum.example.evil.example:{port}/", "http://museum.example:99999/", "http://[",
    ],
)  # fmt: skip
def test_other_addresses_than_those_of_institutions_get_no_request(museum: int, url: str) -> None:
    assert refused(pictures(museum), url.format(port=museum)).status == 422
    assert Museum.asked == []


def test_a_name_with_a_private_address_gets_no_request(museum: int) -> None:
    remote = pictures(museum, is_public=is_public)
    assert refused(remote, f"http://museum.example:{museum}/picture.jpg").status == 422
    mixed = pictures(museum, is_public=is_public, resolve=lambda host, port: ["192.0.43.8", "127.0.0.1"])
    assert refused(mixed, f"http://museum.example:{museum}/picture.jpg").status == 422
    tunnel = pictures(
        museum, is_public=is_public, resolve=lambda host, port: ["2001:0:4136:e378:8000:63bf:f5ff:fffe"]
    )
    assert refused(tunnel, f"http://museum.example:{museum}/picture.jpg").status == 422
    assert Museum.asked == []


def test_a_name_that_resolves_differently_later_changes_nothing(museum: int) -> None:
    """DNS rebinding: the first answer is checked, and the request goes to it."""
    answers = iter([["127.0.0.1"], ["203.0.113.1"]])
    remote = pictures(museum, resolve=lambda host, port: next(answers))
    assert remote.fetch(f"http://museum.example:{museum}/picture.jpg") == PICTURE.getvalue()
    assert next(answers) == ["203.0.113.1"], "it was resolved once"


def test_the_hosts_are_those_that_the_records_of_visible_institutions_name(engine: SearchEngine) -> None:
    hosts = Hosts(engine)
    everyone = {f"armorial-{name}.example" for name in ("aldersheim", "valcendre", "wexcombe")}
    assert {host for host, _ in hosts(())} == everyone
    assert {host for host, _ in hosts(("armorial-valcendre",))} == everyone - {"armorial-valcendre.example"}
    assert {port for _, port in hosts(())} == {443}


def test_over_the_api_a_foreign_address_is_refused_by_name(client: TestClient) -> None:
    answer = client.post("/api/pictures", data={"url": "http://169.254.169.254/latest/meta-data"})
    assert answer.status_code == 422
    assert answer.json()["error"]["where"] == "url"
    assert "institutions" in answer.json()["error"]["what"]
    for nothing in ({}, {"data": {"url": " "}}):
        assert client.post("/api/pictures", **nothing).json()["error"]["where"] == "image"


@pytest.mark.parametrize("fetch_pictures", [True, False])
def test_a_service_that_fetches_no_pictures_knows_no_host(client_of: ClientOf, fetch_pictures: bool) -> None:
    context: ServiceContext = client_of(fetch_pictures=fetch_pictures).app.state.context  # type: ignore[attr-defined]
    assert bool(context.remote.hosts(())) is fetch_pictures
