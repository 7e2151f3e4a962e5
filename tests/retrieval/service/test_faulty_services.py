"""Faulty services in a federation with a good one."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

from retrieval.service.federation.asking import MAX_ANSWER_BYTES

from .federating import HTML, PATIENCE, SLUGS, asked, federating, hit_of, misbehaving, sending, services

__all__ = ["services"]


def slow(request: BaseHTTPRequestHandler) -> None:
    time.sleep(4 * PATIENCE)


def dripping(request: BaseHTTPRequestHandler) -> None:
    """Sends bytes regularly and never ends."""
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


def test_a_faulty_service_is_named_and_the_others_answer(services: list[str]) -> None:
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
