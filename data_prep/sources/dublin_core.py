"""Reads Dublin Core in OAI-PMH and SRU as a catalogue record."""

from __future__ import annotations

from data_prep.description.raw import RECORD_SUBJECT, RECORD_TITLE
from data_prep.institutions import InstitutionProfile
from data_prep.sources.offers import CatalogueRecord, addresses_in
from data_prep.sources.xml_document import Element, attribute, children, language_of, local_name, text_of

# Element of dc, dcterms or dcx (KB) -> field. `created` is the date of the object, `issued` that of the scan.
# `spatial` is a place that the object shows or is about, not where it was made.
_FIELDS = {
    "title": RECORD_TITLE,
    "alternative": "title",
    "description": "description",
    "abstract": "description",
    "subject": RECORD_SUBJECT,
    "spatial": RECORD_SUBJECT,
    "medium": "technique",
    "creator": "creator",
    "date": "date",
    "created": "date",
    "type": "type",
    "language": "text_language",
    "rights": "rights",
    "license": "rights",
    "accessRights": "rights",
    "rightsHolder": "attribution",
    "bibliographicCitation": "ignore",
}
_ADDRESSES = (
    "identifier",
    "relation",
    "source",
    "isReferencedBy",
    "hasFormat",
    "isFormatOf",
    "hasVersion",
    "references",
)
_IMAGES = ("illustration",)


def dublin_core_record(element: Element, identifier: str, profile: InstitutionProfile) -> CatalogueRecord:
    """The record that the Dublin Core elements inside `element` describe."""
    record = CatalogueRecord(identifier)
    for item in children(element):
        _note(item, record, profile)
    return record


def _note(item: Element, record: CatalogueRecord, profile: InstitutionProfile) -> None:
    name = local_name(item)
    text = text_of(item) or attribute(item, "resource") or ""
    if not text:
        return
    if name in _ADDRESSES:
        record.note_address(text, profile)
    elif name in _IMAGES:
        for address in addresses_in(text):
            record.note_image(address)
    elif (field := _FIELDS.get(name, "ignore")) == "rights":
        record.rights.append(text)
    else:
        record.statements.add(field, text, language_of(item), f"dc:{name}")
