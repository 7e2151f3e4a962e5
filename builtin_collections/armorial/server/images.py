"""The image services of the three archives: what each offers, and the drawing behind it."""

from __future__ import annotations

from functools import partial

from PIL import Image

from builtin_collections.armorial.collection import Item
from builtin_collections.armorial.drawing.picture import DRAWING_VERSION, picture
from builtin_collections.armorial.drawing.texture import SOURCE_SIZE
from builtin_collections.serving.image_request import Offer
from builtin_collections.serving.image_service import ServedPicture

_SIZES = ((64, 75), (128, 150), (256, 300), SOURCE_SIZE)
LEVEL_2 = Offer(3, 2, SOURCE_SIZE, _SIZES, ("jpg", "png", "webp"), ("default", "color", "gray", "bitonal"))
LEVEL_1 = Offer(3, 1, SOURCE_SIZE, _SIZES)
LEVEL_0 = Offer(2, 0, SOURCE_SIZE, _SIZES)


def drawing(item: Item, copy: int, *, seed: int) -> ServedPicture:
    """The `copy`-th drawing of a coat, from 0, of the collection with that seed."""
    return ServedPicture(
        draw=partial(_draw, item, copy, seed),
        version=(DRAWING_VERSION, seed, item.number, copy),
        modified=item.modified,
    )


def _draw(item: Item, copy: int, seed: int, width: int) -> Image.Image:
    return picture(item.arms, seed=seed, coat=item.number, copy=copy, width=width)
