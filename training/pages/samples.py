"""Marked pages as training samples: decoded once, then varied at random.

Each sample is a page turned, shifted, scaled and mirrored, in other colours, perhaps with pictures and
ornaments of other pages pasted on it, or with the other side of the leaf shining through.

Shapes: H, W of a stored page; B pages of a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from iconoclip.page_layout.inputs import CELL, INPUT_SIDE, page_pixels
from iconoclip.page_layout.kinds import CLASS_OF_KIND, GRAPHIC_KINDS, OTHER
from training.pages.truth import Page

# Pages are stored a little larger than the model's input, so that a sample may be a part of one.
STORED_SIDE: Final = 640
MAX_PIXELS: Final = 400_000_000
UNMARKED: Final = 255
CANVAS: Final = (INPUT_SIDE, 400)
# Zones are painted in this order: what lies on top comes last.
_ORDER: Final = ("text", "map", "photograph", "illustration", "bookplate", "stamp", "ornament", "initial")
# Of an object that is pasted, and of the strip of bare paper around it.
_MARGIN: Final = 5


@dataclass(frozen=True)
class Stored:
    """A page in memory: pixels uint8 [3, H, W], classes uint8 [H, W], zones in these pixels."""

    page: Page
    pixels: Tensor
    classes: Tensor
    graphics: tuple[tuple[int, int, int, int, int], ...]
    """class, left, top, right, bottom"""


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
    classes = np.full((height, width), OTHER, np.uint8)
    graphics = []
    for zone in sorted(page.zones, key=lambda zone: (_ORDER.index(zone.kind), -zone.area)):
        left, right = (min(max(0, round((x - x0) * across)), width) for x in (zone.box[0], zone.box[2]))
        top, bottom = (min(max(0, round((y - y0) * down)), height) for y in (zone.box[1], zone.box[3]))
        classes[top:bottom, left:right] = CLASS_OF_KIND[zone.kind]
        if zone.kind in GRAPHIC_KINDS and min(right - left, bottom - top) >= CELL:
            graphics.append((CLASS_OF_KIND[zone.kind], left, top, right, bottom))
    if page.kind is None and not page.zones:
        classes[:] = UNMARKED
    return Stored(page, pixels, torch.from_numpy(classes), tuple(graphics))


class Sampler:
    """Draws training samples. The same seed gives the same samples."""

    def __init__(self, pages: list[Stored], seed: int) -> None:
        self._pages = pages
        self._random = np.random.default_rng(seed)
        self._noise = torch.Generator().manual_seed(seed)
        self._objects = [(page, graphic) for page in pages for graphic in page.graphics]
        self._chances = _chances(pages)

    def page(self) -> tuple[Tensor, Tensor]:
        """A page float [3, H, W] in -1..1, and the classes of its cells [R, N]."""
        canvas = CANVAS if self._random.random() < 0.8 else CANVAS[::-1]
        chosen = self._pages[self._random.choice(len(self._pages), p=self._chances)]
        pixels, classes = chosen.pixels.float() / 255, chosen.classes.clone()
        if self._objects and self._random.random() < 0.4 and chosen.page.kind in ("text", "mixed", "blank"):
            for _ in range(self._random.integers(1, 4)):
                self._paste(pixels, classes)
        if self._random.random() < 0.15:
            self._shine_through(pixels)
        pixels, cells = self._moved(pixels, classes, canvas)
        return self._coloured(pixels) * 2 - 1, cells

    def _paste(self, pixels: Tensor, classes: Tensor) -> None:
        """Put a picture or an ornament of some page onto this one, with bare paper around it."""
        source, (number, left, top, right, bottom) = self._objects[self._random.integers(len(self._objects))]
        crop = source.pixels[:, top:bottom, left:right].float() / 255
        height, width = classes.shape
        scale = float(np.exp(self._random.uniform(-0.6, 0.6)))
        down, across = max(CELL, round((bottom - top) * scale)), max(CELL, round((right - left) * scale))
        if down >= height - 2 * _MARGIN or across >= width - 2 * _MARGIN:
            return
        crop = functional.interpolate(crop[None], (down, across), mode="bilinear", antialias=True)[0]
        y = int(self._random.integers(_MARGIN, height - down - _MARGIN + 1))
        x = int(self._random.integers(_MARGIN, width - across - _MARGIN + 1))
        around = (slice(y - _MARGIN, y + down + _MARGIN), slice(x - _MARGIN, x + across + _MARGIN))
        if (classes[around] > 1).any():
            return
        paper = pixels[:, around[0], around[1]].flatten(1).quantile(0.8, dim=1)[:, None, None]
        if self._random.random() < 0.6:
            # Printed on this paper: the lightest parts of the object take its colour.
            white = crop.flatten(1).quantile(0.95, dim=1)[:, None, None].clamp_min(0.2)
            crop = (crop / white).clamp_max(1) * paper
        pixels[:, around[0], around[1]] = paper
        classes[around] = OTHER
        pixels[:, y : y + down, x : x + across] = crop
        classes[y : y + down, x : x + across] = number

    def _shine_through(self, pixels: Tensor) -> None:
        """Let the text of another page, mirrored, shine through the paper."""
        other = self._pages[self._random.integers(len(self._pages))].pixels.float().flip(2) / 255
        other = functional.interpolate(other[None], pixels.shape[1:], mode="bilinear")[0].mean(
            0, keepdim=True
        )
        pixels *= 1 - self._random.uniform(0.1, 0.35) * (other.amax() - other)

    def _moved(self, pixels: Tensor, classes: Tensor, canvas: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The page turned, scaled and shifted onto the canvas, and its classes at a quarter of the size."""
        random, (height, width) = self._random, classes.shape
        fit = min(canvas[0] / height, canvas[1] / width)
        scale = fit * float(np.exp(random.normal(0.03, 0.14)))
        angle = math.radians(
            float(random.normal(0, 1.5)) + (90 * random.integers(4) if random.random() < 0.04 else 0)
        )
        flip = -1.0 if random.random() < 0.5 else 1.0
        free_y, free_x = (abs(canvas[0] - height * scale) / 2, abs(canvas[1] - width * scale) / 2)
        shift_y, shift_x = random.uniform(-free_y, free_y), random.uniform(-free_x, free_x)
        cosine, sine = math.cos(angle), math.sin(angle)
        # From pixels of the canvas to pixels of the page, then to the -1..1 of grid_sample.
        theta = torch.tensor(
            [
                [flip * cosine * canvas[1] / (scale * width), flip * sine * canvas[0] / (scale * width),
                 -flip * (cosine * shift_x + sine * shift_y) * 2 / (scale * width)],
                [-sine * canvas[1] / (scale * height), cosine * canvas[0] / (scale * height),
                 (sine * shift_x - cosine * shift_y) * 2 / (scale * height)],
            ]
        )[None]  # fmt: skip
        grid = functional.affine_grid(theta, [1, 3, *canvas], align_corners=False)
        fill = float(random.choice([0.0, 0.5, 1.0]))
        moved = functional.grid_sample(pixels[None] - fill, grid, align_corners=False)[0] + fill
        coarse = functional.affine_grid(
            theta, [1, 1, canvas[0] // CELL, canvas[1] // CELL], align_corners=False
        )
        cells = functional.grid_sample(
            classes[None, None].float(), coarse, mode="nearest", align_corners=False
        )
        return moved, cells[0, 0].long()

    def _coloured(self, pixels: Tensor) -> Tensor:
        """Other light: grey, bitonal, faded, tinted, blurred, noisy."""
        random = self._random
        if random.random() < 0.3:
            pixels = pixels.mean(0, keepdim=True).expand(3, -1, -1)
        if random.random() < 0.15:
            middle = pixels.mean() * random.uniform(0.75, 1.0)
            pixels = torch.sigmoid((pixels - middle) * random.uniform(8, 30))
        pixels = pixels.clamp(0, 1) ** float(np.exp(random.normal(0, 0.3)))
        tint = torch.from_numpy(random.normal(1, 0.06, (3, 1, 1)).astype(np.float32))
        pixels = pixels * tint * float(random.normal(1, 0.1)) + float(random.normal(0, 0.05))
        if random.random() < 0.2:
            pixels = functional.avg_pool2d(pixels[None], 3, 1, 1)[0]
        if random.random() < 0.3:
            noise = torch.randn(pixels.shape, generator=self._noise)
            pixels = pixels + noise * float(random.uniform(0.01, 0.06))
        return pixels.clamp(0, 1)


def _chances(pages: list[Stored]) -> npt.NDArray[np.float64]:
    """Half of the samples have a picture or an ornament; each document's share grows with the root of its
    number of pages."""
    has = np.array([bool(page.graphics) for page in pages])
    sizes: dict[str, int] = {}
    for page in pages:
        sizes[page.page.document] = sizes.get(page.page.document, 0) + 1
    weights = np.array([sizes[page.page.document] ** -0.5 for page in pages])
    for group in (has, ~has):
        if group.any():
            weights[group] /= weights[group].sum()
    weights[has] *= 1.5
    return np.asarray(weights / weights.sum(), np.float64)
