"""Idle connections do not block others: real sockets, short limits."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from retrieval.service.guards.connections import ConnectionLimits, limited
from retrieval.service.guards.limits import BodyLimit, RequestLimit
from retrieval.service.serve import bind

LIMITS = ConnectionLimits(header_seconds=1.0, body_seconds=0.6, send_seconds=0.6, max_connections=250)
# More than the kernels of both ends buffer for one connection.
LONG_ANSWER = b"x" * 30_000_000


def quick(_request: Request) -> Response:
    return PlainTextResponse("here")


def long(_request: Request) -> Response:
    return Response(LONG_ANSWER)


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def slow(_request: Request) -> Response:
    time.sleep(1.2)
    return PlainTextResponse("at last")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of two requests at once, under the limits of this service."""
    routes = [Route("/", quick), Route("/long", long), Route("/slow", slow)]
    app = Starlette(
        routes=[*routes, Route("/length", length, methods=["POST"])],
        middleware=[
            Middleware(BodyLimit, max_bytes=1_000_000, max_held_bytes=5_000_000),
            Middleware(RequestLimit, max_requests=2),
        ],
    )
    with bind("127.0.0.1", 0) as listener:
        config = uvicorn.Config(app, http=limited(LIMITS), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def connections(port: int, number: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(number)
        ]
        for each in held:
            each.sendall(sent)
        yield held


def answer(port: int, path: str = "/") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        return refused.code if json.loads(refused.read())["error"]["remedy"] else 0


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes the connection, now or within the time that a test has."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(1_000_000):
            pass
    return True


HELD = {
    "silent": b"",
    "a header without end": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "a body that does not come": b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx",
    "a body in chunks without end": b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\nx\r\n",
}


@pytest.mark.parametrize("held", HELD)
def test_two_hundred_idle_connections_block_nobody_and_are_closed(port: int, held: str) -> None:
    with connections(port, 200, HELD[held]) as open_ones:
        assert [answer(port) for _ in range(3)] == [200] * 3
        assert all(is_closed(each) for each in open_ones)


def test_a_byte_now_and_then_does_not_extend_the_time(port: int) -> None:
    with connections(port, 1, b"GET / HTTP/1.1\r\nX-Long: ") as [trickle]:
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 10:
                trickle.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - started < 5


def test_readers_that_do_not_read_hold_no_worker_and_are_closed(port: int) -> None:
    with connections(port, 10, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n" * 2) as readers:
        time.sleep(0.2)
        assert answer(port) == 200
        # Of the two answers asked for, less than one is there when the server gives up.
        time.sleep(2 * LIMITS.send_seconds)
        for reader in readers:
            received = 0
            with contextlib.suppress(ConnectionError):
                while data := reader.recv(10_000_000):
                    received += len(data)
            assert received < len(LONG_ANSWER)


def test_a_reader_that_reads_gets_all_of_a_long_answer(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/long", timeout=10) as response:
        assert len(response.read()) == len(LONG_ANSWER)


def test_work_on_an_answer_has_no_time_limit_and_its_request_is_counted(
    port: int,
) -> None:
    asked = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with connections(port, 2, asked) as waiting:
        time.sleep(0.3)
        assert answer(port) == 503
        for each in waiting:
            received = b"".join(iter(lambda each=each: each.recv(1_000), b""))
            assert received.endswith(b"at last")
    assert answer(port) == 200


def test_one_connection_too_many_closes_the_one_that_was_silent_for_longest(port: int) -> None:
    with connections(port, LIMITS.max_connections + 20):
        assert answer(port) == 200


def test_a_connection_that_is_kept_alive_serves_one_request_after_the_other(port: int) -> None:
    with connections(port, 1) as [kept]:
        for _ in range(4):
            kept.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert kept.recv(10_000).endswith(b"here")
            time.sleep(LIMITS.header_seconds / 3)
