"""Reads what the model gives for a page: its maps become boxes, its summary the kind of the page.

The numbers of a reading are fitted with the model and shipped in its file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from iconoclip.page_layout.findings import MAX_BOXES, Finding, FoundBox
from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS, TEXT, BoxKind
from iconoclip.page_layout.page_kind import FloatArray, KindRegression, kind_features
from iconoclip.page_layout.regions import FEATURES, LARGEST_INITIAL, Candidate, Maps, candidates

Place = tuple[float, float, float, float]
WHOLE: Place = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Reading:
    """How the maps of one model are read.

    Attributes:
        score_weights: logistic regression from the features of a candidate to its score.
        box_weights: multinomial regression from the same features to its kind, [classes, features].
        kinds: regression from the features of a page to its kind.
        least_score: candidates with a lower score are left out.
    """

    score_weights: FloatArray
    box_weights: FloatArray
    kinds: KindRegression
    least_score: float = 0.5

    @classmethod
    def plain(cls, num_summary: int) -> Reading:
        """A reading before anything is fitted: the mean chance of a candidate decides."""
        weights = np.zeros(len(FEATURES))
        weights[:2] = -6.0, 10.0
        by_share = np.zeros((len(CLASSES), len(FEATURES)))
        for number, name in enumerate(CLASSES):
            by_share[number, FEATURES.index(f"share of {name}")] = 5.0
        return cls(weights, by_share, KindRegression.undecided(num_summary))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Reading:
        """Read what `as_json` gave.

        Raises:
            ValueError: the numbers are not as many as there are features.
        """
        scores = np.asarray(values["score_weights"], np.float64)
        if scores.shape != (len(FEATURES),):
            raise ValueError("the weights of the scores have another size")
        boxes = np.asarray(values["box_weights"], np.float64)
        if boxes.shape != (len(CLASSES), len(FEATURES)):
            raise ValueError("the weights of the kinds of boxes have another size")
        return cls(scores, boxes, KindRegression.from_json(values["kinds"]), float(values["least_score"]))

    def as_json(self) -> dict[str, Any]:
        """The reading as plain values."""
        return {
            "score_weights": [round(float(value), 6) for value in self.score_weights],
            "box_weights": [[round(float(value), 5) for value in row] for row in self.box_weights],
            "kinds": self.kinds.as_json(),
            "least_score": round(self.least_score, 4),
        }

    def boxes(self, found: list[Candidate]) -> list[FoundBox]:
        """Candidates as boxes with their kinds and scores, the most certain first."""
        boxes = []
        for one in found:
            score = one.scored(self.score_weights)
            if score >= self.least_score:
                boxes.append(FoundBox(self.kind_of(one), *one.box, score=score, tilt=one.tilt))
        return sorted(boxes, key=lambda box: -box.score)

    def kind_of(self, one: Candidate) -> BoxKind:
        """The likeliest kind of a candidate; what is too large for an initial or a stamp is neither."""
        logits = self.box_weights @ one.features_F
        logits[: TEXT + 1] = -np.inf
        left, top, right, bottom = one.box
        if right - left > LARGEST_INITIAL[0] or bottom - top > LARGEST_INITIAL[1]:
            logits[[CLASSES.index("initial"), CLASSES.index("stamp")]] = -np.inf
        return cast(BoxKind, CLASSES[int(np.argmax(logits))])

    def read(
        self,
        maps_CHW: Maps,
        summary_S: npt.NDArray[np.floating],
        size: tuple[int, int],
        place: Place = WHOLE,
    ) -> Finding:
        """What the model says is on a page.

        Args:
            maps_CHW: the probability of each class per cell.
            summary_S: the summary of the page.
            size: width and height of the page in pixels of the model's input.
            place: where that page lies in its image, as `inputs.PagePixels` has it.
        """
        cells = size[0] / CELL, size[1] / CELL
        boxes = self.boxes(candidates(maps_CHW, cells))
        chances = self.kinds.probabilities(kind_features(summary_S, boxes))
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
