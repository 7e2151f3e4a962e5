"""ALTO 1 to 4 (loc.gov/standards/alto): blocks of text, illustrations, and tagged blocks of one page.

Coordinates are in pixels, tenths of a millimetre (`mm10`) or 1/1200 inch; the size of the page, in the same
unit, says what they are on the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

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
    joined,
    kind_of,
    number,
    points,
    several_pages,
)
from data_prep.sources.xml_document import Element, child, children, descendants, local_name, text_of

_MAX_DEPTH: Final = 32
_HYPHENS: Final = ("-", "¬", "⸗")
_BLOCKS: Final = ("TextBlock", "Illustration", "GraphicalElement", "ComposedBlock")
_PARTS: Final = ("TopMargin", "LeftMargin", "RightMargin", "BottomMargin", "PrintSpace")


def read_alto(root: Element, uri: str) -> PageText | Refusal:
    """The page of an ALTO document.

    Raises nothing: what cannot be read is left out, and a document without a page, or with several, is a
    Refusal.
    """
    pages = list(descendants(root, "Page"))
    if not pages:
        return Refusal(uri, "ALTO without a page", "everything")
    if len(pages) > 1:
        return Refusal(uri, several_pages("ALTO", len(pages)))
    (page,) = pages
    reader = _Reader(_tags(root))
    zones = list(reader.zones(page))
    unit = text_of(child(root, "Description", "MeasurementUnit")).lower() or "pixel"
    return PageText(
        format="ALTO",
        zones=tuple(zones),
        size=_size(page),
        unit=unit if unit in ("mm10", "inch1200") else "pixel",
        image=text_of(child(root, "Description", "sourceImageInformation", "fileName")) or None,
    )


def _size(page: Element) -> tuple[float, float] | None:
    """Width and height of the page: its own, or those of a print space that begins at its corner."""
    for part in (page, child(page, "PrintSpace")):
        if part is None or any(number(part.get(name) or "0") for name in ("HPOS", "VPOS")):
            continue
        width, height = number(part.get("WIDTH")), number(part.get("HEIGHT"))
        if width and height and min(width, height) > 0:
            return width, height
    return None


def _tags(root: Element) -> Mapping[str, str]:
    """Identifier of a tag -> what it is called.

    Named entities are left out: they say what a text mentions ("Karte", a person named Bild).
    """
    found: dict[str, str] = {}
    for tags in children(root, "Tags"):
        for tag in children(tags):
            if local_name(tag) == "NamedEntityTag":
                continue
            words = " ".join(filter(None, (tag.get("TYPE"), tag.get("LABEL"), tag.get("DESCRIPTION"))))
            found[tag.get("ID") or ""] = words
    return found


class _Reader:
    """Reads the blocks of one page; it stops at MAX_ZONES zones and MAX_LINES lines."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self._tags = tags
        self._num_zones = self._num_lines = 0

    def zones(self, page: Element) -> Iterator[Zone]:
        """Every block of the page, those of the margins too."""
        for part in children(page):
            if local_name(part) in _PARTS:
                margin = local_name(part) in ("TopMargin", "BottomMargin")
                for block in children(part, *_BLOCKS):
                    yield from self._block(block, 0, in_margin=margin, composed=None)
            elif local_name(part) in _BLOCKS:
                yield from self._block(part, 0, in_margin=False, composed=None)

    def _block(
        self, block: Element, depth: int, *, in_margin: bool, composed: tuple[ZoneKind, str] | None
    ) -> Iterator[Zone]:
        if self._num_zones >= MAX_ZONES or depth > _MAX_DEPTH:
            return
        name, said = local_name(block), self._said(block)
        if name == "ComposedBlock":
            yield from self._composed(block, depth, said, in_margin)
            return
        self._num_zones += 1
        if name == "TextBlock":
            yield self._text(block, said, in_margin, composed)
            return
        kind: ZoneKind = kind_of(said) or (
            composed[0] if composed and name == "Illustration" else
            "illustration" if name == "Illustration" else "separator"
        )  # fmt: skip
        if kind in ("caption", "heading", "running"):
            kind = "illustration"
        yield Zone(kind, box_of(block), identity=composed[1] if composed else block.get("ID"))

    def _composed(self, block: Element, depth: int, said: str, in_margin: bool) -> Iterator[Zone]:
        """A block of blocks: if it is a picture's, the text inside belongs to the picture."""
        kind = kind_of(said)
        inner = list(children(block, *_BLOCKS))
        is_picture = kind in ("illustration", "photograph", "map", "ornament", "stamp")
        if is_picture and kind is not None:
            identity = block.get("ID") or f"block {self._num_zones}"
            if not any(local_name(part) == "Illustration" for part in inner):
                self._num_zones += 1
                yield Zone(kind, _picture_box(block, inner), identity=identity)
            for part in inner:
                yield from self._block(part, depth + 1, in_margin=in_margin, composed=(kind, identity))
            return
        for part in inner:
            yield from self._block(part, depth + 1, in_margin=in_margin, composed=None)

    def _said(self, block: Element) -> str:
        references = (block.get("TAGREFS") or "").split()[:20]
        words = [block.get("TYPE"), block.get("type"), *(self._tags.get(each) for each in references)]
        return " ".join(filter(None, words))

    def _text(
        self, block: Element, said: str, in_margin: bool, composed: tuple[ZoneKind, str] | None
    ) -> Zone:
        kind = kind_of(said)
        if composed is not None:
            kind = "caption"
        elif kind is None:
            kind = "running" if in_margin else "text"
        lines, confidences = self._lines(block)
        return Zone(
            kind,
            box_of(block) or around(line.box for line in lines),
            text=joined(line.text for line in lines),
            language=block.get("LANG") or block.get("language"),
            confidence=round(sum(confidences) / len(confidences), 3) if confidences else None,
            lines=tuple(lines),
            identity=block.get("ID"),
            about=composed[1] if composed else None,
        )

    def _lines(self, block: Element) -> tuple[list[TextLine], list[float]]:
        """The lines of a block, and the confidences of its words. A word on two lines is whole in the first
        if the document says what it is (`SUBS_CONTENT`).
        """
        lines: list[TextLine] = []
        confidences: list[float] = []
        divided = None
        for line in children(block, "TextLine"):
            self._num_lines += 1
            if self._num_lines > MAX_LINES:
                break
            words = []
            strings = list(children(line, "String"))
            divided_before, divided = divided, None
            for each in strings:
                word, whole = each.get("CONTENT") or "", each.get("SUBS_CONTENT")
                part = each.get("SUBS_TYPE") if whole else None
                if part == "HypPart1" and whole and whole.startswith(word.rstrip("".join(_HYPHENS))):
                    word = divided = whole
                if part != "HypPart2" or whole != divided_before:
                    words.append(word)
                value = number(each.get("WC"))
                if value is not None and 0 <= value <= 1:
                    confidences.append(value)
            text = " ".join(filter(None, words))
            is_broken = next(children(line, "HYP"), None) is not None and divided is None
            if is_broken and text and not text.endswith(_HYPHENS):
                text += "-"
            lines.append(TextLine(text, box_of(line) or around(box_of(each) for each in strings)))
        return lines, confidences


def _picture_box(block: Element, inner: list[Element]) -> FloatBox | None:
    """The box of a picture's block without the text above or below the picture."""
    box = box_of(block)
    if box is None:
        return None
    left, top, width, height = box
    bottom = top + height
    for part in inner:
        if local_name(part) != "TextBlock" or (text := box_of(part)) is None or text[3] > 0.4 * height:
            continue
        if text[1] + text[3] / 2 > top + height / 2:
            bottom = min(bottom, text[1])
        else:
            top = max(top, text[1] + text[3])
    return (left, top, width, bottom - top) if bottom > top else box


def box_of(element: Element) -> FloatBox | None:
    """HPOS, VPOS, WIDTH and HEIGHT, or the box around the polygon of its shape."""
    values = [number(element.get(name)) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    x, y, width, height = values
    if (
        x is not None
        and y is not None
        and width is not None
        and height is not None
        and min(width, height) > 0
    ):
        return x, y, width, height
    shape = child(element, "Shape", "Polygon")
    return box_around(points(shape.get("POINTS"))) if shape is not None else None
