"""Decorations on training samples that few marked documents have: bands of type ornaments, which are to be
found, and pen work in the margins, which is to be left alone.

Shapes: H, W of a page, of a band or of what is painted.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from iconoclip.page_layout.kinds import CLASS_OF_KIND, OTHER, TEXT
from training.pages.composing import Draft
from training.pages.fillers import line_at, text_cells
from training.pages.stored import FIRST_THING, MAX_THINGS, Thing

# A page gets at most so many bands, each in place of a line; the shares of the line's width and of its height
# without ascenders and descenders.
MOST_BANDS: Final = 3
BAND_WIDTHS, BAND_HEIGHTS = (0.4, 1.0), (0.9, 1.9)
# A band's ornament is so wide for its height.
PITCHES: Final = (0.5, 1.3)
# At most so many columns of pen work, as shares of the page's height; strokes next to each other in one.
MOST_COLUMNS, COLUMN_HEIGHTS, MOST_STROKES = 4, (0.05, 0.9), 4
PIGMENTS: Final = ((0.75, 0.2, 0.15), (0.2, 0.3, 0.6), (0.35, 0.45, 0.4), (0.45, 0.25, 0.45))


def put_bands(draft: Draft, random: np.random.Generator) -> None:
    """Replace lines of a page with rows of one type ornament, as printers set them above a heading."""
    cells = text_cells(draft)
    for _ in range(int(random.integers(1, MOST_BANDS + 1))):
        line = line_at(draft, *cells[int(random.integers(len(cells)))].tolist()) if len(cells) else None
        if line is None or len(draft.things) >= MAX_THINGS:
            continue
        left, top, right, bottom = line
        small = bottom - top
        tall = round(small * random.uniform(*BAND_HEIGHTS))
        wide = max(3 * tall, round((right - left) * random.uniform(*BAND_WIDTHS)))
        first = max(0, (top + bottom - tall) // 2)
        start = left + max(0, right - left - wide) // 2
        inside = slice(first, first + tall), slice(start, min(start + wide, right))
        covered = slice(max(0, top - small // 2), bottom + small // 2), slice(left, right + small // 4)
        if (draft.marks[inside] >= FIRST_THING).any() or (draft.marks[covered] >= FIRST_THING).any():
            continue
        around = draft.pixels[:, max(0, top - small) : bottom + small, left:right:4].flatten(1)
        paper, ink = (around.quantile(share, dim=1)[:, None, None] for share in (0.85, 0.03))
        band_HW = _band(inside[0].stop - first, inside[1].stop - start, random)
        draft.pixels[:, *covered] = paper
        draft.pixels[:, *inside] = paper + (ink - paper) * band_HW
        draft.marks[covered] = OTHER
        draft.marks[inside] = FIRST_THING + len(draft.things)
        thing = Thing(CLASS_OF_KIND["ornament"], start, first, inside[1].stop, inside[0].stop, False)
        draft.things.append(thing)


def _band(tall: int, wide: int, random: np.random.Generator) -> torch.Tensor:
    """How dark the ink of a band is, in 0 to 1: one symmetric ornament in a row or in two that mirror each
    other, sometimes with a colon in place of one."""
    pitch = max(4, round(tall * random.uniform(*PITCHES)))
    rows = 2 if random.random() < 0.25 else 1
    one = _ornament(tall // rows, pitch, random)
    band = np.concatenate([one, one[::-1]])[:tall] if rows == 2 else one
    band = np.pad(band, ((0, tall - len(band)), (0, 0)))
    row = np.tile(band, -(-wide // pitch))[:, :wide]
    if random.random() < 0.4:
        colon = _colon(tall, pitch)
        for place in random.integers(0, max(1, wide // pitch), 2).tolist():
            row[:, place * pitch : (place + 1) * pitch] = colon[:, : wide - place * pitch]
    # Type does not print evenly.
    row = row * random.normal(1, 0.12, (1, wide)).clip(0.5, 1.2)
    return torch.from_numpy(row.clip(0, 1).astype(np.float32))


def _ornament(tall: int, pitch: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A leaf, a flower or a star that is mirrored about its middle: blots and strokes, [tall, pitch]."""
    y, x = np.meshgrid(np.linspace(-1, 1, max(tall, 2)), np.linspace(-1, 1, pitch), indexing="ij")
    x = np.abs(x) if random.random() < 0.85 else x
    dark = np.zeros_like(x)
    for _ in range(int(random.integers(3, 8))):
        middle_x, middle_y = random.uniform(0, 0.8), random.uniform(-0.85, 0.85)
        turn, far, near = random.uniform(0, math.pi), random.uniform(0.15, 0.55), random.uniform(0.08, 0.25)
        along = (x - middle_x) * math.cos(turn) + (y - middle_y) * math.sin(turn)
        across = (y - middle_y) * math.cos(turn) - (x - middle_x) * math.sin(turn)
        reach = np.sqrt((along / far) ** 2 + (across / near) ** 2)
        blot = 1 - reach if random.random() < 0.7 else 0.35 - np.abs(reach - 0.8)
        dark = np.maximum(dark, 1 / (1 + np.exp(-8 * blot)))
    return dark[:tall] * (np.abs(y[:tall]) < 0.98)


def _colon(tall: int, pitch: int) -> npt.NDArray[np.float64]:
    y, x = np.meshgrid(np.linspace(-1, 1, tall), np.linspace(-1, 1, pitch), indexing="ij")
    reach = np.sqrt(x**2 + ((np.abs(y) - 0.45) * 1.2) ** 2)
    return np.asarray((reach < 0.25).astype(np.float64))


def draw_penwork(draft: Draft, random: np.random.Generator) -> None:
    """Draw coloured strokes and curls along the left edges of lines, as scribes did from initial to initial.
    What is marked stays as it is, and nobody marks pen work."""
    cells = text_cells(draft)
    if not len(cells):
        return
    height, width = draft.marks.shape
    colours = [torch.tensor(PIGMENTS[int(one)]) for one in random.permutation(len(PIGMENTS))[:2]]
    unit = max(height, width) / 1100
    for _ in range(int(random.integers(1, MOST_COLUMNS + 1))):
        row, column = cells[int(random.integers(len(cells)))].tolist()
        is_text_W = (draft.marks[row] == TEXT).numpy()
        left = column - int(np.argmin(is_text_W[column::-1])) if not is_text_W[: column + 1].all() else 0
        tall = height * random.uniform(*COLUMN_HEIGHTS)
        first = random.uniform(-0.1, 0.9) * height
        _stroke(draft, (left - random.uniform(1, 16) * unit, first, first + tall), colours, unit, random)


def _stroke(
    draft: Draft,
    place: tuple[float, float, float],
    colours: list[torch.Tensor],
    unit: float,
    random: np.random.Generator,
) -> None:
    """Strokes next to each other at x, from y to y, in pieces of two colours in turn, with curls."""
    middle, first, last = place
    height, width = draft.marks.shape
    reach = round(40 * unit)
    start_x, end_x = max(0, round(middle) - reach), min(width, round(middle) + reach)
    start_y, end_y = max(0, round(first)), min(height, round(last))
    if end_x - start_x < 4 or end_y - start_y < 4:
        return
    y, x = np.meshgrid(np.arange(start_y, end_y), np.arange(start_x, end_x), indexing="ij")
    distance = np.full(y.shape, np.inf)
    thick = random.uniform(0.8, 3.2) * unit
    for number in range(int(random.integers(1, MOST_STROKES + 1))):
        wave = random.uniform(0, 3) * unit * np.sin(y / (random.uniform(8, 60) * unit) + random.uniform(0, 6))
        line = middle + number * random.uniform(1.5, 3.0) * thick + wave
        distance = np.minimum(distance, np.abs(x - line) - thick / 2)
    for _ in range(int(random.integers(0, 2 + (end_y - start_y) // round(60 * unit)))):
        at_x, at_y = middle + random.normal(0, 8) * unit, random.uniform(start_y, end_y)
        ring = np.hypot(x - at_x, (y - at_y) * random.uniform(0.5, 1.5)) - random.uniform(3, 14) * unit
        distance = np.minimum(distance, np.abs(ring) - random.uniform(0.4, 1.0) * unit)
    inside = slice(start_y, end_y), slice(start_x, end_x)
    dark = random.uniform(0.5, 0.95) / (1 + np.exp(np.clip(3 * distance / unit, -30, 30)))
    shown = torch.from_numpy(dark.astype(np.float32)) * (draft.marks[inside] == OTHER)
    piece = random.uniform(20, 160) * unit
    is_second = torch.from_numpy((y // piece).astype(np.int64) % 2 == 1)
    first_paint, second_paint = (one[:, None, None] for one in colours)
    paint = torch.where(is_second, second_paint, first_paint)
    draft.pixels[:, *inside] += (paint - draft.pixels[:, *inside]) * shown
