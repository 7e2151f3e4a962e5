"""Which text on a page is the caption of which picture.

A caption is near its picture (most often below), short, about as wide, often centred, in smaller type, and
often begins with a word such as Fig., Abb. or Planche. Each sign adds to a score; the weights were set on the
drawn book of emblems, and the score is turned into a confidence.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from data_prep.page_text.zones import (
    PICTURE_KINDS,
    TEXT_KINDS,
    FloatBox,
    PageText,
    TextLine,
    Zone,
    around,
    joined,
    rounded,
)
from iconoclip.record import Caption, Region

LEAST_CONFIDENCE: Final = 0.5
MAX_CAPTION_CHARS: Final = 1_200
_MAX_LINES: Final = 6
_MAX_WORDS: Final = 80

_LABEL: Final = re.compile(
    r"\W{0,3}(?:fig(?:ure|ura|\b)|figg\b|abb(?:ildung|\b)|bild\b|taf(?:el|\b)|tab(?:ula|\b)|pl(?:anche|ate|\b)"
    r"|tav(?:ola|\b)|l[aá]m(?:ina|\b)|ill(?:ustration|us|\b)|grav(?:ure|\b)|photo(?:graph|graphie)?\b|phot\b|map\b"
    r"|carte\b|karte\b|mappa\b|embl[eè]m[ea]?\b|emblema\b|sinnbild\b|no?\b|nr\b)[.\s]{0,3}"
    r"(?:\d{1,4}|[ivxlcdm]{1,9}|[a-z])?\b",
    re.IGNORECASE,
)
# Who printed a book, where and when: at the foot of a title page, below its picture.
_IMPRINT: Final = re.compile(
    r"\b(?:apud|chez|appresso|typographi\w*|officina|printed|stationers?|impensis|sumptibus|excud\w+|gedruckt|verleg\w*"
    r"|imprim\w+|libraires?|heredes|her[ei]tiers|eredi)\b|\bM[DC][CDLXVI]{2,10}\b",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(r"(?:\d{1,4}|[ivxlcdm]{1,9})\b", re.IGNORECASE)


@dataclass(frozen=True)
class TiedCaption:
    """The caption of one picture: its text and box, and how certain (0 to 1) the tie is."""

    text: str
    box: FloatBox | None
    confidence: float
    language: str | None
    origin: str
    """`institution`, or `machine:` and the name of the program that read the text"""

    def as_caption(self, language: str, scale: tuple[float, float] = (1.0, 1.0)) -> Caption:
        """The caption of a record at the level of the region.

        Args:
            language: BCP 47 tag for where the document names none.
            scale: from the pixels of the zones to those of the full-size source image, across and down,
                because records measure in the latter.
        """
        return Caption(
            text=self.text,
            language=self.language or language,
            field="caption",
            origin=self.origin,
            language_source="source" if self.language else "profile",
            level="region",
            role="descriptive",
            box=None if self.box is None else _region(self.box, scale),
            confidence=self.confidence,
        )


@dataclass(frozen=True)
class _Candidate:
    """Some lines of a zone that may be a caption."""

    zone: int
    kind: str
    text: str
    box: FloatBox
    line_height: float
    num_lines: int
    language: str | None
    about: str | None
    above_gap: float
    """to the text above it in the same column, in pixels"""
    below_gap: float


def _region(box: FloatBox, scale: tuple[float, float]) -> Region:
    across, down = scale
    x, y, width, height = rounded((box[0] * across, box[1] * down, box[2] * across, box[3] * down))
    return Region(x=max(0, x), y=max(0, y), width=width, height=height)


def tie_captions(
    pictures: Sequence[FloatBox], page: PageText, *, origin: str = "institution"
) -> dict[int, TiedCaption]:
    """Number of a picture -> its caption, for the pictures that have one.

    Each text belongs to one picture at most,
    and each picture has one caption; the most certain pairs are taken
    first.

    Args:
        pictures: x, y, width, height in the pixels of `page`.
        page: the zones of the page, fitted to the same image.
        origin: what the captions say of who read the text.
    """
    candidates = list(_candidates(page, pictures))
    body = _body_height(page)
    pairs = sorted(
        (
            (_confidence(_score(picture, each, body, page)), number, place)
            for number, picture in enumerate(pictures)
            for place, each in enumerate(candidates)
        ),
        reverse=True,
    )
    found: dict[int, TiedCaption] = {}
    taken: set[int] = set()
    for confidence, number, place in pairs:
        each = candidates[place]
        if confidence < LEAST_CONFIDENCE:
            break
        if number in found or each.zone in taken:
            continue
        taken.add(each.zone)
        found[number] = TiedCaption(each.text, each.box, round(confidence, 3), each.language, origin)
    return found


def institution_pictures(page: PageText) -> list[Zone]:
    """The pictures that the institution itself marked on the page, with their boxes."""
    return [zone for zone in page.zones if zone.kind in PICTURE_KINDS and zone.box is not None]


def _body_height(page: PageText) -> float | None:
    """The usual height of a line of text on the page, None on pages with next to no text."""
    heights = [
        line.box[3]
        for zone in page.zones
        if zone.kind == "text" and len(zone.lines) > 3
        for line in zone.lines
        if line.box is not None
    ]
    return statistics.median(heights) if len(heights) > 3 else None


def _candidates(page: PageText, pictures: Sequence[FloatBox]) -> Iterator[_Candidate]:
    every = [zone for zone in page.zones if zone.kind in TEXT_KINDS and zone.box is not None and zone.text]
    for number, zone in enumerate(every):
        for lines in _runs(zone, pictures):
            box = around(line.box for line in lines) or zone.box
            text = joined(line.text for line in lines)
            if box is None or not text or len(text) > MAX_CAPTION_CHARS:
                continue
            if len(lines) > _MAX_LINES or len(text.split()) > _MAX_WORDS:
                continue
            above, below = _gaps(box, number, every)
            yield _Candidate(number, zone.kind, text, box, _line_height(lines, box), len(lines),
                             zone.language,
                             zone.about, above, below)  # fmt: skip


def _runs(zone: Zone, pictures: Sequence[FloatBox]) -> Iterator[tuple[TextLine, ...]]:
    """The lines of a zone that may be a caption: all of them; or, of a zone that OCR joined with the text
    around it, those that begin with a label and are next to a picture."""
    lines = tuple(line for line in zone.lines if line.text.strip()) or (TextLine(zone.text or "", zone.box),)
    yield lines
    if len(lines) < 3:
        return
    height = _line_height(lines, zone.box or (0, 0, 1, 1))
    for start, line in enumerate(lines):
        if line.box is None or not _has_label(line.text):
            continue
        if any(_vertical_gap(picture, line.box) < 2.5 * height for picture in pictures):
            end = start + 1
            while end < min(len(lines), start + 3) and _continues(lines[end - 1], lines[end], height):
                end += 1
            yield lines[start:end]


def _continues(above: TextLine, below: TextLine, height: float) -> bool:
    if above.box is None or below.box is None or re.search(r"[.!?]\W*$", above.text):
        return False
    return below.box[1] - (above.box[1] + above.box[3]) < 0.6 * height


def _line_height(lines: Sequence[TextLine], box: FloatBox) -> float:
    heights = [line.box[3] for line in lines if line.box is not None]
    return statistics.median(heights) if heights else box[3] / max(1, len(lines))


def _gaps(box: FloatBox, number: int, every: Sequence[Zone]) -> tuple[float, float]:
    """The white above and below `box` until the next text that lies in its way."""
    above = below = math.inf
    for place, other in enumerate(every):
        if other.box is None or place == number or other.kind == "running":
            continue
        if _overlap(box, other.box) <= 0:
            continue
        if other.box[1] + other.box[3] <= box[1] + 0.5 * box[3]:
            above = min(above, box[1] - (other.box[1] + other.box[3]))
        elif other.box[1] >= box[1] + 0.5 * box[3]:
            below = min(below, other.box[1] - (box[1] + box[3]))
    return above, below


def _has_label(text: str) -> bool:
    found = _LABEL.match(text)
    return found is not None and (_NUMBERED.search(found[0]) is not None or len(found[0].strip(" .")) > 3)


def _overlap(one: FloatBox, other: FloatBox) -> float:
    """How far two boxes overlap from left to right, in pixels; negative for the space between them."""
    return min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])


def _vertical_gap(picture: FloatBox, text: FloatBox) -> float:
    """The distance from top to bottom between two boxes; negative where they overlap."""
    return max(text[1] - (picture[1] + picture[3]), picture[1] - (text[1] + text[3]))


def _score(picture: FloatBox, each: _Candidate, body: float | None, page: PageText) -> float:
    """How much speaks for the text being the picture's caption; 0 is undecided."""
    gap = _vertical_gap(picture, each.box)
    inside = _inside(each.box, picture)
    if inside > 0.6:
        # Letters within a picture are a part of it, unless the document calls them its caption.
        return 1.0 if each.kind == "caption" else -6.0
    height = max(4.0, each.line_height)
    page_height = page.size[1] if page.size else 1.0
    if gap > max(6.0 * height, 0.07 * page_height) or gap < -0.5 * each.box[3] - 0.15 * picture[3]:
        return -6.0
    side = gap < -0.3 * each.box[3]
    if not side and _overlap(picture, each.box) < 0.3 * min(picture[2], each.box[2]):
        return -6.0
    below = each.box[1] >= picture[1] + picture[3] / 2
    score = 0.6 if below else -0.9
    score += 0.9 - 0.55 * max(0.0, gap) / height
    score += _of_kind(each) + _of_shape(picture, each, body)
    other_gap = each.below_gap if below else each.above_gap
    if math.isfinite(other_gap):
        score += 0.7 if other_gap > max(gap, 0.0) * 1.2 + 0.3 * height else -0.7
    else:
        score += 0.7
    return score - (1.5 if side else 0.0)


def _of_kind(each: _Candidate) -> float:
    if each.about is not None:
        return 4.0
    score = {"caption": 3.0, "heading": -0.2, "running": -2.5}.get(each.kind, 0.0)
    if _has_label(each.text):
        score += 2.2
    if not _has_label(each.text) and _IMPRINT.search(each.text):
        score -= 2.5
    if re.fullmatch(r"[\W\d]{0,8}|[ivxlcdmj]{1,8}\W?", each.text, re.IGNORECASE):
        score -= 8.0
    return score


def _of_shape(picture: FloatBox, each: _Candidate, body: float | None) -> float:
    """Width, place, number of lines, size of type."""
    score = 0.0
    away = abs((each.box[0] + each.box[2] / 2) - (picture[0] + picture[2] / 2)) / max(1.0, picture[2])
    score += 0.7 if away < 0.04 else 0.3 if away < 0.12 else -0.6
    if each.box[2] > 1.25 * picture[2]:
        score -= 0.9
    score += {1: 0.5, 2: 0.3, 3: -0.2}.get(each.num_lines, -1.8)
    if body is not None and each.kind != "caption":
        smaller = each.line_height / body
        score += 0.5 if smaller < 0.88 else -0.1
        # As wide as the text around it, and as large: the text goes past the picture.
        if each.num_lines > 2 and smaller > 0.92:
            score -= 1.2
    return score


def _inside(inner: FloatBox, outer: FloatBox) -> float:
    """The share of `inner` that lies in `outer`."""
    across = min(inner[0] + inner[2], outer[0] + outer[2]) - max(inner[0], outer[0])
    down = min(inner[1] + inner[3], outer[1] + outer[3]) - max(inner[1], outer[1])
    return max(0.0, across) * max(0.0, down) / max(1e-9, inner[2] * inner[3])


def _confidence(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-1.3 * (score - 1.4)))
