"""Parchment grounds: grain, stains and worn edges, multiplied over a finished painting."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

SOURCE_SIZE = (512, 600)
"""Width and height of a source picture, in pixels."""
NUM_GROUNDS = 6

_FLIPS = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)


@lru_cache(maxsize=64)
def ground(number: int, flip: int, size: tuple[int, int]) -> Image.Image:
    """Ground `number` (0 to NUM_GROUNDS - 1), turned one of four ways, at `size`; do not alter it."""
    if size == SOURCE_SIZE and flip == 0:
        return _source_ground(number)
    if flip:
        way = _FLIPS[flip]
        assert way is not None, "flip 0 is the ground as made"
        return ground(number, 0, size).transpose(way)
    return _source_ground(number).resize(size, Image.Resampling.BOX)


@lru_cache(maxsize=NUM_GROUNDS)
def _source_ground(number: int) -> Image.Image:
    rng = np.random.default_rng([46122, number])
    shade = 0.97 + 0.030 * _cloud(rng, 6) + 0.022 * _cloud(rng, 24) + 0.020 * _cloud(rng, 110)
    shade += 0.022 * rng.standard_normal((SOURCE_SIZE[1], SOURCE_SIZE[0]))
    shade *= _worn_edges(rng)
    stain = np.clip(_cloud(rng, 4) - 1.3, 0.0, 0.8)
    warmth = np.array([0.03, 0.07, 0.13])
    channels = shade[:, :, None] * (1.0 - stain[:, :, None] * warmth)
    return Image.fromarray((np.clip(channels, 0.0, 1.0) * 255).astype(np.uint8))


def _cloud(rng: np.random.Generator, cells: int) -> npt.NDArray[np.float64]:
    """Smooth noise of unit variance with about `cells` patches across."""
    coarse = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize(SOURCE_SIZE, Image.Resampling.BICUBIC)
    values = np.asarray(smooth, dtype=np.float64)
    normal: npt.NDArray[np.float64] = (values - values.mean()) / values.std()
    return normal


def _worn_edges(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    x = np.linspace(-1, 1, SOURCE_SIZE[0])[None, :]
    y = np.linspace(-1, 1, SOURCE_SIZE[1])[:, None]
    reach = np.maximum(np.abs(x), np.abs(y)) + 0.025 * _cloud(rng, 9)
    return 1.0 - 0.22 * np.clip((reach - 0.88) / 0.12, 0.0, 1.0) ** 2
