"""Marked pages as training samples: decoded once, then varied at random.

Each sample is a page turned, shifted, scaled and mirrored, in other colours, perhaps with pictures and
ornaments of other pages pasted on it, or with the other side of the leaf shining through. A sample is a
function of its number and the seed alone.

Shapes: H, W of a stored page; R, N rows and columns of cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from iconoclip.page_layout.inputs import CELL, INPUT_SIDE, canvas_size, page_pixels
from iconoclip.page_layout.kinds import CLASS_OF_KIND, OTHER, PAGE_KINDS, PICTURE_KINDS, TEXT
from training.pages.truth import Page

# Pages are stored a little larger than the model's input, so that a sample may be a part of one.
STORED_SIDE: Final = 640
MAX_PIXELS: Final = 400_000_000
UNMARKED: Final = 255
CANVAS: Final = (canvas_size(400, INPUT_SIDE)[1], 400)
# Half as wide and high: whole pages at half the size, or parts of them. In the same time a network sees
# four times as many of them.
SMALL_CANVAS: Final = (276, 200)
# A page that is made this much smaller loses every other pixel first, so that lines do not turn into dots.
HALVED_BELOW: Final = 0.6
# Zones are painted in this order: what lies on top comes last.
_ORDER: Final = ("text", "map", "photograph", "illustration", "bookplate", "stamp", "ornament", "initial")
# Of an object that is pasted, and of the strip of bare paper around it.
_MARGIN: Final = 5
# An object of which less than this share is on the sample is no longer one.
_LEAST_SHOWN: Final = 0.35
NO_KIND: Final = -1
# Marks of pixels and cells: OTHER, TEXT, UNMARKED, and FIRST_THING plus the number of a thing.
FIRST_THING: Final = 2
MAX_THINGS: Final = UNMARKED - FIRST_THING
# Samples of a batch have one shape, upright or lying.
BATCH: Final = 4


class Thing(NamedTuple):
    """A picture, an ornament, an initial or a stamp: its class, its box in pixels, if it is a picture."""

    number: int
    left: float
    top: float
    right: float
    bottom: float
    is_picture: bool


class Sample(NamedTuple):
    """What the network is shown, and what it is to say.

    pixels: float [3, H, W] in -1 to 1. classes: int64 [R, N], UNMARKED where nobody has looked. edges:
    float [4, R, N], the distances from a cell's middle to the left, upper, right and lower edge of its thing,
    in cells. weights: float [R, N], 0 where there is no thing; those of a thing add up to a root of its
    number of cells. kinds: int64 [], that of the page, or NO_KIND. A batch has one dimension more.
    """

    pixels: Tensor
    classes: Tensor
    edges: Tensor
    weights: Tensor
    kinds: Tensor


@dataclass(frozen=True)
class Stored:
    """A page in memory: pixels uint8 [3, H, W], their marks uint8 [H, W], its things in these pixels."""

    page: Page
    pixels: Tensor
    marks: Tensor
    things: tuple[Thing, ...]


def stored(page: Page) -> Stored:
    """Decode a page and paint its zones.

    Raises:
        ImageRefused: its file cannot be decoded.
    """
    decoded = page_pixels(page.read(), MAX_PIXELS, STORED_SIDE)
    height, width = decoded.pixels_HWC.shape[:2]
    pixels = torch.from_numpy(decoded.pixels_HWC.copy()).permute(2, 0, 1).contiguous()
    left_share, top_share, right_share, bottom_share = decoded.place
    across = width / (page.width * (right_share - left_share))
    down = height / (page.height * (bottom_share - top_share))
    x0, y0 = left_share * page.width, top_share * page.height
    marks = np.full((height, width), OTHER, np.uint8)
    things: list[Thing] = []
    for zone in sorted(page.zones, key=lambda zone: (_ORDER.index(zone.kind), -zone.area)):
        left, right = (min(max(0.0, (x - x0) * across), float(width)) for x in (zone.box[0], zone.box[2]))
        top, bottom = (min(max(0.0, (y - y0) * down), float(height)) for y in (zone.box[1], zone.box[3]))
        place = slice(round(top), round(bottom)), slice(round(left), round(right))
        if zone.kind == "text":
            marks[place] = TEXT
        elif min(right - left, bottom - top) < 1 or len(things) == MAX_THINGS:
            marks[place] = UNMARKED
        else:
            marks[place] = FIRST_THING + len(things)
            things.append(
                Thing(CLASS_OF_KIND[zone.kind], left, top, right, bottom, zone.kind in PICTURE_KINDS)
            )
    if page.kind is None and not page.zones:
        marks[:] = UNMARKED
    return Stored(page, pixels, torch.from_numpy(marks), tuple(things))


class _Draft:
    """A sample while it is made; starts as a copy of a stored page."""

    def __init__(self, source: Stored) -> None:
        self.pixels = source.pixels.float() / 255
        # Wider than a byte, because things are added.
        self.marks = torch.where(source.marks == UNMARKED, -1, source.marks.to(torch.int16))
        self.things = list(source.things)
        self.kind = source.page.kind


class Samples(Dataset[Sample]):
    """Training samples by number. The same seed and number give the same sample.

    Args:
        pages: what samples are made of.
        num_samples: how many there are.
        seed: another seed gives other samples.
        canvas: height and width of an upright sample.
    """

    def __init__(
        self,
        pages: Sequence[Stored],
        num_samples: int,
        seed: int = 0,
        canvas: tuple[int, int] = CANVAS,
    ) -> None:
        self._canvas = canvas
        self._pages, self._num, self._seed = pages, num_samples, seed
        self._things = [(page, thing) for page in pages for thing in page.things if _can_be_cut(thing)]
        self._chances = _chances(pages)

    def __len__(self) -> int:
        return self._num

    def __getitem__(self, number: int) -> Sample:
        """A sample.

        Raises:
            IndexError: there are not so many.
        """
        if not 0 <= number < self._num:
            raise IndexError(number)
        is_upright = np.random.default_rng((self._seed, 1, number // BATCH)).random() < 0.8
        canvas = self._canvas if is_upright else self._canvas[::-1]
        random = np.random.default_rng((self._seed, 0, number))
        draft = _Draft(self._chosen(random))
        if not is_upright and random.random() < 0.3 and draft.pixels.shape[1] > draft.pixels.shape[2]:
            _side_by_side(draft, _Draft(self._chosen(random)))
        if self._things and random.random() < 0.35 and draft.kind in ("text", "mixed", "blank"):
            for _ in range(random.integers(1, 4)):
                self._paste(draft, random)
        if random.random() < 0.15:
            _shine_through(draft.pixels, self._chosen(random), random)
        moved = _moved(draft, canvas, random)
        return moved._replace(pixels=_coloured(moved.pixels, random) * 2 - 1)

    def _chosen(self, random: np.random.Generator) -> Stored:
        return self._pages[random.choice(len(self._pages), p=self._chances)]

    def _paste(self, draft: _Draft, random: np.random.Generator) -> None:
        """Put a picture or an ornament of some page onto this one, with bare paper around it."""
        source, thing = self._things[random.integers(len(self._things))]
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
        paper = draft.pixels[:, around[0], around[1]].flatten(1).quantile(0.8, dim=1)[:, None, None]
        if random.random() < 0.6:
            # Printed on this paper: the lightest parts of the object take its colour.
            white = crop.flatten(1).quantile(0.95, dim=1)[:, None, None].clamp_min(0.2)
            crop = (crop / white).clamp_max(1) * paper
        draft.pixels[:, around[0], around[1]] = paper
        draft.marks[around] = OTHER
        inside = slice(y, y + down), slice(x, x + across)
        draft.pixels[:, inside[0], inside[1]] = crop
        draft.marks[inside] = FIRST_THING + len(draft.things)
        draft.things.append(Thing(thing.number, x, y, x + across, y + down, thing.is_picture))
        if thing.is_picture:
            draft.kind = "mixed" if draft.kind in ("text", "mixed") else None


def _can_be_cut(thing: Thing) -> bool:
    """Whether a thing is large enough to be pasted elsewhere. Initials belong to their text."""
    is_large = min(thing.right - thing.left, thing.bottom - thing.top) >= CELL
    return is_large and thing.number != CLASS_OF_KIND["initial"]


def _side_by_side(draft: _Draft, other: _Draft) -> None:
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
    draft.kind = None


def _shine_through(pixels: Tensor, source: Stored, random: np.random.Generator) -> None:
    """Let another page, mirrored, shine through the paper."""
    other = source.pixels.float().mean(0, keepdim=True).flip(2) / 255
    other = functional.interpolate(other[None], pixels.shape[1:], mode="bilinear")[0]
    pixels *= 1 - random.uniform(0.1, 0.35) * (other.amax() - other)


class _Placing(NamedTuple):
    """How a page lies on the canvas: scale, angle, mirrored (-1) or not (1), shift in its pixels."""

    scale: float
    angle: float
    flip: float
    shift_x: float
    shift_y: float

    def theta(self, size: tuple[int, int], canvas: tuple[int, int]) -> Tensor:
        """The matrix [1, 2, 3] of `affine_grid`: from the canvas to the page, both in -1 to 1."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x, y = self.scale * size[1], self.scale * size[0]
        rows = [
            [self.flip * cosine * canvas[1] / x, self.flip * sine * canvas[0] / x,
             -self.flip * (cosine * self.shift_x + sine * self.shift_y) * 2 / x],
            [-sine * canvas[1] / y, cosine * canvas[0] / y,
             (sine * self.shift_x - cosine * self.shift_y) * 2 / y],
        ]  # fmt: skip
        return torch.tensor(rows)[None]

    def box(self, thing: Thing, size: tuple[int, int], canvas: tuple[int, int]) -> tuple[float, ...]:
        """The box of a thing on the canvas: its middle is turned, its sides keep their lengths, because
        people draw boxes around what is printed a little askew."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x = ((thing.left + thing.right) / 2 - size[1] / 2) * self.scale * self.flip
        y = ((thing.top + thing.bottom) / 2 - size[0] / 2) * self.scale
        middle_x = cosine * x - sine * y + self.shift_x + canvas[1] / 2
        middle_y = sine * x + cosine * y + self.shift_y + canvas[0] / 2
        across, down = (thing.right - thing.left) * self.scale, (thing.bottom - thing.top) * self.scale
        if abs(sine) > abs(cosine):
            across, down = down, across
        return middle_x - across / 2, middle_y - down / 2, middle_x + across / 2, middle_y + down / 2


def _moved(draft: _Draft, canvas: tuple[int, int], random: np.random.Generator) -> Sample:
    """The page turned, scaled and shifted onto the canvas, and what its cells are."""
    size = (draft.marks.shape[0], draft.marks.shape[1])
    fit = min(canvas[0] / size[0], canvas[1] / size[1])
    # On a small canvas, half of the samples are parts of a page, up to the scale at which pages are read.
    is_small = canvas[0] * canvas[1] < CANVAS[0] * CANVAS[1]
    is_close, is_far = random.random() < (0.5 if is_small else 0.1), random.random() < 0.05
    factor = (
        random.uniform(0.25, 0.8 if is_small else 0.6)
        if is_close
        else random.uniform(-0.5, -0.2)
        if is_far
        else random.normal(0, 0.1)
    )
    scale = fit * float(np.exp(factor))
    turn = 90 * int(random.integers(4)) if random.random() < 0.04 else 0
    free_y, free_x = (abs(side - own * scale) / 2 for side, own in zip(canvas, size, strict=True))
    placing = _Placing(
        scale, math.radians(float(random.normal(0, 1.2)) + turn), -1.0 if random.random() < 0.5 else 1.0,
        random.uniform(-free_x, free_x), random.uniform(-free_y, free_y),
    )  # fmt: skip
    theta = placing.theta(size, canvas)
    fill = float(random.choice([0.0, 0.5, 1.0]))
    grid = functional.affine_grid(theta, [1, 3, *canvas], align_corners=False)
    source = draft.pixels[None] - fill
    if scale < HALVED_BELOW:
        source = functional.avg_pool2d(source, 2)
    moved = functional.grid_sample(source, grid, align_corners=False)[0] + fill
    coarse = functional.affine_grid(theta, [1, 1, canvas[0] // CELL, canvas[1] // CELL], align_corners=False)
    cells = functional.grid_sample(
        draft.marks[None, None].float(), coarse, mode="nearest", align_corners=False
    )
    marks = cells[0, 0].long()
    boxes = [placing.box(thing, size, canvas) for thing in draft.things]
    edges, weights, hidden = _edges(boxes, marks, canvas)
    numbers = torch.tensor([OTHER, TEXT, *(thing.number for thing in draft.things)])
    classes = torch.where((marks < 0) | hidden, UNMARKED, numbers[marks.clamp_min(0)])
    kind = PAGE_KINDS.index(draft.kind) if draft.kind in PAGE_KINDS and not is_close else NO_KIND
    return Sample(moved, classes, edges, weights, torch.tensor(kind))


def _edges(
    boxes: Sequence[tuple[float, ...]], marks: Tensor, canvas: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The distances of cells to the edges of their things [4, R, N], the weights of the cells [R, N], and the
    cells of things of which too little is on the canvas [R, N]."""
    rows, columns = marks.shape
    y = (torch.arange(rows) + 0.5)[:, None].expand(rows, columns)
    x = (torch.arange(columns) + 0.5)[None].expand(rows, columns)
    edges, weights = torch.ones(4, rows, columns), torch.zeros(rows, columns)
    hidden = torch.zeros(rows, columns, dtype=torch.bool)
    for mark in np.unique(marks.numpy()).tolist():
        if mark < FIRST_THING:
            continue
        left, top, right, bottom = boxes[mark - FIRST_THING]
        area = (right - left) * (bottom - top)
        left, right = max(left, 0.0), min(right, float(canvas[1]))
        top, bottom = max(top, 0.0), min(bottom, float(canvas[0]))
        own = marks == mark
        if (right - left) * (bottom - top) < _LEAST_SHOWN * area:
            hidden |= own
            continue
        distances = (x - left / CELL, y - top / CELL, right / CELL - x, bottom / CELL - y)
        edges[:, own] = torch.stack([one[own] for one in distances]).clamp_min(0.2)
        weights[own] = float(own.sum()) ** -0.5
    return edges, weights, hidden


def _coloured(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Other light: grey, bitonal, faded, tinted, blurred, noisy."""
    if random.random() < 0.3:
        pixels = pixels.mean(0, keepdim=True).expand(3, -1, -1)
    if random.random() < 0.12:
        middle = pixels.mean() * random.uniform(0.75, 1.0)
        pixels = torch.sigmoid((pixels - middle) * random.uniform(8, 30))
    pixels = pixels.clamp(0, 1) ** float(np.exp(random.normal(0, 0.3)))
    tint = torch.from_numpy(random.normal(1, 0.06, (3, 1, 1)).astype(np.float32))
    pixels = pixels * tint * float(random.normal(1, 0.1)) + float(random.normal(0, 0.05))
    if random.random() < 0.2:
        pixels = functional.avg_pool2d(pixels[None], 3, 1, 1)[0]
    if random.random() < 0.3:
        noise = random.standard_normal(pixels.shape, np.float32) * random.uniform(0.01, 0.06)
        pixels = pixels + torch.from_numpy(noise.astype(np.float32))
    return pixels.clamp(0, 1)


def _chances(pages: Sequence[Stored]) -> npt.NDArray[np.float64]:
    """How likely each page is chosen.

    A folder of pages has a share by the fourth root of their number, so that ten thousand drawn pages do not
    drown a hundred real ones. In it, six samples of ten have a picture or an ornament, and a document has a
    share by the root of its number of pages.
    """
    has = np.array([any(one.number != CLASS_OF_KIND["initial"] for one in page.things) for page in pages])
    folders = np.array([str(page.page.path.parent) for page in pages])
    names = [page.page.document for page in pages]
    sizes = {name: names.count(name) for name in set(names)}
    weights = np.array([sizes[name] ** -0.5 for name in names])
    for folder in np.unique(folders):
        inside = folders == folder
        for group, share in ((inside & has, 0.6), (inside & ~has, 0.4)):
            if group.any():
                weights[group] *= share * inside.sum() ** 0.25 / weights[group].sum()
    return np.asarray(weights / weights.sum(), np.float64)
