"""Connections: TLS, broken connections, and private hosts behind names and proxies."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from data_prep.network.addresses import AllowList
from data_prep.network.answers import NotNow, Refused
from data_prep.network.fetch import Fetched, Fetcher, Limits
from data_prep.network.hosts import Pace

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


def fetch(uri: str, port: int, proxy: str | None = None) -> Fetched:
    async def run() -> Fetched:
        fetcher = Fetcher(
            contact="mail@library.example",
            proxy=proxy,
            allowed=AllowList((f"localhost:{port}",)),
            pace_of=lambda _: Pace(0, 4),
            limits=Limits(1, 1.0, 1.0, 0.01),
        )
        async with fetcher:
            await fetcher.fetch(uri, wanted="image", max_bytes=10_000_000)
            return await fetcher.fetch(uri, wanted="image", max_bytes=10_000_000)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of `localhost`, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        ["openssl", *words.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
         certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Starts servers on localhost; returns the port of each."""
    loops: list[tuple[asyncio.AbstractEventLoop, Thread]] = []

    def start(answer: Answer, context: ssl.SSLContext | None = None) -> int:
        loop, ready, port = asyncio.new_event_loop(), Event(), list[int]()

        async def run() -> None:
            server = await asyncio.start_server(answer, "localhost", 0, ssl=context, family=2)
            port.append(server.sockets[0].getsockname()[1])
            ready.set()
            with suppress(asyncio.CancelledError):
                await server.serve_forever()

        thread = Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
        thread.start()
        assert ready.wait(10)
        loops.append((loop, thread))
        return port[0]

    yield start
    for loop, thread in loops:
        loop.call_soon_threadsafe(lambda loop=loop: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join(5)


def http(body: bytes, num_declared: int | None = None) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                wanted = body if b"/image" in head else b""
                length = num_declared if num_declared and wanted else len(wanted)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + wanted)
                await writer.drain()
                if num_declared is not None and wanted:
                    break
        writer.close()

    return answer


@pytest.mark.parametrize("num_bytes", [1, 3_000_000])
def test_an_encrypted_connection_carries_everything(serve, certificate, monkeypatch, num_bytes):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    port = serve(http(bytes(range(1, 251)) * (num_bytes // 250 + 1)), context)
    assert len(fetch(f"https://localhost:{port}/image", port).body) == 250 * (num_bytes // 250 + 1)


def test_a_certificate_of_an_unknown_authority_is_not_trusted(serve, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    port = serve(http(b"x"), context)
    with pytest.raises(NotNow, match="certificate"):
        fetch(f"https://localhost:{port}/image", port)


def test_a_body_cut_short_is_not_taken_for_whole(serve):
    port = serve(http(b"x" * 1000, num_declared=5000))
    with pytest.raises(NotNow, match="broke off"):
        fetch(f"http://localhost:{port}/image", port)


# Proxies


class Proxy:
    """Answers for every host under its own name and records the requests; CONNECT leads to one server."""

    def __init__(self, tunnel_to: int = 0) -> None:
        self.asked: list[bytes] = []
        self._tunnel_to = tunnel_to

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                line = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
                self.asked.append(line)
                if line.startswith(b"CONNECT"):
                    writer.write(b"HTTP/1.1 200 Go ahead\r\n\r\n")
                    return await self._tunnel(reader, writer)
                body = b"picture" if line.split()[1].endswith(b"/image") else b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._tunnel_to)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
            target.close()

        with suppress(ConnectionError):
            await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


def test_hosts_that_only_the_proxy_resolves_are_requested_through_it(serve):
    proxy = Proxy()
    port = serve(proxy)
    assert fetch("http://images.invalid/image", 0, f"http://localhost:{port}").body == b"picture"
    assert proxy.asked[-1] == b"GET http://images.invalid/image HTTP/1.1"


def test_https_hosts_are_requested_through_a_tunnel(serve, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    inner = serve(http(b"picture"), context)
    proxy = Proxy(inner)
    port = serve(proxy)
    # The certificate is one of `localhost`, and that name is refused: so the handshake fails, at the other
    # end of the tunnel.
    with pytest.raises(NotNow, match="certificate"):
        fetch("https://images.invalid/image", 0, f"http://localhost:{port}")
    assert proxy.asked[0] == b"CONNECT images.invalid:443 HTTP/1.1"


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]", "localhost"])
def test_a_proxy_does_not_reach_private_hosts(serve, host):
    proxy = Proxy()
    port = serve(proxy)
    with pytest.raises(Refused, match="private address"):
        fetch(f"http://{host}/image", 0, f"http://localhost:{port}")
    assert proxy.asked == []


def test_allowed_private_hosts_are_requested_directly(serve):
    proxy = Proxy()
    proxy_port, port = serve(proxy), serve(http(b"picture"))
    assert fetch(f"http://localhost:{port}/image", port, f"http://localhost:{proxy_port}").body == b"picture"
    assert proxy.asked == []


def test_the_environments_proxy_is_not_read(serve, monkeypatch):
    proxy = Proxy()
    monkeypatch.setenv("HTTP_PROXY", f"http://localhost:{serve(proxy)}")
    with pytest.raises(NotNow, match="cannot be resolved"):
        fetch("http://images.invalid/image", 0)
    assert proxy.asked == []
