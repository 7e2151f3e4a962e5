"""One client's requests, one body's bytes, and the headers of every answer."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from retrieval.service.guards.limits import (
    SECURITY_HEADERS,
    BodyLimit,
    RateLimit,
    RequestLimit,
    SecurityHeaders,
    cost,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def count_bytes(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def client_of(*middleware: Middleware) -> TestClient:
    return TestClient(
        Starlette(routes=[Route("/", count_bytes, methods=["GET", "POST"])], middleware=middleware)
    )


def test_a_burst_of_a_minute_passes_and_then_tokens_return_one_by_one() -> None:
    clock = Clock()
    limit = RateLimit(Starlette(), per_minute=60, clock=clock)
    assert [limit.take("a") for _ in range(60)] == [0] * 60
    assert limit.take("a") == 1
    clock.now += 1.0
    assert limit.take("a") == 0
    assert limit.take("a") == 1


def test_one_client_does_not_use_up_anothers_share() -> None:
    limit = RateLimit(Starlette(), per_minute=1, clock=Clock())
    assert limit.take("a") == 0
    assert limit.take("a") == 60
    assert limit.take("b") == 0


def test_the_memory_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.service.guards.limits.MAX_CLIENTS", 3)
    limit = RateLimit(Starlette(), per_minute=1, clock=Clock())
    for client in "abcde":
        limit.take(client)
    assert limit.take("e") == 60
    assert limit.take("a") == 0, "the least recently seen client was forgotten"


def test_too_many_requests_are_answered_429_with_the_time_to_wait() -> None:
    client = client_of(Middleware(RateLimit, per_minute=2, clock=Clock()))
    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/")
    assert refused.headers["retry-after"] == "30"
    assert refused.json()["error"]["code"] == "too_many_requests"


@pytest.mark.parametrize(
    ("path", "query", "tokens"),
    [
        ("/api/search", b"q=seen", 1), ("/api/explain", b"key=a&q=b", 10), ("/api/pictures", b"", 10),
        ("/item/a", b"", 1), ("/item/a", b"seen=a+lion", 10), ("/item/a", b"branch=46A", 10),
        ("/api/iconclass", b"notation=4", 1), ("/api/iconclass", b"notation=4&suggest_for=a", 10),
    ],
)  # fmt: skip
def test_what_takes_the_model_long_counts_as_ten(path: str, query: bytes, tokens: int) -> None:
    assert cost({"type": "http", "path": path, "query_string": query}) == tokens


def test_a_long_answer_is_given_even_where_fewer_than_ten_requests_are_allowed() -> None:
    client = client_of(Middleware(RateLimit, per_minute=2, clock=Clock()))
    assert [client.get("/?seen=a").status_code for _ in range(2)] == [200, 429]


def test_zero_means_no_limit() -> None:
    client = client_of(Middleware(RateLimit, per_minute=0))
    assert {client.get("/").status_code for _ in range(50)} == {200}


def test_a_body_within_the_bound_passes_and_a_longer_one_does_not() -> None:
    client = client_of(Middleware(BodyLimit, max_bytes=10))
    assert client.post("/", content=b"x" * 10).text == "10"
    refused = client.post("/", content=b"x" * 11)
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "too_large"


def test_a_body_of_undeclared_length_is_counted_as_it_comes() -> None:
    client = client_of(Middleware(BodyLimit, max_bytes=10))
    assert client.post("/", content=iter([b"x" * 6, b"x" * 6])).status_code == 413


def test_a_client_that_asks_first_is_refused_before_it_sends_its_body() -> None:
    async def refuses_to_send() -> Message:
        raise AssertionError("the body must not be requested")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def never(*_: object) -> None:
        raise AssertionError("the request must not arrive")

    headers = [(b"content-length", b"20"), (b"expect", b"100-continue")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(BodyLimit(never, max_bytes=10)(scope, refuses_to_send, send))
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("declared", ["-1", "many", "1e9", "99999999999999999999"])
def test_an_invalid_content_length_is_refused(declared: str) -> None:
    client = client_of(Middleware(BodyLimit, max_bytes=10))
    assert client.post("/", headers={"Content-Length": declared}, content=b"x").status_code == 413


def test_every_answer_carries_the_security_headers() -> None:
    client = client_of(Middleware(SecurityHeaders))
    for answer in (client.get("/"), client.get("/nowhere"), client.put("/")):
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
    assert "default-src 'self'" in SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]


def test_bodies_that_are_on_their_way_hold_a_bounded_amount_of_memory() -> None:
    limit = BodyLimit(Starlette(), max_bytes=10, max_held_bytes=25)
    limit.held_bytes = 20
    client = TestClient(limit)
    refused = client.post("/", content=b"x" * 6)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
    assert int(refused.headers["retry-after"]) > 0
    assert limit.held_bytes == 20, "what was refused is let go of"


def test_more_parallel_requests_than_allowed_get_503() -> None:
    limit = RequestLimit(Starlette(routes=[Route("/", count_bytes), Route("/api/health", count_bytes)]), 1)
    client = TestClient(limit)
    assert client.get("/").status_code == 200
    limit.num_requests = 1
    assert client.get("/").status_code == 503
    assert client.get("/api/health").status_code == 200
    assert limit.num_requests == 1
