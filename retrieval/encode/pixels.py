"""Turns image bytes into the model's input as open_clip does, but decodes no more pixels than needed.

Shapes: B images, H and W the model's input size.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from iconoclip import pictures
from iconoclip.errors import BadInput
from retrieval.encode.modeldir import Preprocess

MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")

Pixels = npt.NDArray[np.uint8]


def decode(data: bytes, *, at_least: tuple[int, int] | None = None) -> Image.Image:
    """An image file as RGB, upright, transparency on white.

    Args:
        data: the file's bytes, which are not trusted.
        at_least: (width, height); a JPEG may be decoded at a reduced scale that still covers both sides.

    Raises:
        BadInput: not an image of a known format, truncated, or larger than 100 megapixels.
    """
    try:
        return pictures.decode(data, max_pixels=MAX_PIXELS, at_least=at_least, formats=FORMATS)
    except pictures.TooManyPixels as error:
        raise BadInput(
            f"the image has more than {MAX_PIXELS // 1_000_000} million pixels", remedy="send a smaller one"
        ) from error
    except pictures.ImageRefused as error:
        raise BadInput(
            f"not an image that can be read: {error}"[:200], remedy="send a JPEG, PNG, WebP, TIFF or GIF file"
        ) from error


def fit(image: Image.Image, preprocess: Preprocess) -> Pixels:
    """Resize and crop an RGB image to uint8 [H, W, 3], as open_clip's inference transform does, within one
    step of 255."""
    # Imported here: torch takes seconds to import, and decoding alone does not need it.
    from retrieval.encode.resize import resized

    height, width = preprocess.height_width
    if preprocess.resize_mode == "squash":
        return resized(image, (width, height), preprocess.interpolation)
    if preprocess.resize_mode == "longest":
        return _letterbox(image, preprocess)
    scaled = _scaled_to_cover(image.size, (width, height))
    left, top = round((scaled[0] - width) / 2.0), round((scaled[1] - height) / 2.0)
    return resized(image, scaled, preprocess.interpolation)[top : top + height, left : left + width]


def _centre(size: tuple[int, int], height_width: tuple[int, int]) -> tuple[float, float, float, float]:
    """The part of an image that the centre crop keeps: left, top, right, bottom in pixels."""
    height, width = height_width
    scaled = _scaled_to_cover(size, (width, height))
    left, top = round((scaled[0] - width) / 2.0), round((scaled[1] - height) / 2.0)
    per_x, per_y = size[0] / scaled[0], size[1] / scaled[1]
    return (
        max(0.0, left * per_x),
        max(0.0, top * per_y),
        min(float(size[0]), (left + width) * per_x),
        min(float(size[1]), (top + height) * per_y),
    )


def seen(size: tuple[int, int], preprocess: Preprocess) -> tuple[float, float, float, float]:
    """The part of an image of `size` (width, height) that the model's input covers: left, top,
    right, bottom, as fractions.

    A centre crop covers less than the image; a letterbox covers more.
    """
    height, width = preprocess.height_width
    left, top, right, bottom = 0.0, 0.0, float(size[0]), float(size[1])
    if preprocess.resize_mode == "shortest":
        left, top, right, bottom = _centre(size, preprocess.height_width)
    elif preprocess.resize_mode == "longest":
        scale = min(width / size[0], height / size[1])
        across, down = (width / scale - size[0]) / 2, (height / scale - size[1]) / 2
        left, top, right, bottom = -across, -down, size[0] + across, size[1] + down
    return left / size[0], top / size[1], right / size[0], bottom / size[1]


def _scaled_to_cover(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The size after torchvision's Resize, which truncates the longer side (torchvision #2868)."""
    if target[0] == target[1]:
        short = min(size)
        return int(target[0] * size[0] / short), int(target[0] * size[1] / short)
    scale = max(target[0] / size[0], target[1] / size[1])
    return round(size[0] * scale), round(size[1] * scale)


def _letterbox(image: Image.Image, preprocess: Preprocess) -> Pixels:
    from retrieval.encode.resize import resized

    height, width = preprocess.height_width
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    ground = np.full((height, width, 3), preprocess.fill_color, np.uint8)
    ground[top : top + size[1], left : left + size[0]] = resized(image, size, preprocess.interpolation)
    return ground


def prepare(data: bytes, preprocess: Preprocess) -> Pixels:
    """Image bytes to uint8 [H, W, 3], decoded at the smallest scale that still covers the input.

    Raises:
        BadInput: the same cases as for `decode`.
    """
    height, width = preprocess.height_width
    return fit(decode(data, at_least=(width, height)), preprocess)


def to_jpeg(image: Image.Image) -> bytes:
    """The image as JPEG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
