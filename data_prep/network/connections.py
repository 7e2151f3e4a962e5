"""Connections to checked addresses only: a name is resolved and checked here, and the connection goes to the
checked address.

The connection pool is httpcore2's, on top of asyncio itself. There is one layer less than with the pool's own
backend, and whether an idle connection was closed is known without a system call.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self, cast

import httpcore2
import httpx2
import sniffio

from data_prep.network.addresses import AllowList
from data_prep.network.answers import HostRefused
from iconoclip.addresses import is_public, literal_address

# Above this, an unread body is not received any further.
MAX_UNREAD_BYTES: Final = 1_000_000
MAX_ADDRESSES_TRIED: Final = 4


# Everything that can go wrong between here and a server.
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
        """Send a request, directly or through the proxy. The response is to be closed.

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
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers.

        Raises:
            Refused: the host has no public address, and is not among those the user named.
        """
        failure: Exception | None = None
        for address in (await resolve(host, port, self._allowed))[:MAX_ADDRESSES_TRIED]:
            try:
                async with asyncio.timeout(timeout):
                    _, stream = await asyncio.get_running_loop().create_connection(Stream, address, port)
                return stream
            except TimeoutError as error:
                failure = httpcore2.ConnectTimeout(str(error))
            except OSError as error:
                failure = httpcore2.ConnectError(str(error))
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
    """Why a host is refused, as the report words it."""
    shown = host if host == address else f"{host} ({address})"
    return f"{shown} is a private address; --allow_hosts {host} would allow it"


class Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection, with the interface that httpcore2's pool expects."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: list[bytes] = []
        self._num_unread = 0
        self._is_paused = self._is_ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is established."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Queue received bytes and wake the reader."""
        self._chunks.append(data)
        self._num_unread += len(data)
        if self._num_unread > MAX_UNREAD_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection was closed; `error` if it broke."""
        self._error, self._is_ended = error, True
        self._may_write.set()
        self._wake()

    def eof_received(self) -> None:
        """The server will send no more; asyncio closes the connection."""
        self._is_ended = True
        self._wake()

    def pause_writing(self) -> None:
        """The send buffer is full."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """The send buffer has room again."""
        self._may_write.set()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # Called by the pool

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Everything received so far; empty at the end. The reader bounds the whole."""
        while not self._chunks:
            if self._is_ended:
                if self._error:
                    raise httpcore2.ReadError(str(self._error))
                return b""
            await self._wait_for_data(timeout)
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks, self._num_unread = [], 0
        if self._is_paused and not self._is_ended:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def _wait_for_data(self, timeout: float | None) -> None:
        self._reader = self._loop.create_future()
        timer = None if timeout is None else self._loop.call_later(timeout, self._stall)
        try:
            await self._reader
        finally:
            self._reader = None
            if timer:
                timer.cancel()

    def _stall(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_exception(httpcore2.ReadTimeout("nothing came"))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes, waiting while the send buffer is full."""
        if not buffer:
            return
        if self._is_ended:
            raise httpcore2.WriteError(str(self._error or "the server closed the connection"))
        self._transport.write(buffer)
        if not self._may_write.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._may_write.wait()
            except TimeoutError:
                raise httpcore2.WriteTimeout("the server takes nothing") from None

    async def aclose(self) -> None:
        """Close at once; unread bytes are dropped."""
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Switch to TLS; the certificate must match `server_hostname`."""
        try:
            async with asyncio.timeout(timeout):
                secured = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError:
            self._transport.abort()
            raise httpcore2.ConnectTimeout("the server does not finish its handshake") from None
        except (ssl.SSLError, OSError, ValueError) as error:
            # ValueError: a name that no certificate can hold, such as one that begins with a dot.
            self._transport.abort()
            raise httpcore2.ConnectError(str(error)) from error
        assert secured is not None
        self._transport = secured
        return self

    def get_extra_info(self, info: str) -> Any:
        """Facts about the connection; `is_readable` on an idle connection means that it was closed."""
        if info == "is_readable":
            return self._is_ended or bool(self._chunks) or self._transport.is_closing()
        if info == "client_addr":
            return self._transport.get_extra_info("sockname")
        if info == "server_addr":
            return self._transport.get_extra_info("peername")
        return self._transport.get_extra_info(info)
