"""hOCR 1.2 (kba.github.io/hocr-spec): text and pictures of a page as classes and titles of HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree, html

from data_prep.candidate import Refusal
from data_prep.page_text.zones import (
    MAX_LINES,
    MAX_ZONES,
    FloatBox,
    PageText,
    TextLine,
    Zone,
    ZoneKind,
    around,
    box_around,
    confidence_of,
    joined,
    several_pages,
)
from data_prep.sources.xml_document import MAX_XML_BYTES, Element

_BBOX: Final = re.compile(r"\bbbox" + r"\s+(-?\d{1,7}(?:\.\d{1,9})?)" * 4 + r"(?![\d.])")
_IMAGE: Final = re.compile(r"""\bimage\s+["']?([^"';]{1,500})""")
_CONFIDENCE: Final = re.compile(r"\bx_wconf\s+(\d{1,3}(?:\.\d+)?)")
_PICTURES: Final[dict[str, ZoneKind]] = {
    "ocr_photo": "photograph", "ocr_image": "illustration", "ocr_linedrawing": "illustration",
    "ocr_dropcap": "initial", "ocr_table": "table", "ocr_separator": "separator",
}  # fmt: skip
_TEXTS: Final[dict[str, ZoneKind]] = {
    "ocr_caption": "caption", "ocr_header": "running", "ocr_footer": "running", "ocr_pageno": "running",
    "ocr_title": "heading", "ocr_chapter": "heading", "ocr_section": "heading", "ocr_par": "text",
    "ocr_carea": "text", "ocrx_block": "text", "ocr_textfloat": "text",
}  # fmt: skip
_LINES: Final = frozenset({"ocr_line", "ocrx_line", "ocr_header", "ocr_caption", "ocr_textfloat"})
_CHARSET: Final = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.-]{1,40})""", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def read_hocr(document: bytes, uri: str) -> PageText | Refusal:
    """The page of a document in hOCR; a document with several pages is a Refusal.

    It is read as HTML: character entities are what HTML says, entities that it declares itself are not read.
    """
    if len(document) > MAX_XML_BYTES:
        return Refusal(
            uri, f"larger than {MAX_XML_BYTES // 1_000_000} MB ({len(document)} bytes)", "everything"
        )
    parser = html.HTMLParser(no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        text = _decoded(_FORBIDDEN.sub(b"", document))
        # The declaration of an encoding is refused in a text that is decoded already.
        root = html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        return Refusal(uri, f"not HTML: {str(error)[:200]}", "everything")
    etree.strip_elements(root, "script", "style", with_tail=False)
    pages = [element for element in root.iter() if "ocr_page" in _classes(element)]
    if not pages:
        return Refusal(uri, "HTML without a page of hOCR", "everything")
    if len(pages) > 1:
        return Refusal(uri, several_pages("hOCR", len(pages)))
    return _page(pages[0])


def _decoded(document: bytes) -> str:
    """The text of a document: in UTF-8, else in the encoding that it declares, else in that of Windows."""
    declared = _CHARSET.search(document[:4096])
    for encoding in ("utf-8-sig", declared[1].decode() if declared else "cp1252"):
        try:
            return document.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return document.decode("cp1252", "replace")


def _page(element: Element) -> PageText:
    box, title = _box(element), element.get("title") or ""
    reader = _Reader()
    image = _IMAGE.search(title)
    return PageText(
        format="hOCR",
        zones=tuple(reader.zones(element, _language(element))),
        # A page's box may begin elsewhere than at the corner; coordinates are those of the image.
        size=(box[0] + box[2], box[1] + box[3]) if box else None,
        image=image[1].strip() if image else None,
    )


class _Reader:
    def __init__(self) -> None:
        self._num_zones = self._num_lines = 0

    def zones(self, element: Element, language: str | None) -> Iterator[Zone]:
        """The zones below `element`: pictures, and the smallest blocks of text."""
        pending = [(child, language) for child in reversed(list(element))]
        while pending and self._num_zones < MAX_ZONES:
            each, inherited = pending.pop()
            inherited = _language(each) or inherited
            classes = _classes(each)
            picture = next((_PICTURES[name] for name in classes if name in _PICTURES), None)
            text = next((_TEXTS[name] for name in classes if name in _TEXTS), None)
            if picture is not None:
                self._num_zones += 1
                yield Zone(picture, _box(each), identity=each.get("id"))
            elif text is not None and not (text == "text" and _has_smaller(each)):
                self._num_zones += 1
                yield self._text(each, text, inherited)
                continue
            elif classes & _LINES:
                self._num_zones += 1
                yield self._text(each, "text", inherited)
                continue
            pending += [(child, inherited) for child in reversed(list(each))]

    def _text(self, element: Element, kind: ZoneKind, language: str | None) -> Zone:
        lines: list[TextLine] = []
        for each in element.iter():
            if _classes(each) & _LINES and not any(
                _classes(inner) & _LINES for inner in each.iterdescendants()
            ):
                self._num_lines += 1
                if self._num_lines > MAX_LINES:
                    break
                # Tesseract marks a caption as a class of its line.
                words = " ".join(each.text_content().split())
                lines.append(TextLine(words, _box(each), _confidence(each)))
                kind = "caption" if "ocr_caption" in _classes(each) else kind
        if not lines and (words := " ".join(element.text_content().split())):
            lines = [TextLine(words, _box(element))]
        found = [
            float(value) for each in element.iter() for value in _CONFIDENCE.findall(each.get("title") or "")
        ]
        return Zone(
            kind,
            _box(element) or around(line.box for line in lines),
            joined(line.text for line in lines),
            language,
            round(min(1.0, sum(found) / len(found) / 100), 3) if found else None,
            tuple(lines),
            element.get("id"),
        )


def _confidence(line: Element) -> float | None:
    """How certain the program is of the words of a line (0 to 1): a long word counts for more than a dash."""
    return confidence_of(
        TextLine("".join(word.text_content().split()), None, min(1.0, float(found[1]) / 100))
        for word in line.iter()
        if "ocrx_word" in _classes(word) and (found := _CONFIDENCE.search(word.get("title") or ""))
    )


def _has_smaller(element: Element) -> bool:
    """Whether a block is divided into blocks that are read in its place."""
    return any(
        _classes(inner) & (set(_TEXTS) | set(_PICTURES)) - _LINES for inner in element.iterdescendants()
    )


def _classes(element: Element) -> set[str]:
    value = element.get("class") if isinstance(element.tag, str) else None
    return set(value.split()[:10]) if value else set()


def _box(element: Element) -> FloatBox | None:
    found = _BBOX.search(element.get("title") or "")
    if found is None:
        return None
    left, top, right, bottom = (float(value) for value in found.groups())
    return box_around([(left, top), (right, bottom)])


def _language(element: Element) -> str | None:
    value = (
        element.get("lang")
        or element.get("{http://www.w3.org/XML/1998/namespace}lang")
        or element.get("xml:lang")
    )
    return str(value) if value else None
