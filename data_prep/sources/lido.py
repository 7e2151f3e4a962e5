"""LIDO records (Lightweight Information Describing Objects, 1.0 and 1.1)."""

from __future__ import annotations

import re
from typing import Any

from data_prep.candidate import Found, Refusal
from data_prep.iiif.document import web_address
from data_prep.institutions import InstitutionProfile
from data_prep.sources.finds import sorted_finds
from data_prep.sources.offers import CatalogueRecord, manifest_in, offers
from data_prep.sources.xml_document import (
    Element,
    attribute,
    child,
    children,
    descendants,
    language_of,
    local_name,
    parse_xml,
    text_of,
)

MAX_RECORDS = 100_000

# Events of making, by their number in the LIDO terminology and by the words that institutions write.
_MAKING = (
    "lido00007",
    "lido00012",
    "production",
    "creation",
    "herstellung",
    "entwurf",
    "design",
    "lido00224",
)
# "Copy after": the maker of the original did not make this object.
_AFTER = re.compile(
    r"\b(?:after|nach|d'après|naar|efter|dopo|según|model|vorlage|förlaga|förebild)", re.IGNORECASE
)
# Representations from the largest to the smallest.
_SIZES = (
    "image_master",
    "image_large",
    "image_full",
    "image",
    "",
    "image_medium",
    "image_small",
    "image_thumb",
    "image_thumbnail",
)


def read_lido(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of a LIDO document. Never raises."""
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return Found(refusals=(root,))
    records = [root] if local_name(root) == "lido" else list(descendants(root, "lido"))
    if not records:
        return Found(
            refusals=(
                Refusal(uri, f"XML, but <{local_name(root)[:60]}> without a LIDO record", "everything"),
            )
        )
    return sorted_finds(
        find for item in records[:MAX_RECORDS] for find in offers(lido_record(item, profile, uri), profile)
    )


def lido_record(lido: Element, profile: InstitutionProfile, uri: str = "") -> CatalogueRecord:
    """The record in a `lido` element."""
    record = CatalogueRecord(_identity(lido) or uri or "a LIDO record without an identifier")
    _note_object(lido, record)
    _note_subjects(lido, record)
    _note_making(lido, record)
    _note_resources(lido, record, profile)
    for item in descendants(lido, "recordInfoLink"):
        record.homepage = record.homepage or web_address(text_of(item))
    return record


def _identity(lido: Element) -> str | None:
    """The record's number, made unique by the institution: in some exports, `lidoRecID` is a placeholder."""
    keeper = next((text_of(item) for item in descendants(lido, "repositoryName") if text_of(item)), "")
    published = next(
        (text for item in children(lido, "objectPublishedID") if (text := web_address(text_of(item)))), None
    )
    record_number = next((text for item in descendants(lido, "recordID") if (text := text_of(item))), None)
    recorded = next((text for item in children(lido, "lidoRecID") if (text := text_of(item))), None)
    if published:
        return published
    if record_number:
        return f"lido:{keeper[:100]}:{record_number}"
    return recorded


def _note_object(lido: Element, record: CatalogueRecord) -> None:
    for title_set in descendants(lido, "titleSet"):
        for value in children(title_set, "appellationValue"):
            record.statements.add("title", text_of(value), language_of(value), "appellationValue")
    for kind in descendants(lido, "objectWorkType"):
        for term in children(kind, "term"):
            record.statements.add("type", text_of(term), language_of(term), "objectWorkType")
    for note in descendants(lido, "descriptiveNoteValue"):
        record.statements.add("description", text_of(note), language_of(note), "descriptiveNoteValue")
    for name in descendants(lido, "repositoryName"):
        for value in descendants(name, "appellationValue"):
            record.keeper = record.keeper or text_of(value) or None
    for line in descendants(lido, "creditLine"):
        record.statements.add("attribution", text_of(line), language_of(line), "creditLine")


def _note_subjects(lido: Element, record: CatalogueRecord) -> None:
    for subject in descendants(lido, "subjectSet"):
        for shown in children(subject, "displaySubject"):
            record.statements.add("caption", text_of(shown), language_of(shown), "displaySubject")
        for concept in descendants(subject, "subjectConcept"):
            for identity in children(concept, "conceptID"):
                source = (attribute(identity, "source") or "").casefold()
                if "iconclass" in source or "iconclass" in text_of(identity).casefold():
                    record.statements.add("iconclass", text_of(identity), label="conceptID")
            for term in children(concept, "term"):
                record.statements.add("subject", text_of(term), language_of(term), "subjectConcept")
        for name in descendants(subject, "subjectActor", "subjectPlace", "subjectObject"):
            for value in descendants(name, "appellationValue", "displayActorInRole", "displayPlace"):
                record.statements.add("subject", text_of(value), language_of(value), local_name(name))


def _note_making(lido: Element, record: CatalogueRecord) -> None:
    for event in descendants(lido, "event"):
        kind = text_of(child(event, "eventType")).casefold()
        if not any(word in kind for word in _MAKING):
            continue
        for actor in descendants(event, "eventActor"):
            if any(_AFTER.search(text_of(role)) for role in descendants(actor, "roleActor")):
                continue
            for value in descendants(actor, "nameActorSet"):
                record.statements.add(
                    "creator", text_of(child(value, "appellationValue")), None, "eventActor"
                )
        _note_circumstances(event, record)
        for date in children(event, "eventDate"):
            for shown in children(date, "displayDate"):
                record.statements.add("date", text_of(shown), language_of(shown), "displayDate")
            earliest, latest = (
                text_of(child(date, "date", "earliestDate")),
                text_of(child(date, "date", "latestDate")),
            )
            if earliest or latest:
                span = f"{earliest or latest}/{latest or earliest}"
                record.statements.add("date", span, None, "eventDate")


def _note_circumstances(event: Element, record: CatalogueRecord) -> None:
    """Technique, material and place: the words to display, else the terms of a thesaurus."""
    for part in descendants(event, "eventMaterialsTech"):
        shown = list(children(part, "displayMaterialsTech"))
        terms = [term for one in descendants(part, "termMaterialsTech") for term in children(one, "term")]
        for value in shown if any(map(text_of, shown)) else terms:
            record.statements.add("technique", text_of(value), language_of(value), "eventMaterialsTech")
    for place in children(event, "eventPlace"):
        shown = list(children(place, "displayPlace"))
        names = [] if any(map(text_of, shown)) else list(descendants(place, "appellationValue"))[:1]
        for value in (*shown, *names):
            record.statements.add("place", text_of(value), language_of(value), "eventPlace")


def _note_resources(lido: Element, record: CatalogueRecord, profile: InstitutionProfile) -> None:
    """Images and their rights. The rights of the record (`recordRights`) are those of
    its text, not of the image.
    """
    for resource in descendants(lido, "resourceSet"):
        found: list[tuple[int, str]] = []
        for representation in children(resource, "resourceRepresentation"):
            kind = (attribute(representation, "type") or "").rpartition("/")[2]
            rank = _SIZES.index(kind) if kind in _SIZES else _SIZES.index("")
            for link in children(representation, "linkResource"):
                address = web_address(text_of(link))
                if address and (manifest := manifest_in(address, profile)):
                    record.manifests.append(manifest)
                elif address:
                    found.append((rank, address))
        if found:
            record.note_image(min(found)[1])
        record.rights += _rights(resource, "rightsResource")
    if not record.rights:
        record.rights = _rights(lido, "rightsWorkSet")


def _rights(element: Element, name: str) -> list[str]:
    found = [
        text
        for rights in descendants(element, name)
        for kind in descendants(rights, "rightsType")
        for part in children(kind, "conceptID", "term")
        if (text := text_of(part))
    ]
    return list(dict.fromkeys(found))
