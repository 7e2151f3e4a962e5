"""Catalogue records in LIDO and MODS as rows: one row per picture, with the columns that pack expects.

The elements are read as a harvest reads them (data_prep.sources.lido, data_prep.sources.mods). Files that lie
next to the records are named by their file name instead of an address.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.candidate import Refusal
from data_prep.iiif.document import web_address
from data_prep.institutions import GENERIC, InstitutionProfile, load_profile
from data_prep.sources.lido import lido_record
from data_prep.sources.mods import mods_identifier, mods_record
from data_prep.sources.offers import CatalogueRecord
from data_prep.sources.table_config import Columns
from data_prep.sources.tables.rows import Row, Spoken
from data_prep.sources.xml_document import Element, children, descendants, local_name, parse_xml, text_of
from iconoclip.errors import BadInput

MAX_RECORDS: Final = 1_000_000
MAX_FILE_BYTES: Final = 1_000_000_000
_PICTURE_FILE: Final = re.compile(r"[^<>\n]{1,300}\.(?:jpe?g|tiff?|png|jp2|webp|gif|bmp)", re.IGNORECASE)
# What the readers of records call a field that a profile decides on.
_FIELDS: Final = {"record-title": "title", "record-subject": "subject"}
# How pack reads the rows of records.
COLUMNS: Final = Columns(
    file="file",
    id="id",
    group="record",
    captions={
        name: name
        for name in ("title", "caption", "description", "contents", "subject", "person", "place", "technique")
    },
    rights="rights",
    attribution="attribution",
    date="date",
    creators="creator",
    object_type="type",
    iconclass="iconclass",
    homepage="homepage",
    manifest="manifest",
)


def record_rows(paths: Sequence[Path]) -> Iterator[Row | str]:
    """The rows of all records in XML files.

    Raises:
        BadInput: a file is no XML, or holds no record that is read.
    """
    profile = load_profile(GENERIC)
    for path in paths:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput("an XML file of more than 1 GB", where=path, remedy="export it in parts")
        root = parse_xml(path.read_bytes(), str(path))
        if isinstance(root, Refusal):
            raise BadInput(
                f"the records cannot be read: {root.reason}", where=path, remedy="export them again"
            )
        is_empty = True
        for record in _records(root, profile):
            is_empty = False
            yield from _rows(record)
        if is_empty:
            raise BadInput(
                f"XML with <{local_name(root)[:60]}>, and no LIDO or MODS record in it", where=path,
                remedy="LIDO and MODS are read here; `iconoclip harvest` reads METS, TEI and others",
            )  # fmt: skip


def _records(root: Element, profile: InstitutionProfile) -> Iterator[CatalogueRecord]:
    for number, element in enumerate(itertools.islice(_elements(root), MAX_RECORDS), 1):
        if local_name(element) == "lido":
            record = lido_record(element, profile)
            names = [text_of(link) for link in descendants(element, "linkResource")]
            own = _own_number(element, ("lidoRecID", "workID", "recordID"))
        else:
            record = mods_record(element, mods_identifier(element) or "", profile)
            urls = [text_of(url) for place in children(element, "location") for url in children(place, "url")]
            names = [*urls, *(text_of(item) for item in children(element, "identifier"))]
            own = _own_number(element, ("recordIdentifier", "identifier"))
        record.id = own or record.id or f"record {number}"
        for name in names:
            # A file next to the records. An address was noted by the reader already.
            if not web_address(name) and _PICTURE_FILE.fullmatch(name):
                record.note_image(name)
        yield record


def _elements(root: Element) -> Iterator[Element]:
    if local_name(root) in ("lido", "mods"):
        yield root
        return
    found = False
    for element in descendants(root, "lido"):
        found = True
        yield element
    if not found:
        yield from descendants(root, "mods")


def _own_number(element: Element, names: Sequence[str]) -> str | None:
    """The number that the institution itself uses."""
    for name in names:
        for item in descendants(element, name):
            text = text_of(item)
            if text and not _PICTURE_FILE.fullmatch(text):
                return text
    return None


def _rows(record: CatalogueRecord) -> Iterator[Row]:
    row: dict[str, Any] = {"record": record.id, "homepage": record.homepage, "keeper": record.keeper}
    for statement in record.statements.items:
        field = _FIELDS.get(statement.field, statement.field)
        row.setdefault(field, []).append(Spoken(statement.text, statement.language))
    row["rights"] = record.rights or row.get("rights")
    row["manifest"] = next(iter(record.manifests), None)
    files = [image.uri for image in record.images if image.uri]
    if not files:
        yield {**row, "id": record.id}
    for number, file in enumerate(files, 1):
        yield {**row, "id": record.id if number == 1 else f"{record.id}#{number}", "file": file}
