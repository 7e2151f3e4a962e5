"""Answers of every kind, over real sockets: what is read, what is refused, what is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.network.answers import NotNow, Refused
from data_prep.network.fetch import Fetched
from tests.data_prep.harvest.fetching import IMPATIENT, JSON, PATIENT, get


def chunked(*parts: bytes, pause: float = 0.0, head: bytes = b"Transfer-Encoding: chunked\r\n") -> Any:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        for part in parts:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return script


def raw(data: bytes, then_wait: float = 0.0) -> Any:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(then_wait)

    return script


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("script", "error", "reason"),
    [
        (raw(OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 100), NotNow, "broke off"),
        (raw(OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 100, then_wait=3), NotNow, "stalled"),
        (raw(OK + b"Content-Length: -4\r\n\r\nabcd"), NotNow, "not HTTP"),
        (raw(OK + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\nabcd"), NotNow, "not HTTP"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), NotNow, "not HTTP"),
        (raw(b""), NotNow, "not HTTP"),
        (raw(OK + b"X: " + b"y" * 300_000), NotNow, "not HTTP"),
        (chunked(*[b"x"] * 200, pause=0.02), NotNow, "stalled"),
        (chunked(*[b"x" * 50_000] * 60), Refused, "larger than"),
        (raw(OK + b"Content-Length: 99999999999\r\n\r\n"), Refused, "larger than"),
        (chunked(b"not gzip", head=b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"), Refused,
         "damaged"),
        (chunked(gzip.compress(b"<html>" * 900, mtime=0)[:-12],
                 head=b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"), NotNow, "broke off"),
        (chunked(b"x", head=b"Transfer-Encoding: chunked\r\nContent-Encoding: br\r\n"), Refused,
         "encoded as 'br'"),
    ],
    ids=["cut short", "stalls", "negative length", "two lengths", "ssh", "nothing", "endless header",
    "slow drip",
         "endless", "huge by its own word", "no gzip", "half a gzip", "brotli"],
)  # fmt: skip
def test_bodies_that_cannot_be_used(server, reply, script, error, reason):
    server.routes["/a"] = reply(script=script)
    started = time.monotonic()
    with pytest.raises(error, match=reason):
        get(server, "/a", limits=IMPATIENT)
    assert time.monotonic() - started < 5


def test_a_gzip_bomb_is_refused_and_never_expanded(server, reply):
    # Not among the cases above: it takes a moment to make, and every worker imports this file.
    bomb = gzip.compress(b"\0" * 50_000_000, mtime=0)
    head = b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"
    server.routes["/a"] = reply(script=chunked(bomb, head=head))
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="larger than 1000000 bytes"):
            get(server, "/a", limits=IMPATIENT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000, "the body was expanded before its size was checked"


def test_dripping_header_ends(server, reply):
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        for number in range(200):
            writer.write(b"X-%d: y\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.05)

    server.routes["/a"] = reply(script=drip)
    with pytest.raises(NotNow, match="header"):
        get(server, "/a", limits=replace(IMPATIENT, max_attempts=1, stall_seconds=0.2))


def test_a_slow_but_steady_transfer_is_waited_for(server, reply):
    """In total longer than the stall time: what counts is that bytes keep arriving."""
    server.routes["/a"] = reply(script=chunked(*[b"x" * 3_000] * 12, pause=0.1))
    assert len(get(server, "/a", wanted="any", limits=IMPATIENT).body) == 36_000


BODY = json.dumps({"a": "b" * 1000}).encode()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("gzip", gzip.compress(BODY[:400], mtime=0) + gzip.compress(BODY[400:], mtime=0)),
        ("gzip", gzip.compress(BODY, mtime=0) + bytes(64)),
        ("deflate", zlib.compress(BODY)),
    ],
    ids=["gzip", "two members", "padded", "zlib"],
)
def test_compressed_documents(server, reply, encoding, packed):
    server.routes["/a"] = reply(packed, headers={"Content-Encoding": encoding})
    assert get(server, "/a").body == BODY


def test_bytes_beyond_the_content_length_are_cut(server, reply):
    server.routes["/a"] = reply(script=raw(OK + b"Content-Length: 2\r\n\r\n{}{}{}{}"))
    assert get(server, "/a").body == b"{}"


@pytest.mark.parametrize("wanted", ["json", "image"])
def test_the_page_of_a_firewall_is_not_a_document(server, reply, wanted):
    page = b"\n<!DOCTYPE html><html><title>Just a moment...</title></html>"
    answers = iter([reply(page), reply(b"{}", headers=JSON)])
    server.routes["/a"] = lambda _: next(answers)
    assert get(server, "/a", wanted=wanted).body == b"{}"
    server.routes["/b"] = reply(page)
    with pytest.raises(NotNow, match="HTML"):
        get(server, "/b", wanted=wanted)


@pytest.mark.parametrize("wanted", ["json", "xml"])
def test_other_xml_is_left_to_the_readers(server, reply, wanted):
    body = b'<?xml version="1.0"?><OAI-PMH><error code="badVerb"/></OAI-PMH>'
    server.routes["/a"] = reply(body)
    assert get(server, "/a", wanted=wanted).body == body
    server.routes["/b"] = reply(b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"></html>')
    with pytest.raises(NotNow, match="HTML"):
        get(server, "/b", wanted=wanted)


def test_validators_and_304(server, reply):
    def answer(seen: Any) -> Any:
        same = seen.headers.get("if-none-match") == '"7"' and "if-modified-since" in seen.headers
        headers = {"ETag": '"7"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        return (
            reply(status=304, headers={**headers, "Content-Length": "0"})
            if same
            else reply(b"{}", headers=headers)
        )

    server.routes["/a"] = answer
    first = get(server, "/a")
    again = get(server, "/a", etag=first.etag, last_modified=first.last_modified)
    assert not first.not_modified
    assert again.not_modified
    assert again.body == b""


HEADERS = (
    "Location", "Retry-After", "ETag", "Last-Modified", "Content-Type", "Content-Encoding", "X-Robots-Tag",
    "Content-Usage",
    "TDM-Reservation", "TDM-Policy", "Link", "Date",
)  # fmt: skip


@settings(
    max_examples=80,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    status=st.sampled_from([200, 203, 301, 302, 404, 429, 503]),
    name=st.sampled_from(HEADERS),
    value=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)
    | st.sampled_from(
        [
            "//[",
            "http://a]b/",
            "-1",
            "1e9",
            "9" * 40,
            "\xb2",
            '"\xe9"',
            "noai, \xff",
            "train-ai=n;=",
            "gzip\xa0",
        ]
    ),
)
def test_no_header_gives_anything_but_an_answer_a_refusal_or_a_wait(server, reply, status, name, value):
    server.routes["/a"] = reply(b"{}", status=status, headers={**JSON, name: value})
    once = replace(PATIENT, max_attempts=1)
    answer: Any = None
    with contextlib.suppress(Refused, NotNow):
        answer = get(server, "/a", limits=once)
        answer = get(server, "/a", etag=answer.etag, last_modified=answer.last_modified, limits=once)
    assert answer is None or isinstance(answer, Fetched)
    assert status != 404 or answer is None
