"""The middleware of every application here, in one order: what protects it, and what HTTP requires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from retrieval.service.guards.limits import BodyLimit, RateLimit, RequestLimit, SecurityHeaders
from retrieval.service.guards.proxies import BelowRootPath, HeadAsGet, PublicAddress
from retrieval.service.guards.versions import ApiVersion

# Level 5 takes a third of the time of level 9, for a few per cent more bytes.
GZIP_MIN_BYTES, GZIP_LEVEL = 1_000, 5


@dataclass(frozen=True)
class Limits:
    """What one application accepts.

    Args:
        requests_per_minute: per client; 0 means no limit.
        max_body_bytes: size of the body of a request.
        max_requests: requests handled at the same time.
    """

    requests_per_minute: int
    max_body_bytes: int
    max_requests: int


def middleware_stack(
    public_url: str | None,
    trusted_proxies: str,
    limits: Limits,
    *,
    other_sites: Sequence[Middleware] = (),
    measured: Sequence[Middleware] = (),
) -> list[Middleware]:
    """The middleware, outermost first.

    Args:
        public_url: the public address behind a reverse proxy.
        trusted_proxies: addresses of proxies whose headers are trusted.
        limits: what the application accepts.
        other_sites: what answers pages of other sites, outside of the limits.
        measured: what counts requests, refused ones included.
    """
    return [
        Middleware(PublicAddress, public_url=public_url, trusted_proxies=trusted_proxies),
        Middleware(SecurityHeaders),
        *other_sites,
        Middleware(ApiVersion),
        *measured,
        Middleware(RateLimit, per_minute=limits.requests_per_minute),
        Middleware(BodyLimit, max_bytes=limits.max_body_bytes),
        Middleware(RequestLimit, max_requests=limits.max_requests),
        Middleware(GZipMiddleware, minimum_size=GZIP_MIN_BYTES, compresslevel=GZIP_LEVEL),
        Middleware(HeadAsGet),
        Middleware(BelowRootPath),
    ]
