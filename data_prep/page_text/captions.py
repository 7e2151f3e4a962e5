"""Which text on a page is the caption of which picture.

A caption is near its picture (most often below), short, about as wide, often centred, in smaller type, and
often begins with a word such as Fig., Abb. or Planche. Each sign adds to a score; the weights were set on the
drawn book of emblems, and the score is turned into a confidence.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from data_prep.page_text.caption_candidates import (
    Candidate,
    between,
    candidates,
    inside,
    overlap,
    vertical_gap,
)
from data_prep.page_text.caption_words import for_caption, has_folio, has_label, is_only_label
from data_prep.page_text.zones import (
    PICTURE_KINDS,
    FloatBox,
    PageText,
    TextLine,
    Zone,
    around,
    confidence_of,
    joined,
    rounded,
)
from iconoclip.record import Caption, Region

Size = tuple[float, float]
"""Width and height of a page"""
LEAST_CONFIDENCE: Final = 0.5
# Of each picture so many texts are compared with what lies between.
_NUM_COMPARED: Final = 20
_REFUSED: Final = -6.0
_MAX_TITLE_LINES: Final = 2
_LEAST_WORDS_AT_SIDE: Final = 3
# Running heads are above this share of the page's height, running feet and catchwords below that.
_HEAD: Final = 0.1
_FOOT: Final = 0.92


@dataclass(frozen=True)
class TiedCaption:
    """The caption of one picture: its text and box."""

    text: str
    box: FloatBox | None
    confidence: float
    """How certain (0 to 1) the tie is, times how certain the letters are where OCR of ours read them"""
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


def _region(box: FloatBox, scale: tuple[float, float]) -> Region:
    across, down = scale
    x, y, width, height = rounded((box[0] * across, box[1] * down, box[2] * across, box[3] * down))
    return Region(x=max(0, x), y=max(0, y), width=width, height=height)


def tie_captions(
    pictures: Sequence[FloatBox],
    page: PageText,
    *,
    origin: str = "institution",
    least_read: float | None = None,
) -> dict[int, TiedCaption]:
    """Number of a picture -> its caption, for the pictures that have one.

    Each text belongs to one picture at most,
    and each picture has one caption; the most certain pairs are taken
    first.

    Args:
        pictures: x, y, width, height in the pixels of `page`.
        page: the zones of the page, fitted to the same image.
        origin: what the captions say of who read the text.
        least_read: a picture whose text was read with less confidence (0 to 1) has no caption: what is next
            best would be another text. None for text of an institution, whose programs measure otherwise.
    """
    every = candidates(page, pictures)
    pairs = sorted(_pairs(pictures, every, page), key=lambda pair: pair[:3], reverse=True)
    found: dict[int, TiedCaption] = {}
    tied: set[int] = set()
    taken: set[tuple[int, int]] = set()
    for confidence, number, _, each in pairs:
        if number in tied or each.ids & taken:
            continue
        whole = _with_title(each, [other for other in every if not other.ids & taken])
        taken |= whole.ids
        tied.add(number)
        read = 1.0 if least_read is None or whole.read is None else whole.read
        if read >= (least_read or 0.0):
            sure = round(confidence * read, 3)
            found[number] = TiedCaption(whole.text, whole.box, sure, whole.language, origin)
    return found


def _pairs(
    pictures: Sequence[FloatBox], every: Sequence[Candidate], page: PageText
) -> Iterator[tuple[float, int, int, Candidate]]:
    """Confidence, number of the picture, number of the text (the later one loses), and the text."""
    # A label is judged with its title, which lies between it and a picture below.
    wholes = [_with_title(each, every) for each in every]
    for number, picture in enumerate(pictures):
        scores = [(_score(picture, each, page.size, len(every)), -place) for place, each in enumerate(wholes)]
        for score, place in heapq.nlargest(_NUM_COMPARED, scores):
            if score <= _REFUSED:
                break
            each = every[-place]
            is_marked = each.kind == "caption" or each.about is not None
            if not is_marked and between(picture, each, every) and _title_of(each, every) is None:
                score -= 1.5
            if (confidence := _confidence(score)) >= LEAST_CONFIDENCE:
                yield confidence, number, place, each


def _with_title(label: Candidate, every: Sequence[Candidate]) -> Candidate:
    """A label with the title in the next block, if there is one: "Fig. 4." and "The golden lion"."""
    title = _title_of(label, every)
    if title is None:
        return label
    text, box = joined((label.text, title.text)), around((label.box, title.box))
    assert text is not None
    assert box is not None
    read = confidence_of(TextLine(each.text, each.box, each.read) for each in (label, title))
    lines, below = (*label.lines, *title.lines), title.below_gap
    return replace(
        label, text=text, box=box, ids=label.ids | title.ids, read=read, lines=lines, below_gap=below
    )


def _title_of(label: Candidate, every: Sequence[Candidate]) -> Candidate | None:
    """The title in the block below a text that is a label and nothing else."""
    if not is_only_label(label.text) or label.is_turned:
        return None
    bottom, height = label.box[1] + label.box[3], label.line_height
    near = [
        each for each in every
        if not each.ids & label.ids and each.kind != "running"
        and each.num_lines <= _MAX_TITLE_LINES and not each.against and not has_label(each.text)
        and overlap(label.box, each.box) > 0
        and -0.3 * height < each.box[1] - bottom < 1.5 * height
        and 0.6 < each.line_height / height < 1.7
    ]  # fmt: skip
    return min(near, key=lambda each: each.box[1], default=None)


def institution_pictures(page: PageText) -> list[Zone]:
    """The pictures that the institution itself marked on the page, with their boxes."""
    return [zone for zone in page.zones if zone.kind in PICTURE_KINDS and zone.box is not None]


def _score(picture: FloatBox, each: Candidate, size: Size | None, num_texts: int) -> float:
    """How much speaks for the text being the picture's caption; 0 is undecided."""
    if each.is_turned:
        return _below_or_above(*_turned(picture, each), size, is_alone=False)
    if inside(each.box, picture) > 0.6:
        return _within(picture, each)
    is_level = vertical_gap(picture, each.box) < -0.3 * each.box[3]
    if is_level and overlap(picture, each.box) < 0.3 * each.box[2]:
        return _at_side(picture, each, size)
    return _below_or_above(picture, each, size, is_alone=num_texts == 1)


def _turned(picture: FloatBox, each: Candidate) -> tuple[FloatBox, Candidate]:
    """A picture and its text on a plate that is turned by a quarter, set upright with the text below."""
    x, y, width, height = each.box
    is_left = x + width / 2 < picture[0] + picture[2] / 2
    box = (y, -x - width if is_left else x, height, width)
    upright = (picture[1], -picture[0] - picture[2] if is_left else picture[0], picture[3], picture[2])
    return upright, replace(each, box=box, above_gap=math.inf, below_gap=math.inf, body=None)


def _within(picture: FloatBox, each: Candidate) -> float:
    """Letters within a picture are a part of it, unless the document calls them its caption, or they begin as
    one and are at its foot or head: the box was drawn around both."""
    if each.kind == "caption":
        return 2.5
    away = min(each.box[1] - picture[1], picture[1] + picture[3] - each.box[1] - each.box[3])
    is_label = has_label(each.text) and not is_only_label(each.text) and len(each.text.split()) > 3
    return 1.8 if is_label and away < 0.05 * picture[3] else _REFUSED


def _below_or_above(picture: FloatBox, each: Candidate, size: Size | None, *, is_alone: bool) -> float:
    gap = vertical_gap(picture, each.box)
    height = max(4.0, each.line_height)
    page_height = size[1] if size else 1.0
    below = each.box[1] >= picture[1] + picture[3] / 2
    # The only text of a plate may be at its foot.
    is_alone = is_alone and below and _away(picture, each.box) < 0.12
    farthest = 0.25 * page_height if is_alone else max(6.0 * height, 0.07 * page_height)
    if gap > farthest or gap < -0.5 * each.box[3] - 0.15 * picture[3]:
        return _REFUSED
    if overlap(picture, each.box) < 0.3 * min(picture[2], each.box[2]):
        return _REFUSED
    score = 0.6 if below else -0.9
    score += 0.9 - min(0.55 * max(0.0, gap) / height, 1.0 if is_alone else math.inf)
    score += _of_words(each) + _of_shape(picture, each)
    other_gap = each.below_gap if below else each.above_gap
    score += 0.7 if other_gap > max(gap, 0.0) * 1.2 + 0.3 * height else -0.7
    if size is not None and not each.is_turned and each.kind != "caption":
        score -= _at_edge(each, size, is_below=below)
    return score


def _at_edge(each: Candidate, size: Size, *, is_below: bool) -> float:
    """How much speaks for a running head or a catchword, which are at the edges of pages."""
    if each.num_lines > 1 or for_caption(each.lines):
        return 0.0
    if not is_below and each.box[1] + each.box[3] / 2 < _HEAD * size[1]:
        return 2.0 * has_folio(each.text) + 2.5 * (each.body is not None)
    if not is_below or each.box[1] < _FOOT * size[1]:
        return 0.0
    is_right = each.box[0] > 0.6 * size[0] and len(each.text.split()) == 1
    # A date may end a caption; "12 REVIEW OF ARTS" is a running foot.
    return 3.0 if is_right or (each.text[:1].isdigit() and has_folio(each.text)) else 0.0


def _at_side(picture: FloatBox, each: Candidate, size: Size | None) -> float:
    """The same for text to the left or right of the picture: narrow, apart from other text, small."""
    height = max(4.0, each.line_height)
    away = max(0.0, -overlap(picture, each.box)) / height
    label = has_label(each.text)
    width, page_height = size if size else (1.0, 1.0)
    # On the other page of a spread, a label tells that it belongs to the plate.
    farthest = 0.5 * width if label and width > page_height else max(6.0 * height, 0.07 * width)
    if away * height > farthest:
        return _REFUSED
    score = 0.7 - 0.55 * (min(away, 3.0) if label else away) + _of_words(each)
    score += 0.6 if each.box[2] <= 0.6 * picture[2] else -0.6
    top, bottom = each.box[1] - picture[1], picture[1] + picture[3] - each.box[1] - each.box[3]
    is_level = abs(top - bottom) < 0.24 * picture[3] or min(abs(top), abs(bottom)) < 0.05 * picture[3]
    score += 0.5 if is_level else 0.0
    # Notes in margins ("Psal. 33.") are shorter than captions.
    if not label and each.kind != "caption" and len(each.text.split()) < _LEAST_WORDS_AT_SIDE:
        score -= 1.2
    if each.body is not None and each.kind != "caption":
        score += 0.5 if each.line_height < 0.88 * each.body else -1.0
    return score + (0.6 if min(each.above_gap, each.below_gap) > 1.2 * height else -1.2)


def _of_words(each: Candidate) -> float:
    """What the document calls a text, and what its words say."""
    if each.about is not None:
        return 4.0
    score = {"caption": 3.0, "heading": -0.2, "running": -2.5}.get(each.kind, 0.0)
    return score + for_caption(each.lines) - each.against


def _away(picture: FloatBox, box: FloatBox) -> float:
    """How far the middle of a text is from that of the picture, in widths of the picture."""
    return abs((box[0] + box[2] / 2) - (picture[0] + picture[2] / 2)) / max(1.0, picture[2])


def _of_shape(picture: FloatBox, each: Candidate) -> float:
    """Width, place, number of lines, size of type."""
    away = _away(picture, each.box)
    score = 0.7 if away < 0.04 else 0.3 if away < 0.12 else -0.6
    if each.box[2] > 1.25 * picture[2]:
        # Several lines that go past the picture are text of the page.
        is_marked = each.kind == "caption" or has_label(each.text)
        score -= 0.0 if is_marked else 2.4 if each.num_lines > 1 else 0.9
    score += {1: 0.5, 2: 0.3, 3: -0.2}.get(each.num_lines, -1.8)
    if each.body is not None and each.kind != "caption":
        smaller = each.line_height / each.body
        score += 0.5 if smaller < 0.88 else -0.1
        # As wide as the text around it, and as large: the text goes past the picture.
        if each.num_lines > 2 and smaller > 0.92:
            score -= 1.2
    return score


def _confidence(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-1.3 * (score - 1.4)))
