"""A coat of arms to pixels.

The picture is painted at a few times the requested size and reduced, so that edges are smooth. All geometry
is in source pixels, so that every size shows the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from builtin_collections.armorial.arms import Arms, Ordinary
from builtin_collections.armorial.drawing.hand import Colour, Hand, hand
from builtin_collections.armorial.drawing.layout import Placed, placed
from builtin_collections.armorial.drawing.outline import Points, turned
from builtin_collections.armorial.drawing.shield import SECOND, band
from builtin_collections.armorial.drawing.texture import SOURCE_SIZE, ground

DRAWING_VERSION = 1
"""Raised whenever the same arms, seed and copy would give other pixels."""
_PAINTED_WIDTH = 300
"""Painting is done at least this wide, then reduced."""


def picture(arms: Arms, *, seed: int, coat: int, copy: int = 0, width: int = SOURCE_SIZE[0]) -> Image.Image:
    """An RGB drawing `width` pixels wide, in the proportions of SOURCE_SIZE.

    `coat` numbers the coat within its collection and `copy` the drawing of it. Raises ValueError for
    a width below 16 or above twice the source's.
    """
    if not 16 <= width <= 2 * SOURCE_SIZE[0]:
        raise ValueError(f"cannot draw {width} pixels wide: ask for 16 to {2 * SOURCE_SIZE[0]}")
    size = (width, height_at(width))
    factor = max(2, -(-_PAINTED_WIDTH // width))
    painter = _Painter(hand(seed=seed, coat=coat, copy=copy), (size[0] * factor, size[1] * factor))
    painting = painter.paint(arms).reduce(factor)
    return ImageChops.multiply(painting, ground(painter.hand.ground, painter.hand.ground_flip, size))


def height_at(width: int) -> int:
    """The height in pixels of a picture `width` wide."""
    return round(width * SOURCE_SIZE[1] / SOURCE_SIZE[0])


class _Painter:
    """Paints one coat at one size."""

    def __init__(self, chosen: Hand, size: tuple[int, int]) -> None:
        self.hand = chosen
        self.size = size
        self.scale = (size[0] / SOURCE_SIZE[0], size[1] / SOURCE_SIZE[1])
        self.line_width = max(1, round(chosen.ink_width * self.scale[0]))
        self.paper = Image.new("RGB", size, chosen.parchment)

    def paint(self, arms: Arms) -> Image.Image:
        """The shield with everything on it, on its parchment."""
        shield = Image.new("RGB", self.size, self.hand.palette[arms.field.tinctures[0]])
        self._paint_field(shield, arms, swapped=False)
        self._paint_band(shield, arms)
        for charge in placed(arms):
            self._paint_charge(shield, arms, charge)
        return self._set_on_paper(shield)

    def _paint_field(self, layer: Image.Image, arms: Arms, *, swapped: bool) -> None:
        if arms.field.division is None:
            return
        first, second = (self.hand.palette[tincture] for tincture in arms.field.tinctures)
        if swapped:
            layer.paste(second, (0, 0, *self.size))
        draw = ImageDraw.Draw(layer)
        for shape in SECOND[arms.field.division]:
            traced = self._trace(shape)
            draw.polygon(traced, fill=first if swapped else second)
            self._ink(draw, [*traced, *traced[:2]], self.line_width)

    def _paint_band(self, layer: Image.Image, arms: Arms) -> None:
        shape = band(arms, self.hand.outline)
        if shape is None or arms.band is None:
            return
        draw = ImageDraw.Draw(layer)
        fill = self.hand.palette[arms.band.tincture]
        if arms.band.ordinary is Ordinary.BORDURE:
            layer.paste(fill, (0, 0, *self.size))
            fill = self.hand.palette[arms.field.tinctures[0]]
        traced = self._trace(shape)
        draw.polygon(traced, fill=fill)
        self._ink(draw, [*traced, *traced[:2]], self.line_width)

    def _paint_charge(self, layer: Image.Image, arms: Arms, charge: Placed) -> None:
        shapes = [part.fill for part in charge.figure.parts]
        edges = [edge for part in charge.figure.parts for edge in part.contours]
        outlines = self._trace_all(
            [self._at(charge, shape) for shape in (*shapes, *edges, *charge.figure.ink)]
        )
        fills, edges_traced = outlines[: len(shapes)], outlines[len(shapes) : len(shapes) + len(edges)]
        draw = ImageDraw.Draw(layer)
        for edge in edges_traced:
            self._ink(draw, edge, 2 * self.line_width)
        if charge.tincture is None:
            self._counterchange(layer, arms, fills)
        else:
            for fill in fills:
                draw.polygon(fill, fill=self.hand.palette[charge.tincture])
        ink = _detail_ink(self.hand, None if charge.tincture is None else self.hand.palette[charge.tincture])
        for line in outlines[len(shapes) + len(edges) :]:
            draw.line(line, fill=ink, width=max(1, round(0.6 * self.line_width)))

    def _counterchange(self, layer: Image.Image, arms: Arms, fills: Sequence[list[float]]) -> None:
        other = Image.new("RGB", self.size)
        self._paint_field(other, arms, swapped=True)
        mask = Image.new("L", self.size)
        draw = ImageDraw.Draw(mask)
        for fill in fills:
            draw.polygon(fill, fill=255)
        layer.paste(other, mask=mask)

    def _set_on_paper(self, shield: Image.Image) -> Image.Image:
        outline = self._trace(self.hand.outline)
        draw = ImageDraw.Draw(self.paper)
        if self.hand.shadow:
            shadow = self._trace(self.hand.outline + self.hand.shadow)
            draw.polygon(shadow, fill=_mixed(self.hand.parchment, self.hand.ink, 0.35))
        mask = Image.new("L", self.size)
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        self.paper.paste(shield, mask=mask)
        self._ink(draw, [*outline, *outline[:4]], round(1.5 * self.line_width))
        return self.paper

    def _at(self, charge: Placed, shape: Points) -> Points:
        place = charge.place
        sized = shape * (place.size * self.hand.charge_scale)
        return (turned(sized, place.turn_degrees) if place.turn_degrees else sized) + (place.x, place.y)

    def _trace(self, shape: Points) -> list[float]:
        flat: list[float] = (self.hand.traced(shape) * self.scale).ravel().tolist()
        return flat

    def _trace_all(self, shapes: Sequence[Points]) -> list[list[float]]:
        """Many outlines in one pass over their points, because this takes most of the time of a drawing."""
        flat = self._trace(np.concatenate(shapes))
        ends = np.cumsum([2 * len(shape) for shape in shapes]).tolist()
        return [flat[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _ink(self, draw: ImageDraw.ImageDraw, line: list[float], width: int) -> None:
        draw.line(line, fill=self.hand.ink, width=max(1, width))


def _detail_ink(chosen: Hand, fill: Colour | None) -> Colour:
    """The ink for lines within a charge; lighter on a dark charge, so that the line is visible."""
    if fill is None or sum(fill) > 210:
        return chosen.ink
    return _mixed(fill, chosen.parchment, 0.45)


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
