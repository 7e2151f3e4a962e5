"""Marked pages as training samples: decoded once, then varied at random.

Each sample is a page turned, shifted, scaled and mirrored, in other colours, perhaps with pictures and
ornaments of other pages pasted on it, or with the other side of the leaf shining through. A sample is a
function of its number and the seed alone.

Shapes: H, W of a stored page; R, N rows and columns of cells.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from iconoclip.page_layout.inputs import CELL, INPUT_SIDE, canvas_size
from iconoclip.page_layout.kinds import CLASS_OF_KIND, OTHER, PAGE_KINDS, TEXT
from training.pages.composing import (
    Cut,
    Draft,
    can_be_cut,
    darken_edges,
    fan,
    paste,
    sheet,
    shine_through,
    side_by_side,
)
from training.pages.decorations import draw_penwork, put_bands
from training.pages.fillers import are_fillers, fill_lines
from training.pages.stored import FIRST_THING, UNMARKED, Stored, Thing

CANVAS: Final = (canvas_size(800, INPUT_SIDE)[1], 800)
# Half as wide and high: whole pages at half the size, or parts of them. In the same time a network sees
# four times as many of them.
SMALL_CANVAS: Final = (552, 400)
# A page that is made this much smaller loses every other pixel first, so that lines do not turn into dots.
HALVED_BELOW: Final = 0.6
# An object of which less than this share is on the sample is no longer one.
_LEAST_SHOWN: Final = 0.35
NO_KIND: Final = -1
# Kinds that this share of the pages have are common enough; of the samples, so many are sheets of pictures,
# and of these so many fans.
COMMON, SHEETS, FANS = 0.1, 0.08, 0.2
# Of the pages with text, lines of so many end in fillers.
FILLED: Final = 0.2
# Of these pages, so many have bands of type ornaments, and so many have pen work.
BANDS, PENWORK = 0.06, 0.08
# Of sheets and of other samples, so many have two shades only, as many microfilms have.
BITONAL_SHEETS, BITONAL = 0.35, 0.12
# So many pages have a dark edge, as scans have where the page ends.
DARK_EDGES: Final = 0.12
# Samples of a batch have one shape, upright or lying.
BATCH: Final = 4


class Sample(NamedTuple):
    """What the network is shown, and what it is to say.

    pixels: float [3, H, W] in -1 to 1. classes: int64 [R, N], UNMARKED and TEXT_OR_OTHER among them. edges:
    float [4, R, N], the distances from a cell's middle to the left, upper, right and lower edge of its thing,
    in cells. weights: float [R, N], 0 where there is no thing; those of a thing add up to a root of its
    number of cells. kinds: int64 [], that of the page, or NO_KIND. A batch has one dimension more.
    """

    pixels: Tensor
    classes: Tensor
    edges: Tensor
    weights: Tensor
    kinds: Tensor


class Numbered(Dataset[Sample]):
    """Training samples by number. The same seed and number give the same sample."""

    def __init__(self, num_samples: int, seed: int) -> None:
        self._num, self._seed = num_samples, seed

    def __len__(self) -> int:
        return self._num

    def __getitem__(self, number: int) -> Sample:
        """A sample.

        Raises:
            IndexError: there are not so many.
        """
        if not 0 <= number < self._num:
            raise IndexError(number)
        return self.made(number)

    def made(self, number: int) -> Sample:
        """The sample of a number that there is."""
        raise NotImplementedError


class Samples(Numbered):
    """Varied whole pages, and sheets of pictures.

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
        super().__init__(num_samples, seed)
        self._pages, self._canvas = pages, canvas
        self._things = [Cut(page, thing) for page in pages for thing in page.things if can_be_cut(thing)]
        self._fillers = are_fillers(self._things)
        # Drawn books have most of the things; pages of people's books lend theirs as often as they are shown.
        shares = chances(pages)
        own = [
            shares[number] / len(page.things)
            for number, page in enumerate(pages)
            for thing in page.things
            if can_be_cut(thing)
        ]
        self._lent = np.array(own) / max(sum(own), 1e-9)
        # On a sheet are photographs, or prints and drawings.
        self._pictures = [
            [one for one in self._things if one.thing.number == CLASS_OF_KIND[kind]]
            for kind in ("photograph", "illustration")
        ]
        self._chances = shares

    def made(self, number: int) -> Sample:
        """A page, perhaps with things of others on it, or a sheet of pictures."""
        is_upright = np.random.default_rng((self._seed, 1, number // BATCH)).random() < 0.8
        canvas = self._canvas if is_upright else self._canvas[::-1]
        random = np.random.default_rng((self._seed, 0, number))
        pictures, bitonal = self._pictures[int(random.integers(2))], BITONAL
        if pictures and (draw := random.random()) < SHEETS:
            bitonal = BITONAL_SHEETS
            chosen = random.integers(len(pictures), size=int(random.integers(4, 41)))
            cuts = [pictures[one] for one in chosen]
            draft = fan(cuts, random) if draw < SHEETS * FANS else sheet(cuts, self._chosen(random), random)
        else:
            draft = self._page(is_upright, random)
        if random.random() < 0.15:
            shine_through(draft.pixels, self._chosen(random), random)
        if random.random() < DARK_EDGES:
            darken_edges(draft, random)
        moved = _moved(draft, canvas, random)
        return moved._replace(pixels=coloured(moved.pixels, random, bitonal) * 2 - 1)

    def _page(self, is_upright: bool, random: np.random.Generator) -> Draft:
        """A page, or two side by side, perhaps with things of other pages on it."""
        draft = Draft.of(self._chosen(random))
        if not is_upright and random.random() < 0.3 and draft.pixels.shape[1] > draft.pixels.shape[2]:
            side_by_side(draft, Draft.of(self._chosen(random)))
        if self._things and random.random() < 0.35 and draft.kind in ("text", "mixed", "blank"):
            for _ in range(random.integers(1, 4)):
                paste(draft, self._things[random.choice(len(self._things), p=self._lent)], random)
        if random.random() < FILLED and draft.kind in ("text", "mixed"):
            fill_lines(draft, self._fillers, random)
        decorate(draft, random)
        return draft

    def _chosen(self, random: np.random.Generator) -> Stored:
        return self._pages[random.choice(len(self._pages), p=self._chances)]


class Placing(NamedTuple):
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


def _moved(draft: Draft, canvas: tuple[int, int], random: np.random.Generator) -> Sample:
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
    placing = Placing(
        scale, math.radians(float(random.normal(0, 1.2)) + turn), -1.0 if random.random() < 0.5 else 1.0,
        random.uniform(-free_x, free_x), random.uniform(-free_y, free_y),
    )  # fmt: skip
    kind = PAGE_KINDS.index(draft.kind) if draft.kind in PAGE_KINDS and not is_close else NO_KIND
    return placed(draft, placing, canvas, random)._replace(kinds=torch.tensor(kind))


def placed(draft: Draft, placing: Placing, canvas: tuple[int, int], random: np.random.Generator) -> Sample:
    """The page on a canvas, and what its cells are, without its kind."""
    size = (draft.marks.shape[0], draft.marks.shape[1])
    theta = placing.theta(size, canvas)
    fill = float(random.choice([0.0, 0.5, 1.0]))
    grid = functional.affine_grid(theta, [1, 3, *canvas], align_corners=False)
    source = draft.pixels[None] - fill
    if placing.scale < HALVED_BELOW:
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
    classes = torch.where(marks < 0, marks + 256, numbers[marks.clamp_min(0)])
    classes[hidden] = UNMARKED
    return Sample(moved, classes, edges, weights, torch.tensor(NO_KIND))


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


def coloured(pixels: Tensor, random: np.random.Generator, bitonal: float = BITONAL) -> Tensor:
    """Other light: grey, of two shades in this share of the samples, faded, tinted, blurred, noisy."""
    is_bitonal = random.random() < bitonal
    if is_bitonal or random.random() < 0.3:
        pixels = pixels.mean(0, keepdim=True).expand(3, -1, -1)
    if is_bitonal:
        pixels = _of_two_shades(pixels, random)
    pixels = pixels.clamp(0, 1) ** float(np.exp(random.normal(0, 0.3)))
    tint = torch.from_numpy(random.normal(1, 0.06, (3, 1, 1)).astype(np.float32))
    pixels = pixels * tint * float(random.normal(1, 0.1)) + float(random.normal(0, 0.05))
    if random.random() < 0.2:
        pixels = functional.avg_pool2d(pixels[None], 3, 1, 1)[0]
    if random.random() < 0.3:
        noise = random.standard_normal(pixels.shape, np.float32) * random.uniform(0.01, 0.06)
        pixels = pixels + torch.from_numpy(noise.astype(np.float32))
    return pixels.clamp(0, 1)


def _of_two_shades(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Nearly black and white: a threshold between the shades of the sample, in light that is not even.

    A card or a cover of middle grey becomes white, black, or dots.
    """
    height, width = pixels.shape[1:]
    light = torch.from_numpy(random.normal(0, 0.06, (1, 1, 3, 3)).astype(np.float32))
    light = functional.interpolate(light, (height, width), mode="bilinear", align_corners=True)[0]
    grain = torch.from_numpy(random.standard_normal((1, height, width), np.float32)) * random.uniform(0, 0.08)
    low, high = pixels[:, ::8, ::8].flatten().quantile(torch.tensor([0.1, 0.9])).tolist()
    middle = low + (high - low) * random.uniform(0.25, 0.85)
    return torch.sigmoid((pixels + light + grain - middle) * random.uniform(12, 80))


def decorate(draft: Draft, random: np.random.Generator) -> None:
    """Put bands of type ornaments, or pen work, on some pages with text."""
    if draft.kind not in ("text", "mixed"):
        return
    if random.random() < BANDS:
        put_bands(draft, random)
    if random.random() < PENWORK:
        draw_penwork(draft, random)


def chances(pages: Sequence[Stored]) -> npt.NDArray[np.float64]:
    """How likely each page is chosen.

    A folder of pages has a share by the fourth root of their number, so that ten thousand drawn pages do not
    drown a hundred real ones. In it, six samples of ten have a picture or an ornament, and a document has a
    share by the root of its number of pages. A page with a rare thing, or of a rare kind, is chosen more
    often (repeat factors, as in LVIS: Gupta et al., CVPR 2019).
    """
    has = np.array([any(one.number != CLASS_OF_KIND["initial"] for one in page.things) for page in pages])
    folders = np.array([str(page.page.path.parent) for page in pages])
    names = [page.page.document for page in pages]
    sizes = {name: names.count(name) for name in set(names)}
    weights = np.array([sizes[name] ** -0.5 for name in names]) * _rarities(pages)
    for folder in np.unique(folders):
        inside = folders == folder
        for group, share in ((inside & has, 0.6), (inside & ~has, 0.4)):
            if group.any():
                weights[group] *= share * inside.sum() ** 0.25 / weights[group].sum()
    return np.asarray(weights / weights.sum(), np.float64)


def _rarities(pages: Sequence[Stored]) -> npt.NDArray[np.float64]:
    """How many times more often than others each page is chosen, for the rarest of what is on it."""
    has = [{page.page.kind, *(one.number for one in page.things)} - {None} for page in pages]
    counts = Counter(one for own in has for one in own)
    factors = {one: max(1.0, math.sqrt(COMMON * len(pages) / count)) for one, count in counts.items()}
    return np.array([max((factors[one] for one in own), default=1.0) for own in has])
