"""The lines on a page that may be a caption: whole blocks, and what OCR joined with the text around it."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from data_prep.page_text.caption_words import against_caption, has_label
from data_prep.page_text.zones import (
    TEXT_KINDS,
    FloatBox,
    PageText,
    TextLine,
    Zone,
    around,
    confidence_of,
    joined,
)

MAX_CAPTION_CHARS: Final = 1_200
_MAX_LINES: Final = 6
_MAX_WORDS: Final = 80
_MAX_COLUMN_LINES: Final = 60
# Each is compared with each; a page of a newspaper has some hundred.
_MAX_TEXTS: Final = 1_500
_MIN_TURNED_CHARS: Final = 4
# From here on the words of a text say that it is something else.
_NO_CAPTION: Final = 3.0


@dataclass(frozen=True)
class Candidate:
    """Some lines of a zone that may be a caption.

    Attributes:
        ids: number of the zone and of each line in it.
        against: how much its words speak against a caption.
        line_height: of its type, in pixels; for text turned by a quarter, across.
        is_turned: whether its lines run upwards or downwards.
        above_gap: the white until the next text above it in the same column, in pixels.
        below_gap: the same below it.
        body: the usual height of a line of other text on the page, None on pages with next to no text.
        read: how certain (0 to 1) the program that read its letters is, None where that is not known.
    """

    ids: frozenset[tuple[int, int]]
    kind: str
    text: str
    lines: tuple[str, ...]
    box: FloatBox
    line_height: float
    language: str | None
    about: str | None
    against: float
    is_turned: bool
    above_gap: float
    below_gap: float
    body: float | None = None
    read: float | None = None

    @property
    def num_lines(self) -> int:
        """The number of lines of text that it has."""
        return len(self.lines)


def candidates(page: PageText, pictures: Sequence[FloatBox]) -> list[Candidate]:
    """Everything on a page that is short enough for a caption."""
    every = [zone for zone in page.zones if zone.kind in TEXT_KINDS and zone.box is not None and zone.text]
    every = every[:_MAX_TEXTS]
    long = [number for number, zone in enumerate(every) if zone.kind == "text" and len(zone.lines) > 3]
    heights = [line.box[3] for number in long for line in every[number].lines if line.box is not None]
    body = statistics.median(heights) if len(heights) > 3 else None
    return [
        # A block is not the text of the page that it is compared with.
        replace(found, body=None if long == [number] else body)
        for number, zone in enumerate(every)
        for places, lines in _parts(zone, pictures)
        if (found := _candidate(number, zone, places, lines, every)) is not None
    ]


def between(picture: FloatBox, each: Candidate, others: Sequence[Candidate]) -> bool:
    """Whether another text that may be a caption lies between a picture and a candidate below or above it."""
    top, bottom = sorted((each.box[1] + each.box[3] / 2, picture[1] + picture[3] / 2))
    return any(
        top < other.box[1] + other.box[3] / 2 < bottom
        and overlap(other.box, each.box) > 0
        and not other.ids & each.ids
        and inside(other.box, picture) < 0.5
        and other.kind != "running"
        and other.against < _NO_CAPTION
        for other in others
    )


def overlap(one: FloatBox, other: FloatBox) -> float:
    """How far two boxes overlap from left to right, in pixels; negative for the space between them."""
    return min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])


def vertical_gap(picture: FloatBox, text: FloatBox) -> float:
    """The distance from top to bottom between two boxes; negative where they overlap."""
    return max(text[1] - (picture[1] + picture[3]), picture[1] - (text[1] + text[3]))


def inside(inner: FloatBox, outer: FloatBox) -> float:
    """The share of `inner` that lies in `outer`."""
    across = overlap(inner, outer)
    down = min(inner[1] + inner[3], outer[1] + outer[3]) - max(inner[1], outer[1])
    return max(0.0, across) * max(0.0, down) / max(1e-9, inner[2] * inner[3])


def _candidate(
    number: int, zone: Zone, places: range | tuple[int, ...], lines: Sequence[TextLine], every: Sequence[Zone]
) -> Candidate | None:
    box = around(line.box for line in lines) or zone.box
    text = joined(line.text for line in lines)
    if box is None or not text or len(text) > MAX_CAPTION_CHARS:
        return None
    if len(lines) > _MAX_LINES or len(text.split()) > _MAX_WORDS:
        return None
    is_turned = _is_turned(lines, box, text)
    words = tuple(line.text for line in lines)
    above, below = _gaps(box, number, every)
    return Candidate(
        frozenset((number, place) for place in places),
        zone.kind,
        text,
        words,
        box,
        _line_height(lines, box, is_turned=is_turned),
        zone.language,
        zone.about,
        against_caption(words),
        is_turned,
        above,
        below,
        read=confidence_of(lines),
    )


def _parts(
    zone: Zone, pictures: Sequence[FloatBox]
) -> Iterator[tuple[range | tuple[int, ...], Sequence[TextLine]]]:
    """The lines of a zone that may be a caption, with their numbers.

    That is all of them; or those of each column; and of a zone that OCR joined with the text around it, those
    that begin with a label and are next to a picture.
    """
    lines = tuple(line for line in zone.lines if line.text.strip()) or (TextLine(zone.text or "", zone.box),)
    columns = _columns(lines)
    if len(columns) > 1:
        for places in columns:
            yield places, [lines[place] for place in places]
        return
    yield range(len(lines)), lines
    if len(lines) < 3:
        return
    height = _line_height(lines, zone.box or (0, 0, 1, 1))
    white = max(0.6 * height, 1.3 * statistics.median(_whites(lines)))
    for start, line in enumerate(lines):
        if line.box is None or not has_label(line.text):
            continue
        if not any(vertical_gap(picture, line.box) < 2.5 * height for picture in pictures):
            continue
        if start > 0 and not _ends(lines[start - 1], line, white):
            continue
        end = start + 1
        while end < len(lines) and not _ends(lines[end - 1], lines[end], white):
            end += 1
        # All of them are the zone; text that only continues is no caption.
        if (start, end) != (0, len(lines)):
            yield range(start, end), lines[start:end]


def _columns(lines: Sequence[TextLine]) -> list[tuple[int, ...]]:
    """The numbers of the lines of each column, where a block has lines next to each other."""
    whole = [tuple(range(len(lines)))]
    if not 1 < len(lines) <= _MAX_COLUMN_LINES or not any(
        _is_next_to(above, below) for above, below in itertools.pairwise(lines)
    ):
        return whole
    columns: list[list[int]] = []
    for number, line in enumerate(lines):
        if line.box is None:
            return whole
        near = [
            column for column in columns
            if any((box := lines[place].box) is not None and overlap(box, line.box) > 0 for place in column)
        ]  # fmt: skip
        columns = [column for column in columns if column not in near]
        columns.append(sorted([number, *(place for column in near for place in column)]))
    return [tuple(column) for column in sorted(columns)]


def _is_next_to(one: TextLine, other: TextLine) -> bool:
    if one.box is None or other.box is None or overlap(one.box, other.box) > 0:
        return False
    return vertical_gap(one.box, other.box) < -0.5 * min(one.box[3], other.box[3])


def _whites(lines: Sequence[TextLine]) -> list[float]:
    """The white between each line and the next, in pixels."""
    pairs = itertools.pairwise(line.box for line in lines)
    return [below[1] - above[1] - above[3] for above, below in pairs if above and below] or [0.0]


def _ends(above: TextLine, below: TextLine, white: float) -> bool:
    """Whether a paragraph ends between two lines: by white, by a change of type, or because the upper line
    ends before the lower one, which does not begin further right."""
    if above.box is None or below.box is None:
        return True
    gap = below.box[1] - (above.box[1] + above.box[3])
    if gap > white or not 0.7 < above.box[3] / max(1e-9, below.box[3]) < 1.43:
        return True
    is_short = above.box[0] + above.box[2] < below.box[0] + 0.85 * below.box[2]
    return is_short and below.box[0] <= above.box[0] + 0.02 * below.box[2]


def _is_turned(lines: Sequence[TextLine], box: FloatBox, text: str) -> bool:
    boxes = [line.box for line in lines if line.box is not None] or [box]
    return len(text) >= _MIN_TURNED_CHARS * len(boxes) and all(one[3] > 2.5 * one[2] for one in boxes)


def _line_height(lines: Sequence[TextLine], box: FloatBox, *, is_turned: bool = False) -> float:
    side = 2 if is_turned else 3
    heights = [line.box[side] for line in lines if line.box is not None]
    return statistics.median(heights) if heights else box[side] / max(1, len(lines))


def _gaps(box: FloatBox, number: int, every: Sequence[Zone]) -> tuple[float, float]:
    """The white above and below `box` until the next text that lies in its way."""
    above = below = math.inf
    for place, other in enumerate(every):
        if other.box is None or place == number or other.kind == "running":
            continue
        if overlap(box, other.box) <= 0:
            continue
        if other.box[1] + other.box[3] <= box[1] + 0.5 * box[3]:
            above = min(above, box[1] - (other.box[1] + other.box[3]))
        elif other.box[1] >= box[1] + 0.5 * box[3]:
            below = min(below, other.box[1] - (box[1] + box[3]))
    return above, below
