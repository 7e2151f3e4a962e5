"""Limits for clients: requests per minute, parallel requests, bytes of a body; and
security headers for browsers.

Pure ASGI middleware: each checks a request once, before any route. Counters and
unfinished bodies are in memory.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.service.guards.refusals import Refusal

# Nothing is loaded from other hosts, nothing is inline, no other site may frame a
# page. No page needs `data:`.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # By default caches must revalidate every response: it may contain withdrawn items, or items for members.
    "Cache-Control": "private, no-cache",
}
# Requested many times for one page, and cheap.
UNCOUNTED = (
    "/static/", "/thumb/", "/image/", "/occlusion/", "/ratios.css", "/api/health", "/api/ready", "/metrics",
    "/robots.txt", "/favicon.ico",
)  # fmt: skip
# These run the model many times, or send a request to another server. Each counts as this many requests.
LONG_ANSWERS = 10
LONG_PATHS = ("/api/explain", "/api/pictures", "/search/image", "/export")
LONG_PARAMETERS = ("seen", "branch", "suggest_for")
# An export of all matches.
LONG_PAIRS = (("scope", "all"),)
# Sent with every letter that someone types, and answered within a few milliseconds.
SHORT_PATHS, SHORT_ANSWERS = ("/api/complete",), 0.1
MAX_CLIENTS = 10_000
# Uploads of the largest size that may be in memory at the same time.
MAX_HELD_BODIES = 20
# How much of a refused body is still read, and thrown away, in bodies of the largest size. Most clients read
# the response only when they have sent everything; if the connection was closed before, they never see it.
MAX_DISCARDED_BODIES = 10
ALWAYS_ANSWERED = ("/api/health", "/metrics")


class SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add headers to the response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class BodyLimit:
    """Receives the whole body before the request is handled, and refuses bodies longer than `max_bytes`.

    So a body that arrives slowly uses only memory for its own bytes, at most `max_held_bytes` over all
    requests. If the declared length is too large, nothing of the body is kept.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_held_bytes: int | None = None) -> None:
        self.app, self.max_bytes = app, max_bytes
        self.max_held_bytes = max_held_bytes or MAX_HELD_BODIES * max_bytes
        self.held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on together with its whole body."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self.max_bytes:
            # A client that asked whether to send the body has not sent it.
            if "expect" not in headers and declared.isdecimal():
                await self._discard(int(declared), receive)
            await _answer(self._too_large(), scope, receive, send)
            return
        body = bytearray()
        try:
            refusal, more = await self._fill(body, receive)
            if refusal is None:
                await self.app(scope, _replaying(bytes(body), receive), send)
            else:
                self.held_bytes -= len(body)
                body.clear()
                if more:
                    await self._discard(int(declared), receive)
                await _answer(refusal, scope, receive, send)
        finally:
            self.held_bytes -= len(body)

    async def _discard(self, declared: int, receive: Receive) -> None:
        """Read the rest of a refused body, if it is not far too long."""
        left = MAX_DISCARDED_BODIES * self.max_bytes
        more = declared <= left
        while more and left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)

    async def _fill(self, body: bytearray, receive: Receive) -> tuple[Refusal | None, bool]:
        """Read the body. Returns the error if it is not accepted, and whether there is more of it."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return Refusal(400, "the body ended early", where="body"), False
            chunk = message.get("body", b"")
            body += chunk
            self.held_bytes += len(chunk)
            more = message.get("more_body", False)
            if len(body) > self.max_bytes:
                return self._too_large(), more
            if self.held_bytes > self.max_held_bytes:
                return _busy("too many pictures are being uploaded at this moment"), more
        return None, False

    def _too_large(self) -> Refusal:
        megabytes = self.max_bytes / 1_000_000
        return Refusal(
            413,
            f"the upload is larger than {megabytes:g} MB",
            where="body",
            remedy="send a smaller image",
            headers={"Connection": "close"},
        )


def _replaying(body: bytes, receive: Receive) -> Receive:
    """A `receive` function that returns the whole body first."""
    first: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replay() -> Message:
        nonlocal first
        message, first = first, None
        return message if message is not None else await receive()

    return replay


def _busy(what: str) -> Refusal:
    return Refusal(
        503, what, remedy="try again in a moment", headers={"Retry-After": "1", "Connection": "close"}
    )


class RequestLimit:
    """Answers 503 while `max_requests` other requests are being handled.

    Only requests that are being handled count: not a connection without a request, not a body that is
    still arriving (`BodyLimit` comes first), and not a response that the client reads slowly.
    /api/health is always answered.
    """

    def __init__(self, app: ASGIApp, max_requests: int) -> None:
        self.app, self.max_requests = app, max_requests
        self.num_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self.app(scope, receive, send)
            return
        if self.num_requests >= self.max_requests:
            await _answer(_busy("too many requests at this moment"), scope, receive, send)
            return
        self.num_requests += 1
        is_counted = True

        async def uncounting(message: Message) -> None:
            nonlocal is_counted
            if is_counted:
                is_counted = False
                self.num_requests -= 1
            await send(message)

        try:
            await self.app(scope, receive, uncounting)
        finally:
            if is_counted:
                self.num_requests -= 1


class RateLimit:
    """A token bucket per client: `per_minute` requests per minute on average, in bursts
    of up to the same number.

    The client is the peer's address or, behind a proxy that the configuration trusts, the address that it
    forwards. The buckets are only in memory; the least recently used are dropped first.
    """

    def __init__(self, app: ASGIApp, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.app, self.per_minute, self.clock = app, per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 429 with the time to wait."""
        if scope["type"] != "http" or not self.per_minute or scope["path"].startswith(UNCOUNTED):
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        wait_seconds = self.take(client, min(cost(scope), self.per_minute))
        if wait_seconds > 0:
            refusal = Refusal(
                429,
                f"more than {self.per_minute} requests per minute",
                remedy=f"wait {wait_seconds} s; Retry-After says it too",
                headers={"Retry-After": str(wait_seconds)},
            )
            await _answer(refusal, scope, receive, send)
            return
        await self.app(scope, receive, send)

    def take(self, client: str, num_tokens: float = 1) -> int:
        """Take tokens of `client`. Returns 0 if there were enough, otherwise the
        whole seconds until there are.
        """
        now, per_second = self.clock(), self.per_minute / 60
        tokens, seen = self._buckets.pop(client, (float(self.per_minute), now))
        tokens = min(self.per_minute, tokens + (now - seen) * per_second)
        allowed = tokens >= num_tokens
        self._buckets[client] = (tokens - num_tokens if allowed else tokens, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        # Rounded first: 30.000000001 seconds count as thirty.
        return 0 if allowed else math.ceil(round((num_tokens - tokens) / per_second, 6))


def cost(scope: Scope) -> float:
    """The number of requests that a request counts as."""
    if scope["path"] in SHORT_PATHS:
        return SHORT_ANSWERS
    given = QueryParams(scope["query_string"]) if scope["query_string"] else QueryParams()
    is_long = (
        scope["path"] in LONG_PATHS
        or any(name in given for name in LONG_PARAMETERS)
        or any(given.get(name) == value for name, value in LONG_PAIRS)
    )
    return LONG_ANSWERS if is_long else 1


async def _answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    response = JSONResponse(refusal.body, refusal.status, headers=refusal.headers)
    await response(scope, receive, send)
