"""Pages made of others: things pasted on them, two side by side, sheets and fans of many pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASS_OF_KIND, OTHER, TEXT
from training.pages.stored import FIRST_THING, STORED_SIDE, TEXT_OR_OTHER, Stored, Thing

# Of an object that is pasted, and of the strip of bare paper around it.
_MARGIN: Final = 10
# Two pages of these kinds side by side are a spread.
_OF_BOOKS: Final = ("picture", "mixed", "text", "music", "blank")


class Cut(NamedTuple):
    """A thing that can be cut out of its page."""

    source: Stored
    thing: Thing


@dataclass
class Draft:
    """A sample while it is made. pixels: float [3, H, W] in 0 to 1; marks: int16 [H, W], UNMARKED and
    TEXT_OR_OTHER less 256, because things are added; kind: of the page, None if it is not known."""

    pixels: Tensor
    marks: Tensor
    things: list[Thing]
    kind: str | None

    @classmethod
    def of(cls, source: Stored) -> Draft:
        """A copy of a stored page."""
        marks = source.marks.to(torch.int16)
        marks = torch.where(marks >= TEXT_OR_OTHER, marks - 256, marks)
        return cls(source.pixels.float() / 255, marks, list(source.things), source.page.kind)


def sheet(pictures: Sequence[Cut], captions: Stored, random: np.random.Generator) -> Draft:
    """Rows of pictures of like size on plain card, as on a sheet of photographs; under some of them a line of
    another page's text."""
    columns = max(2, round(math.sqrt(len(pictures) * random.uniform(0.4, 1.2))))
    rows = math.ceil(len(pictures) / columns)
    width = STORED_SIDE if random.random() < 0.3 else round(STORED_SIDE * 0.72)
    side = width / columns
    height = max(round(rows * side * random.uniform(0.8, 1.5)), STORED_SIDE // 2)
    card = torch.from_numpy(random.uniform(0.15, 1.0) * random.uniform(0.85, 1.0, (3, 1, 1)))
    draft = Draft(
        card.float().expand(3, height, width).clone(),
        torch.full((height, width), OTHER, dtype=torch.int16),
        [],
        "picture",
    )
    share, with_text = random.uniform(0.5, 0.92), random.random() < 0.6
    for number, item in enumerate(pictures):
        row, column = divmod(number, columns)
        _put(draft, item, (column * side, row * height / rows, side, height / rows), share, random)
        if with_text:
            below = draft.things[-1].bottom + random.uniform(2, 8)
            _write(draft, captions, (draft.things[-1].left, below, side * 0.8, height / rows * 0.08), random)
    return draft


def fan(pictures: Sequence[Cut], random: np.random.Generator) -> Draft:
    """Pictures in an arc on plain card, each covering a part of the one before: together one photograph."""
    width, height = STORED_SIDE, round(STORED_SIDE * random.uniform(0.6, 1.0))
    card = torch.from_numpy(random.uniform(0.25, 1.0) * random.uniform(0.85, 1.0, (3, 1, 1)))
    pixels = card.float().expand(3, height, width).clone()
    shown = torch.zeros(height, width, dtype=torch.bool)
    reach, radius = random.uniform(25, 85), width * random.uniform(0.35, 0.6)
    tall = round(height * random.uniform(0.12, 0.3))
    for number, item in enumerate(pictures):
        angle = math.radians(reach * (2 * number / max(len(pictures) - 1, 1) - 1))
        left, top, right, bottom = (round(value) for value in item.thing[1:5])
        crop = item.source.pixels[:, top:bottom, left:right].float()[None] / 255
        size = (tall, round(tall * random.uniform(0.6, 0.8)))
        shot = functional.pad(functional.interpolate(crop, size, mode="bilinear"), (8, 8, 8, 8), value=1.0)
        middle = width / 2 + radius * math.sin(angle), height * 0.95 - radius * math.cos(angle)
        grid = _turned(shot.shape[2:], angle, middle, (height, width))
        own = (grid.abs() <= 1).all(-1)
        turned = functional.grid_sample(shot, grid[None], padding_mode="border", align_corners=False)[0]
        pixels[:, own] = turned[:, own]
        shown |= own
    rows, columns = torch.nonzero(shown.any(1)).flatten(), torch.nonzero(shown.any(0)).flatten()
    bounds = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    marks = torch.where(shown, FIRST_THING, OTHER).to(torch.int16)
    return Draft(pixels, marks, [Thing(CLASS_OF_KIND["photograph"], *bounds, True)], "picture")


def _turned(
    size: Sequence[int], angle: float, middle: tuple[float, float], canvas: tuple[int, int]
) -> Tensor:
    """Where each pixel of a canvas lies in a picture of this size that is turned clockwise about its middle:
    [H, W, 2], x and y, within -1 to 1 if it lies in the picture."""
    y, x = torch.meshgrid(
        torch.arange(canvas[0]) + 0.5 - middle[1], torch.arange(canvas[1]) + 0.5 - middle[0], indexing="ij"
    )
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.stack([(x * cosine + y * sine) * 2 / size[1], (y * cosine - x * sine) * 2 / size[0]], 2)


def _put(
    draft: Draft,
    item: Cut,
    place: tuple[float, float, float, float],
    share: float,
    random: np.random.Generator,
) -> None:
    """Put a thing into a place of a sheet: left, top, width, height in pixels. It is as large as this share
    of the place, a little askew of its middle."""
    left, top, right, bottom = (round(value) for value in item.thing[1:5])
    scale = share * min(place[2] / (right - left), place[3] / (bottom - top)) * random.uniform(0.9, 1.0)
    across, down = max(CELL, int((right - left) * scale)), max(CELL, int((bottom - top) * scale))
    x = int(place[0] + (place[2] - across) * random.uniform(0.35, 0.65))
    y = int(place[1] + (place[3] - down) * random.uniform(0.2, 0.5))
    crop = item.source.pixels[:, top:bottom, left:right].float() / 255
    inside = slice(y, y + down), slice(x, x + across)
    draft.pixels[:, *inside] = functional.interpolate(
        crop[None], (down, across), mode="bilinear", antialias=True
    )[0]
    draft.marks[inside] = FIRST_THING + len(draft.things)
    draft.things.append(Thing(item.thing.number, x, y, x + across, y + down, item.thing.is_picture))


def _write(
    draft: Draft, source: Stored, place: tuple[float, float, float, float], random: np.random.Generator
) -> None:
    """Put a strip of a page's text into a place, if there is room and the page has one of that size."""
    x, y, across, down = (int(value) for value in place)
    inside = slice(y, y + down), slice(x, x + across)
    height, width = source.marks.shape
    if down < CELL or across < CELL or down >= height or across >= width:
        return
    if draft.marks[inside].shape != (down, across) or (draft.marks[inside] != OTHER).any():
        return
    from_y, from_x = int(random.integers(height - down)), int(random.integers(width - across))
    strip = slice(from_y, from_y + down), slice(from_x, from_x + across)
    if (source.marks[strip] == TEXT).all():
        draft.pixels[:, *inside] = source.pixels[:, *strip].float() / 255
        draft.marks[inside] = TEXT


def paste(draft: Draft, item: Cut, random: np.random.Generator) -> None:
    """Put a picture or an ornament of another page onto this one, with bare paper around it, if there is
    room. A stamp is put over what is there."""
    source, thing = item
    left, top, right, bottom = (round(value) for value in thing[1:5])
    crop = source.pixels[:, top:bottom, left:right].float() / 255
    height, width = draft.marks.shape
    scale = float(np.exp(random.uniform(-0.6, 0.6)))
    down, across = max(CELL, round((bottom - top) * scale)), max(CELL, round((right - left) * scale))
    if down >= height - 2 * _MARGIN or across >= width - 2 * _MARGIN:
        return
    y = int(random.integers(_MARGIN, height - down - _MARGIN + 1))
    x = int(random.integers(_MARGIN, width - across - _MARGIN + 1))
    around = (slice(y - _MARGIN, y + down + _MARGIN), slice(x - _MARGIN, x + across + _MARGIN))
    if (draft.marks[around] >= FIRST_THING).any():
        return
    crop = functional.interpolate(crop[None], (down, across), mode="bilinear", antialias=True)[0]
    inside = slice(y, y + down), slice(x, x + across)
    white = crop.flatten(1).quantile(0.95, dim=1)[:, None, None].clamp_min(0.2)
    if thing.number == CLASS_OF_KIND["stamp"]:
        draft.pixels[:, *inside] *= (crop / white).clamp_max(1)
    else:
        paper = draft.pixels[:, *around].flatten(1).quantile(0.8, dim=1)[:, None, None]
        if random.random() < 0.6:
            # Printed on this paper: the lightest parts of the object take its colour.
            crop = (crop / white).clamp_max(1) * paper
        draft.pixels[:, *around] = paper
        draft.marks[around] = OTHER
        draft.pixels[:, *inside] = crop
    draft.marks[inside] = FIRST_THING + len(draft.things)
    draft.things.append(Thing(thing.number, x, y, x + across, y + down, thing.is_picture))
    if thing.is_picture:
        draft.kind = "mixed" if draft.kind in ("text", "mixed") else None


def can_be_cut(thing: Thing) -> bool:
    """Whether a thing is large enough to be pasted elsewhere. Initials belong to their text."""
    is_large = min(thing.right - thing.left, thing.bottom - thing.top) >= CELL
    return is_large and thing.number != CLASS_OF_KIND["initial"]


def side_by_side(draft: Draft, other: Draft) -> None:
    """Put another page to the right of this one, as in a book that lies open."""
    height, width = size = (draft.marks.shape[0], draft.marks.shape[1])
    pixels = functional.interpolate(other.pixels[None], size, mode="bilinear")[0]
    down, across = height / other.marks.shape[0], width / other.marks.shape[1]
    marks = functional.interpolate(other.marks[None, None].float(), size, mode="nearest")[0, 0].to(
        torch.int16
    )
    count = len(draft.things)
    draft.things += [
        Thing(
            one.number, one.left * across + width, one.top * down,
            one.right * across + width, one.bottom * down, one.is_picture,
        )
        for one in other.things
    ]  # fmt: skip
    draft.pixels = torch.cat([draft.pixels, pixels], 2)
    marks = torch.where(marks >= FIRST_THING, marks + count, marks)
    draft.marks = torch.cat([draft.marks, marks], 1)
    # A cover or a colour target next to a page is no spread.
    is_open = draft.kind in _OF_BOOKS and other.kind in _OF_BOOKS
    draft.kind = "spread" if is_open else None


def darken_edges(draft: Draft, random: np.random.Generator) -> None:
    """Blacken one to three edges of a page, raggedly, where nothing is marked: the background of a scan."""
    for turn in random.permutation(4)[: int(random.integers(1, 4))].tolist():
        height, width = draft.marks.shape[:: 1 if turn % 2 == 0 else -1]
        deep = height * random.uniform(0.004, 0.035)
        steps = np.cumsum(random.normal(0, 0.06 * deep, max(2, width // 40)))
        ragged = deep + np.interp(np.linspace(0, 1, width), np.linspace(0, 1, len(steps)), steps)
        first, last = np.sort(random.uniform(-0.5, 1.5, 2)) * width
        x = np.arange(width)
        ends = np.where((x >= first) & (x < last), ragged + random.normal(0, 0.7, width), 0)
        is_dark = torch.rot90(torch.from_numpy(np.arange(height)[:, None] < ends), turn)
        is_dark &= draft.marks == OTHER
        grain = random.normal(random.uniform(0, 0.2), 0.02, int(is_dark.sum())).clip(0, 1)
        draft.pixels[:, is_dark] = torch.from_numpy(grain).float()


def shine_through(pixels: Tensor, source: Stored, random: np.random.Generator) -> None:
    """Let another page, mirrored, shine through the paper."""
    other = source.pixels.float().mean(0, keepdim=True).flip(2) / 255
    other = functional.interpolate(other[None], pixels.shape[1:], mode="bilinear")[0]
    pixels *= 1 - random.uniform(0.1, 0.35) * (other.amax() - other)
