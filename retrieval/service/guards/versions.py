"""The version in the API's addresses: `/api/v1/search` is the address, `/api/search` a deprecated one.

Both reach the same route. A response at an address without a version says so with `Deprecation` (RFC 9745)
and a link to its successor (RFC 5829). The rule for later versions is in docs/api.md.
"""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API, V1 = "/api/", "/api/v1/"
_VERSION = re.compile(r"/api/v\d+(/|$)")
# For the operator and for tools that look for the description: they have no version.
WITHOUT_VERSION = ("/api/health", "/api/ready", "/api/openapi.json")
# 2026-11-29T00:00:00Z: since then there is a version.
DEPRECATED_SINCE = "@1795910400"


def versioned(path: str) -> str:
    """The address of a route, as the documents and our own links give it."""
    if not path.startswith(API) or path.startswith(WITHOUT_VERSION) or _VERSION.match(path):
        return path
    return V1 + path.removeprefix(API)


class ApiVersion:
    """Passes `/api/v1/...` on as `/api/...`, which the routes are written for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark the response if its address has no version."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path.startswith(V1):
            scope["path"] = API + path.removeprefix(V1)
            await self.app(scope, receive, send)
            return
        successor = versioned(path)
        if successor == path:
            await self.app(scope, receive, send)
            return
        link = f'<{scope.get("root_path", "")}{successor}>; rel="successor-version"'

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start" and _fits_a_header(link):
                headers = MutableHeaders(scope=message)
                headers["Deprecation"] = DEPRECATED_SINCE
                headers.append("Link", link)
            await send(message)

        await self.app(scope, receive, send_marked)


def _fits_a_header(text: str) -> bool:
    """The path comes from the client, decoded: it may contain anything."""
    return text.isascii() and text.isprintable() and text.count(">") == 1 and len(text) < 500
