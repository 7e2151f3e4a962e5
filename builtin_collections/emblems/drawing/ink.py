"""Pens and hatching: figures set down by an unsteady hand, and shading in parallel lines."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from builtin_collections.armorial.drawing.outline import Figure, Points, turned

Tone = int | tuple[int, int, int]
_TILE = 720
_SPACINGS = (3, 4, 5, 6, 7, 9, 11, 14, 18, 23, 30)


@lru_cache(64)
def _tile(degrees: int, spacing: int, width: int) -> Image.Image:
    rng = np.random.default_rng([degrees % 180, spacing, width])
    tile = Image.new("L", (_TILE, _TILE))
    draw = ImageDraw.Draw(tile)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along = np.arange(-0.75 * _TILE, 0.75 * _TILE + 1, _TILE / 8)
    for offset in range(-round(0.75 * _TILE), round(0.75 * _TILE), spacing):
        away = offset + rng.normal(0, spacing * 0.08, len(along))
        nodes = np.column_stack([along * cosine - away * sine, along * sine + away * cosine]) + _TILE / 2
        cut = int(rng.integers(2, len(along) - 2)) if rng.random() < 0.3 else len(along)
        flat = nodes.ravel().tolist()
        draw.line(flat[: 2 * cut], fill=255, width=width)
        draw.line(flat[2 * cut + 1 - 1 :], fill=255, width=width)
    return tile


def hatching(degrees: int, spacing: int, width: int, size: tuple[int, int]) -> Image.Image:
    """A mask of `size` with parallel lines (255), none of them quite straight.

    Angle, spacing and width are rounded, so that few masks are ever drawn.
    """
    spacing = min(_SPACINGS, key=lambda known: abs(known - spacing))
    tile = _tile(round(degrees / 15) * 15, spacing, max(1, min(width, spacing - 2)))
    wide = Image.new("L", size)
    for x in range(0, size[0], _TILE):
        for y in range(0, size[1], _TILE):
            wide.paste(tile, (x, y))
    return wide


class Pen:
    """Draws on one canvas with one ink.

    Args:
        canvas: of mode L or RGB.
        line: the width of an outline in pixels.
        unsteady: how far a line strays, in pixels.
    """

    def __init__(
        self, canvas: Image.Image, ink: Tone, line: float, rng: random.Random, *, unsteady: float = 1.0
    ) -> None:
        self.canvas, self.ink, self.line = canvas, ink, max(1, round(line))
        self._draw = ImageDraw.Draw(canvas)
        self._waves = [
            (rng.uniform(-1, 1) / length, rng.uniform(-1, 1) / length, rng.uniform(0, 6), rng.gauss(0,
                                                            unsteady * size))
            for length, size in ((60, 1.2), (25, 0.7), (9, 0.35), (60, 1.2))
        ]  # fmt: skip

    def traced(self, outline: Points) -> list[tuple[float, float]]:
        """The outline as this hand draws it."""
        x, y = outline[:, 0], outline[:, 1]
        dx, dy = np.zeros_like(x), np.zeros_like(y)
        for number, (kx, ky, phase, size) in enumerate(self._waves):
            swing = size * np.sin(kx * x * 6 + ky * y * 6 + phase)
            dx, dy = (dx + swing, dy) if number % 2 else (dx, dy + swing)
        return list(zip((x + dx).tolist(), (y + dy).tolist(), strict=True))

    def fill(self, outline: Points, tone: Tone) -> None:
        """Fill the outline, as this hand traces it."""
        self._draw.polygon(self.traced(outline), fill=tone)

    def stroke(self, line: Points, *, width: float = 1.0, ink: Tone | None = None) -> None:
        """Draw along the line; `width` is in outlines."""
        self._draw.line(
            self.traced(line),
            fill=self.ink if ink is None else ink,
            width=max(1, round(self.line * width)),
            joint="curve",
        )

    def shade(
        self, mask: Image.Image, degrees: int, spacing: int, width: int, at: tuple[int, int] = (0, 0)
    ) -> None:
        """Hatch where `mask` is set; `at` is where its corner lies on the canvas."""
        if mask.width < 1 or mask.height < 1:
            return
        lines = hatching(degrees, spacing, width, mask.size)
        self.canvas.paste(self.ink, at, ImageChops.multiply(lines, mask))

    def figure(
        self, figure: Figure, center: tuple[float, float], size: float, tones: Iterable[Tone], *,
        flip: bool = False, degrees: float = 0.0, shading: tuple[int, int, int] | None = None,
        depth: float = 0.14,
    ) -> None:  # fmt: skip
        """Set a figure down: an inked edge around the silhouette, its fill, shading on its right, its lines.

        Args:
            size: half of the figure's height in pixels.
            tones: the fill of each part in turn; the last is used for all further parts.
            shading: angle, spacing and width of the hatching.
        """

        def put(outline: Points) -> Points:
            sized = outline * ((-size, size) if flip else (size, size))
            return (turned(sized, degrees) if degrees else sized) + center

        parts = [put(part.fill) for part in figure.parts]
        for part in figure.parts:
            for contour in part.contours:
                self.stroke(put(contour), width=2)
        fills = list(tones)
        for number, outline in enumerate(parts):
            self.fill(outline, fills[min(number, len(fills) - 1)])
        if shading is not None:
            self._shade_side(parts, shading, depth * size)
        for line in figure.ink:
            self.stroke(put(line), width=0.8)

    def _shade_side(self, parts: list[Points], shading: tuple[int, int, int], depth: float) -> None:
        every = np.vstack(parts)
        left, top = (int(value) for value in every.min(axis=0) - 4)
        right, bottom = (int(value) for value in every.max(axis=0) + 4)
        mask = Image.new("L", (max(1, right - left), max(1, bottom - top)))
        draw = ImageDraw.Draw(mask)
        for outline in parts:
            draw.polygon(self.traced(outline - (left, top)), fill=255)
        lit = ImageChops.offset(mask, -round(depth), -round(depth * 0.4))
        self.shade(ImageChops.subtract(mask, lit), *shading, at=(left, top))
