"""PAGE XML (PRImA; namespaces of 2010 to 2019): regions with polygons, types, text, and their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
)
from data_prep.sources.xml_document import Element, child, children, descendants, local_name, text_of

_MAX_DEPTH: Final = 32
_REGIONS: Final[dict[str, ZoneKind]] = {
    "TextRegion": "text", "ImageRegion": "illustration", "GraphicRegion": "illustration",
    "LineDrawingRegion": "illustration", "ChartRegion": "illustration", "MapRegion": "map",
    "MusicRegion": "music", "TableRegion": "table", "SeparatorRegion": "separator",
    "AdvertRegion": "illustration",
    # What these hold only their types tell.
    "CustomRegion": "separator", "UnknownRegion": "separator",
}  # fmt: skip
# What GraphicRegion/@type may say beyond the words that every format uses.
_GRAPHIC_TYPES: Final[dict[str, ZoneKind]] = {"logo": "ornament", "punch-hole": "separator",
                                              "frame": "ornament",
                                              "handwritten-annotation": "separator",
                                              "signature": "separator", "paper-grow": "separator",
                                              "barcode": "separator"}  # fmt: skip
_CUSTOM_TYPE: Final = re.compile(r"structure\s*\{[^}]*?type:\s*([^;}]{1,100})")


def read_page_xml(root: Element, uri: str) -> PageText | Refusal:
    """The page of a PAGE XML document, which describes one image."""
    found = next(descendants(root, "Page"), None)
    if found is None:
        return Refusal(uri, "PAGE XML without a page", "everything")
    width, height = number(found.get("imageWidth")), number(found.get("imageHeight"))
    zones = list(_Reader().regions(found, found.get("primaryLanguage")))
    return PageText(
        format="PAGE XML",
        zones=_linked(zones, found),
        size=(width, height) if width and height and min(width, height) > 0 else None,
        image=found.get("imageFilename"),
    )


class _Reader:
    def __init__(self) -> None:
        self._num_zones = self._num_lines = 0

    def regions(self, parent: Element, language: str | None, depth: int = 0) -> Iterator[Zone]:
        """The regions below `parent`, nested ones after the one that holds them."""
        for region in children(parent, *_REGIONS):
            if self._num_zones >= MAX_ZONES or depth > _MAX_DEPTH:
                return
            self._num_zones += 1
            yield self._zone(region, language)
            yield from self.regions(region, language, depth + 1)

    def _zone(self, region: Element, language: str | None) -> Zone:
        name = local_name(region)
        said = " ".join(
            filter(None, (region.get("type"), *_CUSTOM_TYPE.findall(region.get("custom") or "")[:3]))
        )
        kind = kind_of(said)
        if name == "TextRegion":
            # Some programs (eScriptorium) write every zone as a region of text, pictures too.
            kind = kind or "text"
        elif kind is None or kind in ("caption", "heading", "running"):
            kind = _GRAPHIC_TYPES.get(region.get("type") or "", _REGIONS[name])
        lines = list(self._lines(region)) if name == "TextRegion" else []
        whole = _text_equiv(region)
        text = joined(line.text for line in lines) or (whole[0] if whole else None)
        confidence = whole[1] if whole else None
        language = region.get("primaryLanguage") or language
        return Zone(kind, _box(region) or around(line.box for line in lines), text, language, confidence,
                    tuple(lines), region.get("id"))  # fmt: skip

    def _lines(self, region: Element) -> Iterator[TextLine]:
        for line in children(region, "TextLine"):
            self._num_lines += 1
            if self._num_lines > MAX_LINES:
                return
            found = _text_equiv(line)
            words = found[0] if found else " ".join(
                each[0] for word in children(line, "Word") if (each := _text_equiv(word)) is not None
            )  # fmt: skip
            yield TextLine(words, _box(line))


def _text_equiv(element: Element) -> tuple[str, float | None] | None:
    """The first reading of an element (the one of the lowest index) and its confidence."""
    readings = []
    for place, reading in enumerate(children(element, "TextEquiv")):
        text = text_of(child(reading, "Unicode")) or text_of(child(reading, "PlainText"))
        index = number(reading.get("index"))
        confidence = number(reading.get("conf"))
        if text:
            readings.append((place if index is None else index, place, text, confidence))
    if not readings:
        return None
    _, _, text, confidence = min(readings, key=lambda each: each[:2])
    return text, confidence if confidence is not None and 0 <= confidence <= 1 else None


def _box(element: Element) -> FloatBox | None:
    coordinates = child(element, "Coords")
    if coordinates is None:
        return None
    found = points(coordinates.get("points"))
    for point in children(coordinates, "Point"):
        x, y = number(point.get("x")), number(point.get("y"))
        if x is not None and y is not None:
            found.append((x, y))
    return box_around(found)


def _linked(zones: list[Zone], page: Element) -> tuple[Zone, ...]:
    """The zones with what `Relations` says: a link between a picture and a text ties them."""
    by_identity = {zone.identity: place for place, zone in enumerate(zones) if zone.identity}
    for relation in list(descendants(page, "Relation"))[:MAX_ZONES]:
        ends = [each.get("regionRef") for each in relation.iter() if each.get("regionRef")]
        places = [by_identity[end] for end in ends if end in by_identity]
        pictures = [place for place in places if zones[place].kind in ("illustration", "map")]
        texts = [place for place in places if zones[place].text and place not in pictures]
        if relation.get("type") == "link" and len(pictures) == 1:
            for place in texts:
                zone = zones[place]
                zones[place] = Zone("caption", zone.box, zone.text, zone.language, zone.confidence,
                                    zone.lines,
                                    zone.identity, zones[pictures[0]].identity)  # fmt: skip
    return tuple(zones)
