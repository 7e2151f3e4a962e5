"""Cuts pictures out of the image of a page, which is decoded once. Tilted pictures are rotated upright."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from data_prep.images.hashing import Averaged
from data_prep.images.store import StoredImage, Wanted, encoded, opt_out_of
from iconoclip import pictures
from iconoclip.pictures import ImageRefused

# A picture with a smaller tilt looks straight, and rotating it would blur it.
MIN_TILT_DEGREES: Final = 1.5


@dataclass(frozen=True)
class Cutting:
    """What to cut: left, top, right, bottom in shares of the page, and the clockwise turn of what it
    shows."""

    box: tuple[float, float, float, float]
    tilt: float = 0.0


def cut_pictures(page: bytes, cuttings: Sequence[Cutting], wanted: Wanted) -> list[StoredImage]:
    """Cut pictures out of the image of a page.

    A tilted picture is turned upright: of its rectangle, what the upright box contains is kept.

    Raises:
        ImageRefused: the image of the page cannot be decoded.
    """
    with pictures.refusing():
        image = pictures.decode(page, max_pixels=wanted.max_pixels)
        digest, reserved = hashlib.sha256(page).hexdigest(), opt_out_of(page)
        stored = []
        for one in cuttings:
            small = pictures.shrink(_cut(image, one), wanted.max_side)
            jpeg = encoded(small, wanted.quality)
            looks = Averaged.of(small)
            stored.append(
                StoredImage(
                    jpeg=jpeg,
                    width=small.width,
                    height=small.height,
                    sha256=hashlib.sha256(jpeg).hexdigest(),
                    received=image.size,
                    source_sha256=digest,
                    phash=looks.phash,
                    colours=looks.quarters,
                    opt_out=reserved,
                )
            )
        return stored


def _cut(image: Image.Image, cutting: Cutting) -> Image.Image:
    left, top, right, bottom = (
        share * side for share, side in zip(cutting.box, (*image.size, *image.size), strict=True)
    )
    width, height = max(1.0, right - left), max(1.0, bottom - top)
    if abs(cutting.tilt) < MIN_TILT_DEGREES:
        box = (math.floor(left), math.floor(top), math.ceil(left + width), math.ceil(top + height))
        cut = image.crop((box[0], box[1], min(box[2], image.width), min(box[3], image.height)))
        if min(cut.size) < 1:
            raise ImageRefused("a picture lies outside its page")
        return cut
    across, down = upright_sides(width, height, cutting.tilt)
    angle = math.radians(cutting.tilt)
    cosine, sine = math.cos(angle), math.sin(angle)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    # From pixels of the result to pixels of the page.
    matrix = (
        cosine, -sine, middle_x - cosine * across / 2 + sine * down / 2,
        sine, cosine, middle_y - sine * across / 2 - cosine * down / 2,
    )  # fmt: skip
    size = max(1, round(across)), max(1, round(down))
    return image.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def upright_sides(width: float, height: float, tilt: float) -> tuple[float, float]:
    """Width and height of a rectangle that is turned by `tilt` degrees and fills an upright box.

    The box of a turned rectangle w x h is w cos + h sin wide and w sin + h cos high; solved for w and h. A
    box whose sides do not fit that turn keeps them.
    """
    cosine, sine = math.cos(math.radians(abs(tilt))), math.sin(math.radians(abs(tilt)))
    spread = cosine**2 - sine**2
    across, down = (width * cosine - height * sine) / spread, (height * cosine - width * sine) / spread
    return (across, down) if min(across / width, down / height) > 0.5 else (width, height)
