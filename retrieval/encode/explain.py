"""Explains a hit: which parts of an image the score of a text depends on, found by covering them.

Occlusion (Zeiler and Fergus 2014) runs the model itself, works for every architecture, and has a clear
meaning: by how much the score falls when this part is covered. Attention maps of CLIP are known to point to
the background instead (Li et al. 2023, arXiv 2304.05653).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from retrieval.answers import Explanation
from retrieval.encode.pixels import Pixels

GRID = 8
# A window covers two by two cells and moves by one cell.
WINDOW_CELLS = 2


class ImageAndText(Protocol):
    """The two sides of an encoder."""

    def encode_images(self, pixels: list[Pixels]) -> npt.NDArray[np.float32]:
        """Unit vectors, float32 [B, D]."""
        ...

    def encode_texts(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, float32 [B, D]."""
        ...


def occlusion_map(encoder: ImageAndText, key: str, pixels: Pixels, text: str) -> Explanation:
    """The map of one image and one text.

    Args:
        encoder: the model.
        key: the key of the item.
        pixels: the image as the model sees it, uint8 [H, W, 3].
        text: what to look for.
    """
    windows = _windows(pixels.shape[0], pixels.shape[1])
    ground = pixels.mean(axis=(0, 1)).astype(np.uint8)
    covered = [pixels, *(_covered(pixels, window, ground) for window in windows)]
    scores = encoder.encode_images(covered) @ encoder.encode_texts([text])[0]
    heat, times = np.zeros((GRID, GRID)), np.zeros((GRID, GRID))
    for number, score in enumerate(scores[1:]):
        row, column = divmod(number, GRID - WINDOW_CELLS + 1)
        cells = np.s_[row : row + WINDOW_CELLS, column : column + WINDOW_CELLS]
        heat[cells] += max(0.0, float(scores[0] - score))
        times[cells] += 1
    heat /= times
    top = heat.max()
    values = (heat / top if top > 0 else heat).round(4).ravel().tolist()
    return Explanation(
        key=key, text=text, width=GRID, height=GRID, heat=tuple(values), cosine=round(float(scores[0]), 5)
    )


def _windows(height: int, width: int) -> list[tuple[slice, slice]]:
    rows, columns = (np.linspace(0, side, GRID + 1).round().astype(int) for side in (height, width))
    starts = range(GRID - WINDOW_CELLS + 1)
    return [
        (slice(rows[y], rows[y + WINDOW_CELLS]), slice(columns[x], columns[x + WINDOW_CELLS]))
        for y in starts
        for x in starts
    ]


def _covered(pixels: Pixels, window: tuple[slice, slice], ground: npt.NDArray[np.uint8]) -> Pixels:
    copy = pixels.copy()
    copy[window] = ground
    return copy
