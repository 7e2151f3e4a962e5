"""TEI: the header of a manuscript description or an edition, with the images of its facsimile.

Source: TEI P5 Guidelines, chapters 2 (header), 10 (manuscript description) and 11 (facsimile).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from data_prep.candidate import ImageService
from data_prep.description import raw
from data_prep.description.describe import Statements
from data_prep.iiif.document import web_address
from data_prep.institutions import InstitutionProfile
from data_prep.sources.offers import CatalogueRecord, Image, OfferedPart, is_other_file, service_of
from data_prep.sources.tei_figures import FigureReader, TeiPage
from data_prep.sources.xml_document import (
    Element,
    attribute,
    child,
    children,
    descendants,
    language_of,
    local_name,
    text_of,
)

MAX_IMAGES: Final = 5_000
MAX_NOTES: Final = 2_000
# The values of `material` that the guidelines suggest.
_MATERIALS: Final = {"perg": "Parchment", "chart": "Paper"}

# A licence of the encoded text does not apply to the images.
_ABOUT_TEXT: Final = re.compile(
    r"\b(?:text|texts|transcription|transkription|encoding|markup|xml|tei|metadata|metadaten|header|description|beschreibung)\b",
    re.IGNORECASE,
)
_ABOUT_IMAGES: Final = re.compile(
    r"image|facsimile|faksimile|picture|photo|bild|scan|digiti[sz]|reproduction", re.IGNORECASE
)
_ARTISTS: Final = re.compile(
    r"artist|illuminat|paint|engrav|draw|photograph|maler|künstler|stecher|ill\b", re.IGNORECASE
)


def tei_record(tei: Element, identifier: str, uri: str, profile: InstitutionProfile) -> CatalogueRecord:
    """The record that a `TEI` element or a bare `teiHeader` describes."""
    header = tei if local_name(tei) == "teiHeader" else next(descendants(tei, "teiHeader"), tei)
    record = CatalogueRecord(identifier)
    described = next(descendants(header, "msDesc"), None)
    _note_titles(header, described, record.statements)
    if described is not None:
        _note_manuscript(described, record)
    _note_people_and_terms(header, described, record.statements)
    record.rights = _rights(header)
    for item in descendants(header, "idno"):
        if address := web_address(text_of(item)):
            record.note_address(address, profile)
    for facsimile in descendants(tei, "facsimile"):
        if address := web_address(attribute(facsimile, "sameAs")):
            record.note_address(address, profile)
    record.images = []
    _note_images(tei, uri, record)
    if record.images:
        record.manifests = []
    return record


def _note_titles(header: Element, described: Element | None, statements: Statements) -> None:
    for statement in descendants(header, "titleStmt"):
        for title in children(statement, "title"):
            statements.add("title", text_of(title), language_of(title), "tei:title")
    if described is not None:
        for summary in descendants(described, "summary"):
            statements.add("description", text_of(summary), language_of(summary), "tei:summary")
        for head in children(described, "head"):
            for title in children(head, "title"):
                statements.add("title", text_of(title), language_of(title), "tei:head")
    for abstract in descendants(header, "abstract"):
        statements.add("description", text_of(abstract), language_of(abstract), "tei:abstract")


def _note_manuscript(described: Element, record: CatalogueRecord) -> None:
    for name in ("repository", "institution"):
        for item in descendants(described, name):
            record.keeper = record.keeper or text_of(item) or None
    for form in descendants(described, "objectType"):
        record.statements.add("type", text_of(form), language_of(form), "tei:objectType")
    for place in descendants(described, "origPlace"):
        record.statements.add("place", text_of(place), language_of(place), "tei:origPlace")
    for support in islice(descendants(described, "supportDesc"), 1):
        stated = _MATERIALS.get(attribute(support, "material") or "")
        for text, language in [(stated, "en")] if stated else _materials(support):
            record.statements.add("technique", text, language, "tei:material")
    for date in descendants(described, "origDate"):
        record.statements.add("date", _date_of(date), None, "tei:origDate")
    for number, note in enumerate(descendants(described, "decoNote")):
        if number < MAX_NOTES and not list(descendants(note, "locus")):
            record.statements.add("description", text_of(note), language_of(note), "tei:decoNote")


def _materials(support: Element) -> list[tuple[str, str | None]]:
    return [(text_of(item), language_of(item)) for item in islice(descendants(support, "material"), 2)]


def _date_of(date: Element) -> str:
    """The interval in numbers where the encoder gave it; what is written is often only "s. XV"."""
    for first, last in (("notBefore", "notAfter"), ("from", "to")):
        start, end = attribute(date, first), attribute(date, last)
        if start and end:
            return f"{start}/{end}"
    return attribute(date, "when") or text_of(date)


def _note_people_and_terms(header: Element, described: Element | None, statements: Statements) -> None:
    for statement in descendants(header, "titleStmt"):
        for author in children(statement, "author"):
            statements.add("creator", text_of(author), None, "tei:author")
    for name in descendants(described, "persName", "name") if described is not None else ():
        if _ARTISTS.search(attribute(name, "role") or ""):
            statements.add("creator", text_of(name), None, "tei:persName")
    if described is not None and not statements.texts("creator"):
        # A manuscript of one author; of several, each wrote a part.
        authors = {text_of(author) for author in descendants(described, "author")}
        for name in authors if len(authors) == 1 else ():
            statements.add("creator", name, None, "tei:author")
    if described is None:
        for source in descendants(header, "sourceDesc"):
            for date in descendants(source, "date"):
                statements.add("date", _date_of(date), None, "tei:date")
    for keywords in descendants(header, "keywords"):
        is_iconclass = "iconclass" in (attribute(keywords, "scheme") or "").casefold()
        for term in descendants(keywords, "term"):
            field = "iconclass" if is_iconclass else "subject"
            statements.add(field, text_of(term), language_of(term), "tei:term")


def _rights(header: Element) -> list[str]:
    found: list[str] = []
    statement = child(header, "fileDesc", "publicationStmt")
    for availability in descendants(header if statement is None else statement, "availability"):
        for licence in children(availability, "licence", "license", "p"):
            text = text_of(licence)
            if _ABOUT_TEXT.search(text) and not _ABOUT_IMAGES.search(text):
                continue
            if stated := web_address(attribute(licence, "target")) or text:
                found.append(stated)
    return list(dict.fromkeys(found))


# Images


def _note_images(tei: Element, uri: str, record: CatalogueRecord) -> None:
    """The graphic of each surface, else those that page breaks name, with what notes and figures say of them;
    then the pictures that figures have of their own."""
    said = _said_of_pages(tei)
    pages = list(islice(_pages(tei, uri), MAX_IMAGES))
    pictured = FigureReader(record.id, pages, lambda item, name: _address(item, name, uri)).read(tei)
    seen: set[str] = set()
    for page in pages:
        if page.address in seen or (is_other_file(page.address) and not page.is_service):
            continue
        seen.add(page.address)
        statements = Statements()
        statements.add(raw.CANVAS_LABEL, page.label, None, "tei:n")
        for text, language in dict.fromkeys(item for name in page.names for item in said.get(name, [])):
            statements.add("caption", text, language, "tei:decoNote")
        statements.items += dict.fromkeys(pictured.words.get(page.address, []))
        record.images.append(_image(page, statements, pictured.parts.get(page.address, [])))
    own = [image for image in pictured.images if image.uri and not is_other_file(image.uri)]
    record.images += own[: max(0, MAX_IMAGES - len(record.images))]
    record.refusals += pictured.refusals


def _image(page: TeiPage, statements: Statements, parts: list[OfferedPart]) -> Image:
    if page.is_service:
        service = ImageService(id=page.address.removesuffix("/info.json").rstrip("/"), version=2)
        return Image(service=service, statements=statements.items, parts=parts)
    return Image(page.address, service_of(page.address), statements=statements.items, parts=parts)


def _pages(tei: Element, uri: str) -> Iterator[TeiPage]:
    breaks: dict[str, list[Element]] = {}
    for item in descendants(tei, "pb"):
        breaks.setdefault(attribute(item, "facs") or "", []).append(item)
    surfaces = [page for item in descendants(tei, "surface") if (page := _surface(item, breaks, uri))]
    yield from surfaces
    for item in descendants(tei, "pb") if not surfaces else ():
        if address := _address(item, "facs", uri):
            names = (attribute(item, "id"), attribute(item, "n"))
            yield TeiPage(tuple(filter(None, names)), address, attribute(item, "n") or "")


def _surface(surface: Element, breaks: dict[str, list[Element]], uri: str) -> TeiPage | None:
    """The page that a surface shows: its largest graphic that is no TIFF, named by whatever refers to it."""
    addressed = [
        (address, item) for item in children(surface, "graphic") if (address := _address(item, "url", uri))
    ]
    if not addressed:
        return None
    name = attribute(surface, "id") or ""
    address, graphic = max(addressed, key=lambda one: (not _is_large(one[1]), _length(one[1], "width")))
    pages = [item for key in (f"#{name}", f"#{attribute(graphic, 'id')}") for item in breaks.get(key, [])]
    label = attribute(surface, "n") or text_of(child(surface, "label"))
    label = label or next((attribute(item, "n") or "" for item in pages), "")
    names = [name, *(attribute(item, "id") or "" for item in (graphic, *pages)), label]
    is_service = (attribute(graphic, "mimeType") or "").endswith("json")
    size = (_length(graphic, "width"), _length(graphic, "height"))
    return TeiPage(
        tuple(filter(None, names)), address, label, is_service, surface, size if all(size) else None
    )


def _is_large(graphic: Element) -> bool:
    return (attribute(graphic, "mimeType") or "").lower() in ("image/tiff", "image/jp2", "image/jpx")


def _address(item: Element, name: str, uri: str) -> str | None:
    text = attribute(item, name) or ""
    base, element = uri if uri.startswith("http") else "", item
    while element is not None:
        if (stated := element.get("{http://www.w3.org/XML/1998/namespace}base")) is not None:
            base = web_address(stated, base) or base
            break
        element = element.getparent()
    return None if text.startswith("#") else web_address(text, base)


def _length(graphic: Element, side: str) -> int:
    """A side of a graphic in pixels; 0 where it is not stated, or in other units."""
    digits = re.fullmatch(r"\s*(\d{1,6})(?:\.0+)?\s*(?:px)?\s*", attribute(graphic, side) or "")
    return int(digits[1]) if digits else 0


def _said_of_pages(tei: Element) -> dict[str, list[tuple[str, str | None]]]:
    """Page -> what notes on decoration and items of the contents say that name one place."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for note in islice(descendants(tei, "decoNote", "msItem"), MAX_NOTES):
        is_item = local_name(note) == "msItem"
        # Items of the contents are nested; each has its own place.
        places = list(children(note, "locus") if is_item else descendants(note, "locus"))
        texts = list(children(note, "title")) if is_item else [note]
        for name in [name for place in places for name in _names_of(place)]:
            for item in texts:
                if text := _without_places(item):
                    found.setdefault(name, []).append((text, language_of(item)))
    return found


def _without_places(note: Element) -> str:
    text = text_of(note)
    for place in descendants(note, "locus"):
        text = text.replace(text_of(place), " ", 1)
    return " ".join(text.split()).strip(" :;,.-()")


def _names_of(place: Element) -> list[str]:
    targets = f"{attribute(place, 'target') or ''} {attribute(place, 'facs') or ''}".split()
    names = [target.lstrip("#") for target in targets if target.startswith("#")]
    first, last = attribute(place, "from"), attribute(place, "to")
    if first and last in (None, first):
        names.append(first)
    return list(dict.fromkeys(names))
