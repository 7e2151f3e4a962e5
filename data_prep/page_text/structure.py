"""The structure of a volume, from the institution's METS document.

Parts of a volume have types (`Illustration`, `Map`, `Binding`, `ColourChart`). Which pages they cover tells
what kind of page it is, but not where something is on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from data_prep.candidate import Refusal
from data_prep.sources.xml_document import Element, attribute, local_name, parse_xml
from iconoclip.page_layout.kinds import PageKind

MAX_FILES: Final = 200_000
Part = tuple[str, str]
"""TYPE and LABEL of a part of the structure"""

# Types and labels in the languages of institutions -> kinds of pages. The first that matches decides.
_SIGNS: Final[tuple[tuple[str, PageKind], ...]] = (
        # Lists of plates and maps come before plates and maps.
        (r"title.?page|titelblatt|titelseite|titelblad|titelside|page.de.titre|^titre\b|^title$|^titel$"
         r"|frontespizio|portada\b|karta.tytu[łl]owa|titulní"
         r"|table.?of.?contents|^contents\b|table.des|inhalt|inhoud|verzeichnis|sommaire|sumario"
         r"|\bindex\b|\b[ií]ndice\b|spis.tre[śs]ci|^obsah\b|innehåll|indhold"
         r"|list.?of|liste.des|\bregister\b|errata|[ck]olophon",
         "text"),
        (r"colou?r.?(check|chart|target|card)|farbkarte|farbkeil|mire\b|charte.de.couleur|test.?chart",
         "target"),
        (r"binding|cover\b|spine\b|paste.?down|end.?paper|einband|deckel\b|buchr[üu]cken|vorsatz|spiegel\b"
         r"|reliure|\bplat\b|contreplat|\bgardes?\b|legatura|\bpiatto\b|carta.di.guardia|fore.?edge"
         r"|encuadernaci[óo]n|cubierta|\bguardas?\b|schutblad|kaft\b|(voor|achter)plat\b"
         r"|omslag|pärm|ok[łl]adka|wyklejka|\bvazba|p[řr]eds[áa]dka", "binding"),
        (r"blank|leerseite|\bleer\b|page.blanche|vierge|bianca|en.blanco|\bblanco\b|prázdn|pusta", "blank"),
        (r"\bmusic|\bmúsica|muziek|notenseite|notenblatt|partition|musique", "music"),
        (r"\bmaps?\b|landkarte|\bkarte|\bcarte\b|\bplan\b|mappa|\bmapa\b|\bkaart", "map"),
        (r"illustra|ilustra|\bplates?\b|frontispi|\btafel|planche|picture|photograph|engraving|abbildung"
         r"|afbeelding|kupfer|gravure|grabado|incision[ei]\b|\btavol[ae]\b|\bl[áa]minas?\b|miniatur|obrázek"
         r"|rycina", "picture"),
)  # fmt: skip
KINDS_OF_WORDS: Final = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _SIGNS)
"""Patterns of types and labels, and the kind of page that each names."""


def mets_pages(document: bytes, uri: str) -> Iterator[tuple[str, PageKind]] | Refusal:
    """The addresses or names of the page files that a METS document lists, with the kind of page that its
    structure tells of each. Pages of which it tells none are left out.
    """
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return root
    if local_name(root).lower() != "mets":
        return Refusal(uri, f"no METS, but <{local_name(root)[:60]}>", "everything")
    return _pages(root)


def _pages(root: Element) -> Iterator[tuple[str, PageKind]]:
    types = mets_page_types(root)
    for file, address in list(_addresses(root))[:MAX_FILES]:
        kind = page_kind_of(types.get(file, ()))
        if kind is not None:
            yield address, kind


def _addresses(root: Element) -> Iterator[tuple[str, str]]:
    """Identifier and address of every file."""
    for element in root.iter():
        if local_name(element) == "file" and (identity := element.get("ID")):
            for place in element:
                address = attribute(place, "href")
                if local_name(place) == "FLocat" and address:
                    yield identity, address[:2_000]


def page_kind_of(parts: Iterable[Part]) -> PageKind | None:
    """The kind of page that the types of parts name, the most particular part first.

    Labels count for pages alone: that of a chapter is its title, which may speak of maps.
    """
    for kind, label in reversed(list(parts)):
        text = label if kind.lower() == "page" else kind
        found = next((each for pattern, each in KINDS_OF_WORDS if pattern.search(text[:200])), None)
        if found is not None:
            return found
    return None


def mets_page_types(root: Element) -> dict[str, list[Part]]:
    """Identifier of a file in METS -> (TYPE, LABEL) of the parts of the structure that include it, those
    around before those within, and parts of the logical structure last.
    """
    links: dict[str, list[str]] = {}
    parts: dict[str, list[Part]] = {}
    found: dict[str, list[Part]] = {}
    pages: dict[str, list[str]] = {}
    for element in root.iter():
        name = local_name(element)
        if name == "smLink":
            links.setdefault(attribute(element, "from") or "", []).append(attribute(element, "to") or "")
        elif name == "div" and (kind := element.get("TYPE")):
            identity, said = element.get("ID") or "", (kind[:100], (element.get("LABEL") or "")[:500])
            files = [attribute(each, "FILEID") or "" for each in element if local_name(each) == "fptr"]
            parts.setdefault(identity, []).append(said)
            pages.setdefault(identity, []).extend(files)
            for file in files:
                found.setdefault(file, []).append(said)
    for start, ends in links.items():
        for end in ends:
            for file in pages.get(end, []):
                found.setdefault(file, []).extend(parts.get(start, []))
    return found
