"""Marked pages: their pixels, and what each pixel is part of.

Shapes: H, W of a stored page.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from iconoclip.page_layout.inputs import MAX_PIXELS, page_pixels
from iconoclip.page_layout.kinds import CLASS_OF_KIND, OTHER, PICTURE_KINDS, TEXT
from training.pages.truth import Page

# Pages are decoded a little larger than the model's input, so that a sample may be a part of one.
STORED_SIDE: Final = 1280
# Of four megabytes each, so that the pictures of a sheet are not decoded twice.
NUM_DECODED: Final = 64
# Where nobody has looked; and where there is no thing, but nobody has said what is text and what is paper.
UNMARKED, TEXT_OR_OTHER = 255, 254
# Marks of pixels and cells: OTHER, TEXT, these two, and FIRST_THING plus the number of a thing.
FIRST_THING: Final = 2
MAX_THINGS: Final = TEXT_OR_OTHER - FIRST_THING
# Zones are painted in this order: what lies on top comes last.
_ORDER: Final = ("text", "map", "photograph", "illustration", "bookplate", "stamp", "ornament", "initial")


class Thing(NamedTuple):
    """A picture, an ornament, an initial or a stamp: its class, its box in pixels, if it is a picture."""

    number: int
    left: float
    top: float
    right: float
    bottom: float
    is_picture: bool


@dataclass(frozen=True)
class Stored:
    """A page, and its things in pixels of the scale at which samples are made of it.

    Its pixels are decoded when they are needed: those of all pages would fill the memory.
    """

    page: Page
    side: int
    things: tuple[Thing, ...]

    @property
    def pixels(self) -> Tensor:
        """The decoded page: RGB, uint8 [3, H, W]."""
        return _decoded(self.page, self.side)[0]

    @property
    def marks(self) -> Tensor:
        """What each pixel is part of, uint8 [H, W]."""
        return _decoded(self.page, self.side)[1]


def stored(page: Page, side: int = STORED_SIDE) -> Stored:
    """A page whose longer side has at most `side` pixels.

    Raises:
        ImageRefused: its file cannot be decoded.
    """
    return Stored(page, side, _decoded(page, side)[2])


@functools.lru_cache(NUM_DECODED)
def _decoded(page: Page, side: int) -> tuple[Tensor, Tensor, tuple[Thing, ...]]:
    """The pixels of a page, what they are part of, and its things."""
    decoded = page_pixels(page.read(), MAX_PIXELS, side, most_enlarged=1.0)
    height, width = decoded.pixels_HWC.shape[:2]
    pixels = torch.from_numpy(decoded.pixels_HWC.copy()).permute(2, 0, 1).contiguous()
    left_share, top_share, right_share, bottom_share = decoded.place
    across = width / (page.width * (right_share - left_share))
    down = height / (page.height * (bottom_share - top_share))
    x0, y0 = left_share * page.width, top_share * page.height
    marks = np.full((height, width), OTHER if page.has_text_marks else TEXT_OR_OTHER, np.uint8)
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
    return pixels, torch.from_numpy(marks), tuple(things)
