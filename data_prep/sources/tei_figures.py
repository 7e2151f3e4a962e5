"""Figures and zones of a TEI document: words about a page, a part of it, or a picture of their own.

Source: TEI P5 Guidelines, chapters 11 (`surface`, `zone`, `graphic`, `facs`) and 14 (`figure`, `figDesc`). A
zone is measured in the units of its surface where that states any, else in pixels of its graphic. Whatever
has words and gives no picture is refused with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from data_prep.candidate import Refusal
from data_prep.description.captions import Statement
from data_prep.description.describe import Statements
from data_prep.sources.offers import Image, OfferedPart, service_of
from data_prep.sources.xml_document import (
    Element,
    attribute,
    children,
    descendants,
    language_of,
    local_name,
    text_of,
)
from iconoclip.record import Region

MAX_FIGURES: Final = 5_000
MAX_PARTS_OF_A_PAGE: Final = 500
_WORDS: Final = ("head", "figDesc", "desc")
_CAPTION_CHARS: Final = 200
_PICTURE: Final = re.compile(
    r"illustration|image|figure|picture|miniature|drawing|engraving|photo|initial|ornament|map|diagram|abbildung|bild",
    re.IGNORECASE,
)
_LARGEST: Final = 10_000_000

AddressOf = Callable[[Element, str], str | None]


@dataclass(frozen=True)
class TeiPage:
    """A page of a TEI document with its picture."""

    names: tuple[str, ...]
    """By which notes and figures refer to it: identifiers, and its number."""
    address: str
    label: str
    is_service: bool = False
    """Whether the address is that of an IIIF image service (its info.json, or its base)."""
    surface: Element = None
    size: tuple[int, int] | None = None
    """Width and height of the picture as the document states them: what zones are measured on without a
    surface of stated size."""


@dataclass
class Pictured:
    """What the figures and zones of a document give; pages are named by the address of their picture."""

    words: dict[str, list[Statement]] = field(default_factory=dict)
    parts: dict[str, list[OfferedPart]] = field(default_factory=dict)
    images: list[Image] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class FigureReader:
    """Reads the zones of the pages and the figures of the text.

    Args:
        identifier: of the document, for refusals.
        pages: those that have a picture.
        address_of: gives the address that an attribute of an element holds, or None.
    """

    def __init__(self, identifier: str, pages: Sequence[TeiPage], address_of: AddressOf) -> None:
        self._identifier, self._address_of = identifier, address_of
        self._by_name = {name: page for page in reversed(pages) for name in page.names}
        self._by_address = {page.address: page for page in pages}
        self._zones = {
            name: (page, zone)
            for page in pages
            if page.surface is not None
            for zone in descendants(page.surface, "zone")
            if (name := attribute(zone, "id"))
        }
        self._pages = pages
        self.found = Pictured()

    def read(self, tei: Element) -> Pictured:
        """The words, parts and pictures of all zones and figures, in the order of the document."""
        for page in self._pages:
            for zone in descendants(page.surface, "zone") if page.surface is not None else ():
                self._note_zone(page, zone, words_of(zone))
        for number, (figure, page_break) in enumerate(_figures(tei)):
            if number >= MAX_FIGURES:
                reason = f"more than {MAX_FIGURES} figures; the rest is left out"
                self.found.refusals.append(Refusal(self._identifier, reason))
                break
            self._note_figure(figure, page_break)
        return self.found

    def _note_figure(self, figure: Element, page_break: Element | None) -> None:
        words = words_of(figure)
        addresses = [self._address_of(item, "url") for item in children(figure, "graphic", "media")]
        own = [address for address in addresses if address and address not in self._by_address]
        for address in own:
            self._note_image(address, words)
        if own or not (words or attribute(figure, "facs")):
            return
        shown = [page for address in addresses if (page := self._by_address.get(address or ""))]
        places = (attribute(figure, "facs") or "").split()
        for page in shown:
            self._add_words(page, words)
        for place in places:
            self._note_place(figure, place, words)
        if not shown and not places:
            self._note_on_page(figure, page_break, words)

    def _note_place(self, figure: Element, place: str, words: list[Statement]) -> None:
        """What a figure says of the zone, the page or the picture that its `facs` names."""
        name = place.removeprefix("#")
        if zone := self._zones.get(name):
            self._note_zone(*zone, words or [], is_picture=True)
        elif page := self._by_name.get(name):
            self._add_words(page, words)
        elif not place.startswith("#") and (address := self._address_of(figure, "facs")):
            if page := self._by_address.get(address):
                self._add_words(page, words)
            else:
                self._note_image(address, words)
        else:
            self._refuse(figure, f"a figure of '{place[:80]}', which is no zone or page with a picture")

    def _note_on_page(self, figure: Element, page_break: Element | None, words: list[Statement]) -> None:
        """A figure that names no place is on the page that begins last before it."""
        names = [] if page_break is None else [attribute(page_break, name) for name in ("facs", "id", "n")]
        for name in filter(None, names):
            page = self._by_name.get(name.removeprefix("#"))
            page = page or self._by_address.get(self._address_of(page_break, "facs") or "")
            if page is not None:
                self._add_words(page, words)
                return
        self._refuse(figure, "a figure that is on no page with a picture, and has none of its own")

    def _note_zone(
        self, page: TeiPage, zone: Element, words: list[Statement], *, is_picture: bool = False
    ) -> None:
        is_picture = is_picture or any(
            _PICTURE.search(attribute(zone, name) or "") for name in ("type", "rendition", "subtype")
        )
        graphics = [self._address_of(item, "url") for item in children(zone, "graphic")]
        if own := [address for address in graphics if address and address not in self._by_address]:
            self._note_image(own[0], words)
            return
        if not words and not is_picture:
            return  # a line or a block of text
        box = box_of(zone)
        parts = self.found.parts.setdefault(page.address, [])
        if box is None:
            self._refuse(zone, "a described zone without coordinates")
        elif len(parts) >= MAX_PARTS_OF_A_PAGE:
            self._refuse(zone, f"more than {MAX_PARTS_OF_A_PAGE} described zones on one page")
        else:
            part = _part(box, page, words)
            known = next((one for one in parts if one.region == part.region), None)
            if known is None:
                parts.append(part)
            else:
                known.statements.extend(one for one in words if one not in known.statements)

    def _note_image(self, address: str, words: list[Statement]) -> None:
        known = next((image for image in self.found.images if image.uri == address), None)
        if known is None:
            self.found.images.append(Image(uri=address, service=service_of(address), statements=list(words)))
        else:
            known.statements.extend(one for one in words if one not in known.statements)

    def _add_words(self, page: TeiPage, words: list[Statement]) -> None:
        self.found.words.setdefault(page.address, []).extend(words)

    def _refuse(self, element: Element, reason: str) -> None:
        name = attribute(element, "id")
        self.found.refusals.append(
            Refusal(f"{self._identifier}#{name}" if name else self._identifier, reason)
        )


def words_of(element: Element) -> list[Statement]:
    """What a figure or a zone says of its picture: its heading and its description."""
    statements = Statements()
    holders = [element, *(children(element, "figure") if local_name(element) == "zone" else ())]
    for item in (item for holder in holders for item in children(holder, *_WORDS)):
        text = text_of(item)
        is_short = len(text) <= _CAPTION_CHARS
        label = f"tei:{local_name(item)}"
        statements.add("caption" if is_short else "description", text, language_of(item), label)
    return statements.items


def box_of(zone: Element) -> tuple[float, float, float, float] | None:
    """The rectangle around a zone in the units of its surface: left, top, right, bottom."""
    corners = [_number(attribute(zone, name)) for name in ("ulx", "uly", "lrx", "lry")]
    if None not in corners:
        left, top, right, bottom = (corner for corner in corners if corner is not None)
    else:
        points = [point.split(",") for point in (attribute(zone, "points") or "").split()]
        places = [(_number(point[0]), _number(point[1])) for point in points if len(point) == 2]
        across = [x for x, _ in places if x is not None]
        down = [y for _, y in places if y is not None]
        if len(across) < 2 or len(across) != len(down):
            return None
        left, top, right, bottom = min(across), min(down), max(across), max(down)
    return (left, top, right, bottom) if right > left and bottom > top else None


def _part(box: tuple[float, float, float, float], page: TeiPage, words: list[Statement]) -> OfferedPart:
    """A part of a page's picture, measured from the corner of its surface."""
    surface = box_of(page.surface)
    left, top = (surface[0], surface[1]) if surface else (0.0, 0.0)
    space = (round(surface[2] - left), round(surface[3] - top)) if surface else page.size
    x, y = max(0, round(box[0] - left)), max(0, round(box[1] - top))
    region = Region(x=x, y=y, width=max(1, round(box[2] - left) - x), height=max(1, round(box[3] - top) - y))
    return OfferedPart(region, space, list(words))


def _figures(tei: Element) -> Iterator[tuple[Element, Element | None]]:
    """The figures of the text, each with the page break before it; those of zones are read with these."""
    page_break = None
    for item in descendants(tei, "pb", "figure"):
        if local_name(item) == "pb":
            page_break = item
        elif not _is_in_zone(item):
            yield item, page_break


def _is_in_zone(element: Element) -> bool:
    while element is not None:
        if local_name(element) in ("zone", "surface"):
            return True
        element = element.getparent()
    return False


def _number(text: str | None) -> float | None:
    match = re.fullmatch(r"\s*(-?\d{1,8}(?:\.\d{1,8})?)(?:px)?\s*", text or "")
    return float(match[1]) if match and abs(float(match[1])) < _LARGEST else None
