"""From the maps of the model to candidates of boxes, and from candidates to scored boxes.

Shapes: C classes, H and W of the map in cells, F features of a candidate, B kinds of boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.components import Component, components
from iconoclip.page_layout.kinds import CLASSES, GRAPHIC_KINDS, PAGE_KINDS, TEXT
from iconoclip.page_layout.measure import Corners
from iconoclip.page_layout.pieces import MIN_CELLS, pieces_of

Maps = npt.NDArray[np.float32]
_GRAPHIC: Final = [number for number, name in enumerate(CLASSES) if name in GRAPHIC_KINDS]
_WITH_PICTURES: Final = ("picture", "mixed", "map", "spread")
MAX_LOG_ODDS: Final = 4.0
_PHOTOGRAPH = CLASSES.index("photograph")
_INITIAL, _STAMP = CLASSES.index("initial"), CLASSES.index("stamp")
MIN_CHANCE: Final = 0.5
MAX_CANDIDATES: Final = 400
# Initials are no larger than these shares of the width and the height of a page without its bare borders.
# Those of real documents that train are up to 0.38 wide and 0.2 high, of drawn books up to 0.47 and 0.39.
LARGEST_INITIAL: Final = (0.5, 0.4)
# Rows and columns at the edge of a part that fill less than this share of it are no part of its box.
LEAST_FILLED: Final = 0.3
# A candidate that lies in another by this share of its area is a part of it.
INSIDE: Final = 0.75
# Cells agree with a box if theirs overlap with it by so much; so many must, by weight, to move its edges.
LEAST_AGREEMENT, MOST = 0.6, 0.6
# On held-out pages: of the edges of a part, in cells, and of those that its cells see, in shares of a side.
FOUND_ERROR, SEEN_ERROR = 1.0, 0.1
# Cells of rare things count more in training, so parts are wider than things, at each edge by this.
SWOLLEN: Final = 0.5
# A part is a photograph if so much of it is. Its edges lie where the log odds fall most, within these bounds,
# from so many cells outside of the part to this share of its sides within. What is within must have these
# odds, or the part stays: the maps do not see a white sky.
MOSTLY: Final = 0.5
LOW_ODDS, LEAST_ODDS, HIGH_ODDS = -2.0, 3.0, 6.0
OUTSIDE, DEEPEST = 3, 0.5
MIN_TILTED_CELLS, MAX_TILT, LEAST_GAIN, LEAST_FILLED_TILTED = 800, 15.0, 0.95, 0.82
FEATURES: Final = (
    "constant", "mean chance", "highest chance", "share of its rectangle", "agreement", "log area",
    "log height", "log ratio", "touches the edge", "left", "top", "text to the right", "text around",
    "page has pictures", "contrast", "log of those alike",
    *(f"share of {name}" for name in CLASSES),
)  # fmt: skip

_MEAN_CHANCE, _LOG_HEIGHT = FEATURES.index("mean chance"), FEATURES.index("log height")
_NUM_ALIKE, _FIRST_SHARE = FEATURES.index("log of those alike"), FEATURES.index(f"share of {CLASSES[0]}")
# The cells around a box that its contrast is measured with.
AROUND: Final = 3
# Candidates of one class are alike if the logarithms of their heights differ by less than this; those count
# of whose cells the maps are this sure.
LIKE_HEIGHT, LEAST_CHANCE_OF_ALIKE = 0.3, 0.6


class Answer(NamedTuple):
    """What the model gives for a page.

    maps_CHW: the probability of each class per cell. edges_4HW: how far the left, upper, right and lower edge
    of a cell's thing are, in cells. kinds_K: logits of the kinds of pages.
    """

    maps_CHW: Maps
    edges_4HW: Maps
    kinds_K: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """A connected part of the maps. `box` is left, top, right, bottom in shares of the mapped page."""

    box: Corners
    features_F: npt.NDArray[np.float64]
    tilt: float = 0.0

    def scored(self, weights_F: npt.NDArray[np.float64]) -> float:
        """The probability that a person would mark it, by logistic regression."""
        return 1 / (1 + math.exp(-float(np.clip(self.features_F @ weights_F, -30, 30))))


class _Part(NamedTuple):
    """The cells of a candidate, and the map that they were found in."""

    cells: Component
    layer_HW: Maps


def candidates(answer: Answer, size: tuple[float, float]) -> list[Candidate]:
    """The candidates on a page.

    Args:
        answer: what the model gives for it.
        size: width and height of the page in cells; what lies right of it and below is padding.
    """
    width, height = math.ceil(size[0]), math.ceil(size[1])
    maps_CHW = answer.maps_CHW[:, :height, :width]
    found: list[Candidate] = []
    for part in _parts(maps_CHW):
        if len(part.cells.rows) >= MIN_CELLS and len(found) < MAX_CANDIDATES:
            candidate = _candidate(part, answer, maps_CHW, size)
            if candidate.box[2] > candidate.box[0] and candidate.box[3] > candidate.box[1]:
                found.append(candidate)
    return _with_alike(_without_inner(found))


def _with_alike(found: list[Candidate]) -> list[Candidate]:
    """The candidates, with the number of others on the page that are like each: where one line is filled,
    many are, and photographs are on sheets."""
    if not found:
        return found
    features_NF = np.array([one.features_F for one in found])
    classes_N = features_NF[:, _FIRST_SHARE + TEXT + 1 :].argmax(1)
    heights_N, is_sure_N = features_NF[:, _LOG_HEIGHT], features_NF[:, _MEAN_CHANCE] >= LEAST_CHANCE_OF_ALIKE
    is_alike_NN = (np.abs(heights_N[:, None] - heights_N) < LIKE_HEIGHT) & (classes_N[:, None] == classes_N)
    numbers_N = (is_alike_NN & is_sure_N).sum(1) - is_sure_N
    for one, number in zip(found, numbers_N.tolist(), strict=True):
        one.features_F[_NUM_ALIKE] = math.log1p(number)
    return found


def _parts(maps_CHW: Maps) -> Iterator[_Part]:
    """Initials and stamps, each looked for in its own map; then everything graphic.

    A part that is half picture and half ornament is one thing, so their chances are added. What looks like an
    initial but is too large for one is an ornament or a picture.
    """
    shape = maps_CHW.shape[1:]
    initial_HW = maps_CHW[_INITIAL]
    is_initial = np.zeros(shape, np.bool_)
    for part in components(initial_HW > MIN_CHANCE):
        left, top, right, bottom = part.bounds
        if right - left <= LARGEST_INITIAL[0] * shape[1] and bottom - top <= LARGEST_INITIAL[1] * shape[0]:
            is_initial[part.rows, part.columns] = True
            yield _Part(part, initial_HW)
    for part in components(maps_CHW[_STAMP] > MIN_CHANCE):
        yield _Part(part, maps_CHW[_STAMP])
    graphic_HW = maps_CHW[_GRAPHIC].sum(0) + np.where(is_initial, 0, initial_HW)
    for part in components(graphic_HW > MIN_CHANCE):
        for piece in pieces_of(part, graphic_HW):
            yield _Part(piece, graphic_HW)


def _has_pictures(kinds_K: npt.NDArray[np.float32]) -> float:
    """The log odds that a page is of a kind with pictures, by the logits of its kinds."""
    has_K = np.array([kind in _WITH_PICTURES for kind in PAGE_KINDS])
    odds = np.logaddexp.reduce(kinds_K[has_K]) - np.logaddexp.reduce(kinds_K[~has_K])
    return float(np.clip(odds, -MAX_LOG_ODDS, MAX_LOG_ODDS))


def _candidate(part: _Part, answer: Answer, maps_CHW: Maps, size: tuple[float, float]) -> Candidate:
    cells, layer_HW = part
    edges_4HW = answer.edges_4HW
    x0, y0, x1, y1 = _trimmed(cells)
    if maps_CHW[_PHOTOGRAPH, cells.rows, cells.columns].mean() >= MOSTLY:
        x0, y0, x1, y1 = _of_photograph(layer_HW, (x0, y0, x1, y1))
    (left, top, right, bottom), agreement = _seen(cells, edges_4HW, _edges(layer_HW, (x0, y0, x1, y1)), size)
    box = left / size[0], top / size[1], min(right / size[0], 1.0), min(bottom / size[1], 1.0)
    chances = layer_HW[cells.rows, cells.columns]
    width, height = box[2] - box[0], box[3] - box[1]
    reach = max(4, (y1 - y0) // 4)
    right_of = maps_CHW[TEXT, y0:y1, x1 : x1 + reach]
    around = maps_CHW[TEXT, max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach]
    features_F = np.array(
        [
            1.0,
            float(chances.mean()),
            float(chances.max()),
            min(1.0, len(chances) / ((x1 - x0) * (y1 - y0))),
            agreement,
            math.log(max(width * height, 1e-5)),
            math.log(max(height, 1e-3)),
            math.log(max(width * size[0], 0.1) / max(height * size[1], 0.1)),
            float(min(box[0], box[1], 1 - box[2], 1 - box[3]) < 0.01),
            box[0],
            box[1],
            float(right_of.mean()) if right_of.size else 0.0,
            float(around.mean()),
            _has_pictures(answer.kinds_K),
            _contrast(layer_HW, (x0, y0, x1, y1)),
            # Those alike are counted when all candidates are found.
            0.0,
            *maps_CHW[:, cells.rows, cells.columns].mean(1).tolist(),
        ]
    )
    return Candidate(box, features_F, tilt_of(cells))


def _seen(
    part: Component, edges_4HW: Maps, found: Corners, size: tuple[float, float]
) -> tuple[Corners, float]:
    """The weighted mean of `found` and the box that the cells of a part see, and how well their boxes agree
    with `found`, 0 to 1.

    Most of the cells must see about that box; else it is `found` itself. Cells near the middle of what they
    see count most (centerness, as in FCOS). The edges of a part are wrong by about a cell whatever its size,
    those that are seen by a share of it; so each has the weight of the inverse of its variance.
    """
    left_N, top_N, right_N, bottom_N = edges_4HW[:, part.rows, part.columns].astype(np.float64)
    x_N, y_N = part.columns + 0.5, part.rows + 0.5
    boxes_4N = np.stack([x_N - left_N, y_N - top_N, x_N + right_N, y_N + bottom_N])
    boxes_4N = boxes_4N.clip(0, np.array([*size, *size])[:, None])
    across_N = np.minimum(left_N, right_N) / np.maximum(left_N, right_N)
    down_N = np.minimum(top_N, bottom_N) / np.maximum(top_N, bottom_N)
    weights_N = np.sqrt(across_N * down_N) + 1e-6
    overlaps_N = _overlaps(boxes_4N, found)
    agreement = float(np.average(overlaps_N, weights=weights_N))
    agree_N = overlaps_N >= LEAST_AGREEMENT
    if weights_N[agree_N].sum() < MOST * weights_N.sum():
        return found, agreement
    seen_4 = np.average(boxes_4N[:, agree_N], axis=1, weights=weights_N[agree_N])
    sides_4 = np.array([found[2] - found[0], found[3] - found[1]] * 2)
    of_seen_4 = FOUND_ERROR**2 / (FOUND_ERROR**2 + (SEEN_ERROR * sides_4) ** 2)
    left, top, right, bottom = (seen_4 * of_seen_4 + found * (1 - of_seen_4)).tolist()
    return (left, top, right, bottom), agreement


def _overlaps(boxes_4N: npt.NDArray[np.float64], box: Corners) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes with one box."""
    across_N = np.minimum(boxes_4N[2], box[2]) - np.maximum(boxes_4N[0], box[0])
    down_N = np.minimum(boxes_4N[3], box[3]) - np.maximum(boxes_4N[1], box[1])
    both_N = across_N.clip(0) * down_N.clip(0)
    areas_N = (boxes_4N[2] - boxes_4N[0]) * (boxes_4N[3] - boxes_4N[1])
    return np.asarray(both_N / (areas_N + (box[2] - box[0]) * (box[3] - box[1]) - both_N + 1e-9))


def tilt_of(part: Component) -> float:
    """How far a part is turned clockwise, in degrees; 0 if it is not clearly a turned rectangle.

    That is the angle at which it fills its rectangle best, if it fills that nearly whole and better than
    unturned.
    """
    if len(part.rows) < MIN_TILTED_CELLS:
        return 0.0
    step = max(1, len(part.rows) // 2_000)
    x_N, y_N = part.columns[::step] + 0.5, part.rows[::step] + 0.5
    angles_A = np.radians(np.arange(-MAX_TILT, MAX_TILT + 0.5, 0.5))
    cosine, sine = np.cos(angles_A)[:, None], np.sin(angles_A)[:, None]
    along_AN, down_AN = x_N * cosine + y_N * sine, y_N * cosine - x_N * sine
    areas_A = (np.ptp(along_AN, axis=1) + 1) * (np.ptp(down_AN, axis=1) + 1)
    best, upright = int(np.argmin(areas_A)), len(angles_A) // 2
    is_clear = areas_A[best] < LEAST_GAIN * areas_A[upright]
    if not is_clear or len(part.rows) < LEAST_FILLED_TILTED * areas_A[best]:
        return 0.0
    return float(np.degrees(angles_A[best]))


def _trimmed(part: Component) -> tuple[int, int, int, int]:
    """The bounds of a part without the rows and columns at its edges that it hardly fills."""
    left, top, right, bottom = part.bounds
    per_row = np.bincount(part.rows - top, minlength=bottom - top)
    per_column = np.bincount(part.columns - left, minlength=right - left)
    rows = np.flatnonzero(per_row >= LEAST_FILLED * per_row.max())
    columns = np.flatnonzero(per_column >= LEAST_FILLED * per_column.max())
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _contrast(layer_HW: Maps, bounds: tuple[int, int, int, int]) -> float:
    """How much more a map has within a box than in the cells around it."""
    x0, y0, x1, y1 = bounds
    inner_HW = layer_HW[y0:y1, x0:x1]
    outer_HW = layer_HW[max(0, y0 - AROUND) : y1 + AROUND, max(0, x0 - AROUND) : x1 + AROUND]
    around = (outer_HW.sum() - inner_HW.sum()) / max(outer_HW.size - inner_HW.size, 1)
    return float(inner_HW.mean() - around)


def _of_photograph(layer_HW: Maps, bounds: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The bounds of a photograph, at the steepest falls of its log odds.

    The maps are sure of a photograph up to its edges, and doubtful of the spots on its mount: cells of 0.8
    next to those of 0.99 belong to the same part, but not to the same thing.
    """
    left, top, right, bottom = bounds
    chances_HW = layer_HW.astype(np.float64).clip(1e-6, 1 - 1e-6)
    odds_HW = np.log(chances_HW / (1 - chances_HW)).clip(LOW_ODDS, HIGH_ODDS)
    for _ in range(2):
        left, right = _steepest(odds_HW[top:bottom].mean(0), left, right)
        top, bottom = _steepest(odds_HW[:, left:right].mean(1), top, bottom)
    is_sure = odds_HW[top:bottom, left:right].mean() >= LEAST_ODDS
    return (left, top, right, bottom) if is_sure else bounds


def _steepest(profile: npt.NDArray[np.float64], first: int, end: int) -> tuple[int, int]:
    """The first cell and the end of a stretch of a profile, where it rises and falls most."""
    deep = max(1, int(DEEPEST * (end - first)))
    padded = np.pad(profile, 2, constant_values=LOW_ODDS)
    # From the two cells before a place to the two after it.
    rises = padded[2:-1] + padded[3:] - padded[1:-2] - padded[:-3]
    outer = max(0, first - OUTSIDE)
    start = outer + int(np.argmax(rises[outer : first + deep + 1]))
    stop = end - deep + int(np.argmin(rises[end - deep : end + OUTSIDE + 1]))
    return (start, stop) if start < stop else (first, end)


def _edges(layer_HW: Maps, bounds: tuple[int, int, int, int]) -> Corners:
    """The edges of the thing that a part shows, to a fraction of a cell: a cell outside of the part that it
    covers by a third is counted as a third."""
    left, top, right, bottom = bounds
    across = layer_HW[top:bottom].mean(0)
    down = layer_HW[:, left:right].mean(1)

    def covered(profile: npt.NDArray[np.float32], cell: int) -> float:
        # Nothing is known of what lies beyond the edge of the page.
        return min(float(profile[cell]), 0.5) - SWOLLEN if 0 <= cell < len(profile) else 0.0

    return (
        left - covered(across, left - 1),
        top - covered(down, top - 1),
        right + covered(across, right),
        bottom + covered(down, bottom),
    )


def _without_inner(found: list[Candidate]) -> list[Candidate]:
    """The candidates that do not lie in a larger one; an initial in a picture is a part of it."""
    ordered = sorted(found, key=lambda one: -_area(one.box))
    kept: list[Candidate] = []
    for one in ordered:
        if not any(_shared(one.box, other.box) >= INSIDE * _area(one.box) for other in kept):
            kept.append(one)
    return kept


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared(a: Corners, b: Corners) -> float:
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, across) * max(0.0, down)
