"""Marked pages in memory: decoded once, with what each pixel is part of.

Shapes: H, W of a stored page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from iconoclip.page_layout.inputs import page_pixels
from iconoclip.page_layout.kinds import CLASS_OF_KIND, OTHER, PICTURE_KINDS, TEXT
from training.pages.truth import Page

# Pages are stored a little larger than the model's input, so that a sample may be a part of one.
STORED_SIDE: Final = 640
MAX_PIXELS: Final = 400_000_000
UNMARKED: Final = 255
# Marks of pixels and cells: OTHER, TEXT, UNMARKED, and FIRST_THING plus the number of a thing.
FIRST_THING: Final = 2
MAX_THINGS: Final = UNMARKED - FIRST_THING
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
    """A page in memory: pixels uint8 [3, H, W], their marks uint8 [H, W], its things in these pixels."""

    page: Page
    pixels: Tensor
    marks: Tensor
    things: tuple[Thing, ...]


def stored(page: Page, side: int = STORED_SIDE) -> Stored:
    """Decode a page so that its longer side has at most `side` pixels, and paint its zones.

    Raises:
        ImageRefused: its file cannot be decoded.
    """
    decoded = page_pixels(page.read(), MAX_PIXELS, side)
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
