"""Any document about a page -> its zones; the document tells its format, whatever its address promised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from data_prep.candidate import Refusal
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address
from data_prep.iiif.language_map import texts
from data_prep.page_text.alto import read_alto
from data_prep.page_text.annotations import read_text_annotations
from data_prep.page_text.hocr import read_hocr
from data_prep.page_text.page_xml import read_page_xml
from data_prep.page_text.zones import PageText
from data_prep.sources.packed import unpacked
from data_prep.sources.xml_document import MAX_XML_BYTES, local_name, parse_xml

TextFormat = Literal["alto", "hocr", "page-xml", "iiif"]
MAX_REFERENCES: Final = 8
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")

_HTML: Final = re.compile(rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!doctype\s+html|<html)", re.IGNORECASE)
# What media types, profiles, labels and addresses say; the first that matches decides.
_SIGNS: Final[tuple[tuple[TextFormat, re.Pattern[str]], ...]] = (
    ("alto", re.compile(r"\balto\b|ns-v[2-4]#|alto\.xml|/alto/", re.IGNORECASE)),
    ("hocr", re.compile(r"hocr|vnd\.hocr", re.IGNORECASE)),
    ("page-xml", re.compile(r"vnd\.prima\.page|\bpage[ -]?xml\b|PAGE/gts/pagecontent", re.IGNORECASE)),
)

_METS: Final = re.compile(r"\bmets\b|loc\.gov/METS", re.IGNORECASE)


@dataclass(frozen=True)
class Reference:
    """Where a document about a page can be fetched, and what it is expected to be."""

    uri: str
    format: TextFormat


def read_page_text(
    document: bytes,
    uri: str,
    size: tuple[int, int],
    *,
    canvas: str = "",
    canvas_size: tuple[int, int] | None = None,
) -> PageText | Refusal:
    """The text that a document has of the page whose image has `size`, in pixels of that image; or a refusal.

    ALTO, PAGE XML, hOCR and IIIF annotations are recognised by their content, compressed with gzip or not. A
    document of several pages is refused: nothing says which of them is this one.

    Args:
        size: width and height of the page's image.
        canvas: the canvas's URI, for annotations.
        canvas_size: that of the canvas, in whose units annotations are; default: the image's.
    """
    plain = _in_utf8(document, uri)
    if isinstance(plain, Refusal):
        return plain
    document = plain
    start = document[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"["):
        found: PageText | Refusal = read_text_annotations(document, uri, canvas_size or size, canvas)
    elif _HTML.match(start) or b"ocr_page" in document[:20_000]:
        found = read_hocr(document, uri)
    else:
        found = _of_xml(document, uri)
    return found if isinstance(found, Refusal) else found.fitted(size, uri)


def _in_utf8(document: bytes, uri: str) -> bytes | Refusal:
    """The document without the compression of gzip, and in UTF-8 if it is in UTF-16."""
    plain = unpacked(document, uri, MAX_XML_BYTES)
    if isinstance(plain, Refusal):
        return plain
    document = plain
    if len(document) > MAX_XML_BYTES:
        return Refusal(
            uri, f"larger than {MAX_XML_BYTES // 1_000_000} MB ({len(document)} bytes)", "everything"
        )
    if document.startswith(_UTF16):
        return document.decode("utf-16", "replace").encode()
    return document


def _of_xml(document: bytes, uri: str) -> PageText | Refusal:
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return root
    name = local_name(root).lower()
    if name == "alto":
        return read_alto(root, uri)
    if name == "pcgts":
        return read_page_xml(root, uri)
    if name == "html":
        return read_hocr(document, uri)
    return Refusal(uri, f"neither ALTO, PAGE XML nor hOCR, but <{local_name(root)[:60]}>", "everything")


def references(resource: JsonObject, base: str = "") -> list[Reference]:
    """The documents about the text of a canvas that it names: `seeAlso`, `rendering`, `annotations`.

    `resource` is a canvas of Presentation 3.0 (an older one after `upgrade`). The best formats come first:
    those with illustrations before those with lines only.
    """
    found: dict[str, Reference] = {}
    for name in ("seeAlso", "rendering"):
        for item in objects(resource.get(name)):
            uri, kind = web_address(id_of(item), base), format_of(item)
            if uri and kind:
                found.setdefault(uri, Reference(uri, kind))
    for item in as_list(resource.get("annotations")):
        uri = web_address(id_of(item), base)
        is_embedded = isinstance(item, dict) and item.get("items")
        if uri and not is_embedded and type_of(item) in ("AnnotationPage", "AnnotationList", ""):
            found.setdefault(uri, Reference(uri, "iiif"))
    ranks: dict[TextFormat, int] = {"alto": 0, "page-xml": 1, "hocr": 2, "iiif": 3}
    return sorted(found.values(), key=lambda each: ranks[each.format])[:MAX_REFERENCES]


def mets_address(manifest: JsonObject, base: str = "") -> str | None:
    """Where a manifest says that the METS document of its volume is, if it does."""
    for item in objects(manifest.get("seeAlso")):
        words = [item.get("format"), item.get("profile"), *(value for value, _ in texts(item.get("label")))]
        said = " ".join(str(word) for word in words if word)
        if _METS.search(said[:2_000]) and (uri := web_address(id_of(item), base)):
            return uri
    return None


def format_of(link: JsonObject) -> TextFormat | None:
    """What a link of a canvas says that its target is: by its media type, profile, label, or address."""
    words = [link.get("format"), link.get("profile"), *(value for value, _ in texts(link.get("label")))]
    for text in (" ".join(str(word) for word in words if word), id_of(link) or ""):
        for kind, sign in _SIGNS:
            if sign.search(text[:2_000]):
                return kind
    return None


def embedded_annotations(canvas: JsonObject) -> Iterator[JsonObject]:
    """The annotation pages that a canvas holds itself."""
    for item in objects(canvas.get("annotations")):
        if item.get("items"):
            yield item
