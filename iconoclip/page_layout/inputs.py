"""From the bytes of a page to the model's input: decoded small, bare borders cut off, on a canvas of
whole cells.

Pages of microfilms lie in scans twice as wide and high as they are; cutting the border off gives the model
twice the resolution.

Shapes: H, W of a page.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from iconoclip import pictures

# That of many data sets. Lines are 30 pixels high then, and what fills the ends of lines 10 to 20.
INPUT_SIDE: Final = 1100
# A page of this many pixels needs about 1.2 GB to decode where the format knows no reduced scale.
MAX_PIXELS: Final = 400_000_000
# One cell of the model's maps covers this many pixels of its input, whose sides are multiples of STEP.
CELL, STEP = 4, 8
# Smaller pages are enlarged to the scale that the model knows, but by no more than this.
MOST_ENLARGED: Final = 2.0
# Bare border: as light or as dark as a scanner makes it, where there is no paper; specks of dust are allowed.
WHITE, BLACK, MAX_SPECKS = 244, 8, 0.006
# What is left keeps this share of its longer side as a margin, and is used if it is that much smaller.
MARGIN, WORTH_IT = 0.03, 0.85
# Levels of 255 that a square of STEP pixels of a page with anything on it differs from the paper by.
LEAST_CONTRAST: Final = 10
# Pixels of bare paper in uneven light differ by less than this.
CLEARLY_MORE: Final = 100

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


class PagePixels(NamedTuple):
    """A decoded page, and where it lies in its image: left, top, right, bottom as shares of the image."""

    pixels_HWC: Pixels
    place: tuple[float, float, float, float]


def page_pixels(
    data: bytes, max_pixels: int, side: int = INPUT_SIDE, most_enlarged: float = MOST_ENLARGED
) -> PagePixels:
    """Decode a page so that the longer side of what is not bare border has `side` pixels; fewer if it would
    have to be enlarged by more than `most_enlarged`.

    Raises:
        ImageRefused: not an image, truncated, or too large.
    """
    image = pictures.decode(data, max_pixels=max_pixels, max_side=side)
    left, top, right, bottom = content_box(np.asarray(image))
    kept = max(right - left, bottom - top) / max(image.size)
    if kept >= WORTH_IT:
        return PagePixels(np.asarray(pictures.enlarge(image, side, most_enlarged)), (0.0, 0.0, 1.0, 1.0))
    place = left / image.width, top / image.height, right / image.width, bottom / image.height
    image = pictures.decode(data, max_pixels=max_pixels, max_side=round(side / kept))
    box = (
        round(place[0] * image.width),
        round(place[1] * image.height),
        round(place[2] * image.width),
        round(place[3] * image.height),
    )
    cut = pictures.enlarge(pictures.shrink(image.crop(box), side), side, most_enlarged)
    return PagePixels(
        np.asarray(cut),
        (box[0] / image.width, box[1] / image.height, box[2] / image.width, box[3] / image.height),
    )


def grey(page_HWC: Pixels) -> Pixels:
    """The lightness of the pixels [H, W]: the green channel, which is most of it and costs nothing."""
    return page_HWC[:, :, 1]


def content_box(page_HWC: Pixels) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not bare border, with a margin; all of a page that is bare."""
    height, width = page_HWC.shape[:2]
    # Every other pixel tells as much of so many.
    grey_HW = grey(page_HWC)[::2, ::2]
    bare_HW = (grey_HW >= WHITE) | (grey_HW <= BLACK)
    rows = 2 * np.flatnonzero((~bare_HW).mean(1) > MAX_SPECKS)
    columns = 2 * np.flatnonzero((~bare_HW).mean(0) > MAX_SPECKS)
    if not len(rows) or not len(columns):
        return 0, 0, width, height
    margin = round(MARGIN * max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1)
    return (
        max(0, int(columns[0]) - margin),
        max(0, int(rows[0]) - margin),
        min(width, int(columns[-1]) + 2 + margin),
        min(height, int(rows[-1]) + 2 + margin),
    )


def is_bare(page_HWC: Pixels) -> bool:
    """Whether a page shows nothing at all: an empty file, or a sheet in one shade.

    Paper has a colour, grain, and light that changes slowly across it. So means of squares are compared
    with a surface of the second degree, each channel with its own.
    """
    # Nearly every page is recognised by a few of its pixels.
    some_NC = page_HWC[::14, ::14].reshape(-1, 3)
    if (np.subtract(*np.percentile(some_NC, (99, 1), axis=0)) > CLEARLY_MORE).any():
        return False
    height, width = (max(1, side // STEP) for side in page_HWC.shape[:2])
    kept = page_HWC[: height * STEP, : width * STEP].astype(np.float32)
    size = kept.shape[0] // height, kept.shape[1] // width
    cells_HWC = kept.reshape(height, size[0], width, size[1], 3).mean((1, 3))
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    x_HW, y_HW = np.meshgrid(across, down)
    terms = (np.ones_like(x_HW), x_HW, y_HW, x_HW * x_HW, x_HW * y_HW, y_HW * y_HW)
    terms_NT = np.stack(terms, 2).reshape(-1, len(terms))
    cells_NC = cells_HWC.reshape(-1, 3)
    # A little is added to the diagonal, because a sheet of one cell has no slope.
    square_TT = terms_NT.T @ terms_NT + 1e-3 * np.eye(len(terms), dtype=np.float32)
    surface_NC = terms_NT @ np.linalg.solve(square_TT, terms_NT.T @ cells_NC)
    return bool(np.abs(cells_NC - surface_NC).max() < LEAST_CONTRAST)


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the canvas for a page of these sizes."""
    return -(-width // STEP) * STEP, -(-height // STEP) * STEP


def model_input(page_HWC: Pixels) -> FloatArray:
    """RGB of a page -> float32 [1, 3, H, W] in -1 to 1, padded with grey at the right and at the bottom.

    Raises:
        ValueError: the page is larger than the model's input.
    """
    height, width = page_HWC.shape[:2]
    if max(height, width) > INPUT_SIDE:
        raise ValueError(f"a page of {width}x{height} pixels for an input of {INPUT_SIDE}")
    across, down = canvas_size(width, height)
    scaled = np.zeros((1, 3, down, across), np.float32)
    # One channel after the other: converting all at once takes four times as long.
    for channel in range(3):
        own = scaled[0, channel, :height, :width]
        np.multiply(page_HWC[:, :, channel], np.float32(1 / 127.5), out=own, dtype=np.float32)
        own -= 1.0
    return scaled
