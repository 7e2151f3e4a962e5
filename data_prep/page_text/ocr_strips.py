"""Where Tesseract looks for captions: strips above, below and at the sides of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from data_prep.page_text.ocr_pixels import Pixels
from data_prep.page_text.zones import FloatBox

# In shares of the height of the page. Headings of two lines are above pictures, captions below them.
REACH_ABOVE: Final = 0.13
REACH_BELOW: Final = 0.09
# In shares of its width: how much a caption may be wider than its picture on each side.
MOST_ASIDE: Final = 0.2
# At a side, in shares of the width: how far a strip reaches, and how wide it is at least.
REACH_SIDE: Final = 0.3
_LEAST_SIDE: Final = 0.06
# In shares of the height: how far the strip extends above and below the picture, so that text which is not
# only next to the picture reaches its end; and how tall the strip is at least.
_BEYOND: Final = 0.025
_LEAST_TALL: Final = 0.03
# Lines of text: their height in shares of that of the page, their dark pixels in a row, how much darker than
# paper these are (of 255), and how many lines a caption has at most. More are a column of text.
_LINE_HEIGHTS: Final = (0.0045, 0.04)
_LEAST_DARK: Final = 4
_LEAST_CONTRAST: Final = 60
_MAX_LINES: Final = 14


@dataclass(frozen=True)
class Strip:
    """What is read at once: left, top, right and bottom in pixels, and on which side of its picture it is."""

    box: tuple[int, int, int, int]
    place: Literal["above", "below", "side"]


def strips(pictures: Sequence[FloatBox], size: tuple[int, int]) -> list[Strip]:
    """The strips above and below each picture, with a little of the picture, which was painted over.

    Args:
        pictures: x, y, width, height in pixels.
        size: width and height of the page.
    """
    width, height = size
    found: list[Strip] = []
    for picture in sorted(pictures, key=lambda box: box[1]):
        _, y, _, tall = picture
        overlap = min(0.01 * height, 0.2 * tall)
        start, end = _columns(picture, pictures, width)
        above = Strip(_within(start, y - REACH_ABOVE * height, end, y + overlap, size), "above")
        bottom = y + tall
        below = Strip(_within(start, bottom - overlap, end, bottom + REACH_BELOW * height, size), "below")
        for strip in (above, below):
            left, top, right, foot = strip.box
            if foot - top >= 8 + overlap and right - left >= 16:
                found.append(strip)
    return found


def _within(
    left: float, top: float, right: float, bottom: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    width, height = size
    return max(0, round(left)), max(0, round(top)), min(width, round(right)), min(height, round(bottom))


def _columns(picture: FloatBox, pictures: Sequence[FloatBox], width: int) -> tuple[float, float]:
    """From where to where the caption of a picture may reach, in pixels.

    That is further than the picture, but not past the middle between it and the next one.
    """
    x, y, wide, tall = picture
    aside = max(0.15 * wide + 10, min(0.5 * wide, MOST_ASIDE * width))
    left, right = x - aside, x + wide + aside
    for other in pictures:
        if other is picture or other[1] > y + tall or other[1] + other[3] < y:
            continue
        if other[0] + other[2] <= x:
            left = max(left, (other[0] + other[2] + x) / 2)
        elif other[0] >= x + wide:
            right = min(right, (x + wide + other[0]) / 2)
    return left, right


def side_strips(page: Pixels, pictures: Sequence[FloatBox], number: int) -> Iterator[Strip]:
    """The strips to the left and right of one picture that have a few lines of text, up to the next picture.

    Args:
        page: the pixels of the page, its pictures painted over.
        pictures: x, y, width, height in pixels.
        number: the picture, counted from 0.
    """
    height, width = page.shape[:2]
    x, y, wide, tall = pictures[number]
    left, right = x - REACH_SIDE * width, x + wide + REACH_SIDE * width
    for place, other in enumerate(pictures):
        if place == number or other[1] > y + tall or other[1] + other[3] < y:
            continue
        if other[0] + other[2] / 2 < x + wide / 2:
            left = max(left, other[0] + other[2])
        else:
            right = min(right, other[0])
    for start, end in ((left, x), (x + wide, right)):
        box = _within(start, y - _BEYOND * height, end, y + tall + _BEYOND * height, (width, height))
        if box[2] - box[0] < _LEAST_SIDE * width or box[3] - box[1] < _LEAST_TALL * height:
            continue
        if 0 < _num_lines(page[box[1] : box[3], box[0] : box[2]], height) <= _MAX_LINES:
            yield Strip(box, "side")


def _num_lines(part: Pixels, height: int) -> int:
    """How many bands of rows have dark pixels and the height of a line of text on a page `height` tall."""
    grey = part.mean(axis=2)
    is_dark = grey < np.percentile(grey, 75) - _LEAST_CONTRAST
    rows = np.concatenate([[False], is_dark.sum(axis=1) >= _LEAST_DARK, [False]])
    edges = np.flatnonzero(rows[1:] != rows[:-1])
    bands = edges[1::2] - edges[::2]
    least, most = _LINE_HEIGHTS
    return int(np.count_nonzero((bands >= least * height) & (bands <= most * height)))
