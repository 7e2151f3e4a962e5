"""What is on a drawn page: its kind, its pictures with their captions, its text. All boxes are in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

PageKind = Literal["picture", "mixed", "text", "music", "map", "blank", "binding", "target", "spread"]
PAGE_KINDS: tuple[PageKind, ...] = (
    "picture", "mixed", "text", "music", "map", "blank", "binding", "target", "spread",
)  # fmt: skip
BoxKind = Literal["illustration", "initial", "ornament", "photograph", "map", "stamp", "bookplate"]
TextKind = Literal["body", "title", "heading", "running", "number", "signature", "margin", "caption"]
Box = tuple[int, int, int, int]
"""x, y, width, height"""

# Names of SegmOnto (segmonto.github.io), with which people mark zones on real pages.
_ZONES = {
    "illustration": "GraphicZone", "ornament": "GraphicZone", "photograph": "GraphicZone",
    "map": "GraphicZone", "bookplate": "GraphicZone", "initial": "DropCapitalZone", "stamp": "StampZone",
    "body": "MainZone", "title": "TitlePageZone", "heading": "MainZone", "running": "RunningTitleZone",
    "number": "NumberingZone", "signature": "QuireMarksZone", "margin": "MarginTextZone",
    "caption": "GraphicZone:figDesc",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of text, with the words in it and their boxes."""

    text: str
    box: Box
    words: tuple[tuple[str, Box], ...] = ()


@dataclass(frozen=True)
class TextBlock:
    """Lines that belong together."""

    kind: TextKind
    language: str
    lines: tuple[Line, ...]

    @property
    def box(self) -> Box:
        """The rectangle around all lines."""
        return around([line.box for line in self.lines])

    @property
    def text(self) -> str:
        """The lines as one text, hyphens at the ends of lines taken out."""
        joined = "".join(
            line.text[:-1] if line.text.endswith("-") else f"{line.text} " for line in self.lines
        )
        return joined.strip()


@dataclass(frozen=True)
class Picture:
    """A picture on a page. `box` is upright; `tilt` turns what it holds clockwise, in degrees."""

    kind: BoxKind
    box: Box
    tilt: float = 0.0
    caption: TextBlock | None = None
    subjects: tuple[str, ...] = ()
    """names of the figures that are drawn, in English"""


@dataclass(frozen=True)
class Truth:
    """Everything that is on one page of `size` (width, height)."""

    kind: PageKind
    size: tuple[int, int]
    pictures: tuple[Picture, ...] = ()
    texts: tuple[TextBlock, ...] = ()
    """every text, captions included"""

    def moved(self, place: Placement, size: tuple[int, int]) -> Truth:
        """The same page as it lies in an image of `size`."""
        return replace(
            self,
            size=size,
            pictures=tuple(_moved_picture(picture, place) for picture in self.pictures),
            texts=tuple(_moved_text(text, place) for text in self.texts),
        )


@dataclass(frozen=True)
class Placement:
    """How a leaf lies in its image: turned clockwise about its centre, then shifted."""

    leaf: tuple[int, int]
    shift: tuple[float, float]
    degrees: float = 0.0
    bounds: tuple[int, int] = field(default=(100_000, 100_000))

    def box(self, box: Box) -> Box:
        """The upright rectangle around the turned box, cut at the edges of the image."""
        x, y, width, height = box
        corners = [self._point(*corner) for corner in ((x, y), (x + width, y), (x, y + height),
                                                       (x + width, y + height))]  # fmt: skip
        left = max(0, round(min(corner[0] for corner in corners)))
        top = max(0, round(min(corner[1] for corner in corners)))
        right = min(self.bounds[0], round(max(corner[0] for corner in corners)))
        bottom = min(self.bounds[1], round(max(corner[1] for corner in corners)))
        return left, top, max(1, right - left), max(1, bottom - top)

    def _point(self, x: float, y: float) -> tuple[float, float]:
        angle = math.radians(self.degrees)
        middle_x, middle_y = self.leaf[0] / 2, self.leaf[1] / 2
        dx, dy = x - middle_x, y - middle_y
        return (
            middle_x + dx * math.cos(angle) - dy * math.sin(angle) + self.shift[0],
            middle_y + dx * math.sin(angle) + dy * math.cos(angle) + self.shift[1],
        )


def around(boxes: list[Box]) -> Box:
    """The smallest rectangle that contains all `boxes` (at least one)."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    bottom = max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _moved_text(text: TextBlock, place: Placement) -> TextBlock:
    lines = tuple(
        Line(line.text, place.box(line.box), tuple((word, place.box(box)) for word, box in line.words))
        for line in text.lines
    )
    return replace(text, lines=lines)


def _moved_picture(picture: Picture, place: Placement) -> Picture:
    caption = None if picture.caption is None else _moved_text(picture.caption, place)
    return replace(
        picture, box=place.box(picture.box), tilt=round(picture.tilt + place.degrees, 2), caption=caption
    )


def as_row(truth: Truth, **properties: Any) -> dict[str, Any]:
    """One line of `pages.jsonl`: `properties` first (file, document, century, page), then the truth.

    `zones` has the names that SegmOnto gives; `kind` and `boxes` are ours, with the caption of each picture.
    """
    marked: list[tuple[str, Box, int]] = [(picture.kind, picture.box, 0) for picture in truth.pictures]
    marked += [(text.kind, text.box, len(text.lines)) for text in truth.texts]
    zones = [{"label": _ZONES[kind], "xywh": list(box), "num_lines": lines} for kind, box, lines in marked]
    return {
        **properties,
        "width": truth.size[0],
        "height": truth.size[1],
        "zones": zones,
        "kind": truth.kind,
        "boxes": [_as_box(picture) for picture in truth.pictures],
    }


def _as_box(picture: Picture) -> dict[str, Any]:
    box: dict[str, Any] = {"kind": picture.kind, "xywh": list(picture.box), "tilt": picture.tilt}
    if picture.subjects:
        box["subjects"] = list(picture.subjects)
    if picture.caption is not None:
        caption = picture.caption
        box["caption"] = {"text": caption.text, "xywh": list(caption.box), "language": caption.language}
    return box
