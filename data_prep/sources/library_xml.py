"""The XML formats in which libraries describe digitised objects: METS, MODS, TEI and DIDL. The root element
shows the format.

They come as files, from addresses, and inside the responses of OAI-PMH and SRU. `record_of` reads all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from data_prep.candidate import Found, Refusal
from data_prep.institutions import InstitutionProfile
from data_prep.sources.didl import didl_record
from data_prep.sources.finds import Find, sorted_finds
from data_prep.sources.mets import MetsReader
from data_prep.sources.mods import mods_identifier, mods_record
from data_prep.sources.offers import CatalogueRecord, offers
from data_prep.sources.tei import tei_record
from data_prep.sources.xml_document import Element, attribute, children, descendants, local_name, parse_xml

MAX_RECORDS: Final = 100_000
# Elements that contain several records.
_COLLECTIONS: Final = {"modsCollection": ("mods",), "teiCorpus": ("TEI", "teiCorpus")}

Reader = Callable[[Element, str | None, str, InstitutionProfile], CatalogueRecord | Refusal]


def _mods(element: Element, identifier: str | None, uri: str, profile: InstitutionProfile) -> CatalogueRecord:
    return mods_record(element, identifier or mods_identifier(element) or uri, profile)


def _mets(
    element: Element, identifier: str | None, uri: str, profile: InstitutionProfile
) -> CatalogueRecord | Refusal:
    return MetsReader(element, uri, profile).record(identifier)


_READERS: Final[dict[str, Reader]] = {
    "mets": _mets,
    "mods": _mods,
    "TEI": lambda element, identifier, uri, profile: tei_record(element, identifier or uri, uri, profile),
    "teiHeader": lambda element, identifier, uri, profile: tei_record(
        element, identifier or uri, uri, profile
    ),
    "DIDL": lambda element, identifier, uri, profile: didl_record(element, identifier or uri, profile),
}


def record_of(
    element: Element, identifier: str | None, uri: str, profile: InstitutionProfile
) -> CatalogueRecord | Refusal | None:
    """The record in an element; None if it is none of METS, MODS, TEI and DIDL.

    Args:
        identifier: the identifier in the surrounding response; None for the record's own.
        uri: the address of the document, the base of relative addresses.
    """
    if local_name(element) in _COLLECTIONS:
        element = next(children(element, *_COLLECTIONS[local_name(element)]), element)
    reader = _READERS.get(local_name(element))
    return None if reader is None else reader(element, identifier, uri, profile)


def read_library_xml(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of a document of METS, MODS, TEI or DIDL, and links to the documents of its volumes.

    Never raises.
    """
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return Found(refusals=(root,))
    return sorted_finds(_finds(root, uri, profile))


def _finds(root: Element, uri: str, profile: InstitutionProfile) -> Iterator[Find]:
    inside = _COLLECTIONS.get(local_name(root))
    elements = list(islice(children(root, *inside), MAX_RECORDS)) if inside else [root]
    if inside and not elements:
        yield Refusal(uri, f"an empty {local_name(root)}", "emptied")
    for number, element in enumerate(elements):
        # Several records in one document need different identifiers, even if they have none.
        name = uri if len(elements) == 1 else f"{uri}#record-{number + 1}"
        record = record_of(element, None, name, profile)
        if record is None:
            reason = f"XML, but <{local_name(element)[:60]}>, which is none of METS, MODS, TEI and DIDL"
            yield Refusal(uri, reason, "everything")
        elif isinstance(record, Refusal):
            yield record
        elif _is_without_addresses(record, element, uri):
            reason = (
                "the addresses of its images are relative: harvest the document from its address on the web"
            )
            yield Refusal(record.id, reason)
        else:
            yield from offers(record, profile)


def _is_without_addresses(record: CatalogueRecord, element: Element, uri: str) -> bool:
    """Whether a document in a file names its images by relative addresses, which lead nowhere from there."""
    if uri.startswith(("http://", "https://")) or record.images or record.manifests or record.parts:
        return False
    pointers = descendants(element, "graphic", "FLocat", "pb")
    stated = (attribute(item, name) or "" for item in pointers for name in ("url", "href", "facs"))
    return any(text and not text.startswith("#") for text in stated)
