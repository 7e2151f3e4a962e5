"""Connections to checked addresses only: names are resolved and checked here, and the connection
goes to the checked address.

The connection pool and the streams are httpcore2's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

import httpcore2
import httpx2
import sniffio

from data_prep.network.addresses import AllowList
from data_prep.network.answers import HostRefused
from iconoclip.addresses import is_public, literal_address

MAX_ADDRESSES_TRIED: Final = 4


# The exceptions of network errors.
NETWORK_ERRORS: Final = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    ssl.SSLError,
    OSError,
)


class CheckedPool:
    """Connections to checked addresses only, kept open between requests. Use as an async context manager.

    Args:
        allowed: the private hosts that may be contacted; always directly, without the proxy.
        proxy: used for all others. The proxy then resolves the names; a name that resolves to a private
            address here is refused all the same.
    """

    def __init__(self, allowed: AllowList, proxy: str | None = None) -> None:
        self._allowed, self._checked = allowed, set[tuple[str, int]]()
        options: dict[str, Any] = {
            # SSL_CERT_FILE is honoured: some institutions sign their own certificates. A proxy from the
            # environment is not.
            "ssl_context": httpx2.create_ssl_context(),
            "max_connections": 512,
            "max_keepalive_connections": 128,
            "keepalive_expiry": 20.0,
        }
        self._direct = httpcore2.AsyncConnectionPool(**options, network_backend=CheckedBackend(allowed))
        self._proxied: httpcore2.AsyncHTTPProxy | None = None
        if proxy:
            backend = CheckedBackend(AllowList([], [proxy], names_too=True))
            self._proxied = httpcore2.AsyncHTTPProxy(proxy, **options, network_backend=backend)

    async def __aenter__(self) -> Self:
        # Otherwise the pool looks up the running task at each of its locks to detect asyncio.
        self._library = sniffio.thread_local.name
        sniffio.thread_local.name = "asyncio"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sniffio.thread_local.name = self._library
        try:
            await self._direct.aclose()
        finally:
            if self._proxied:
                await self._proxied.aclose()

    async def ask(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request, directly or through the proxy. The caller must close the response.

        Raises:
            Refused: the host has no public address.
        """
        if self._proxied is None:
            return await self._direct.handle_async_request(request)
        url = request.url
        host, port = url.host.decode("ascii"), url.port or (443 if url.scheme == b"https" else 80)
        if (host, port) in self._allowed:
            return await self._direct.handle_async_request(request)
        if (host, port) not in self._checked:
            # A name that is unknown here may be known to the proxy.
            with contextlib.suppress(httpcore2.ConnectError):
                await resolve(host, port, self._allowed)
            self._checked.add((host, port))
        return await self._proxied.handle_async_request(request)


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves a name, refuses addresses that are not public, and connects to the very address it checked."""

    def __init__(self, allowed: AllowList) -> None:
        self._allowed, self._backend = allowed, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of the host that accepts a connection.

        Raises:
            Refused: the host has no public address, and is not among those the user named.
        """
        failure: Exception | None = None
        for address in (await resolve(host, port, self._allowed))[:MAX_ADDRESSES_TRIED]:
            try:
                return await self._backend.connect_tcp(address, port, timeout=timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("no address")

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int, allowed: AllowList) -> list[str]:
    """The addresses of a host that may be connected to.

    Raises:
        Refused: it has none.
        httpcore2.ConnectError: the name cannot be resolved.
    """
    if literal := literal_address(host):
        addresses = [str(literal)]
    else:
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore2.ConnectError(f"the name {host} cannot be resolved") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    if (host, port) in allowed:
        return addresses
    public = [address for address in addresses if is_public(address)]
    if not public:
        raise HostRefused(why_private(host, addresses[0]) if addresses else f"{host} has no address")
    return public


def why_private(host: str, address: str) -> str:
    """The reason why a host is refused, for the report."""
    shown = host if host == address else f"{host} ({address})"
    return f"{shown} is a private address; --network.allow_hosts {host} would allow it"
