"""From the maps of the model to candidates of boxes, and from candidates to scored boxes.

Shapes: C classes, H and W of the map in cells, F features of a candidate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.components import Component, components
from iconoclip.page_layout.findings import FoundBox
from iconoclip.page_layout.kinds import CLASSES, GRAPHIC_KINDS, BoxKind

Maps = npt.NDArray[np.float32]
_GRAPHIC: Final = [number for number, name in enumerate(CLASSES) if name in GRAPHIC_KINDS]
# Each of these is looked for in its own map; pictures and ornaments in the sum of theirs, because a part
# that is half one and half the other is still one thing.
_ALONE: Final = tuple(CLASSES.index(name) for name in ("initial", "stamp"))
MIN_CHANCE: Final = 0.5
MIN_CELLS: Final = 3
MAX_CANDIDATES: Final = 400
FEATURES: Final = (
    "constant", "mean chance", "highest chance", "share of its rectangle", "log area", "log height",
    "log ratio", "touches the edge", "is an ornament", "is an initial or a stamp",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A connected part of a map. `box` is left, top, right, bottom in shares of the mapped page."""

    kind: BoxKind
    box: tuple[float, float, float, float]
    features_F: npt.NDArray[np.float64]
    tilt: float

    def scored(self, weights_F: npt.NDArray[np.float64]) -> float:
        """The probability that a person would mark it, by logistic regression."""
        return 1 / (1 + math.exp(-float(np.clip(self.features_F @ weights_F, -30, 30))))


def candidates(maps_CHW: Maps, size: tuple[float, float]) -> Iterator[Candidate]:
    """The candidates on a page.

    Args:
        maps_CHW: the probability of each class per cell.
        size: width and height of the page in cells; what lies right of it and below is padding.
    """
    width, height = math.ceil(size[0]), math.ceil(size[1])
    maps_CHW = maps_CHW[:, :height, :width]
    layers = [maps_CHW[_GRAPHIC].sum(0), *(maps_CHW[number] for number in _ALONE)]
    num_seen = 0
    for layer_HW, numbers in zip(layers, (_GRAPHIC, *([number] for number in _ALONE)), strict=True):
        for part in components(layer_HW > MIN_CHANCE):
            if len(part.rows) < MIN_CELLS:
                continue
            num_seen += 1
            if num_seen > MAX_CANDIDATES:
                return
            yield _candidate(part, layer_HW, maps_CHW, numbers, size)


def _candidate(
    part: Component, layer_HW: Maps, maps_CHW: Maps, numbers: list[int], size: tuple[float, float]
) -> Candidate:
    sums = [float(maps_CHW[number][part.rows, part.columns].sum()) for number in numbers]
    kind = cast(BoxKind, CLASSES[numbers[int(np.argmax(sums))]])
    left, top, right, bottom = _edges(layer_HW, part.bounds)
    box = left / size[0], top / size[1], min(right / size[0], 1.0), min(bottom / size[1], 1.0)
    chances = layer_HW[part.rows, part.columns]
    width, height = box[2] - box[0], box[3] - box[1]
    x0, y0, x1, y1 = part.bounds
    features_F = np.array(
        [
            1.0,
            float(chances.mean()),
            float(chances.max()),
            len(chances) / ((x1 - x0) * (y1 - y0)),
            math.log(max(width * height, 1e-5)),
            math.log(max(height, 1e-3)),
            abs(math.log(max(width * size[0], 0.1) / max(height * size[1], 0.1))),
            float(min(box[0], box[1], 1 - box[2], 1 - box[3]) < 0.01),
            float(kind == "ornament"),
            float(kind in ("initial", "stamp")),
        ]
    )
    return Candidate(kind, box, features_F, 0.0)


def _edges(layer_HW: Maps, bounds: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """The edges of a part to a fraction of a cell: where the mean chance along its sides falls below one
    half."""
    left, top, right, bottom = bounds
    across = layer_HW[top:bottom].mean(0)
    down = layer_HW[:, left:right].mean(1)
    return (
        _crossing(across, left, -1),
        _crossing(down, top, -1),
        _crossing(across, right - 1, 1),
        _crossing(down, bottom - 1, 1),
    )


def _crossing(profile: npt.NDArray[np.float32], cell: int, step: int) -> float:
    """Where a profile falls below one half near its outermost `cell`, in cells from the start."""
    for _ in range(2):
        # The outermost cell may be a single bump of the outline.
        if profile[cell] < 0.3 and 0 <= cell - step < len(profile):
            cell -= step
    inside = float(profile[cell])
    outside = float(profile[cell + step]) if 0 <= cell + step < len(profile) else 0.0
    edge = cell + (1 if step > 0 else 0)
    if inside <= 0.5:
        return edge - step * min(0.5, 0.5 - inside)
    return edge + step * (min(0.5, outside) if outside < inside else 0.0)


def boxes_of(found: list[Candidate], weights_F: npt.NDArray[np.float64], least: float) -> list[FoundBox]:
    """Candidates as boxes with scores of at least `least`, the most certain first."""
    boxes = [
        FoundBox(one.kind, *one.box, score=one.scored(weights_F), tilt=one.tilt)
        for one in found
        if one.box[2] > one.box[0] and one.box[3] > one.box[1]
    ]
    kept = [box for box in boxes if box.score >= least]
    return sorted(kept, key=lambda box: -box.score)
