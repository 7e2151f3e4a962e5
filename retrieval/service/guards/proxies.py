"""The public address of this service: scheme, host and the path that it is published under.

A reverse proxy terminates TLS, and may publish the service below a path, which it strips from the requests
(`location /search/ { proxy_pass http://127.0.0.1:8000/; }`). The stripped path becomes ASGI's `root_path`,
and all our links, redirects and cookie paths begin with it. `--public_url` sets scheme, host and path;
without it they come from the X-Forwarded headers of a trusted proxy (Proto, For, Host, Prefix).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")


class PublicAddress:
    """The outermost middleware: gives each request the public scheme, host and `root_path`, and
    the client behind the proxy.

    Args:
        app: the application.
        public_url: the configured address, if any; it takes precedence over all headers.
        trusted_proxies: addresses whose X-Forwarded headers are trusted, separated by commas.
    """

    def __init__(self, app: ASGIApp, public_url: str | None, trusted_proxies: str) -> None:
        self.app = app
        self._forwarded = ProxyHeadersMiddleware(self._publish, trusted_proxies)  # type: ignore[arg-type]
        self._public = urlsplit(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its public address."""
        client = scope.get("client")
        # Checked before uvicorn's middleware replaces the address of the proxy by that of the client.
        if scope["type"] == "http" and client and client[0] in self._forwarded.trusted_hosts:
            _take_over(scope)
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]

    async def _publish(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._public is not None and scope["type"] == "http":
            scope["scheme"], scope["root_path"] = self._public.scheme, self._public.path.rstrip("/")
            MutableHeaders(scope=scope)["host"] = self._public.netloc
        await self.app(scope, receive, send)


def _take_over(scope: Scope) -> None:
    """Apply X-Forwarded-Host and X-Forwarded-Prefix of a trusted proxy, if they are well-formed."""
    headers = Headers(scope=scope)
    prefix = headers.get("x-forwarded-prefix", "").strip().rstrip("/")
    if _PREFIX.fullmatch(prefix) and ".." not in prefix:
        scope["root_path"] = prefix
    host = headers.get("x-forwarded-host", "").split(",")[0].strip()
    if _HOST.fullmatch(host):
        MutableHeaders(scope=scope)["host"] = host


class BelowRootPath:
    """The innermost middleware: makes `path` begin with `root_path`, as ASGI specifies and
    Starlette's router expects.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole path."""
        if scope["type"] == "http" and scope.get("root_path"):
            # Changed in place: outer middleware reads what the router writes into the scope.
            scope["path"] = scope["root_path"] + scope["path"]
        await self.app(scope, receive, send)


class HeadAsGet:
    """Answers HEAD as GET without a body, on every route (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a HEAD on as a GET, and drop the body of the response."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # A route that sends a long response may leave it out.
        scope["method"], scope["is_head"] = "GET", True

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app(scope, receive, without_body)


def path_below_root(request: Request) -> str:
    """The path of a request without `root_path`, as the routes are written."""
    root_path, path = request.scope.get("root_path", ""), str(request.scope["path"])
    return path.removeprefix(root_path)
