"""The only HTTP client of the harvest: it identifies itself, obeys robots.txt and rate
limits, and trusts no server.

- Addresses: names are resolved here, each address is checked, and the connection goes to the checked address,
  so a name cannot point elsewhere the second time (DNS rebinding). Every hop of a redirect is checked again.
- Bodies: bounded as received and as decompressed; a stalled transfer is dropped, a slow one is not.
  A body has no total timeout: that would be a hidden limit on size.
- Responses: 404, 410 and similar ones are final; 429, 5xx and broken connections are retried later; a page of
  HTML instead of an image or JSON counts as a firewall's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlsplit

import httpcore2
import httpx2
import stamina

from data_prep.network.addresses import AllowList, host_of, origin_of
from data_prep.network.answers import (
    Gone,
    HostPaused,
    HostRefused,
    NotNow,
    Refused,
    looks_like_html,
    network_reason,
    phrase,
    read_body,
    redirect_target,
    retry_after,
)
from data_prep.network.connections import NETWORK_ERRORS, CheckedPool, why_private
from data_prep.network.hosts import HostGate, Pace
from data_prep.network.shared_pace import SharedPace
from data_prep.network.sites import PRODUCT, SiteMemory, SiteRules, Sites, from_headers
from iconoclip.addresses import is_loopback, is_public, literal_address
from iconoclip.errors import ConfigError
from iconoclip.pictures import looks_like_markup

Wanted = Literal["json", "xml", "image", "any"]

MAX_REDIRECTS: Final = 5
MAX_URI_CHARS: Final = 8_000
# RFC 9309, section 2.5: at least 500 KiB of robots.txt must be read; we read no more.
MAX_ROBOTS_BYTES: Final = 512_000
CONNECT_SECONDS: Final = 15.0

ACCEPT: Final[Mapping[Wanted, str]] = {
    "json": "application/ld+json, application/json;q=0.9, */*;q=0.1",
    "xml": "application/xml, text/xml;q=0.9, */*;q=0.1",
    "image": "image/jpeg, image/*;q=0.8",
    "any": "application/ld+json, application/json;q=0.9, application/xml;q=0.8, */*;q=0.1",
}
ANYTHING: Final = "*/*"
"""No preference (RFC 9110, section 12.5.1), as curl sends it; some firewalls want the header."""
# Temporary: retried later. 202: the server is still preparing the answer.
FOR_LATER: Final = frozenset({202, 408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524})
SLOW_DOWN: Final = frozenset({429, 503, 509})


@dataclass(frozen=True)
class Fetched:
    """A response. With `not_modified` there is no body: the stored copy is still current."""

    uri: str
    body: bytes
    media_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    opt_out: tuple[str, ...] = ()
    not_modified: bool = False


@dataclass(frozen=True)
class Limits:
    """Limits of one fetcher; `Network` in data_prep.config_groups describes each."""

    max_attempts: int = 4
    stall_seconds: float = 30.0
    max_wait_seconds: float = 120.0
    retry_seconds: float = 0.5


@dataclass(frozen=True)
class _Question:
    """One request; if it is redirected, the same is requested from the target."""

    uri: str
    url: httpx2.URL
    wanted: Wanted
    max_bytes: int
    conditions: Mapping[str, str] = field(default_factory=dict)
    site: SiteRules | None = None
    """None for the files that state the rules."""
    accept: str | None = None
    """The Accept header; None for the default of `wanted`."""


class Fetcher:
    """Sends requests within each host's rate limit. Use as an async context manager; one per process.

    Args:
        contact: mail address or web page for the User-Agent; needed for every host but this machine.
        allowed: the private hosts that may be contacted.
        pace_of: the rate limit of a host, by name and port.
        limits: bounds.
        memory: remembers robots.txt and TDMRep between runs.
        pace_folder: where rate limits are shared with other processes.
        proxy: address of an HTTP proxy; see CheckedPool.
    """

    def __init__(
        self,
        *,
        contact: str | None,
        allowed: AllowList,
        pace_of: Callable[[str], Pace],
        limits: Limits = Limits(),
        memory: SiteMemory | None = None,
        pace_folder: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._contact, self._allowed, self._pace_of = contact, allowed, pace_of
        self._limits, self._pace_folder = limits, pace_folder
        self.gates: dict[str, HostGate] = {}
        self._permitted: set[bytes] = set()
        self._sites = Sites(self._site_file, self.gate, memory)
        self._pool = CheckedPool(allowed, proxy)
        self._agent = f"{PRODUCT}/{version('iconoclip')}" + (f" (+{contact})" if contact else "")

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sites.close()
        await self._pool.__aexit__(kind, error, trace)

    def gate(self, host: str) -> HostGate:
        """The rate limiter of a host, named as by `host_of`."""
        if host not in self.gates:
            pace = self._pace_of(host)
            # Without a rate limit there is nothing to share: the server is on this machine.
            folder = self._pace_folder if pace.interval_seconds > 0 else None
            shared = SharedPace(folder, host, pace.concurrency) if folder else None
            self.gates[host] = HostGate(host, pace, shared=shared)
        return self.gates[host]

    async def fetch(
        self,
        uri: str,
        *,
        wanted: Wanted,
        max_bytes: int,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> Fetched:
        """Request a resource, with retries as long as they may help.

        Args:
            uri: http or https.
            wanted: the expected kind; a page of HTML instead of JSON, XML or an image is not accepted.
            max_bytes: bound of the body, as received and as decompressed.
            etag, last_modified: validators of the stored copy; the response may then be `not_modified`.

        Raises:
            Refused: it cannot be fetched.
            NotNow: it cannot be fetched now; tried `max_attempts` times, or the server asks to
                wait longer than allowed.
            ConfigError: the host is not this machine, and no contact is configured.
        """
        conditions = {}
        # A validator with other characters cannot be sent back, because headers are
        # ASCII (RFC 9110, section 5.5).
        if etag and etag.isascii():
            conditions["If-None-Match"] = etag
        if last_modified and last_modified.isascii():
            conditions["If-Modified-Since"] = last_modified
        try:
            # Nearly every request succeeds at once, and calling the retry library takes as
            # long as a small response.
            return await self._follow(uri, wanted, max_bytes, conditions)
        except NotNow as error:
            if self._limits.max_attempts == 1 or not self._is_worth_a_retry(error):
                raise
        await asyncio.sleep(self._limits.retry_seconds * random.uniform(1.0, 2.0))
        async for attempt in stamina.retry_context(
            on=self._is_worth_a_retry,
            attempts=self._limits.max_attempts - 1,
            timeout=None,
            wait_initial=2 * self._limits.retry_seconds,
            wait_max=30.0,
            wait_jitter=self._limits.retry_seconds,
        ):
            with attempt:
                return await self._follow(uri, wanted, max_bytes, conditions)
        raise AssertionError("unreachable")

    def _is_worth_a_retry(self, error: Exception) -> bool:
        if not isinstance(error, NotNow) or isinstance(error, HostPaused):
            return False
        return error.wait_seconds is None or error.wait_seconds <= self._limits.max_wait_seconds

    async def _follow(
        self, uri: str, wanted: Wanted, max_bytes: int, conditions: Mapping[str, str]
    ) -> Fetched:
        for hop in range(MAX_REDIRECTS + 1):
            url = self._checked_url(uri, is_redirect=hop > 0)
            site = await self._sites.rules(origin_of(uri))
            if site.robots_txt and not site.robots.can_fetch(uri, PRODUCT):
                raise Refused("robots.txt forbids it")
            answer = await self._ask_plainly(_Question(uri, url, wanted, max_bytes, conditions, site))
            if isinstance(answer, Fetched):
                return answer
            uri = answer
        raise Refused(f"more than {MAX_REDIRECTS} redirects")

    def _checked_url(self, uri: str, *, is_redirect: bool = False) -> httpx2.URL:
        if len(uri) > MAX_URI_CHARS:
            raise Refused(f"the address is longer than {MAX_URI_CHARS} characters")
        try:
            url = httpx2.URL(uri)
        except (httpx2.InvalidURL, ValueError) as error:
            raise Refused(f"not a valid address: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise Refused(f"only http and https are fetched, not '{url.scheme or uri[:40]}'")
        if url.userinfo:
            raise Refused("the address carries a user name or password")
        if url.netloc not in self._permitted:
            self._check_host(uri, url, is_redirect=is_redirect)
            self._permitted.add(url.netloc)
        return url

    def _check_host(self, uri: str, url: httpx2.URL, *, is_redirect: bool) -> None:
        port = url.port or (443 if url.scheme == "https" else 80)
        if literal_address(url.host) and not is_public(url.host) and (url.host, port) not in self._allowed:
            raise HostRefused(why_private(url.host, url.host))
        if self._contact is None and not is_loopback(url.host):
            if is_redirect:
                # A server must not be able to stop the harvest by redirecting elsewhere.
                raise Refused("redirected to another server, and no contact is configured")
            raise ConfigError(
                "no contact is configured, and the source is not on this machine",
                where=uri,
                remedy="name a contact for them: --contact you@your.institution, or a page about the harvest",
            )

    async def _ask_plainly(self, question: _Question) -> Fetched | str:
        """Send one request, and a second one without the Accept header if the header may have been the
        problem.

        Some servers route by this header, and answer 404 or 406 to every media type that they do not know.
        """
        gate = self.gate(host_of(question.uri))
        plainly = replace(question, accept=ANYTHING)
        if gate.wants_no_accept:
            return await self._ask(plainly)
        try:
            return await self._ask(question)
        except Refused as refused:
            if not gate.may_mind_accept(refused.status):
                raise
            first = refused
        try:
            answer = await self._ask(plainly)
        except Refused:
            gate.tried_without_accept(has_helped=False)
            raise first from None
        gate.tried_without_accept(has_helped=True)
        return answer

    async def _ask(self, question: _Question) -> Fetched | str:
        """Send one request within the host's rate limit. Returns the response or a redirect's address."""
        gate, url, wanted = self.gate(host_of(question.uri)), question.url, question.wanted
        if gate.paused:
            raise HostPaused(gate.paused)
        if gate.seconds_closed > self._limits.max_wait_seconds:
            raise HostPaused("the server asks to wait", gate.seconds_closed)
        headers = {
            "Host": url.netloc,
            "User-Agent": self._agent,
            "Accept": question.accept or ACCEPT[wanted],
            "Accept-Encoding": "identity" if wanted == "image" else "gzip, deflate",
            **question.conditions,
        }
        request = httpcore2.Request(
            "GET",
            httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=list(headers.items()),
            extensions={"timeout": self._timeouts()},
        )
        async with gate.turn():
            if gate.paused:
                raise HostPaused(gate.paused)
            try:
                return await self._exchange(request, question, gate)
            except NotNow as error:
                gate.failed(str(error))
                raise
            except NETWORK_ERRORS as error:
                reason = network_reason(error)
                gate.failed(reason)
                raise NotNow(reason) from error

    def _timeouts(self) -> dict[str, float]:
        stall = self._limits.stall_seconds
        return {"connect": min(CONNECT_SECONDS, stall), "read": stall, "write": stall, "pool": 3600.0}

    async def _exchange(
        self, request: httpcore2.Request, question: _Question, gate: HostGate
    ) -> Fetched | str:
        try:
            # A server that sends its header byte by byte would otherwise block the harvest.
            async with asyncio.timeout(4 * self._limits.stall_seconds):
                response = await self._pool.ask(request)
        except TimeoutError:
            raise NotNow("the server did not finish its header") from None
        try:
            status, headers = response.status, httpx2.Headers(response.headers)
            if 300 <= status < 400 and status != 304:
                return redirect_target(question.uri, status, headers)
            self._raise_for_status(status, headers, gate)
            body = b""
            if status != 304:
                body = await read_body(
                    headers,
                    response.stream,  # type: ignore[arg-type]
                    max_bytes=question.max_bytes,
                    stall_seconds=self._limits.stall_seconds,
                )
        finally:
            await response.aclose()
        wanted = question.wanted
        if wanted != "any" and (looks_like_markup if wanted == "image" else looks_like_html)(body):
            gate.got_firewall_page()
            raise NotNow("a page of HTML came instead: a firewall, or a viewer's address")
        gate.succeeded(len(body))
        return _fetched(question.uri, status, headers, body, question.site)

    def _raise_for_status(self, status: int, headers: httpx2.Headers, gate: HostGate) -> None:
        if status in (200, 203, 304):
            return
        reason = f"HTTP {status} {phrase(status)}"
        if status in FOR_LATER or (status == 403 and not gate.pace.refusal_is_final):
            wait = retry_after(headers.get("retry-after"))
            if status in SLOW_DOWN or status == 403 or wait is not None:
                wait = gate.slow_down(wait)
                if wait > self._limits.max_wait_seconds:
                    gate.pause_host(f"the server asks to wait {wait:.0f} s ({reason})")
                    raise HostPaused(reason, wait)
            raise NotNow(reason, wait)
        gate.succeeded(0)
        raise Gone(reason, status) if status in (404, 410) else Refused(reason, status)

    async def _site_file(self, origin: str, path: str) -> bytes:
        """A site's file; empty if it has none (RFC 9309, 2.3.1.3). Unreachable is NotNow (2.3.1.4)."""
        uri = origin + path
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = await self._ask(_Question(uri, self._checked_url(uri), "any", MAX_ROBOTS_BYTES))
                if isinstance(answer, Fetched):
                    return b"" if looks_like_html(answer.body) else answer.body
                uri = answer
        except Refused as refused:
            if isinstance(refused, HostRefused):
                raise
        return b""


def _fetched(uri: str, status: int, headers: httpx2.Headers, body: bytes, site: SiteRules | None) -> Fetched:
    signals, states_tdmrep = from_headers(headers.multi_items())
    parts = urlsplit(uri)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    stated = site.opt_out(path or "/", with_tdmrep=not states_tdmrep) if site else set()
    return Fetched(
        uri=uri,
        body=body,
        media_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
        etag=headers.get("etag"),
        last_modified=headers.get("last-modified"),
        opt_out=tuple(sorted({*signals, *stated})),
        not_modified=status == 304,
    )
