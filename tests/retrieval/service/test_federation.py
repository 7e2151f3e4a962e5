"""One page over several services: real ones on loopback, and some that do not behave."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from iconoclip.errors import BadInput, ConfigError
from retrieval.answers import Results
from retrieval.config import FederateConfig, ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.federation.app import create_federation
from retrieval.service.federation.asking import MAX_ANSWER_BYTES, Reply
from retrieval.service.federation.fusing import Merge, Place, decode, encode
from retrieval.service.federation.members import AddressBook, Member, members_of
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


def test_hits_of_all_services_come_in_one_order_each_with_its_owner(
    federation: TestClient, services: list[str]
) -> None:
    found = asked(federation, k=40)
    assert (found["num_answered"], len(found["services"])) == (2, 2)
    scores = [each["hit"]["score"] for each in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert [each["hit"]["rank"] for each in found["hits"]] == list(range(1, 41))
    assert {each["service"]["name"] for each in found["hits"]} == {"Library 0", "Library 1"}
    for each in found["hits"]:
        number = SLUGS.index(each["hit"]["institution"])
        address = services[number].rstrip("/")
        assert each["service"]["address"] == address
        assert each["page"] == f"{address}/item/{each['hit']['key']}"
        is_shown = each["hit"]["rights"]["display"] != "link"
        assert each["thumbnail"] == (f"{address}/thumb/{each['hit']['key']}.jpg" if is_shown else None)


def test_pages_hold_every_hit_once_in_the_order_of_one_long_page(
    federation: TestClient, services: list[str]
) -> None:
    import urllib.request

    totals = []
    for address in services:
        with urllib.request.urlopen(f"{address.rstrip('/')}/api/v1/search?k=1") as answer:
            totals.append(json.load(answer)["total"])
    read = list(pages(federation, "lion", 17))
    hits = [each["hit"]["key"] for page in read for each in page["hits"]]
    assert len(set(hits)) == len(hits)
    folded = [each["hit"]["num_near_duplicates"] for page in read for each in page["hits"]]
    assert len(hits) + sum(folded) == sum(totals)
    assert hits[:50] == [each["hit"]["key"] for each in asked(federation, k=50)["hits"]]
    ranks = [each["hit"]["rank"] for page in read for each in page["hits"]]
    assert ranks == list(range(1, len(hits) + 1))


def test_filters_reach_every_service(federation: TestClient) -> None:
    found = asked(federation, reusable=True)["hits"]
    assert found
    assert all(each["hit"]["rights"]["may_reuse"] for each in found)


def test_the_page_works_without_a_script(federation: TestClient, services: list[str]) -> None:
    page = federation.get("/search?q=lion&lang=en", headers=HTML)
    assert "2 of 2 collections answered." in page.text
    assert "Library 1" in page.text
    policy = page.headers["content-security-policy"]
    assert f"img-src 'self' {' '.join(sorted(address.rstrip('/') for address in services))}" in policy
    assert "script-src" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    following = page.text.split('id="next" rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "Back to the first page" in federation.get(following, headers=HTML).text
    home = federation.get("/?lang=de", headers=HTML).text
    assert "2 Sammlungen" in home
    assert federation.get("/search?q=", headers=HTML, follow_redirects=False).status_code == 303


def slow(request: BaseHTTPRequestHandler) -> None:
    time.sleep(4 * PATIENCE)


def dripping(request: BaseHTTPRequestHandler) -> None:
    """Never silent for long, and never done."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.end_headers()
    try:
        for _ in range(int(40 * PATIENCE)):
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


def dripping_header(request: BaseHTTPRequestHandler) -> None:
    try:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(int(40 * PATIENCE)):
            request.wfile.write(f"X-{number}: y\r\n".encode())
            request.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.end_headers()
    try:
        for _ in range(2 * MAX_ANSWER_BYTES // 65_536):
            request.wfile.write(b" " * 65_536)
    except OSError:
        pass


def hanging_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


MISBEHAVED = {
    "slow": (slow, "slow"), "dripping": (dripping, "slow"), "dripping header": (dripping_header, "slow"),
    "endless": (endless, "unreadable"), "huge": (sending(b"1", Content_Length="99999999999"), "unreadable"),
    "an error": (sending(b"{}", 500), "unreadable"), "not found": (sending(b"{}", 404), "refused"),
    "too many": (sending(b"{}", 429), "busy"), "starting": (sending(b"{}", 503), "busy"),
    "a redirect": (sending(b"", 302, Location="http://169.254.169.254/"), "unreadable"),
    "html": (sending(b"<html>", Content_Type="text/html"), "unreadable"),
    "garbage": (sending(b"\xff\xfe{"), "unreadable"), "a list": (sending(b"[]"), "unreadable"),
    "no hits": (sending(b"{}"), "unreadable"),
    "strange hits": (sending(b'{"hits": [1, null]}'), "unreadable"),
    "deep": (sending(b"[" * 100_000), "unreadable"), "compressed": (sending(b"x", Content_Encoding="gzip"),
                                                                    "unreadable"),
    "not http": (hanging_up, "unreadable"),
}  # fmt: skip


def test_a_service_that_does_not_behave_is_named_and_the_others_answer(services: list[str]) -> None:
    with ExitStack() as stack:
        bad = [f"{name}={stack.enter_context(misbehaving(each[0]))}" for name, each in MISBEHAVED.items()]
        with federating(services[0], *bad, "gone=http://127.0.0.1:9", timeout_seconds=PATIENCE) as client:
            started = time.monotonic()
            found = asked(client)
            took = time.monotonic() - started
            states = {each["name"]: each["state"] for each in found["services"]}
            page = client.get("/search?q=lion&lang=en", headers=HTML).text
    assert states.pop("127.0.0.1") == "answered"
    assert states.pop("gone") == "unreachable"
    assert states == {name: state for name, (_, state) in MISBEHAVED.items()}
    assert {each["hit"]["institution"] for each in found["hits"]} == {SLUGS[0]}
    assert found["num_answered"] == 1
    # The slowest would take four times as long.
    assert took < 3 * PATIENCE
    assert f"1 of {len(MISBEHAVED) + 2} collections answered." in page
    assert "dripping did not answer in time." in page


def hit_of(services: list[str], **changes: Any) -> dict[str, Any]:
    import urllib.request

    with urllib.request.urlopen(f"{services[0]}/api/v1/search?q=lion&k=1&reusable=true") as answer:
        hit = json.load(answer)["hits"][0]
    return {**hit, **changes}


def test_hostile_answers_are_shown_as_text_or_not_at_all(services: list[str]) -> None:
    script = "<script>alert(1)</script>"
    good = hit_of(services, title=script, institution_name=script, date=script, captions=[], score=0.9)
    bad = [
        {**good, "key": "../../admin"}, {**good, "key": 'a-0123456789abcdef"onload="x'}, {**good, "score": 7},
        {**good, "score": float("nan")}, {**good, "width": 0}, {**good, "height": 10**12},
        {**good, "captions": [{"text": script, "language": '"><script>'}]},
    ]  # fmt: skip
    body = json.dumps({"hits": [good, *bad], "total": 1, "next_cursor": 7, "matches_well": True}).encode()
    with misbehaving(sending(body)) as address, federating(f"{script[:70]}={address}") as client:
        found = asked(client)
        page = client.get("/search?q=lion", headers=HTML).text
    assert [each["hit"]["key"] for each in found["hits"]] == [good["key"]]
    assert found["next_cursor"] is None
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_an_item_that_two_services_hold_is_shown_once(services: list[str]) -> None:
    bodies = [
        json.dumps({"hits": [hit_of(services, score=score)], "total": 1, "next_cursor": None}).encode()
        for score in (0.2, 0.8)
    ]
    with (
        misbehaving(sending(bodies[0])) as one,
        misbehaving(sending(bodies[1])) as other,
        federating(f"one={one}", f"other={other}") as client,
    ):
        found = asked(client)
    assert [each["service"]["name"] for each in found["hits"]] == ["other"]


@pytest.mark.parametrize(
    "service",
    [
        "ftp://a.example", "search.example", "https://user:pw@a.example", "https://a.example?q=x", "https://",
        "",
        "https://a.example/#x", "https://a.example; script-src *", "https://a.example/' x",
        "https://a.example:99999",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_service_is_refused(service: str) -> None:
    with pytest.raises(ConfigError):
        members_of([service])


def test_services_are_named_once_and_not_too_many() -> None:
    with pytest.raises(ConfigError, match="twice"):
        members_of(["https://a.example", "B=https://a.example/"])
    with pytest.raises(ConfigError, match="1 to 20"):
        members_of([f"https://{number}.example" for number in range(21)])
    (member, other) = members_of(["The Library=https://a.example/x/", "http://[::1]:8000/"])
    assert (member.name, member.address, member.path) == ("The Library", "https://a.example/x", "/x")
    assert (other.name, other.host) == ("::1", ("::1", 8000))


@pytest.mark.parametrize(
    ("address", "found", "allow", "right"),
    [
        ("https://a.example", "93.184.216.34", False, True),
        ("https://a.example", "127.0.0.1", False, False),
        ("https://a.example", "169.254.169.254", False, False),
        ("https://a.example", "10.1.2.3", True, True),
        ("https://10.1.2.3", "10.1.2.3", False, True),
        ("http://localhost:8000", "127.0.0.1", False, True),
        ("http://[::1]:8000", "::1", False, True),
    ],
)
def test_a_name_leads_into_a_private_network_only_if_that_is_allowed(
    address: str, found: str, allow: bool, right: bool
) -> None:
    book = AddressBook(allow_private=allow, resolve=lambda *_: [found])
    assert (book.address_of(Member("x", address)) == found) is right


def test_a_cursor_is_that_of_its_question(federation: TestClient) -> None:
    cursor = asked(federation, k=5)["next_cursor"]
    for query, text in (("eagle", cursor), ("lion", "x"), ("lion", cursor[:-9]), ("lion", "A" * 19_000)):
        answer = federation.get("/api/v1/search", params={"q": query, "k": 5, "cursor": text})
        assert answer.status_code == 400, answer.text
        assert "cursor" in answer.json()["error"]["what"]
    assert federation.get("/api/v1/search").status_code == 422
    assert federation.get("/api/v1/search?q=x&creator=y").status_code == 422


SCORES = st.lists(st.floats(0, 1), max_size=12).map(lambda scores: sorted(scores, reverse=True))


@settings(max_examples=40, deadline=None)
@given(lists=st.lists(SCORES, min_size=1, max_size=4), k=st.integers(1, 5))
def test_paging_loses_and_repeats_nothing(lists: list[list[float]], k: int) -> None:
    """The oracle sorts all hits at once."""
    from retrieval.query.hits import hit_of as made
    from tests.retrieval.conftest import draw, record_of

    template = made(record_of(0, draw("red", "circle", 0)), rank=1, score=0.5)
    members = [Member(f"m{number}", f"https://{number}.example") for number in range(len(lists))]
    whole = {
        member: [
            template.model_copy(update={"key": f"{member.name}-{n:016x}", "score": score})
            for n, score in enumerate(scores)
        ]
        for member, scores in zip(members, lists, strict=True)
    }

    def reply(member: Member, cursor: str | None) -> Reply:
        start = int(cursor or 0)
        hits = whole[member][start : start + k]
        following = str(start + k) if start + k < len(whole[member]) else None
        results = Results(hits=tuple(hits), total=0, next_cursor=following, matches_well=None, took_ms=0)
        return Reply(member, "answered", results)

    places: dict[str, Place] = {}
    read: list[float] = []
    for _ in itertools.count():
        at = {member: places.get(member.id, Place()) for member in members}
        merge = Merge(at, k)
        wanting = {member: place for member, place in at.items() if not place.is_end}
        while wanting:
            for member, place in wanting.items():
                merge.add(reply(member, place.cursor))
            merge.take()
            wanting = merge.wanting
        merge.take()
        read += [hit.score for _, hit in merge.hits.values()]
        after = {member.id: place for member, place in merge.places.items()}
        num_shown, places = decode(encode("q", len(read), after), "q")
        assert (num_shown, places) == (len(read), after)
        if not merge.has_more:
            break
        assert len(merge.hits) == k
    assert read == sorted((score for scores in lists for score in scores), reverse=True)


def test_a_cursor_of_another_question_is_none() -> None:
    with pytest.raises(BadInput, match="another query"):
        decode(encode("a", 1, {}), "b")
