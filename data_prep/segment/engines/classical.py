"""The engine `none`: no model, but what image processing without learning can do. A baseline to beat.

Text is thin strokes in lines; pictures and ornaments fill an area with ink, shades or colour. So every cell
whose surroundings hold much that is not paper counts as picture, and connected cells make a box.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.components import components
from iconoclip.page_layout.findings import MAX_BOXES, Finding, FoundBox
from iconoclip.page_layout.inputs import MAX_PIXELS, page_pixels

GreyMap = npt.NDArray[np.float32]
# Shares of the longer side: the surroundings in which ink is counted, and the smallest picture.
AROUND, MIN_SIDE = 0.022, 0.03
# Share of ink in the surroundings: printed text has 0.15 to 0.3.
MUCH_INK: Final = 0.42
LEAST: Final = 0.5
# Pixels of the longer side of a page as it is looked at.
SIDE: Final = 550


class ClassicalEngine:
    """Finds areas that hold more ink than text does."""

    name = "none"

    def __init__(self, least_score: float | None = None) -> None:
        self._least = LEAST if least_score is None else least_score
        settings = (AROUND, MIN_SIDE, MUCH_INK, self._least)
        self.digest = hashlib.sha256(f"classical-1 {settings}".encode()).hexdigest()

    def find(self, page: bytes) -> Finding:
        """What is on a page.

        Raises:
            ImageRefused: the image cannot be decoded.
        """
        decoded = page_pixels(page, MAX_PIXELS, SIDE, most_enlarged=1.0)
        ink_HW = _ink(decoded.pixels_HWC)
        reach = max(2, round(AROUND * max(ink_HW.shape)))
        dense_HW = _mean(ink_HW.astype(np.float32), reach) > MUCH_INK
        boxes = []
        for part in components(dense_HW):
            x0, y0, x1, y1 = part.bounds
            if min(x1 - x0, y1 - y0) < MIN_SIDE * max(ink_HW.shape):
                continue
            score = float(ink_HW[part.rows, part.columns].mean())
            if score < self._least:
                continue
            boxes.append(_box((x0, y0, x1, y1), ink_HW.shape, decoded.place, score))
        boxes.sort(key=lambda box: -box.score)
        covered = sum((box.right - box.left) * (box.bottom - box.top) for box in boxes)
        if covered > 0.3:
            return Finding("picture", 0.5, tuple(boxes[:MAX_BOXES]))
        if boxes:
            return Finding("mixed", 0.5, tuple(boxes[:MAX_BOXES]))
        return Finding("text" if ink_HW.mean() > 0.01 else "blank", 0.5)


def _ink(page_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where a page is darker, or of another colour, than the paper around; dark borders of scans are no
    ink."""
    colour_HW3 = page_HWC.astype(np.float32)
    grey_HW = colour_HW3.mean(2)
    side = max(grey_HW.shape)
    light_HW = np.minimum(_mean(grey_HW, side // 6) * 1.15, np.float32(np.quantile(grey_HW, 0.9)))
    spread_HW = colour_HW3.max(2) - colour_HW3.min(2)
    ink_HW = (grey_HW < 0.8 * light_HW) | (spread_HW > np.quantile(spread_HW, 0.5) + 40)
    return np.asarray(ink_HW & ~_border(grey_HW))


def _border(grey_HW: GreyMap) -> npt.NDArray[np.bool_]:
    """Rows and columns at the edges that are dark throughout."""
    border_HW = np.zeros(grey_HW.shape, np.bool_)
    for axis in (0, 1):
        dark = grey_HW.mean(1 - axis) < 60
        inside = np.flatnonzero(~dark)
        if not len(inside):
            continue
        outside = np.ones(len(dark), np.bool_)
        outside[inside[0] : inside[-1] + 1] = False
        border_HW |= outside[:, None] if axis == 0 else outside[None, :]
    return border_HW


def _mean(values_HW: GreyMap, reach: int) -> GreyMap:
    """The mean over a square of 2 * reach + 1 cells around each cell, cut at the edges."""
    height, width = values_HW.shape
    sums = np.zeros((height + 1, width + 1), np.float64)
    sums[1:, 1:] = values_HW.cumsum(0, dtype=np.float64).cumsum(1)
    top, bottom = (
        np.clip(np.arange(height) - reach, 0, None),
        np.clip(np.arange(height) + reach + 1, None, height),
    )
    left, right = (
        np.clip(np.arange(width) - reach, 0, None),
        np.clip(np.arange(width) + reach + 1, None, width),
    )
    total = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return np.asarray(total / ((bottom - top)[:, None] * (right - left)[None, :]), np.float32)


def _box(
    cells: tuple[int, int, int, int],
    shape: tuple[int, ...],
    place: tuple[float, float, float, float],
    score: float,
) -> FoundBox:
    across, down = (place[2] - place[0]) / shape[1], (place[3] - place[1]) / shape[0]
    x0, y0, x1, y1 = cells
    ratio = (x1 - x0) / (y1 - y0)
    kind = "ornament" if ratio > 3 else "illustration"
    return FoundBox(
        kind,  # type: ignore[arg-type]
        place[0] + x0 * across,
        place[1] + y0 * down,
        min(1.0, place[0] + x1 * across),
        min(1.0, place[1] + y1 * down),
        score,
    )
