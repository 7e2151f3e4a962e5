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
from data_prep.page_text.documents import Reference, embedded_annotations, read_page_text, references
from data_prep.page_text.zones import PageText
from iconoclip.errors import ConfigError
from iconoclip.record import Record

MAX_TEXT_BYTES: Final = 30_000_000
"""Bytes of one page's document; the ALTO of a large newspaper page has some 3 MB."""
_KEPT_MANIFESTS: Final = 4


@dataclass(frozen=True)
class FoundText:
    """The text of a page, if there was one, and what could not be used, with the reasons."""

    text: PageText | None
    refusals: tuple[Refusal, ...] = ()


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
        source = record.source
        if source.manifest is None or source.canvas is None:
            return FoundText(None)
        manifest = await self._manifest(source.manifest)
        if isinstance(manifest, Refusal):
            return FoundText(None, (manifest,))
        canvas = next((each for each in objects(manifest.get("items")) if id_of(each) == source.canvas), None)
        if canvas is None:
            return FoundText(None, (Refusal(source.canvas, "no longer a canvas of its manifest"),))
        return await self.of_canvas(canvas, size, base=source.manifest)

    async def of_canvas(self, canvas: JsonObject, size: tuple[int, int], *, base: str) -> FoundText:
        """The same for a canvas of Presentation 3.0 that is at hand; `base` is its manifest's address."""
        identity = id_of(canvas) or ""
        space = (whole_number(canvas.get("width")), whole_number(canvas.get("height")))
        canvas_size = (space[0], space[1]) if space[0] and space[1] else size
        refusals: list[Refusal] = []
        for reference in references(canvas, base):
            found = await self._read(reference, size, canvas_size, identity)
            if isinstance(found, PageText):
                return FoundText(found, tuple(refusals))
            refusals.append(found)
        for embedded in embedded_annotations(canvas):
            document = json.dumps(embedded).encode()
            found = read_page_text(document, identity, size, canvas=identity, canvas_size=canvas_size)
            if isinstance(found, PageText):
                return FoundText(found, tuple(refusals))
        return FoundText(None, tuple(refusals))

    async def _read(
        self, reference: Reference, size: tuple[int, int], canvas_size: tuple[int, int], canvas: str
    ) -> PageText | Refusal:
        body = await self._body(reference.uri, MAX_TEXT_BYTES)
        if isinstance(body, Refusal):
            return body
        return read_page_text(body, reference.uri, size, canvas=canvas, canvas_size=canvas_size)

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
