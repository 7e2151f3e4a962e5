"""The institution's text of a page, over the network: manifest, its canvas, what the canvas points to.

All requests go through the harvest's client, so robots.txt, rate limits and the checks of addresses hold.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from data_prep.candidate import Refusal
from data_prep.iiif.document import MAX_DOCUMENT_BYTES, JsonObject, id_of, objects, parse_object, whole_number
from data_prep.iiif.upgrade import upgrade
from data_prep.network.answers import NotNow, Refused
from data_prep.network.fetch import Fetcher
from data_prep.page_text.annotations import NO_ANNOTATION
from data_prep.page_text.documents import embedded_annotations, mets_address, read_page_text, references
from data_prep.page_text.ranges import canvas_kinds, structure_only
from data_prep.page_text.zones import PageText
from iconoclip.errors import ConfigError
from iconoclip.record import Record

MAX_TEXT_BYTES: Final = 30_000_000
"""Bytes of one page's document; the ALTO of a large newspaper page has some 3 MB."""
MAX_STRUCTURE_BYTES: Final = 100_000_000
_KEPT_MANIFESTS: Final = 4
_SUFFIXES: Final = {"ALTO": ".xml", "PAGE XML": ".xml", "hOCR": ".html", "IIIF annotations": ".json"}


@dataclass(frozen=True)
class FoundText:
    """The text of a page, if there was one, and what could not be used, with the reasons."""

    text: PageText | None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Document:
    """A document about one page as it came, and the ending of the file that may hold it."""

    suffix: str
    body: bytes


class TextFetcher:
    """Fetches the text of pages; remembers the last manifests, because pages come in their order.

    Args:
        fetcher: an open client of the harvest.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._manifests: OrderedDict[str, JsonObject | Refusal] = OrderedDict()

    async def of_record(self, record: Record, size: tuple[int, int]) -> FoundText:
        """What the institution says is written on the page of `record`, in pixels of an image of `size`.

        Nothing is raised for what a server does: a document that cannot be fetched or read is a refusal,
        and the
        next one is tried.
        """
        canvas = await self._canvas(record)
        if not isinstance(canvas, dict):
            return FoundText(None, canvas)
        return await self.of_canvas(canvas, size, base=record.source.manifest or "")

    async def document(self, record: Record, size: tuple[int, int]) -> Document | tuple[Refusal, ...]:
        """The document itself, once it has been read and fits the page's image of `size`."""
        canvas = await self._canvas(record)
        if not isinstance(canvas, dict):
            return canvas
        _, document, refusals = await self._first(canvas, size, record.source.manifest or "")
        return refusals if document is None else document

    async def structure(self, manifest: str) -> bytes | Refusal | None:
        """The METS document that a manifest names, which tells the kinds of pages; None if it names none."""
        found = await self._manifest(manifest)
        if isinstance(found, Refusal):
            # The pages say so too.
            return None
        address = mets_address(found, manifest)
        return None if address is None else await self._body(address, MAX_STRUCTURE_BYTES)

    async def ranges(self, manifest: str) -> bytes | None:
        """The canvases and ranges of a manifest, if their labels tell the kinds of some pages."""
        found = await self._manifest(manifest)
        if isinstance(found, Refusal) or not canvas_kinds(found):
            return None
        return structure_only(found)

    async def of_canvas(self, canvas: JsonObject, size: tuple[int, int], *, base: str) -> FoundText:
        """The same for a canvas of Presentation 3.0 that is at hand; `base` is its manifest's address."""
        text, _, refusals = await self._first(canvas, size, base)
        return FoundText(text, refusals)

    async def _first(
        self, canvas: JsonObject, size: tuple[int, int], base: str
    ) -> tuple[PageText | None, Document | None, tuple[Refusal, ...]]:
        """The first document of a canvas that can be read and belongs to it, and why others cannot."""
        identity = id_of(canvas) or ""
        space = (whole_number(canvas.get("width")), whole_number(canvas.get("height")))
        canvas_size = (space[0], space[1]) if space[0] and space[1] else size
        refusals: list[Refusal] = []
        for reference in references(canvas, base):
            body = await self._body(reference.uri, MAX_TEXT_BYTES)
            if isinstance(body, Refusal):
                refusals.append(body)
                continue
            found = read_page_text(body, reference.uri, size, canvas=identity, canvas_size=canvas_size)
            if isinstance(found, PageText):
                return found, Document(_SUFFIXES[found.format], body), tuple(refusals)
            # A page without a word is no failure of its document.
            if found.reason != NO_ANNOTATION:
                refusals.append(found)
        for embedded in embedded_annotations(canvas):
            body = json.dumps(embedded).encode()
            found = read_page_text(body, identity, size, canvas=identity, canvas_size=canvas_size)
            if isinstance(found, PageText):
                return found, Document(".json", body), tuple(refusals)
        return None, None, tuple(refusals)

    async def _canvas(self, record: Record) -> JsonObject | tuple[Refusal, ...]:
        """The canvas of a record, or the reason why it cannot be downloaded; no reason if its source names
        none."""
        source = record.source
        if source.manifest is None or source.canvas is None:
            return ()
        manifest = await self._manifest(source.manifest)
        if isinstance(manifest, Refusal):
            return (manifest,)
        canvases = objects(manifest.get("items"))
        canvas = next((each for each in canvases if id_of(each) == source.canvas), None)
        return (Refusal(source.canvas, "no longer a canvas of its manifest"),) if canvas is None else canvas

    async def _manifest(self, uri: str) -> JsonObject | Refusal:
        if uri not in self._manifests:
            body = await self._body(uri, MAX_DOCUMENT_BYTES)
            parsed = body if isinstance(body, Refusal) else parse_object(body, uri)
            self._manifests[uri] = parsed if isinstance(parsed, Refusal) else upgrade(parsed)
            while len(self._manifests) > _KEPT_MANIFESTS:
                self._manifests.popitem(last=False)
        return self._manifests[uri]

    async def _body(self, uri: str, max_bytes: int) -> bytes | Refusal:
        try:
            return (await self._fetcher.fetch(uri, wanted="any", max_bytes=max_bytes)).body
        except (Refused, NotNow) as error:
            return Refusal(uri, str(error))
        except ConfigError as error:
            return Refusal(uri, error.what)
