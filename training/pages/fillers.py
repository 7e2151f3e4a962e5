"""Fillers of lines on training samples: the bars and chains at the ends of short lines in old books.

Few marked documents have any, and each has its own. So more are made: cut from other pages, or drawn.

Shapes: H, W of a page or of a filler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from iconoclip.page_layout.kinds import CLASS_OF_KIND, TEXT
from training.pages.composing import Cut, Draft
from training.pages.stored import FIRST_THING, MAX_THINGS, Thing

# A page gets at most so many.
MOST: Final = 10
# So many of them are as wide as a word, in their heights; behind most of these the rest of the line is bare.
SHORT, SHORT_WIDTHS, FOLLOWED_BY_PAPER = 0.4, (0.8, 2.6), 0.6
# The share of a line that the others fill.
LONG_WIDTHS: Final = (0.06, 0.7)
# They are as high as small letters, or reach beyond these by up to so much of their height, above and below.
REACHING: Final = 0.35
# Heights of a line without its ascenders and descenders, in pixels.
LINE_HEIGHTS: Final = (7, 45)
# A row of pixels belongs to a line if it has this share of the ink of the darkest row.
LEAST_INK: Final = 0.35
# Of what can be cut, this is as low as a line.
LOW: Final = 0.03
LEAST_CONTRAST: Final = 0.15
_COLOURS: Final = ((0.6, 0.2, 0.15), (0.2, 0.25, 0.5), (0.75, 0.6, 0.25), (0.3, 0.4, 0.25), (0.45, 0.25, 0.4))


def are_fillers(things: Sequence[Cut]) -> list[Cut]:
    """The ornaments among these that are as low as a line."""
    return [
        one
        for one in things
        if one.thing.number == CLASS_OF_KIND["ornament"]
        and one.thing.bottom - one.thing.top < LOW * one.source.side
    ]


def fill_lines(draft: Draft, fillers: Sequence[Cut], random: np.random.Generator) -> None:
    """End some lines of a page early, and fill them: with `fillers` of other pages, or drawn ones."""
    cells = text_cells(draft)
    if not len(cells):
        return
    # A page has fillers of one kind.
    own = [fillers[int(random.integers(len(fillers)))]] if fillers and random.random() < 0.4 else []
    motif, colour = int(random.integers(6)), _COLOURS[int(random.integers(len(_COLOURS)))]
    for _ in range(int(random.integers(1, MOST + 1))):
        line = line_at(draft, *cells[int(random.integers(len(cells)))].tolist())
        if line is None or len(draft.things) >= MAX_THINGS:
            continue
        left, top, right, bottom = line
        small = bottom - top
        around = draft.pixels[:, max(0, top - small) : bottom + small, left:right:4]
        paper = around.flatten(1).quantile(0.85, dim=1)[:, None, None]
        # The text that was there is covered with its ascenders and descenders; before the bar is some paper.
        covered = slice(max(0, top - round(0.4 * small)), bottom + round(0.4 * small))
        above, below = (round(small * random.uniform(0, REACHING)) for _ in range(2))
        top, bottom = max(0, top - above), min(bottom + below, len(draft.marks))
        tall, end = bottom - top, right
        if random.random() < SHORT:
            wide = round(tall * random.uniform(*SHORT_WIDTHS))
            if random.random() < FOLLOWED_BY_PAPER:
                end -= round(random.uniform(0, 0.8) * max(0, right - left - wide))
        else:
            wide = round((right - left) * random.uniform(*LONG_WIDTHS))
        wide = min(wide, end - left)
        inside = slice(top, bottom), slice(end - wide, end)
        if wide < SHORT_WIDTHS[0] * tall or (draft.marks[inside] >= FIRST_THING).any():
            continue
        bar = _of_another(own[0], tall, wide) if own else _drawn(tall, wide, motif, colour, paper, random)
        draft.pixels[:, covered, max(0, end - wide - tall // 2) : right + tall // 4] = paper
        draft.pixels[:, *inside] = bar
        draft.marks[inside] = FIRST_THING + len(draft.things)
        thing = Thing(CLASS_OF_KIND["ornament"], end - wide, top, end, bottom, False)
        draft.things.append(thing)


def text_cells(draft: Draft) -> npt.NDArray[np.int64]:
    """Rows and columns of pixels of a page that are text, every eighth of both: [cells, 2]."""
    return 8 * np.argwhere((draft.marks == TEXT).numpy()[::8, ::8])


def line_at(draft: Draft, row: int, column: int) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the line of text next to a pixel; the height is that of small letters. None
    if no line can be told."""
    is_text_W = (draft.marks[row] == TEXT).numpy()
    left, right = column, column
    while left > 0 and is_text_W[left - 1]:
        left -= 1
    while right < len(is_text_W) and is_text_W[right]:
        right += 1
    is_ended = right < len(is_text_W) and int(draft.marks[row, right]) >= FIRST_THING
    if is_ended or right - left < 4 * LINE_HEIGHTS[1]:
        return None
    reach = 2 * LINE_HEIGHTS[1]
    first = max(0, row - reach)
    grey_HW = draft.pixels[:, first : row + reach, left + (right - left) // 2 : right].mean(0).numpy()
    paper, ink = np.quantile(grey_HW[::2, ::2], (0.85, 0.03))
    if paper - ink < LEAST_CONTRAST:
        return None
    profile_H = (grey_HW < (paper + ink) / 2).mean(1)
    is_line_H = np.concatenate([[False], profile_H > LEAST_INK * profile_H.max(), [False]])
    starts, ends = (np.flatnonzero(np.diff(is_line_H.astype(np.int8)) == step) for step in (1, -1))
    middles = first + (starts + ends) / 2
    place = int(np.argmin(np.abs(middles - row)))
    top, bottom = first + int(starts[place]), first + int(ends[place])
    is_free = bool((draft.marks[top:bottom, left:right] == TEXT).all())
    is_line = is_free and LINE_HEIGHTS[0] <= bottom - top <= LINE_HEIGHTS[1]
    return (left, top, right, bottom) if is_line else None


def _of_another(item: Cut, tall: int, wide: int) -> Tensor:
    """A filler of another page at this height, repeated or cut to this width."""
    left, top, right, bottom = (round(value) for value in item.thing[1:5])
    crop = item.source.pixels[:, top:bottom, left:right].float()[None] / 255
    across = max(1, round((right - left) * tall / max(1, bottom - top)))
    small = functional.interpolate(crop, (tall, across), mode="bilinear", antialias=True)[0]
    return small.repeat(1, 1, -(-wide // across))[:, :, :wide]


def _drawn(
    tall: int,
    wide: int,
    motif: int,
    colour: tuple[float, float, float],
    paper: Tensor,
    random: np.random.Generator,
) -> Tensor:
    """A bar or a chain of one motif: a wave, a zigzag, dots, strokes, lozenges or scallops."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, tall), torch.arange(wide) / tall, indexing="ij")
    turn = x * 2 * math.pi * random.uniform(0.3, 0.9)
    saw = (turn / math.pi) % 2 - 1
    far = (
        (y - 0.6 * torch.sin(turn)).abs(),
        (y - 1.6 * (saw.abs() - 0.5)).abs(),
        ((1.6 * saw) ** 2 + y**2).sqrt() - 0.3,
        (saw - 0.5 * y).abs(),
        (1.2 * saw.abs() + y.abs() - 0.7).abs(),
        ((1.2 * saw) ** 2 + (y - 0.9) ** 2).sqrt().sub(1.2).abs(),
    )[motif]
    line_HW = torch.sigmoid((random.uniform(0.15, 0.35) - far) * random.uniform(6, 20))
    pigment = torch.tensor(colour)[:, None, None] * random.uniform(0.7, 1.3)
    if random.random() < 0.35:
        # A chain in ink, or in colour, on bare paper.
        ink = pigment if random.random() < 0.5 else pigment * 0.3
        bar = paper + (ink - paper) * line_HW
    else:
        bar = pigment + (paper - pigment) * line_HW * random.uniform(0.15, 0.9)
    grain = random.normal(0, random.uniform(0.0, 0.05), (tall, wide)).astype(np.float32)
    return (bar + torch.from_numpy(grain)).clamp(0, 1)
