"""HTTP requests and responses as plain values, and the ASGI application that serves them.

Handlers are functions from Request to Answer and never touch a socket or a file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

_MAX_BODY_BYTES = 64 * 1024
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Link, ETag, Last-Modified",
    "x-content-type-options": "nosniff",
}

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """One request. `path` is unchanged, and so still percent-encoded."""

    method: str
    path: str
    parameters: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One response. A `body` that takes time to make is a function, which is called
    only if it has to be sent.
    """

    status: int = 200
    body: bytes | Callable[[], bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    modified: datetime | None = None


Handler = Callable[[Request], Answer]


def refusal(status: int, reason: str) -> Answer:
    """An error with its reason as plain text."""
    return Answer(status, f"{reason}\n".encode())


def redirect(location: str) -> Answer:
    """A redirect to another address, 303 See Other."""
    return Answer(303, headers={"location": location})


def json_answer(
    document: Mapping[str, Any], content_type: str, *, modified: datetime | None = None
) -> Answer:
    """A JSON document, with an entity tag computed from its bytes."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(200, body, content_type, etag=tag(body), modified=modified)


def tag(*parts: object) -> str:
    """A strong entity tag of the parts."""
    joined = b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return f'"{hashlib.sha256(joined).hexdigest()[:24]}"'


def conditional(request: Request, answer: Answer) -> Answer:
    """The response, or 304 if the client already has it (RFC 9110, section 13)."""
    if answer.status != 200:
        return answer
    known = request.headers.get("if-none-match")
    since = request.headers.get("if-modified-since")
    if known is not None:
        tags = {each.strip().removeprefix("W/") for each in known.split(",")}
        fresh = known.strip() == "*" or (answer.etag is not None and answer.etag in tags)
    else:
        fresh = since is not None and answer.modified is not None and _not_after(answer.modified, since)
    if not fresh:
        return answer
    return Answer(304, b"", "", answer.headers, answer.etag, answer.modified)


def _not_after(modified: datetime, since: str) -> bool:
    try:
        return modified.replace(microsecond=0) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False


class Application:
    """An ASGI application that serves one handler for each port it is bound to."""

    def __init__(self, handlers: Mapping[int, Handler], *, num_threads: int = 2) -> None:
        self._handlers = handlers
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="collection")

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"cannot serve {scope['type']}: this server speaks HTTP only")
        request = await _read(scope, receive)
        if isinstance(request, Answer):
            answer = request
        else:
            answer = conditional(request, self._answer(scope["server"][1], request))
        body = answer.body
        if callable(body):
            loop = asyncio.get_running_loop()
            body = b"" if scope["method"] == "HEAD" else await loop.run_in_executor(self._threads, body)
        await _write(scope["method"], answer, body, send)

    def _answer(self, port: int, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return Answer(204, headers={"access-control-allow-methods": "GET, HEAD, POST, OPTIONS"})
        return self._handlers[port](request)


async def _read(scope: _Message, receive: _Receive) -> Request | Answer:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    if scope["method"] == "POST":
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > _MAX_BODY_BYTES:
                return refusal(413, f"request bodies are limited to {_MAX_BODY_BYTES} bytes")
            if not message.get("more_body"):
                break
        query = "&".join(part for part in (query, body.decode("latin-1")) if part)
    path = scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or scope["path"]
    try:
        parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return refusal(400, "too many parameters")
    return Request(scope["method"], path, parameters, headers)


async def _write(method: str, answer: Answer, body: bytes, send: _Send) -> None:
    headers = {**_CORS, **answer.headers}
    if answer.content_type:
        headers["content-type"] = answer.content_type
    if not (method == "HEAD" and callable(answer.body)) and answer.status not in (204, 304):
        headers["content-length"] = str(len(body))
    if answer.etag:
        headers["etag"] = answer.etag
    if answer.modified:
        headers["last-modified"] = format_datetime(answer.modified, usegmt=True)
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
