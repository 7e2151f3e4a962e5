"""Reads what the model gives for a page: its maps become boxes, its logits the kind of the page.

The numbers of a reading are fitted with the model and shipped in its file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.findings import MAX_BOXES, Finding, FoundBox
from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import PAGE_KINDS
from iconoclip.page_layout.page_kind import (
    NUM_FEATURES,
    FloatArray,
    kind_features,
    kind_probabilities,
    starting_weights,
)
from iconoclip.page_layout.regions import FEATURES, Maps, boxes_of, candidates

Place = tuple[float, float, float, float]
WHOLE: Place = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Reading:
    """How the maps of one model are read.

    Attributes:
        score_weights: logistic regression from the features of a candidate to its score.
        kind_weights: multinomial regression from the features of a page to its kind, [kinds, features].
        least_score: candidates with a lower score are left out.
    """

    score_weights: FloatArray
    kind_weights: FloatArray
    least_score: float = 0.5

    @classmethod
    def plain(cls) -> Reading:
        """A reading before anything is fitted: the mean chance of a candidate decides."""
        weights = np.zeros(len(FEATURES))
        weights[:2] = -6.0, 10.0
        return cls(weights, starting_weights())

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Reading:
        """Read what `as_json` gave.

        Raises:
            ValueError: the numbers are not as many as there are features.
        """
        scores = np.asarray(values["score_weights"], np.float64)
        kinds = np.asarray(values["kind_weights"], np.float64)
        if scores.shape != (len(FEATURES),) or kinds.shape != (len(PAGE_KINDS), NUM_FEATURES):
            raise ValueError("the weights of the reading have other sizes")
        return cls(scores, kinds, float(values["least_score"]))

    def as_json(self) -> dict[str, Any]:
        """The reading as plain values."""
        return {
            "score_weights": [round(float(value), 6) for value in self.score_weights],
            "kind_weights": [[round(float(value), 6) for value in row] for row in self.kind_weights],
            "least_score": round(self.least_score, 4),
        }

    def read(
        self,
        maps_CHW: Maps,
        logits_K: npt.NDArray[np.floating],
        size: tuple[int, int],
        place: Place = WHOLE,
    ) -> Finding:
        """What the model says is on a page.

        Args:
            maps_CHW: the probability of each class per cell.
            logits_K: the logits of the kinds of page.
            size: width and height of the page in pixels of the model's input.
            place: where that page lies in its image, as `inputs.PagePixels` has it.
        """
        cells = size[0] / CELL, size[1] / CELL
        boxes = boxes_of(list(candidates(maps_CHW, cells)), self.score_weights, self.least_score)
        features = kind_features(logits_K, maps_CHW, boxes)
        chances = kind_probabilities(features, self.kind_weights)
        best = int(np.argmax(chances))
        placed = tuple(_placed(box, place) for box in boxes[:MAX_BOXES])
        return Finding(PAGE_KINDS[best], float(chances[best]), placed)


def _placed(box: FoundBox, place: Place) -> FoundBox:
    """A box of the part of an image that was looked at, as a box of the image."""
    left, top, right, bottom = place
    across, down = right - left, bottom - top
    return replace(
        box,
        left=min(max(left + box.left * across, 0.0), 1.0),
        top=min(max(top + box.top * down, 0.0), 1.0),
        right=min(max(left + box.right * across, 0.0), 1.0),
        bottom=min(max(top + box.bottom * down, 0.0), 1.0),
    )
