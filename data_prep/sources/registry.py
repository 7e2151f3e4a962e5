"""Selects the reader of a document: by the kind of the link, or by the contents if the user named a
document without its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from data_prep.candidate import Found, Refusal
from data_prep.iiif.annotations import read_annotations
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import InstitutionProfile
from data_prep.ledger.jobs import LinkRow
from data_prep.network.addresses import host_of
from data_prep.sources.address_list import (
    ADDRESS_LIST,
    KIND_OF_SOURCE,
    is_address,
    is_address_list,
    link_to,
    path_of,
    read_address_list,
)
from data_prep.sources.discovery import read_discovery
from data_prep.sources.europeana import read_europeana
from data_prep.sources.library_xml import read_library_xml
from data_prep.sources.lido import read_lido
from data_prep.sources.oai_pmh import read_oai_pmh
from data_prep.sources.packed import unpacked
from data_prep.sources.sru import read_sru
from data_prep.sources.xml_document import MAX_XML_BYTES
from iconoclip.errors import BadInput, MissingRequirement

Reader = Callable[[bytes, str, InstitutionProfile, dict[str, Any] | None], Found]

READERS: Final[dict[str, Reader]] = {
    "presentation": read_presentation,
    "annotations": read_annotations,
    "discovery": read_discovery,
    "oai-pmh": read_oai_pmh,
    "sru": read_sru,
    "europeana": read_europeana,
    "lido": read_lido,
    "library-xml": read_library_xml,
    ADDRESS_LIST: read_address_list,
}
# The kinds that list records or further pages. An IIIF document states in its type
# whether it is a Collection.
LISTS: Final = frozenset({"annotations", "oai-pmh", "sru", "europeana", "lido", ADDRESS_LIST})
# The kind of a document before its contents are known.
UNKNOWN: Final = "unknown"

# Searched for at the start of a document, in this order.
_LOOKS: Final[tuple[tuple[str, re.Pattern[bytes]], ...]] = (
    ("oai-pmh", re.compile(rb"<(?:\w+:)?(?:OAI-PMH|dc)[\s>]")),
    ("sru", re.compile(rb"<(?:\w+:)?searchRetrieveResponse[\s>]")),
    ("lido", re.compile(rb"<(?:\w+:)?lido(?:Wrap)?[\s>]")),
    (
        "library-xml",
        re.compile(rb"<(?:\w+:)?(?:mets|mods|modsCollection|TEI|teiCorpus|teiHeader|DIDL)[\s>]"),
    ),
    (
        "europeana",
        re.compile(rb"<rdf:RDF[\s>]|\"apikey\"\s*:|\"itemsCount\"\s*:|\"object\"\s*:\s*\{\s*\"about\""),
    ),
    ("discovery", re.compile(rb"\"@?type\"\s*:\s*\"OrderedCollection(?:Page)?\"")),
    (
        "annotations",
        re.compile(
            rb"\"@?type\"\s*:\s*(?:\[\s*)?\"(?:sc:AnnotationList|AnnotationPage|AnnotationCollection)\""
        ),
    ),
)
_TYPE: Final = re.compile(rb"\"@?type\"\s*:\s*(?:\[\s*)?\"([A-Za-z:]+)\"")
_LOOK_BYTES: Final = 65_536


def read(kind: str, body: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any]) -> Found:
    """Everything that a document contains, compressed with gzip or not. An unknown kind is detected from its
    contents.

    A document on which a reader fails must not end a harvest of a million documents: it
    is refused with a reason.
    """
    plain = unpacked(body, uri, MAX_XML_BYTES)
    if isinstance(plain, Refusal):
        return Found(refusals=(plain,))
    body = plain
    if not body.strip():
        return Found(refusals=(Refusal(uri, "the document is empty", "everything"),))
    name = look(body) if kind == UNKNOWN else kind
    try:
        found = READERS[name](body, uri, profile, context or None)
        return replace(found, is_list=True) if name in LISTS else found
    except Exception as error:
        reason = f"a bug in the {name} reader, please report this document: {type(error).__name__}: {error}"
        return Found(refusals=(Refusal(uri, reason[:500], "everything"),))


def look(body: bytes) -> str:
    """The kind of a document, from its first 64 KiB; a presentation document if nothing else fits."""
    start = body[:_LOOK_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        # One format may be inside another: the first one found is that of the document.
        found = [(match.start(), kind) for kind, pattern in _LOOKS[:5] if (match := pattern.search(start))]
        return min(found)[1] if found else "presentation"
    for kind, pattern in _LOOKS[4:]:
        match = pattern.search(start)
        # A manifest may embed annotation pages, so the type that comes first in the document counts.
        if match and (kind != "annotations" or _first_type(start) == match.start()):
            return kind
    return "presentation"


def _first_type(start: bytes) -> int:
    match = _TYPE.search(start)
    return match.start() if match else -1


def roots(sources: Iterable[str], source: str) -> list[LinkRow]:
    """The documents that the user's arguments name, in their order; a folder means all files below it, and a
    list of addresses is one document.

    Raises:
        MissingRequirement: no such file or folder.
        BadInput: a folder without files.
    """
    kind = KIND_OF_SOURCE.get(source, source)
    found: list[LinkRow] = []
    for text in sources:
        if is_address(text):
            link = link_to(text, source)
            found.append(LinkRow(link.uri, link.kind, host_of(link.uri)))
        elif (path := path_of(text)).is_file() and is_address_list(path):
            context = {} if source == "auto" else {"source": source}
            found.append(LinkRow(str(path), ADDRESS_LIST, context=context))
        else:
            found += [LinkRow(str(file), kind) for file in files_of(path)]
    return found


def files_of(path: Path) -> list[Path]:
    """The file itself, or every file below a folder in the order of their paths; hidden ones are left out."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MissingRequirement(
            "no such file or folder, and no http(s) address", where=path, remedy="check the path"
        )
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not files:
        raise BadInput("the folder holds no files", where=path, remedy="check the path")
    return files
