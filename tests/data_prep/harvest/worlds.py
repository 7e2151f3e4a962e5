"""Random archives that change and fail between harvests, and what exists in them: the model of the refresh
tests.

A world is served by `World.answer`, from memory or through a real server; `World.existing` walks it by hand.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import httpcore2
from hypothesis import strategies as st
from PIL import Image

from data_prep.images.store import StoredImage, Wanted, store_image

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
ORIGIN = "http://127.0.0.1:9"
MANIFESTS = range(7)
RECORDS = range(6)
COLLECTIONS = ("root", "a", "b", "c")

Fault = Literal[
    "500", "403", "401", "404", "html", "error", "cut", "broken", "stalled", "304", "empty", "token"
]
# A manifest or an image that answers 404 no longer exists: that is not a fault.
FAULTS: tuple[Fault, ...] = (
    "500", "403", "401", "404", "html", "error", "cut", "broken", "stalled", "304", "empty", "token",
)  # fmt: skip

HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking</body></html>"


@dataclass
class World:
    """Collections in pages, manifests, a catalogue, and what is wrong with them at present."""

    collections: dict[str, list[list[str]]] = field(default_factory=dict)
    """Name -> pages of members: `m3` a manifest, `a` a collection."""
    catalogue: list[list[int]] = field(default_factory=list)
    """Pages of records with an image each; no page: no catalogue."""
    canvases: dict[int, int] = field(default_factory=dict)
    """Manifest -> number of its canvases."""
    titles: dict[int, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    """Paths of manifests and images that answer 404 for good."""
    deleted: frozenset[int] = frozenset()
    """Records that the catalogue calls deleted."""
    generation: int = 0
    """Of the catalogue's tokens, which are valid in one generation only."""
    faults: dict[int, Fault] = field(default_factory=dict)
    """Slot of a path -> its fault."""
    origin: str = ORIGIN

    @property
    def sources(self) -> list[str]:
        return [f"{self.origin}/c/root/0", *([f"{self.origin}/oai"] if self.catalogue else [])]

    # What exists

    def existing(self) -> set[str]:
        """The identifiers of all that a harvest would find if nothing were wrong."""
        manifests = {int(name[1:]) for name in self._members("root", set()) if name.startswith("m")}
        found = {
            f"{self.origin}/m/{m}/c/{n}"
            for m in manifests
            for n in range(self.canvases.get(m, 1))
            if not self.gone & {f"/m/{m}", f"/i/{m}-{n}.png"}
        }
        records = {r for page in self.catalogue for r in page} - self.deleted
        return found | {f"oai:x:{r}" for r in records if f"/i/r-{r}.png" not in self.gone}

    def _members(self, name: str, met: set[str]) -> Iterator[str]:
        met.add(name)
        for member in (member for page in self.collections.get(name, []) for member in page):
            if member.startswith("m"):
                yield member
            elif member not in met:
                yield from self._members(member, met)

    # What the server answers

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, bytes, str | None]:
        """Status, body, and what happens to the transfer: `broken`, `stalled`, or nothing."""
        parts = urlsplit(target)
        path = parts.path
        if path in ("/robots.txt", "/.well-known/tdmrep.json"):
            return 404, b"", None
        fault = self.faults.get(slot(target))
        if fault == "304" and "if-none-match" in headers:
            # As an answer to a request without conditions it is recognisably wrong; a wrong answer about
            # changes is not.
            fault = None
        is_leaf = path.startswith(("/m/", "/i/"))
        status, body = (404, b"gone") if path in self.gone else self._good(path, parse_qs(parts.query), fault)
        if fault is None or (is_leaf and fault in ("404", "empty", "token")) or status == 404:
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if status == 200 and headers.get("if-none-match") == etag:
                return 304, b"", None
            return status, body, None
        return self._broken(fault, path, body)

    def _broken(self, fault: Fault, path: str, body: bytes) -> tuple[int, bytes, str | None]:
        if fault.isdigit():
            return int(fault), b"" if fault == "304" else b"no", None
        if fault == "cut":
            return 200, body[: len(body) // 2], None
        if fault in ("broken", "stalled"):
            return 200, body, fault
        if fault == "empty" and not path.startswith("/oai"):
            return (
                200,
                json.dumps({"id": self.origin + path, "type": "Collection", "items": []}).encode(),
                None,
            )
        if fault == "error" and not path.startswith("/oai"):
            return 200, b'{"error": "quota exceeded, try later"}', None
        return (200, body, None) if fault in ("empty", "token", "error") else (200, HTML, None)

    def _good(self, path: str, query: dict[str, list[str]], fault: Fault | None) -> tuple[int, bytes]:
        match path.strip("/").split("/"):
            case ["c", name, page] if name in self.collections and int(page) < len(self.collections[name]):
                return 200, json.dumps(self._collection(name, int(page))).encode()
            case ["m", number] if int(number) in MANIFESTS:
                return 200, json.dumps(self._manifest(int(number))).encode()
            case ["i", name]:
                return 200, picture(name)
            case ["oai"] if self.catalogue:
                return 200, self._oai(query, fault)
        return 404, b"nothing here"

    def _collection(self, name: str, page: int) -> dict[str, Any]:
        items = [
            {"id": f"{self.origin}/m/{member[1:]}", "type": "Manifest"}
            if member.startswith("m")
            else {"id": f"{self.origin}/c/{member}/0", "type": "Collection"}
            for member in self.collections[name][page]
        ]
        value = {"id": f"{self.origin}/c/{name}/{page}", "type": "Collection", "items": items}
        if page + 1 < len(self.collections[name]):
            value["next"] = {"id": f"{self.origin}/c/{name}/{page + 1}", "type": "Collection"}
        return value

    def _manifest(self, number: int) -> dict[str, Any]:
        base = f"{self.origin}/m/{number}"
        canvases = []
        for n in range(self.canvases.get(number, 1)):
            body = {"id": f"{self.origin}/i/{number}-{n}.png", "type": "Image", "format": "image/png"}
            painting = {
                "type": "Annotation",
                "motivation": "painting",
                "body": body,
                "target": f"{base}/c/{n}",
            }
            page = {"type": "AnnotationPage", "items": [painting]}
            canvases.append({"id": f"{base}/c/{n}", "type": "Canvas", "items": [page]})
        title = f"A drawing of a ship, number {number}, seen {self.titles.get(number, 0)} times"
        return {"id": base, "type": "Manifest", "label": {"en": [title]}, "rights": PDM, "items": canvases}

    def _oai(self, query: dict[str, list[str]], fault: Fault | None) -> bytes:
        generation, _, page = query.get("resumptionToken", [f"{self.generation}-0"])[0].partition("-")
        is_bad = int(generation) != self.generation or int(page) >= len(self.catalogue)
        if fault in ("token", "error") or is_bad:
            inner = '<error code="badResumptionToken">The token has expired</error>'
        elif fault == "empty":
            inner = '<error code="noRecordsMatch">Nothing</error>'
        else:
            inner = "".join(map(self._record, self.catalogue[int(page)]))
            if int(page) + 1 < len(self.catalogue):
                inner += f"<resumptionToken>{generation}-{int(page) + 1}</resumptionToken>"
            inner = f"<ListRecords>{inner}</ListRecords>"
        return (
            f'<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
            f'<request verb="ListRecords">{self.origin}/oai</request>{inner}</OAI-PMH>'
        ).encode()

    def _record(self, number: int) -> str:
        if number in self.deleted:
            return (
                f'<record><header status="deleted"><identifier>oai:x:{number}</identifier></header></record>'
            )
        return (
            f"<record><header><identifier>oai:x:{number}</identifier></header><metadata>"
            '<dc xmlns="http://purl.org/dc/elements/1.1/">'
            f"<title>An engraving of a harbour, number {number}</title><rights>{PDM}</rights>"
            f"<identifier>{self.origin}/i/r-{number}.png</identifier></dc></metadata></record>"
        )


def slot(target: str) -> int:
    """Faults are drawn for slots, so that any path of any world may have one."""
    return hashlib.sha256(target.encode()).digest()[0] % 16


def picture(name: str) -> bytes:
    """A small picture of its own for every name."""
    digest = hashlib.sha256(name.encode()).digest()
    image = Image.frombytes("RGB", (4, 2), digest[:24]).resize((24, 20), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


# Generating worlds


def _pages(members: st.SearchStrategy[Any], least: int) -> st.SearchStrategy[list[list[Any]]]:
    page = st.lists(members, min_size=1, max_size=3, unique=True)
    return st.lists(page, min_size=least, max_size=3)


_MEMBERS = st.one_of(
    st.sampled_from([f"m{m}" for m in MANIFESTS]),
    st.sampled_from([name for name in COLLECTIONS if name != "root"]),
)
_FAULTS = st.dictionaries(st.integers(0, 15), st.sampled_from(FAULTS), max_size=6)
_LEAVES = st.sampled_from(
    [f"/m/{m}" for m in MANIFESTS] + [f"/i/{m}-0.png" for m in MANIFESTS] + [f"/i/r-{r}.png" for r in RECORDS]
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """An archive without faults; manifest 6 is always in it, so that no set is empty."""
    world = World(
        collections={name: draw(_pages(_MEMBERS, 1)) for name in COLLECTIONS},
        catalogue=draw(_pages(st.sampled_from(RECORDS), 0)),
        canvases={m: draw(st.integers(1, 2)) for m in draw(st.sets(st.sampled_from(MANIFESTS), max_size=3))},
        titles={m: draw(st.integers(0, 3)) for m in draw(st.sets(st.sampled_from(MANIFESTS), max_size=2))},
        gone=draw(st.frozensets(_LEAVES, max_size=2)) - {"/m/6", "/i/6-0.png"},
        deleted=draw(st.frozensets(st.sampled_from(RECORDS), max_size=1)),
        generation=draw(st.integers(0, 2)),
    )
    world.collections["root"][0].insert(0, "m6")
    return world


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[World, bool]]:
    """Worlds one after the other, each with faults, and whether the harvest then is a refresh or a plain run.

    All have a catalogue or none: the sources of a harvest do not change. No slot has the fault "empty" or
    "404" twice.
    """
    first = draw(worlds())
    rounds = [first]
    for _ in range(draw(st.integers(1, 3))):
        later = draw(st.one_of(st.just(first), worlds()))
        catalogue = (later.catalogue or [[0]]) if first.catalogue else []
        rounds.append(World(**{**vars(later), "catalogue": catalogue}))
    history: list[tuple[World, bool]] = []
    denied: set[int] = set()
    for number, world in enumerate(rounds):
        # A list that held nothing or did not exist in its first reading, and does not in the next one, is
        # accepted as such. No harvest can tell it from a list without entries, or from a dangling link, so
        # here a server makes this mistake only once.
        faults: dict[int, Fault] = {
            place: "500" if fault in ("empty", "404") and place in denied else fault
            for place, fault in draw(_FAULTS).items()
        }
        denied |= {place for place, fault in faults.items() if fault in ("empty", "404")}
        history.append((World(**{**vars(world), "faults": faults}), draw(st.booleans()) and number > 0))
    return history


# Serving worlds from memory


class FakePool:
    """In place of data_prep.network.connections.CheckedPool: answers from `world`, no socket."""

    world: World

    def __init__(self, *_: Any) -> None:
        pass

    async def __aenter__(self) -> FakePool:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def ask(self, request: httpcore2.Request) -> httpcore2.Response:
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        status, body, trouble = self.world.answer(request.url.target.decode(), headers)
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        content = _broken_body(body, trouble) if trouble else body
        length = [] if trouble else [(b"Content-Length", str(len(body)).encode())]
        return httpcore2.Response(status, headers=[*length, (b"ETag", etag.encode())], content=content)


async def _broken_body(body: bytes, trouble: str) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    await asyncio.sleep(0)
    raise httpcore2.ReadTimeout if trouble == "stalled" else httpcore2.RemoteProtocolError("cut off")


class InlineDecoders:
    """In place of data_prep.images.decoders.Decoders: decodes here; starting processes would cost most of a
    test."""

    def __init__(self, wanted: Wanted, _: int) -> None:
        self._wanted = wanted

    async def __aenter__(self) -> InlineDecoders:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def store(
        self, body: bytes, crop: Any = None, crop_space: Any = None, turn: int = 1, tiles: Any = ()
    ) -> StoredImage:
        assert not tiles, "the worlds hold no tile sets"
        return store_image(body, self._wanted, crop, crop_space, turn)
