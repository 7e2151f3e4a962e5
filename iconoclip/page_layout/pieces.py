"""Parts of the maps that are several things: photographs that touch, bars of neighbouring lines.

Shapes: H and W of a map in cells.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.components import BoolMap, Component, components

# What has fewer cells is nothing.
MIN_CELLS: Final = 10
# A part that falls apart when so many cells are taken off its outline is several pictures.
EROSIONS: Final = (1, 2, 4, 6)
LEAST_PIECE, LEAST_SIDE = 0.12, 12
# So are pieces as many as this that are as large as this share of the largest and together nearly all of it.
MANY, LEAST_ALIKE, NEARLY_ALL = 6, 0.35, 0.85
# Things that touch at their blurred edges are apart where the maps are this sure of them.
SURER: Final = (0.7, 0.85, 0.95)
SOLID: Final = 0.7
# Bars that fill lines are at most so many cells high.
HIGHEST_BAR: Final = 12


def pieces_of(part: Component, layer_HW: npt.NDArray[np.float32]) -> list[Component]:
    """The things that a part of a map shows: itself, or the most pieces that one of three ways finds in it.

    Args:
        part: connected cells.
        layer_HW: the map that they were found in.
    """
    ways = _fallen_apart(part, layer_HW.shape), _surer_pieces(part, layer_HW), _bars(part, layer_HW)
    return max(ways, key=len)


def _fallen_apart(part: Component, shape: tuple[int, ...]) -> list[Component]:
    """A part, or the pieces that it falls apart into when its outline is taken off."""
    map_HW = np.zeros(shape, np.bool_)
    map_HW[part.rows, part.columns] = True
    cells = len(part.rows)
    left, top, right, bottom = part.bounds
    for depth in EROSIONS:
        # A band of ornaments is too low to lose its outline.
        if depth * LEAST_SIDE > 2 * min(right - left, bottom - top):
            break
        found = list(components(_eroded(map_HW, depth)))
        cores = [one for one in found if len(one.rows) >= LEAST_PIECE * cells]
        if len(cores) < 2:
            cores = _many_alike(found)
        if len(cores) > 1:
            return [_grown(core, map_HW, depth) for core in cores]
    return [part]


def _surer_pieces(part: Component, layer_HW: npt.NDArray[np.float32]) -> list[Component]:
    """The things of like size that remain of a part where the maps are surer of it, each with the cells next
    to it; none if there is more in it than these."""
    inside_HW = np.zeros(layer_HW.shape, np.bool_)
    inside_HW[part.rows, part.columns] = True
    best: list[Component] = []
    for chance in SURER:
        found = list(components(inside_HW & (layer_HW > chance)))
        alike = _many_alike(found, 2) if found else []
        if all(_is_solid(one) for one in alike):
            best = max(best, alike, key=len)
    return [_grown(one, inside_HW, 2) for one in best]


def _bars(part: Component, layer_HW: npt.NDArray[np.float32]) -> list[Component]:
    """The bars that fill the ends of neighbouring lines, where a part is several of these; none if not."""
    cells_HW = np.zeros_like(layer_HW)
    cells_HW[part.rows, part.columns] = layer_HW[part.rows, part.columns]
    best: list[Component] = []
    for chance in SURER:
        found = [one for one in components(cells_HW > chance) if len(one.rows) >= MIN_CELLS]
        if len(found) > len(best) and _are_bars(found):
            best = found
    return [_grown(one, cells_HW > 0, 1) for one in best] if len(best) > 1 else []


def _are_bars(parts: list[Component]) -> bool:
    """Whether parts fill their rectangles, are about as high as lines, and lie below each other."""
    bounds = sorted((one.bounds for one in parts), key=lambda each: each[1])
    heights = [bottom - top for _, top, _, bottom in bounds]
    return (
        all(_share_filled(one) >= SOLID for one in parts)
        and max(heights) <= min(HIGHEST_BAR, 2 * min(heights))
        and all(after[1] >= before[3] for before, after in itertools.pairwise(bounds))
    )


def _share_filled(part: Component) -> float:
    """The share of its rectangle that a part fills."""
    left, top, right, bottom = part.bounds
    return len(part.rows) / ((right - left) * (bottom - top))


def _is_solid(part: Component) -> bool:
    """Whether a part is no band, and fills most of its rectangle: half of a fan does not."""
    left, top, right, bottom = part.bounds
    return min(right - left, bottom - top) >= LEAST_SIDE and _share_filled(part) >= SOLID


def _many_alike(found: list[Component], least: int = MANY) -> list[Component]:
    """The pieces of a sheet of many photographs: of like size, and nearly all that is there."""
    sizes = [len(one.rows) for one in found]
    alike = [one for one in found if len(one.rows) >= LEAST_ALIKE * max(sizes)]
    share = sum(len(one.rows) for one in alike) / max(sum(sizes), 1)
    return alike if len(alike) >= least and share >= NEARLY_ALL else []


def _eroded(map_HW: BoolMap, depth: int) -> BoolMap:
    """The cells whose neighbours within `depth` rows and columns are all true; the edge of the page is."""
    padded = np.pad(map_HW, depth, constant_values=True)
    height, width = map_HW.shape
    kept = np.ones_like(map_HW)
    for step in range(2 * depth + 1):
        kept &= padded[step : step + height, depth : depth + width]
        kept &= padded[depth : depth + height, step : step + width]
    return kept


def _grown(core: Component, map_HW: BoolMap, depth: int) -> Component:
    """A piece with the outline that was taken off it."""
    grown = np.zeros_like(map_HW)
    left, top, right, bottom = core.bounds
    grown[max(0, top - depth) : bottom + depth, max(0, left - depth) : right + depth] = True
    rows, columns = np.nonzero(grown & map_HW)
    return Component(rows, columns)
