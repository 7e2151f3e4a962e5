"""Reads MPEG-21 DIDL, in which OAI-PMH servers of libraries wrap objects: nested items with metadata and
files.

Sources: ISO/IEC 21000-2 and two profiles: that of the KB (Delpher: one item per page, metadata in `dcx`) and
that of the Dutch repositories (metadata in MODS). The structure was checked with records of the Radboud
repository and with programs that read Delpher. The resources of a component are the same thing in several
forms; the components of an item are its parts.
"""

from __future__ import annotations

import re
from typing import Final

from data_prep.description.describe import Statements
from data_prep.iiif.document import web_address
from data_prep.institutions import InstitutionProfile
from data_prep.sources.dublin_core import dublin_core_record
from data_prep.sources.mods import mods_record
from data_prep.sources.offers import CatalogueRecord, Image, is_image, service_of
from data_prep.sources.xml_document import Element, attribute, children, descendants, local_name, text_of

MAX_IMAGES: Final = 5_000
_MAX_DEPTH: Final = 16
_SMALL: Final = re.compile(r"thumb|preview|icon", re.IGNORECASE)
_DUBLIN_CORE: Final = ("dc", "dcx", "qualifieddc", "simpledc")
_DC_ELEMENT: Final = "{http://purl.org/dc/elements/1.1/}"
_TERMS: Final = ("accessRights", "license", "rights")
# Open access permits reading. It is not a licence.
_OPEN: Final = re.compile(r"accessRights/OpenAccess|openAccess\b", re.IGNORECASE)


def didl_record(didl: Element, identifier: str, profile: InstitutionProfile) -> CatalogueRecord:
    """The record of a `DIDL`: the outermost item's metadata, and the images of all items with their own."""
    record = CatalogueRecord(identifier)
    for item in children(didl, "Item"):
        _note_item(item, record, profile, Statements(), [], 0)
    if record.images:
        record.manifests = []
    return record


def _note_item(
    item: Element,
    record: CatalogueRecord,
    profile: InstitutionProfile,
    around: Statements,
    rights: list[str],
    depth: int,
) -> None:
    """Add an item's metadata to the record; if the item is a part with pictures, to the pictures instead."""
    if depth > _MAX_DEPTH:
        return
    own, own_rights = Statements(list(around.items)), list(rights)
    files: list[str] = []
    for part in children(item, "Descriptor", "Component"):
        described = _described(part, record.id, profile)
        for one in described:
            own.items += one.statements.items
            own_rights += one.rights
            record.manifests += [address for address in one.manifests if address not in record.manifests]
            record.homepage = record.homepage or one.homepage
        if local_name(part) == "Component" and (address := _file_of(part)):
            files.append(address)
    inner = list(children(item, "Item"))
    if depth == 0 or (not files and not _has_files(item)):
        # The metadata of the whole object: from the outermost item, or from one without files.
        record.statements.items += own.items[len(around.items) :]
        record.rights += own_rights[len(rights) :]
        own, own_rights = Statements(), []
    for address in files:
        if len(record.images) < MAX_IMAGES:
            record.images.append(
                Image(uri=address, service=service_of(address), rights=own_rights, statements=own.items)
            )
    for part in inner:
        _note_item(part, record, profile, own, own_rights, depth + 1)


def _has_files(item: Element) -> bool:
    return any(_file_of(component) for component in descendants(item, "Component"))


def _described(part: Element, identifier: str, profile: InstitutionProfile) -> list[CatalogueRecord]:
    """The metadata records in a descriptor or a component, and single terms of rights."""
    found = [mods_record(mods, identifier, profile) for mods in descendants(part, "mods")]
    found += [dublin_core_record(item, identifier, profile) for item in part.iter() if _is_dublin_core(item)]
    for statement in descendants(part, "Statement"):
        for item in children(statement, *_TERMS):
            text = text_of(item)
            if text and not _OPEN.search(text):
                record = CatalogueRecord(identifier)
                record.rights.append(text)
                found.append(record)
    return found


def _is_dublin_core(item: Element) -> bool:
    """Whether an element wraps Dublin Core: by its name (`dc`, `dcx`), or by what is in it (`srw_dc`)."""
    name = local_name(item)
    is_known = name in _DUBLIN_CORE
    return is_known or (
        name != "Statement" and any(one.tag.startswith(_DC_ELEMENT) for one in children(item))
    )


def _file_of(component: Element) -> str | None:
    """The address of a component's picture. A JPEG is preferred to other forms; thumbnails are ignored."""
    name = " ".join(value for key, value in component.attrib.items() if key.endswith("identifier"))
    if _SMALL.search(name):
        return None
    found: list[tuple[bool, str]] = []
    for resource in children(component, "Resource"):
        address = web_address(attribute(resource, "ref"))
        media_type = (attribute(resource, "mimeType") or "").lower()
        is_picture = media_type.startswith("image/") or (not media_type and address and is_image(address))
        if address and is_picture and not _SMALL.search(address.rpartition("/")[2]):
            found.append((media_type not in ("image/jpeg", "image/jpg", "image/png"), address))
    return min(found)[1] if found else None
