"""Reads METS: the files of a digitised object in the order of its pages, each with its texts from the
structure.

Source: loc.gov/standards/mets; the DFG-Viewer's application profile (dfg-viewer.de/profil-der-metadaten: file
groups by purpose, a physical and a logical structMap joined by structLink, rights in `dv:rights`); the
Library of Congress's profiles (one structMap with the files, groups `service`, `reference` and `master`,
rights in MODS or in a RightsDeclaration). It was checked with files of Kitodo and Goobi (SLUB Dresden,
Wellcome), MyCoRe (Jena) and the digitisation tools of SUB Göttingen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from data_prep.candidate import Refusal
from data_prep.description import raw
from data_prep.description.captions import Statement
from data_prep.description.describe import Statements
from data_prep.iiif.document import web_address
from data_prep.institutions import InstitutionProfile
from data_prep.sources.dublin_core import dublin_core_record
from data_prep.sources.mods import mods_identifier, mods_record, mods_rights, note_mods
from data_prep.sources.offers import CatalogueRecord, Image, OfferedPart, is_image, is_other_file, service_of
from data_prep.sources.xml_document import Element, attribute, children, descendants, local_name, text_of
from iconoclip.record import Region

MAX_PAGES: Final = 5_000
MAX_PARTS: Final = 5_000
# A heading of more pages than this describes none of them well (as in data_prep.iiif.ranges).
MAX_PAGES_OF_HEADING: Final = 4
_MAX_DEPTH: Final = 64

# Groups of files in order of preference: files for the screen, then larger ones.
_GROUPS: Final = (
    "DEFAULT", "MAX", "PRESENTATION", "HIGH", "SERVICE", "REFERENCE", "REFERENCE IMAGE", "ACCESS", "OBJECTS",
    "IMAGE", "IMAGES", "VIEW", "DISPLAY", "MEDIUM", "LARGE", "", "ORIGINAL", "MIN",
)  # fmt: skip
_MASTERS: Final = re.compile(r"MASTER|ARCHIVE|PRESERVATION", re.IGNORECASE)
_NO_PICTURES: Final = re.compile(
    r"THUMB|FULLTEXT|OCR|ALTO|TEXT|DOWNLOAD|PDF|TEASER|AUDIO|VIDEO|WAVEFORM|TEI|ICON", re.IGNORECASE
)
# Structures that are pictures: their label describes the picture.
_PICTURES: Final = re.compile(
    r"illustration|figure|image|picture|map|plan|photograph|engrav|print|plate|drawing|miniature|ornament",
    re.IGNORECASE,
)
# The codes of dv:license that mean one statement.
_DV_LICENCES: Final = {
    "pdm": "https://creativecommons.org/publicdomain/mark/1.0/",
    "cc0": "https://creativecommons.org/publicdomain/zero/1.0/",
}


@dataclass(frozen=True)
class _File:
    address: str
    group: str
    media_type: str


@dataclass(frozen=True)
class _Page:
    id: str
    labels: tuple[tuple[str, str], ...]
    """Attribute and text, as ORDERLABEL and `12r`."""
    descriptions: tuple[str, ...]
    files: tuple[_File, ...]


class MetsReader:
    """Reads one METS document.

    Args:
        mets: the root element.
        uri: the address of the document, the base of relative addresses.
        profile: the profile of the institution.
    """

    def __init__(self, mets: Element, uri: str, profile: InstitutionProfile) -> None:
        self._mets, self._uri, self._profile = mets, uri, profile
        self._base = uri if uri.startswith(("http://", "https://")) else ""
        self._sections = {attribute(item, "ID") or "": item for item in children(mets, "dmdSec")}
        self._files = {identity: file for identity, file in _files(mets, self._base) if identity}

    def record(self, identifier: str | None = None) -> CatalogueRecord | Refusal:
        """The record with its images in the order of the pages.

        Args:
            identifier: the identifier of the OAI-PMH header; default: the record's own."""
        main = self._main_description()
        own = attribute(self._mets, "OBJID") or (mods_identifier(main) if main is not None else None)
        record = CatalogueRecord(identifier or own or self._uri)
        if main is not None:
            record = mods_record(main, record.id, self._profile)
        elif (dublin_core := self._dublin_core()) is not None:
            record = dublin_core_record(dublin_core, record.id, self._profile)
        if self._sections:
            # The addresses in the catalogue do not lead to the digitised object; its files do.
            record.images = []
        self._note_administration(record)
        pages = self._pages()
        if len(pages) > MAX_PAGES:
            return Refusal(record.id, f"METS of more than {MAX_PAGES} pages")
        said = self._said_of_pages()
        areas = self._areas(pages, record)
        for page in pages:
            if (file := _best(page.files)) is not None:
                image = self._image(file, page, said.get(page.id, []))
                image.parts = areas.get(file.address, [])
                record.images.append(image)
        if record.images:
            record.manifests = []
        else:
            record.parts = list(self._parts())
            record.kind = "METS whose file groups hold no pictures" if self._files else "METS without files"
        return record

    # Descriptions

    def _description(self, identity: str) -> Element | None:
        section = self._sections.get(identity)
        return None if section is None else next(descendants(section, "mods"), None)

    def _dublin_core(self) -> Element | None:
        """Dublin Core instead of MODS, with or without an element around it."""
        for section in self._sections.values():
            for data in descendants(section, "xmlData"):
                found = next(descendants(data, "dc", "qualifieddc", "simpledc"), data)
                if next(children(found, "title", "identifier"), None) is not None:
                    return found
        return None

    def _main_description(self) -> Element | None:
        """The description of the topmost logical structure that has one, otherwise the first one."""
        for div in self._divs("LOGICAL"):
            for identity in (attribute(div, "DMDID") or "").split():
                if (mods := self._description(identity)) is not None:
                    return mods
        found = (self._description(identity) for identity in self._sections)
        return next((mods for mods in found if mods is not None), None)

    def _note_administration(self, record: CatalogueRecord) -> None:
        for rights in descendants(self._mets, "rights"):
            for item in children(rights):
                name, text = local_name(item), text_of(item)
                if name == "license" and text:
                    record.rights.append(_DV_LICENCES.get(text.casefold(), text))
                elif name == "owner" and text:
                    record.keeper = record.keeper or text
                    record.statements.add("attribution", text, None, "dv:owner")
        for declaration in descendants(self._mets, "RightsDeclaration"):
            text = attribute(declaration, "RIGHTSCATEGORY") or text_of(declaration)
            if text and not record.rights:
                record.rights.append(text)
        record.rights = list(dict.fromkeys(record.rights))
        for links in descendants(self._mets, "links"):
            for item in children(links):
                address = web_address(text_of(item))
                if address and local_name(item) == "iiif":
                    record.manifests.append(address)
                elif address and local_name(item) == "presentation":
                    record.homepage = record.homepage or address

    # Structure

    def _divs(self, kind: str) -> Iterator[Element]:
        """All divs of the structMaps of a kind, depth first."""
        for structure in children(self._mets, "structMap"):
            if (attribute(structure, "TYPE") or "").upper() == kind:
                yield from descendants(structure, "div")

    def _pages(self) -> list[_Page]:
        divs = [div for div in self._divs("PHYSICAL") if self._files_of(div)]
        if not divs:
            # Records of the Library of Congress have one structure, others have none: then the files' order
            # counts.
            divs = [div for div in descendants(self._mets, "div") if self._files_of(div)]
            if not divs:
                return [_Page("", (), (), (file,)) for file in self._alone()]
        places = [(_order(div), number) for number, div in enumerate(divs)]
        ordered = [divs[number] for _, number in sorted(places)]
        return [self._page(div) for div in ordered]

    def _alone(self) -> list[_File]:
        """The files of the best group, used if no structure orders them."""
        best = _best(tuple(self._files.values()))
        return [file for file in self._files.values() if best is not None and file.group == best.group]

    def _page(self, div: Element) -> _Page:
        labels = tuple((name, text) for name in ("LABEL", "ORDERLABEL") if (text := attribute(div, name)))
        return _Page(
            attribute(div, "ID") or "",
            labels,
            tuple((attribute(div, "DMDID") or "").split()),
            self._files_of(div),
        )

    def _files_of(self, div: Element) -> tuple[_File, ...]:
        names = [
            attribute(item, "FILEID") or ""
            for pointer in children(div, "fptr")
            for item in (pointer, *descendants(pointer, "area"))
        ]
        return tuple(self._files[name] for name in dict.fromkeys(names) if name in self._files)

    def _said_of_pages(self) -> dict[str, list[Statement]]:
        """Page -> the texts of logical structures that are linked to it and cover only a few pages."""
        pages_of: dict[str, list[str]] = {}
        for link in descendants(self._mets, "smLink"):
            pages_of.setdefault(attribute(link, "from") or "", []).append(attribute(link, "to") or "")
        of_file = self._pages_of_files()
        found: dict[str, list[Statement]] = {}
        for div in self._divs("LOGICAL"):
            linked = pages_of.get(attribute(div, "ID") or "", [])
            # Where a text has layout, its structures name blocks in the files of a page.
            linked += [of_file[name] for name, area in _named_files(div) if name in of_file and area is None]
            pages = list(dict.fromkeys(linked))
            is_whole = local_name(div.getparent()) == "structMap"
            if is_whole or not 0 < len(pages) <= MAX_PAGES_OF_HEADING:
                continue
            said = self._said_by(div)
            for page in pages:
                found.setdefault(page, []).extend(said)
        return found

    def _pages_of_files(self) -> dict[str, str]:
        """File of any kind -> the page that it is of."""
        return {
            name: attribute(div, "ID") or ""
            for div in self._divs("PHYSICAL")
            for name, _ in _named_files(div)
        }

    def _areas(self, pages: list[_Page], record: CatalogueRecord) -> dict[str, list[OfferedPart]]:
        """Address of a picture -> the parts of it that structures describe; others are refused."""
        shown = {file.address for page in pages if (file := _best(page.files)) is not None}
        found: dict[str, list[OfferedPart]] = {}
        for div in islice(self._divs("LOGICAL"), MAX_PARTS):
            for name, box in _named_files(div):
                file = self._files.get(name)
                if box is None or file is None:
                    continue
                said = self._said_by(div)
                if not said and not _PICTURES.search(attribute(div, "TYPE") or ""):
                    continue  # a column, a paragraph
                if file.address in shown:
                    found.setdefault(file.address, []).append(OfferedPart(box, None, said))
                else:
                    reason = "a part of a page that is measured on another file than the one that is read"
                    record.refusals.append(Refusal(f"{record.id}#{attribute(div, 'ID') or name}", reason))
        return found

    def _said_by(self, div: Element) -> list[Statement]:
        kind = attribute(div, "TYPE") or ""
        field = "caption" if _PICTURES.search(kind) else "contents"
        statements = Statements()
        statements.add(field, attribute(div, "LABEL") or "", None, f"mets:{kind or 'div'}")
        for identity in (attribute(div, "DMDID") or "").split():
            if (mods := self._description(identity)) is not None:
                note_mods(mods, statements)
        return statements.items

    def _parts(self) -> Iterator[str]:
        """Addresses of the METS documents of a work's volumes."""
        for number, pointer in enumerate(descendants(self._mets, "mptr")):
            if number >= MAX_PARTS:
                return
            if address := web_address(attribute(pointer, "href"), self._base):
                yield address

    def _image(self, file: _File, page: _Page, said: list[Statement]) -> Image:
        statements = Statements()
        for name, text in page.labels:
            statements.add(raw.CANVAS_LABEL, text, None, f"mets:{name}")
        rights: list[str] = []
        for identity in page.descriptions:
            if (mods := self._description(identity)) is not None:
                note_mods(mods, statements)
                rights += mods_rights(mods)
        return Image(
            uri=file.address,
            service=service_of(file.address),
            rights=rights,
            statements=[*statements.items, *said],
        )


def _named_files(div: Element) -> Iterator[tuple[str, Region | None]]:
    """The files that a div points to, each with the rectangle that an `area` measures on it."""
    for pointer in children(div, "fptr"):
        areas = list(descendants(pointer, "area"))
        for item in areas or (pointer,):
            if name := attribute(item, "FILEID"):
                yield name, _box_of(item)


def _box_of(area: Element) -> Region | None:
    """The rectangle around an area, which is one itself, a circle, or a polygon (HTML's image maps)."""
    numbers = re.findall(r"\d{1,7}(?:\.\d+)?", attribute(area, "COORDS") or "")
    values = [float(number) for number in numbers]
    if (attribute(area, "SHAPE") or "").upper() == "CIRCLE" and len(values) == 3:
        x, y, radius = values
        values = [max(0.0, x - radius), max(0.0, y - radius), x + radius, y + radius]
    if len(values) < 4 or len(values) % 2:
        return None
    left, right, top, bottom = min(values[::2]), max(values[::2]), min(values[1::2]), max(values[1::2])
    if right - left < 1 or bottom - top < 1:
        return None
    x, y = round(left), round(top)
    return Region(x=x, y=y, width=round(right) - x, height=round(bottom) - y)


def _order(div: Element) -> float:
    """The ORDER of a div and of its ancestors; the outermost counts first."""
    orders: list[int] = []
    while div is not None and local_name(div) == "div" and len(orders) < _MAX_DEPTH:
        text = attribute(div, "ORDER") or ""
        orders.append(int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0)
        div = div.getparent()
    # Physical structures are flat (a sequence of pages). In a nested one, the order of the document counts.
    return orders[0] if len(orders) <= 2 else 0


def _files(mets: Element, base: str) -> Iterator[tuple[str, _File]]:
    for section in children(mets, "fileSec"):
        for group in descendants(section, "fileGrp"):
            use = _use_of(group)
            for item in children(group, "file"):
                for place in children(item, "FLocat"):
                    address = web_address(attribute(place, "href"), base)
                    media_type = (attribute(item, "MIMETYPE") or "").lower()
                    name = (attribute(item, "USE") or use).strip().upper()
                    if address and _is_picture(address, media_type, name):
                        yield attribute(item, "ID") or "", _File(address, name, media_type)
                        break


def _use_of(group: Element) -> str:
    """The purpose of a group, its own or that of the surrounding group."""
    while group is not None and local_name(group) == "fileGrp":
        if use := attribute(group, "USE"):
            return use
        group = group.getparent()
    return ""


def _is_picture(address: str, media_type: str, group: str) -> bool:
    if _NO_PICTURES.search(group):
        return False
    if media_type:
        return media_type.startswith("image/") and not media_type.startswith(
            ("image/svg", "image/vnd.djvu", "image/x.djvu")
        )
    return is_image(address) or not is_other_file(address)


def _best(files: tuple[_File, ...]) -> _File | None:
    """The preferred file: for the screen rather than a master, a JPEG rather than TIFF or JPEG 2000, then by
    group."""
    return min(files, key=_rank, default=None)


def _rank(file: _File) -> tuple[bool, bool, int]:
    known = _GROUPS.index(file.group) if file.group in _GROUPS else _GROUPS.index("")
    is_large = file.media_type in ("image/tiff", "image/jp2", "image/jpx", "image/tif")
    return bool(_MASTERS.search(file.group)), is_large, known
