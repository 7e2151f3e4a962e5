"""Moves the edges of a box to the ink, or to the straight edge of a sheet, next to them. A cell of the maps
is four pixels wide; ink ends at one.

Shapes: H, W of a page or of the window around a box.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.findings import FoundBox
from iconoclip.page_layout.measure import Corners, overlap

Grey = npt.NDArray[np.uint8]
Profile = npt.NDArray[np.float64]
# Edges of these are moved to the ends of ink, or to straight edges: photographs may be as light as their
# mounts. Initials touch text, stamps lie on it; illustrations and bookplates are found as exactly without.
_AT_INK, _STRAIGHT = ("ornament", "map"), ("photograph",)
# How far an edge may move, in pixels of the model's input: three cells.
REACH: Final = 12
MIN_SIDE: Final = 6
# Levels between paper and ink, and the share of the way to the ink from which on a pixel is ink.
MIN_CONTRAST, INK = 30, 0.35
# A row or column belongs to a picture if so much of it is ink, of the page and of the middle of the picture.
LEAST_INK, LEAST_OF_MEDIAN = 0.04, 0.12
# Rows or columns of bare paper that end a picture.
GAP: Final = 2
# A box that would become another one is left as it is.
LEAST_KEPT: Final = 0.45
# An edge of a sheet is a step of so many levels between two lines of pixels and the next two, so many times
# as large as the steps around it, with so many of the pixels becoming darker, or lighter. An eighth of the
# pixels is left off at both ends, where sheets are worn, or a little tilted.
LINES: Final = 2
LEAST_STEP, LEAST_RATIO, LEAST_SAME, LEFT_OFF = 6.0, 2.5, 0.8, 8
# Such an edge moves by so many pixels, and by this share of the box's side, so that the line below a small
# sheet is not taken.
STRAIGHT_REACH, MOST_MOVED = 16, 0.25


def snapped(grey_HW: Grey, box: Corners) -> Corners:
    """The box with its edges moved to the ends of the ink, in shares of the page like `box`.

    A box without clear ink, or one that would change too much, is returned unchanged.
    """
    height, width = grey_HW.shape
    left, right = round(box[0] * width), round(box[2] * width)
    top, bottom = round(box[1] * height), round(box[3] * height)
    if min(right - left, bottom - top) < MIN_SIDE:
        return box
    x0, y0 = max(0, left - REACH), max(0, top - REACH)
    window_HW = grey_HW[y0 : bottom + REACH, x0 : right + REACH]
    # Every other pixel tells as much of so many.
    dark, paper = np.percentile(window_HW[::2, ::2], (5, 85))
    if paper - dark < MIN_CONTRAST:
        return box
    ink_HW = window_HW < paper - INK * (paper - dark)
    across = _ends(ink_HW[top - y0 : bottom - y0].mean(0), left - x0, right - x0)
    down = _ends(ink_HW[:, left - x0 : right - x0].mean(1), top - y0, bottom - y0)
    moved = (
        (x0 + across[0]) / width,
        (y0 + down[0]) / height,
        (x0 + across[1]) / width,
        (y0 + down[1]) / height,
    )
    return moved if overlap(moved, box) >= LEAST_KEPT else box


def _ends(profile: Profile, first: int, last: int) -> tuple[int, int]:
    """The first and the end of the stretch of ink in a profile that a side from `first` to `last` covers."""
    least = max(LEAST_INK, LEAST_OF_MEDIAN * float(np.median(profile[first:last])))
    is_ink = profile > least
    middle = (first + last) // 2
    end = _outwards(is_ink, max(last - REACH, middle))
    start = len(is_ink) - _outwards(is_ink[::-1], len(is_ink) - min(first + REACH, middle))
    return (start, end) if start < end else (first, last)


def _outwards(is_ink: npt.NDArray[np.bool_], place: int) -> int:
    """From `place` on to the end of the ink, over gaps smaller than GAP; then back to the last ink."""
    while place < len(is_ink) and is_ink[place : place + GAP].any():
        place += 1
    while place > 0 and not is_ink[place - 1]:
        place -= 1
    return place


def at_its_edges(box: FoundBox, grey_HW: Grey) -> FoundBox:
    """A box whose edges lie where its ink or its sheet ends, if its kind has such edges."""
    if box.tilt or box.kind not in (*_AT_INK, *_STRAIGHT):
        return box
    move = snapped if box.kind in _AT_INK else at_straight_edges
    left, top, right, bottom = move(grey_HW, box.corners)
    return replace(box, left=left, top=top, right=right, bottom=bottom)


def at_straight_edges(grey_HW: Grey, box: Corners) -> Corners:
    """The box with its edges moved to the clearest straight steps next to them, such as those of a photograph
    on its mount, in shares of the page like `box`.

    An edge without a clear step stays, and so does a box that would change too much.
    """
    height, width = grey_HW.shape
    left, right = round(box[0] * width), round(box[2] * width)
    top, bottom = round(box[1] * height), round(box[3] * height)
    if min(right - left, bottom - top) < MIN_SIDE:
        return box
    across, down = (right - left) // LEFT_OFF, (bottom - top) // LEFT_OFF
    lines = grey_HW[top + down : bottom - down], grey_HW[:, left + across : right - across].T
    moved = (
        _step(lines[0], left, right - left) / width if left else box[0],
        _step(lines[1], top, bottom - top) / height if top else box[1],
        _step(lines[0], right, right - left) / width if right < width else box[2],
        _step(lines[1], bottom, bottom - top) / height if bottom < height else box[3],
    )
    return moved if overlap(moved, box) >= LEAST_KEPT else box


def _step(across_NL: Grey, place: int, side: int) -> int:
    """The line of pixels next to `place` at which most pixels change alike; `place` itself if hardly any do.

    Letters change half of the pixels of a line at most, so the median passes them over.

    Args:
        across_NL: pixels of the whole page: N along the edge, L lines.
        place: the first line beyond the edge.
        side: of the box, in lines.
    """
    reach = min(STRAIGHT_REACH, round(MOST_MOVED * side))
    first, end = max(LINES, place - reach), min(across_NL.shape[1] - LINES, place + reach) + 1
    if end <= first:
        return place
    sums_NL = np.cumsum(across_NL[:, first - LINES : end + LINES - 1], axis=1, dtype=np.int32)
    sums_NL = np.pad(sums_NL, ((0, 0), (1, 0)))
    means_NL = (sums_NL[:, LINES:] - sums_NL[:, :-LINES]) / LINES
    changes_NL = means_NL[:, LINES:] - means_NL[:, :-LINES]
    steps_L = np.abs(np.median(changes_NL, axis=0))
    best = int(np.argmax(steps_L))
    is_clear = steps_L[best] >= max(LEAST_STEP, LEAST_RATIO * float(np.median(steps_L)))
    darker, lighter = (changes_NL[:, best] < 0).mean(), (changes_NL[:, best] > 0).mean()
    return first + best if is_clear and max(darker, lighter) >= LEAST_SAME else place
