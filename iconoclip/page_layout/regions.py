"""From the maps of the model to candidates of boxes, and from candidates to scores.

Each cell that may be part of a thing (a picture, an ornament, an initial, a stamp) says where the edges of
that thing are. Cells that agree are one candidate, and its box is the mean of theirs.

Shapes: C classes, H and W of the map in cells, N cells, F features of a candidate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.kinds import CLASSES, OTHER, TEXT

Maps = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
# Cells that are more likely part of a thing than this are asked.
MIN_CHANCE: Final = 0.4
MIN_CELLS: Final = 3
MAX_CANDIDATES: Final = 400
# Initials are no larger than these shares of the width and the height of a page.
LARGEST_INITIAL: Final = (0.3, 0.22)
# Cells mean the same thing if their boxes overlap by this much.
SAME: Final = 0.5
# So many of the surest cells, and as many from all over, are tried as the one that the others agree with.
NUM_TRIED: Final = 16
# A candidate that lies in another by this share of its area is a part of it.
INSIDE: Final = 0.75
MIN_TILTED_CELLS, MAX_TILT, LEAST_GAIN, LEAST_FILLED_TILTED = 200, 15.0, 0.95, 0.82
FEATURES: Final = (
    "constant", "mean chance", "highest chance", "share of its rectangle", "agreement", "log area",
    "log height", "log ratio", "touches the edge", "left", "top", "text to the right", "text around",
    *(f"share of {name}" for name in CLASSES),
)  # fmt: skip

Corners = tuple[float, float, float, float]


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
    """Something on the page. `box` is left, top, right, bottom in shares of the mapped page."""

    box: Corners
    features_F: FloatArray
    tilt: float = 0.0

    def scored(self, weights_F: FloatArray) -> float:
        """The probability that a person would mark it, by logistic regression."""
        return 1 / (1 + math.exp(-float(np.clip(self.features_F @ weights_F, -30, 30))))


class _Votes(NamedTuple):
    """Cells that may be part of a thing: their places, the boxes that they see, their chances and weights."""

    rows_N: npt.NDArray[np.intp]
    columns_N: npt.NDArray[np.intp]
    boxes_N4: FloatArray
    chances_N: FloatArray
    weights_N: FloatArray

    def chosen(self, which_N: npt.NDArray[np.bool_]) -> _Votes:
        """Some of the cells."""
        return _Votes(
            self.rows_N[which_N],
            self.columns_N[which_N],
            self.boxes_N4[which_N],
            self.chances_N[which_N],
            self.weights_N[which_N],
        )


def candidates(answer: Answer, size: tuple[float, float]) -> list[Candidate]:
    """The candidates on a page.

    Args:
        answer: what the model gives for it.
        size: width and height of the page in cells; what lies right of it and below is padding.
    """
    width, height = math.ceil(size[0]), math.ceil(size[1])
    maps_CHW, votes = answer.maps_CHW[:, :height, :width], _votes(answer, size)
    found: list[Candidate] = []
    while len(votes.rows_N) and len(found) < MAX_CANDIDATES:
        overlaps_N = _most_supported(votes)
        own = votes.chosen(overlaps_N >= SAME)
        weights_N = own.weights_N / own.weights_N.sum()
        corners = weights_N @ own.boxes_N4
        if len(own.rows_N) >= MIN_CELLS:
            agreement = float(weights_N @ _overlaps(own.boxes_N4, corners))
            found.append(_candidate(own, corners, agreement, maps_CHW, size))
        # What other cells within the box see is a part of it, or was seen from its edge.
        x_N, y_N = votes.columns_N + 0.5, votes.rows_N + 0.5
        inside_N = (x_N >= corners[0]) & (x_N <= corners[2]) & (y_N >= corners[1]) & (y_N <= corners[3])
        votes = votes.chosen(~(inside_N | (overlaps_N >= SAME)))
    return _without_inner(found)


def _votes(answer: Answer, size: tuple[float, float]) -> _Votes:
    width, height = math.ceil(size[0]), math.ceil(size[1])
    things_HW = 1 - answer.maps_CHW[OTHER, :height, :width] - answer.maps_CHW[TEXT, :height, :width]
    rows_N, columns_N = np.nonzero(things_HW > MIN_CHANCE)
    left, top, right, bottom = answer.edges_4HW[:, rows_N, columns_N].astype(np.float64)
    x_N, y_N = columns_N + 0.5, rows_N + 0.5
    boxes_N4 = np.stack(
        [
            np.maximum(x_N - left, 0.0),
            np.maximum(y_N - top, 0.0),
            np.minimum(x_N + right, size[0]),
            np.minimum(y_N + bottom, size[1]),
        ],
        1,
    )
    # Cells near the middle see both edges best (FCOS calls this centerness).
    across_N = np.minimum(left, right) / np.maximum(np.maximum(left, right), 1e-6)
    down_N = np.minimum(top, bottom) / np.maximum(np.maximum(top, bottom), 1e-6)
    chances_N = things_HW[rows_N, columns_N].astype(np.float64)
    return _Votes(rows_N, columns_N, boxes_N4, chances_N, chances_N * np.sqrt(across_N * down_N) + 1e-6)


def _most_supported(votes: _Votes) -> FloatArray:
    """The overlaps of all cells' boxes with the box that most of them agree on.

    Cells of every part of the page are tried, and those with the highest weights.
    """
    order_N = np.argsort(-votes.weights_N, kind="stable")
    step = max(1, len(order_N) // NUM_TRIED)
    tried = np.unique(np.concatenate([order_N[:NUM_TRIED], np.arange(0, len(order_N), step)]))
    overlaps_TN = np.stack([_overlaps(votes.boxes_N4, votes.boxes_N4[n]) for n in tried])
    supports_T = np.where(overlaps_TN >= SAME, overlaps_TN, 0.0) @ votes.weights_N
    return np.asarray(overlaps_TN[int(np.argmax(supports_T))])


def _overlaps(boxes_N4: FloatArray, box_4: FloatArray) -> FloatArray:
    """Intersection over union of boxes with one box."""
    across_N = np.minimum(boxes_N4[:, 2], box_4[2]) - np.maximum(boxes_N4[:, 0], box_4[0])
    down_N = np.minimum(boxes_N4[:, 3], box_4[3]) - np.maximum(boxes_N4[:, 1], box_4[1])
    both_N = np.maximum(across_N, 0) * np.maximum(down_N, 0)
    areas_N = (boxes_N4[:, 2] - boxes_N4[:, 0]) * (boxes_N4[:, 3] - boxes_N4[:, 1])
    return np.asarray(both_N / (areas_N + (box_4[2] - box_4[0]) * (box_4[3] - box_4[1]) - both_N + 1e-9))


def _candidate(
    own: _Votes, corners_4: FloatArray, agreement: float, maps_CHW: Maps, size: tuple[float, float]
) -> Candidate:
    left, top, right, bottom = (float(value) for value in corners_4)
    box = left / size[0], top / size[1], right / size[0], bottom / size[1]
    width, height = max(box[2] - box[0], 1e-6), max(box[3] - box[1], 1e-6)
    x0, y0, x1, y1 = int(left), int(top), math.ceil(right), math.ceil(bottom)
    reach = max(2, (y1 - y0) // 4)
    right_of = maps_CHW[TEXT, y0:y1, x1 : x1 + reach]
    around = maps_CHW[TEXT, max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach]
    features_F = np.array(
        [
            1.0,
            float(own.chances_N.mean()),
            float(own.chances_N.max()),
            min(1.0, len(own.rows_N) / max((right - left) * (bottom - top), 1.0)),
            agreement,
            math.log(max(width * height, 1e-5)),
            math.log(max(height, 1e-3)),
            math.log(max(width * size[0], 0.1) / max(height * size[1], 0.1)),
            float(min(box[0], box[1], 1 - box[2], 1 - box[3]) < 0.01),
            box[0],
            box[1],
            float(right_of.mean()) if right_of.size else 0.0,
            float(around.mean()),
            *maps_CHW[:, own.rows_N, own.columns_N].mean(1).tolist(),
        ]
    )
    return Candidate(box, features_F, tilt_of(own.rows_N, own.columns_N))


def tilt_of(rows_N: npt.NDArray[np.intp], columns_N: npt.NDArray[np.intp]) -> float:
    """How far something is turned clockwise, in degrees; 0 if its cells are not clearly a turned rectangle.

    That is the angle at which they fill their rectangle best, if they fill that nearly whole and better than
    unturned.
    """
    if len(rows_N) < MIN_TILTED_CELLS:
        return 0.0
    step = max(1, len(rows_N) // 2_000)
    x_N, y_N = columns_N[::step] + 0.5, rows_N[::step] + 0.5
    angles_A = np.radians(np.arange(-MAX_TILT, MAX_TILT + 0.5, 0.5))
    cosine, sine = np.cos(angles_A)[:, None], np.sin(angles_A)[:, None]
    along_AN, down_AN = x_N * cosine + y_N * sine, y_N * cosine - x_N * sine
    areas_A = (np.ptp(along_AN, axis=1) + 1) * (np.ptp(down_AN, axis=1) + 1)
    best, upright = int(np.argmin(areas_A)), len(angles_A) // 2
    is_clear = areas_A[best] < LEAST_GAIN * areas_A[upright]
    if not is_clear or len(rows_N) < LEAST_FILLED_TILTED * areas_A[best]:
        return 0.0
    return float(np.degrees(angles_A[best]))


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
