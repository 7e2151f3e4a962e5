"""A server for tests of the harvest: a small IIIF archive over real HTTP on loopback, with the faults that a
test sets."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image, ImageDraw

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
IN_COPYRIGHT = "http://rightsstatements.org/vocab/InC/1.0/"


@dataclass(frozen=True)
class Seen:
    """A request as the server saw it."""

    path: str
    headers: dict[str, str]
    at: float


@dataclass(frozen=True)
class Reply:
    """The answer of the server. `script` writes to the connection itself and then closes it."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    script: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None


Route = Reply | Callable[[Seen], Reply]


class Server:
    """Serves `routes` (by path) and `prefixes` (by the start of a path) from a thread of its own."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.prefixes: dict[str, Route] = {}
        self.requests: list[Seen] = []
        self.num_open = self.most_open = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The paths that were requested, without robots.txt and tdmrep.json."""
        return [
            seen.path
            for seen in self.requests
            if seen.path not in ("/robots.txt", "/.well-known/tdmrep.json")
        ]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        seen = Seen(head[0].split(" ")[1], headers, time.monotonic())
        self.requests.append(seen)
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        try:
            reply = self._reply(seen)
            if reply.script is not None:
                await reply.script(writer)
                return False
            self._write(writer, reply)
            await writer.drain()
            return True
        finally:
            self.num_open -= 1

    def _reply(self, seen: Seen) -> Reply:
        route = self.routes.get(seen.path)
        if route is None:
            route = next(
                (route for prefix, route in self.prefixes.items() if seen.path.startswith(prefix)),
                Reply(status=404),
            )
        return route(seen) if callable(route) else route

    def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        etag = f'"{hashlib.sha256(reply.body).hexdigest()[:16]}"'
        headers = {"Content-Length": str(len(reply.body)), "ETag": etag, **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body = b"" if reply.status == 304 else reply.body
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n{lines}\r\n".encode("latin-1") + body)


def draw(number: int, size: tuple[int, int] = (96, 80), kind: str = "JPEG") -> bytes:
    """A picture that differs from every other number's."""
    image = Image.new("RGB", size, (number * 37 % 256, number * 91 % 256, number * 53 % 256))
    draw = ImageDraw.Draw(image)
    for line in range(6):
        shade = (number * 17 * (line + 3) % 256, number * 29 % 256, 40 * line)
        draw.line(
            [(number * 13 * line % size[0], 0), (number * 7 * line % size[0], size[1])], fill=shade, width=5
        )
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


class Archive(Server):
    """A Collection of Manifests with one canvas each, and a level 2 image service."""

    def __init__(self, num_manifests: int = 12) -> None:
        super().__init__()
        self.num_manifests = num_manifests
        self.rights: dict[int, str | None] = {}
        self.routes["/collection"] = self._collection
        self.prefixes["/manifest/"] = self._manifest
        self.prefixes["/image/"] = self._image

    @property
    def collection(self) -> str:
        return f"{self.origin}/collection"

    def _collection(self, seen: Seen) -> Reply:
        items = [
            {"id": f"{self.origin}/manifest/{n}", "type": "Manifest", "label": {"en": [f"No. {n}"]}}
            for n in range(self.num_manifests)
        ]
        return self.json(
            {"id": self.collection, "type": "Collection", "label": {"en": ["All"]}, "items": items}, seen
        )

    def _manifest(self, seen: Seen) -> Reply:
        number = int(seen.path.rpartition("/")[2])
        return self.json(self.manifest(number), seen)

    def manifest(self, number: int) -> dict[str, Any]:
        base = f"{self.origin}/manifest/{number}"
        service = {"id": f"{self.origin}/image/{number}", "type": "ImageService3", "profile": "level2"}
        body = {
            "id": f"{self.origin}/image/{number}/full/max/0/default.jpg", "type": "Image",
            "format": "image/jpeg", "width": 96, "height": 80,
            "service": [{**service, "width": 96, "height": 80}],
        }  # fmt: skip
        painting = {
            "id": f"{base}/a",
            "type": "Annotation",
            "motivation": "painting",
            "body": body,
            "target": f"{base}/c",
        }
        canvas = {
            "id": f"{base}/c", "type": "Canvas", "width": 96, "height": 80,
            "items": [{"id": f"{base}/p", "type": "AnnotationPage", "items": [painting]}],
        }  # fmt: skip
        manifest = {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": base, "type": "Manifest", "label": {"en": [f"A drawing of a ship, number {number}"]},
            "items": [canvas],
        }  # fmt: skip
        rights = self.rights.get(number, PDM)
        return {**manifest, "rights": rights} if rights else manifest

    def _image(self, seen: Seen) -> Reply:
        number, size = int(seen.path.split("/")[2]), seen.path.split("/")[4]
        width, height = (96, 80) if size == "max" else map(int, size.split(","))
        return self.file(draw(number, (width, height)), seen)

    def json(self, value: Any, seen: Seen) -> Reply:
        return self.file(json.dumps(value).encode(), seen, "application/json")

    def file(self, body: bytes, seen: Seen, media_type: str = "image/jpeg") -> Reply:
        """The file, or 304 to clients that have it already."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if seen.headers.get("if-none-match") == etag:
            return Reply(status=304, headers={"ETag": etag, "Content-Length": "0"})
        return Reply(body, headers={"Content-Type": media_type})


@pytest.fixture
def reply() -> type[Reply]:
    """The answer of a route: `reply(body, status, headers, script)`."""
    return Reply


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Draws pictures: number, size, format -> bytes."""
    return draw


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive of twelve manifests without faults."""
    server = Archive()
    yield server
    server.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers 404 until a test adds routes."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def mixed(archive: Any) -> Any:
    """An archive in which two of twelve pictures are in copyright and one has no rights statement."""
    archive.rights = {3: IN_COPYRIGHT, 5: IN_COPYRIGHT, 7: None}
    return archive
