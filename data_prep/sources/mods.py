"""Reads MODS, the format of descriptions in METS and of many OAI-PMH and SRU servers, as a catalogue record.

Sources: loc.gov/standards/mods/userguide, and the application profile of German libraries (DFG-Viewer). It
was checked with records of SLUB Dresden, Brown University and the Radboud repository.
"""

from __future__ import annotations

import re
from typing import Final

from data_prep.description import raw
from data_prep.description.describe import Statements
from data_prep.iiif.document import web_address
from data_prep.institutions import InstitutionProfile
from data_prep.sources.offers import CatalogueRecord
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

MAX_ELEMENTS: Final = 500
"""The number of children of one record that are read."""

# Roles of makers, by code and by word (id.loc.gov/vocabulary/relators). A name without a role is a maker.
_MAKERS_TEXT: Final = """
    aut cre art ill egr etr lth pht ctg drm cmp scr ilu wdc arc dsr pmn mte stc ltg prm author creator artist
    illustrator engraver etcher lithographer photographer cartographer draftsman draughtsman painter scribe
    illuminator woodcutter architect designer verfasser künstler stecher zeichner fotograf
    """
_MAKERS: Final = frozenset(_MAKERS_TEXT.split())
_DEPICTED: Final = frozenset(("dpc", "depicted"))
# Dates of the scan, not of the object.
_DIGITAL: Final = re.compile(r"electron|elektron|digiti[sz]|numéri", re.IGNORECASE)
_OPEN_ACCESS: Final = re.compile(
    r"open ?access|c_abf2|unrestricted|uneingeschränkt|public access|\bfree\b", re.IGNORECASE
)
_DATES: Final = ("dateCreated", "dateIssued", "copyrightDate", "dateOther")


def mods_record(mods: Element, identifier: str, profile: InstitutionProfile) -> CatalogueRecord:
    """The record that a `mods` element describes. It has images only if a location names them."""
    record = CatalogueRecord(identifier)
    note_mods(mods, record.statements)
    record.rights = mods_rights(mods)
    for location in children(mods, "location"):
        for url in children(location, "url"):
            record.note_address(text_of(url), profile)
        keeper = text_of(child(location, "physicalLocation"))
        record.keeper = record.keeper or keeper or None
    for item in children(mods, "identifier"):
        if address := web_address(text_of(item)):
            record.note_address(address, profile)
    _note_parts(mods, record, profile)
    return record


def _note_parts(mods: Element, record: CatalogueRecord, profile: InstitutionProfile) -> None:
    """Parts of the object that have a picture of their own: the prints of an album, the plates of a book."""
    for item in children(mods, "relatedItem"):
        if attribute(item, "type") != "constituent":
            continue
        part = CatalogueRecord(record.id)
        for location in children(item, "location"):
            for url in children(location, "url"):
                part.note_address(text_of(url), profile)
        known = {image.uri for image in record.images}
        note_mods(item, part.statements)
        for image in part.images[: MAX_ELEMENTS - len(record.images)]:
            if image.uri not in known:
                image.statements, image.rights = part.statements.items, mods_rights(item)
                record.images.append(image)
        record.manifests += [address for address in part.manifests if address not in record.manifests]


def mods_identifier(mods: Element) -> str | None:
    """The number of the record, with its source: numbers alone are not unique."""
    for info in children(mods, "recordInfo"):
        for item in children(info, "recordIdentifier"):
            if text := text_of(item):
                source = attribute(item, "source")
                return f"{source}:{text}" if source and not web_address(text) else text
    return None


def note_mods(mods: Element, statements: Statements) -> None:
    """Add the statements of a `mods` element about the object itself. Series and originals are left out."""
    for number, item in enumerate(children(mods)):
        if number >= MAX_ELEMENTS:
            return
        name = local_name(item)
        if name == "titleInfo":
            _note_title(item, statements)
        elif name in ("abstract", "tableOfContents"):
            field = "description" if name == "abstract" else "contents"
            statements.add(field, text_of(item), _language(item), f"mods:{name}")
        elif name in ("genre", "typeOfResource"):
            _note_kind(item, statements, name)
        elif name == "subject":
            _note_subject(item, statements)
        elif name == "classification" and "iconclass" in (attribute(item, "authority") or "").casefold():
            statements.add("iconclass", text_of(item), None, "mods:classification")
        elif name == "name":
            _note_name(item, statements)
        elif name == "physicalDescription":
            for form in children(item, "form"):
                if attribute(form, "type") in ("material", "technique", "support", "medium"):
                    statements.add("technique", text_of(form), _language(form), "mods:form")
        elif name == "language":
            for term in children(item, "languageTerm"):
                statements.add("text_language", text_of(term), _language(term), "mods:languageTerm")
        elif name == "originInfo":
            _note_origin(item, statements)


def mods_rights(mods: Element) -> list[str]:
    """The access conditions as rights statements. A restriction of access counts; open access is no
    licence."""
    found: list[str] = []
    for item in children(mods, "accessCondition"):
        address = web_address(attribute(item, "href") or attribute(item, "valueURI"))
        # The wording next to an address repeats it.
        text = address or text_of(item)
        is_about_access = "restriction" in (attribute(item, "type") or "").lower()
        if text and not (is_about_access and _OPEN_ACCESS.search(f"{address or ''} {text_of(item)}")):
            found.append(text)
    return list(dict.fromkeys(found))


def _language(element: Element) -> str | None:
    return attribute(element, "lang") or language_of(element)


def _note_title(item: Element, statements: Statements) -> None:
    if attribute(item, "type") in ("abbreviated", "uniform"):
        return
    title = " ".join(text for name in ("nonSort", "title") if (text := text_of(child(item, name))))
    rest = [
        text
        for name in ("subTitle", "partNumber", "partName")
        for part in children(item, name)
        if (text := text_of(part))
    ]
    text = ". ".join([" : ".join([title, *rest[:1]]) if rest else title, *rest[1:]])
    if title:
        statements.add(raw.RECORD_TITLE, text, _language(item), "mods:titleInfo")


def _note_kind(item: Element, statements: Statements, name: str) -> None:
    text = text_of(item)
    if text and not web_address(text) and not text.startswith("info:"):
        statements.add("type", text, _language(item), f"mods:{name}")


def _note_subject(item: Element, statements: Statements) -> None:
    address = attribute(item, "valueURI") or ""
    is_iconclass = "iconclass" in f"{attribute(item, 'authority') or ''} {address}".casefold()
    parts = [
        text
        for part in children(item)
        if local_name(part) != "cartographics" and (text := _subject_text(part))
    ]
    if is_iconclass or any("iconclass" in (attribute(part, "valueURI") or "") for part in children(item)):
        statements.add("iconclass", address or " ".join(parts), None, "mods:subject")
    for text in parts:
        statements.add(raw.RECORD_SUBJECT, text, _language(item), "mods:subject")


def _subject_text(part: Element) -> str:
    name = local_name(part)
    if name == "name":
        return _name_of(part)
    if name in ("hierarchicalGeographic", "titleInfo"):
        return ", ".join(text for inner in reversed(list(children(part))) if (text := text_of(inner)))
    return text_of(part)


def _note_name(item: Element, statements: Statements) -> None:
    roles = {text_of(term).casefold() for term in descendants(item, "roleTerm")}
    name = _name_of(item)
    if not roles or roles & _MAKERS:
        statements.add("creator", name, None, "mods:name")
    elif roles & _DEPICTED:
        statements.add(raw.RECORD_SUBJECT, name, None, "mods:name")


def _name_of(item: Element) -> str:
    if shown := text_of(child(item, "displayForm")):
        return shown
    parts = {
        attribute(part, "type") or "": text_of(part) for part in reversed(list(children(item, "namePart")))
    }
    both = ", ".join(text for kind in ("family", "given") if (text := parts.get(kind)))
    return both or parts.get("", "")


def _note_origin(item: Element, statements: Statements) -> None:
    about = " ".join(
        [
            attribute(item, "eventType") or "",
            attribute(item, "displayLabel") or "",
            text_of(child(item, "edition")),
        ]
    )
    if _DIGITAL.search(about) or child(item, "dateCaptured") is not None:
        return
    for place in children(item, "place"):
        for term in children(place, "placeTerm"):
            if attribute(term, "type") != "code":
                statements.add("place", text_of(term), _language(term), "mods:place")
    for name in _DATES:
        dates = list(children(item, name))
        start, end = _point(dates, "start"), _point(dates, "end")
        if start and end:
            statements.add("date", f"{start}/{end}", None, f"mods:{name}")
        for date in dates:
            if not attribute(date, "point") or not (start and end):
                statements.add("date", text_of(date), None, f"mods:{name}")


def _point(dates: list[Element], point: str) -> str:
    return next((text_of(date) for date in dates if attribute(date, "point") == point), "")
