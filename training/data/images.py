"""Turns image bytes into pixels for training: decoded no larger than needed and cropped gently;
colours and sides do not change.

A mirrored or recoloured picture of a saint or a shield means something else, so there are no flips
and no colour jitter. Evaluation does not use this module, but open_clip's own transform for the
model's preprocess config.

Letters: S side of the square input, H and W of a decoded image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from iconoclip import pictures
from iconoclip.errors import DamagedData

UInt8Array = npt.NDArray[np.uint8]
ResizeMode = Literal["squash", "shortest", "longest"]
# Enough for a folio of 20,000 by 15,000 pixels; more is an attack or an accident.
MAX_PIXELS = 300_000_000
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Crop:
    """How training images are cut and resized.

    Args:
        size: S, the side of the model's input in pixels.
        resize_mode: as in open_clip: `squash` the whole picture into the square, cut the square at the
            `shortest` side, or fit the `longest` and fill.
        interpolation: bicubic or bilinear.
        min_area: the smallest share of the picture that a crop keeps.
        aspect_jitter: a crop's aspect ratio is multiplied by up to this factor, either way.
        fill: the grey that `longest` fills with.
    """

    size: int
    resize_mode: ResizeMode
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    min_area: float = 0.9
    aspect_jitter: float = 1.0
    fill: int = 0

    def box(
        self, width: int, height: int, draws: npt.NDArray[np.float64]
    ) -> tuple[float, float, float, float]:
        """The rectangle to keep (left, top, right, bottom) in pixels, from four uniform draws."""
        frame_width, frame_height = self._frame(width, height)
        area = 1 - (1 - self.min_area) * draws[0]
        stretch = self.aspect_jitter ** (2 * draws[1] - 1)
        wide = min(frame_width, frame_width * (area * stretch) ** 0.5)
        high = min(frame_height, frame_height * (area / stretch) ** 0.5)
        left = (width - frame_width) / 2 + draws[2] * (frame_width - wide)
        top = (height - frame_height) / 2 + draws[3] * (frame_height - high)
        if self.resize_mode == "shortest":
            # The square may be anywhere along the longer side, so that every part is used at some time.
            left = draws[2] * (width - wide)
            top = draws[3] * (height - high)
        return left, top, left + wide, top + high

    def _frame(self, width: int, height: int) -> tuple[float, float]:
        """The rectangle that a crop of the whole area would keep."""
        if self.resize_mode == "squash":
            return width, height
        side = min(width, height) if self.resize_mode == "shortest" else max(width, height)
        return side, side

    def __call__(self, image: Image.Image, draws: npt.NDArray[np.float64]) -> UInt8Array:
        """Cut and resize an RGB image to [S, S, 3]."""
        if self.resize_mode == "longest" and image.width != image.height:
            image = self._squared(image)
        left, top, right, bottom = self.box(image.width, image.height, draws)
        box = (max(left, 0.0), max(top, 0.0), min(right, image.width), min(bottom, image.height))
        resampling = _RESAMPLING[self.interpolation]
        return np.asarray(image.resize((self.size, self.size), resampling, box=box, reducing_gap=2.0))

    def _squared(self, image: Image.Image) -> Image.Image:
        side = max(image.size)
        canvas = Image.new("RGB", (side, side), (self.fill,) * 3)
        canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return canvas

    @property
    def decode_side(self) -> int:
        """The shorter side that a decoded image needs, so that even its smallest crop is not enlarged."""
        return int(np.ceil(self.size / (self.min_area / self.aspect_jitter) ** 0.5))


class UndecodableImage(DamagedData):
    """The bytes are not a picture, or the picture is truncated or too large to decode."""


def decode(data: bytes, *, min_side: int, where: str) -> Image.Image:
    """An image file as an RGB image whose shorter side is at least `min_side` when the stored one's is.

    The JPEG decoder scales by 1/2, 1/4 or 1/8 while it decodes (Pillow's draft mode), which
    takes a fraction of the time.

    Raises:
        UndecodableImage: not an image, truncated, or larger than MAX_PIXELS.
    """
    try:
        return pictures.decode(data, max_pixels=MAX_PIXELS, at_least=(min_side, min_side))
    except pictures.TooManyPixels as error:
        raise UndecodableImage("the image is too large", where=where, remedy=_REMEDY) from error
    except pictures.ImageRefused as error:
        reason = str(error).removeprefix("the image cannot be decoded: ")
        raise UndecodableImage(
            f"the image cannot be decoded: {reason}", where=where, remedy=_REMEDY
        ) from error


_REMEDY = "`iconoclip check` finds every such sample; `iconoclip takedown` withdraws it"
