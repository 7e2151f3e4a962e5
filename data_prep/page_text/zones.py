"""One shape for whatever says what is on a page: zones with a kind, a box, text, a language, a confidence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from data_prep.candidate import Refusal

ZoneKind = Literal[
    "illustration", "photograph", "map", "ornament", "initial", "stamp", "music", "table", "separator",
    "text", "caption", "heading", "running",
]  # fmt: skip
PICTURE_KINDS: Final = frozenset({"illustration", "photograph", "map", "ornament", "initial", "stamp"})
TEXT_KINDS: Final = frozenset({"text", "caption", "heading", "running"})

MAX_ZONES: Final = 5_000
"""Zones that are read of one page; a newspaper has some hundred."""
MAX_LINES: Final = 20_000
MAX_TEXT_CHARS: Final = 20_000
# How much the two scales of a document's page and its image may differ: rounding and a cut-off edge.
_MAX_DISTORTION: Final = 0.04
_LEAST_INSIDE: Final = 0.5
_MAX_SIDE: Final = 1_000_000.0

_DECIMAL_COMMA: Final = re.compile(r"^(-?\d+),(\d+)$")

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the page"""
FloatBox = tuple[float, float, float, float]
"""x, y, width, height in the units of a document"""


@dataclass(frozen=True)
class TextLine:
    """A line of text and its box; the box is None where the document gives none.

    `confidence` (0 to 1) is how certain the program that read it is of its words: the mean over their
    characters.
    """

    text: str
    box: FloatBox | None
    confidence: float | None = None


@dataclass(frozen=True)
class Zone:
    """Something on a page. Without a `box` it is somewhere on the page.

    `confidence` is from 0 to 1 where a program was the source; `about` is the identity of the picture
    to which a document itself ties a caption.
    """

    kind: ZoneKind
    box: FloatBox | None = None
    text: str | None = None
    language: str | None = None
    confidence: float | None = None
    lines: tuple[TextLine, ...] = ()
    identity: str | None = None
    about: str | None = None

    @property
    def pixels(self) -> Box | None:
        """The box rounded to whole pixels, at least 1 x 1."""
        return None if self.box is None else rounded(self.box)


@dataclass(frozen=True)
class PageText:
    """The text of one page from one document. `size` is that of its coordinate system, if it states one.

    `unit` is pixel, or a unit of length, whose scale only the size of the page can tell.
    """

    format: str
    zones: tuple[Zone, ...] = ()
    size: tuple[float, float] | None = None
    unit: str = "pixel"
    image: str | None = None
    """the file name of the image that the document says it describes"""

    def fitted(self, size: tuple[int, int], uri: str) -> PageText | Refusal:
        """The same zones in pixels of an image of `size`, or why they cannot belong to it.

        The document's own page is scaled to the image. It is another page's where the proportions differ, or
        where most zones would lie outside.
        """
        scale = self._scale(size)
        if isinstance(scale, str):
            return Refusal(uri, scale)
        zones = [_scaled(zone, scale, size) for zone in self.zones]
        placed = [zone for zone in self.zones if zone.box is not None]
        kept = [zone for zone in zones if zone is not None]
        num_placed = sum(zone.box is not None for zone in kept)
        if placed and num_placed < _LEAST_INSIDE * len(placed):
            return Refusal(
                uri,
                f"{self.format} of another page or another size: {len(placed) - num_placed} of {len(placed)}"
                f" zones lie outside of the image ({size[0]} x {size[1]})",
            )
        return replace(self, zones=tuple(kept), size=(float(size[0]), float(size[1])), unit="pixel")

    def _scale(self, size: tuple[int, int]) -> tuple[float, float] | str:
        if self.size is None:
            if not any(zone.box for zone in self.zones):
                return 1.0, 1.0
            if self.unit != "pixel":
                return f"{self.format} measures in {self.unit} and states no size of its page"
            return 1.0, 1.0
        across, down = size[0] / self.size[0], size[1] / self.size[1]
        if abs(across / down - 1) <= _MAX_DISTORTION:
            return across, down
        what = f"{self.format} of a page of {self.size[0]:g} x {self.size[1]:g} {self.unit}"
        if abs(size[1] / self.size[0] / (size[0] / self.size[1]) - 1) <= _MAX_DISTORTION:
            return f"{what}, turned by a quarter against the image ({size[0]} x {size[1]})"
        return f"{what}, in other proportions than the image ({size[0]} x {size[1]}): another page?"


def confidence_of(lines: Iterable[TextLine]) -> float | None:
    """The confidence of several lines, the mean over their characters; None where no line has one."""
    known = [(len(line.text), line.confidence) for line in lines if line.confidence is not None]
    total = sum(length for length, _ in known)
    return sum(length * confidence for length, confidence in known) / total if total else None


def rounded(box: FloatBox) -> Box:
    """The box in whole pixels, at least 1 x 1."""
    left, top = round(box[0]), round(box[1])
    return left, top, max(1, round(box[0] + box[2]) - left), max(1, round(box[1] + box[3]) - top)


def _scaled(zone: Zone, scale: tuple[float, float], size: tuple[int, int]) -> Zone | None:
    """The zone at that scale, cut at the edges of the image; None if it lies outside."""
    if zone.box is None:
        return zone
    box = _within(zone.box, scale, size)
    if box is None:
        return None
    lines = tuple(
        replace(line, box=_within(line.box, scale, size) if line.box else None) for line in zone.lines
    )
    return replace(zone, box=box, lines=lines)


def _within(box: FloatBox, scale: tuple[float, float], size: tuple[int, int]) -> FloatBox | None:
    left, top = max(0.0, box[0] * scale[0]), max(0.0, box[1] * scale[1])
    right = min(float(size[0]), (box[0] + box[2]) * scale[0])
    bottom = min(float(size[1]), (box[1] + box[3]) * scale[1])
    # Half of what it was must be left: a box that only touches the image belongs to another page.
    whole = max(1e-9, box[2] * scale[0] * box[3] * scale[1])
    if right <= left or bottom <= top or (right - left) * (bottom - top) < 0.5 * whole:
        return None
    return left, top, right - left, bottom - top


def several_pages(name: str, count: int) -> str:
    """Why a document of several pages is refused."""
    return f"{name} of {count} pages: which one is this?"


def number(value: object) -> float | None:
    """A finite coordinate, as a number or a text (a decimal comma too); None for anything else."""
    try:
        found = float(_DECIMAL_COMMA.sub(r"\1.\2", str(value).strip()[:40]))
    except ValueError:
        return None
    return found if math.isfinite(found) and abs(found) <= _MAX_SIDE else None


def box_around(points: Iterable[tuple[float, float]]) -> FloatBox | None:
    """The upright box around `points`; None if they enclose nothing."""
    every = list(points)
    if not every:
        return None
    left, right = min(x for x, _ in every), max(x for x, _ in every)
    top, bottom = min(y for _, y in every), max(y for _, y in every)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def around(boxes: Iterable[FloatBox | None]) -> FloatBox | None:
    """The box around all `boxes` that are there."""
    corners = [
        corner
        for box in boxes
        if box is not None
        for corner in ((box[0], box[1]), (box[0] + box[2], box[1] + box[3]))
    ]
    return box_around(corners)


def follows(above: FloatBox, below: FloatBox) -> bool:
    """Whether a line is the next one of the same block: close below the other, and about as high."""
    height = max(above[3], below[3])
    gap = below[1] - (above[1] + above[3])
    overlap = min(above[0] + above[2], below[0] + below[2]) - max(above[0], below[0])
    return -0.5 * height < gap < 0.8 * height and overlap > 0 and 0.7 < above[3] / below[3] < 1.4


_POINT: Final = re.compile(r"(-?\d{1,8}(?:\.\d{1,8})?)[\s,]+(-?\d{1,8}(?:\.\d{1,8})?)")


def points(text: str | None) -> list[tuple[float, float]]:
    """The points of a polygon, written as `x,y x,y` (PAGE XML, ALTO 4) or as `x y x y` (ALTO 2)."""
    return [(float(x), float(y)) for x, y in _POINT.findall((text or "")[:100_000])]


# Words of types and labels, in the languages of institutions -> kinds. The first that matches decides.
_KIND_WORDS: Final[tuple[tuple[str, ZoneKind], ...]] = (
    (r"caption|l[ée]gende|bildunterschrift|bildtext|didascalia|pie de (foto|figura)|figdesc|subtitle",
     "caption"),
    (r"drop.?capital|initial|lettrine|capolettera|rubri[ck]ator", "initial"),
    (r"stamp|cachet|tampon|stempel|timbro|seal", "stamp"),
    (r"photo|fotogra|lichtbild", "photograph"),
    (r"\bmaps?(?:\b|zone|region)|\bplans?\b|carte|karte|mappa|cartograph", "map"),
    (r"ornament|vignette|bandeau|cul.de.lampe|fleuron|head.?piece|tail.?piece|decoration|border|zierst",
     "ornament"),
    (r"music|notation|notes?\b.*sta[fv]|noten|partition", "music"),
    (r"table|tableau|tabelle", "table"),
    (r"separator|ruled?\b|trennlinie|filet", "separator"),
    (
        r"graphic|illustration|image|picture|figure|gravure|engrav|drawing|dessin|zeichnung|abbildung"
        r"|miniature|woodcut|holzschnitt|kupfer|estampe|planche|plate\b|tafel|tavola|bild|advert|publicit|chart",
        "illustration",
    ),
    (r"running|header|footer|page.?number|number|catch.?word|signature|quire|foliation|kolumnentitel",
     "running"),
    (r"heading|title|titre|titel|rubrik|[üu]berschrift|chapter|kapitel", "heading"),
)  # fmt: skip
_COMPILED: Final = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _KIND_WORDS)


def kind_of(words: str | None) -> ZoneKind | None:
    """The kind that a type or a label names (`GraphicZone:illustration`, `Photographie`), if any."""
    if not words:
        return None
    text = words[:200]
    return next((kind for pattern, kind in _COMPILED if pattern.search(text)), None)


def joined(lines: Iterable[str]) -> str | None:
    """The lines as one text; a hyphen at the end of a line joins the word on both sides of it."""
    text = ""
    for line in lines:
        line = " ".join(line.split())
        if not line:
            continue
        if len(text) > MAX_TEXT_CHARS:
            break
        broken = re.search(r"[^\W\d_][-¬⸗]$", text)
        text = text[:-1] + line if broken and line[:1].islower() else f"{text} {line}".strip()
    return text[:MAX_TEXT_CHARS].strip() or None
