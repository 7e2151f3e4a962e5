"""Reads what the model gives for a page: its maps become boxes, its logits with these the kind of page.

The numbers of a reading are fitted with the model and shipped in its file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from iconoclip.page_layout.findings import MAX_BOXES, Finding, FoundBox
from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import (
    CLASS_OF_KIND,
    CLASSES,
    GRAPHIC_KINDS,
    OTHER,
    PAGE_KINDS,
    PICTURE_KINDS,
    TEXT,
    BoxKind,
    PageKind,
)
from iconoclip.page_layout.page_kind import FloatArray, KindRegression, kind_features
from iconoclip.page_layout.regions import FEATURES, LARGEST_INITIAL, Answer, Candidate, Maps, candidates
from iconoclip.page_layout.snapping import Grey, at_its_edges

Place = tuple[float, float, float, float]
WHOLE: Place = (0.0, 0.0, 1.0, 1.0)
# Raised whenever the same maps would give other findings: what an older version found is then found again.
READING_VERSION: Final = 9
# A page of these kinds on which no picture is told from the rest is one picture, if its kind is this certain
# and something on it has this share of it: a map that fills its sheet, a fan of photographs.
_WHOLE: Final[dict[PageKind, BoxKind]] = {"picture": "illustration", "map": "map"}
LEAST_WHOLE, LARGE = 0.5, 0.08
_WITHOUT_PICTURES: Final = ("text", "blank")
SURE: Final = 0.8
_LOG_AREA: Final = FEATURES.index("log area")


@dataclass(frozen=True)
class Reading:
    """How the maps of one model are read.

    Attributes:
        score_weights: logistic regressions from the features of a candidate to its score, one for each kind,
            [classes, features]. What makes a picture doubtful, text around it, says nothing of what fills the
            end of a line.
        box_weights: multinomial regression from the same features to its kind, [classes, features].
        kinds: regression from the features of a page to its kind.
        least_score: candidates with a lower score are left out.
    """

    score_weights: FloatArray
    box_weights: FloatArray
    kinds: KindRegression
    least_score: float = 0.5

    @classmethod
    def plain(cls) -> Reading:
        """A reading before anything is fitted: the mean chance of a candidate decides."""
        weights = np.zeros(len(FEATURES))
        weights[:2] = -6.0, 10.0
        by_share = np.zeros((len(CLASSES), len(FEATURES)))
        for number, name in enumerate(CLASSES):
            by_share[number, FEATURES.index(f"share of {name}")] = 5.0
        return cls(np.tile(weights, (len(CLASSES), 1)), by_share, KindRegression.undecided())

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Reading:
        """Read what `as_json` gave.

        Raises:
            ValueError: the numbers are not as many as there are features.
        """
        scores, boxes = (np.asarray(values[name], np.float64) for name in ("score_weights", "box_weights"))
        if {scores.shape, boxes.shape} != {(len(CLASSES), len(FEATURES))}:
            raise ValueError("the weights of the scores or of the kinds of boxes have another size")
        return cls(scores, boxes, KindRegression.from_json(values["kinds"]), float(values["least_score"]))

    def as_json(self) -> dict[str, Any]:
        """The reading as plain values."""
        return {
            "score_weights": [[round(float(value), 5) for value in row] for row in self.score_weights],
            "box_weights": [[round(float(value), 5) for value in row] for row in self.box_weights],
            "kinds": self.kinds.as_json(),
            "least_score": round(self.least_score, 4),
        }

    def boxes(self, found: list[Candidate]) -> list[FoundBox]:
        """Candidates as boxes with their kinds and scores, the most certain first."""
        scores = [(one, self.score_of(one)) for one in found]
        boxes = [
            FoundBox(self.kind_of(one), *one.box, score=score, tilt=one.tilt)
            for one, score in scores
            if score >= self.least_score
        ]
        return sorted(boxes, key=lambda box: -box.score)

    def _is_full(self, found: list[Candidate]) -> bool:
        """Whether something that may be a picture is too large to be overlooked."""
        areas = [
            float(np.exp(one.features_F[_LOG_AREA])) for one in found if self.kind_of(one) in GRAPHIC_KINDS
        ]
        return max(areas, default=0.0) >= LARGE

    def score_of(self, one: Candidate) -> float:
        """The probability that a person would mark a candidate, by the weights of its kind."""
        return one.scored(self.score_weights[CLASS_OF_KIND[self.kind_of(one)]])

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
        answer: Answer,
        size: tuple[int, int],
        place: Place = WHOLE,
        grey_HW: Grey | None = None,
    ) -> Finding:
        """What the model says is on a page.

        Args:
            answer: what it gives.
            size: width and height of the page in pixels of the model's input.
            place: where that page lies in its image, as `inputs.PagePixels` has it.
            grey_HW: the pixels of that page in grey, to which the edges of pictures are moved; None leaves
                them where the cells end.
        """
        cells = size[0] / CELL, size[1] / CELL
        found = candidates(answer, cells)
        boxes = self.boxes(found)
        if grey_HW is not None:
            boxes = [at_its_edges(box, grey_HW) for box in boxes]
        chances = self.kinds.probabilities(kind_features(answer.kinds_K, boxes, size))
        is_full = self._is_full(found)
        kind, chance = _kind_with(boxes, chances, is_full)
        is_told = any(box.kind in PICTURE_KINDS for box in boxes)
        if kind in _WHOLE and chance >= LEAST_WHOLE and not is_told and is_full:
            boxes = [FoundBox(_WHOLE[kind], *_extent(answer.maps_CHW, cells), score=chance), *boxes]
            boxes.sort(key=lambda box: -box.score)
        placed = tuple(_placed(box, place) for box in boxes[:MAX_BOXES])
        return Finding(kind, chance, placed)


def _kind_with(boxes: list[FoundBox], chances_K: FloatArray, is_full: bool) -> tuple[PageKind, float]:
    """The likeliest kind of page that agrees with what is on it: a sure picture is not on a page of text
    alone, nor on a blank one, and a page with something large that may be a picture is not blank."""
    forbidden: tuple[str, ...] = ("blank",) if is_full else ()
    if any(box.kind in PICTURE_KINDS and box.score >= SURE for box in boxes):
        forbidden = _WITHOUT_PICTURES
    if forbidden:
        allowed_K = np.array([kind not in forbidden for kind in PAGE_KINDS])
        chances_K = np.where(allowed_K, chances_K, 0.0) / max(float(chances_K[allowed_K].sum()), 1e-9)
    best = int(np.argmax(chances_K))
    return PAGE_KINDS[best], float(min(chances_K[best], 1.0))


def _extent(maps_CHW: Maps, cells: tuple[float, float]) -> Place:
    """The bounds of everything on a page that is not bare paper, in shares of the page; all of a bare one."""
    shown_HW = maps_CHW[OTHER, : math.ceil(cells[1]), : math.ceil(cells[0])] < 0.5
    rows, columns = np.flatnonzero(shown_HW.any(1)), np.flatnonzero(shown_HW.any(0))
    if not len(rows):
        return WHOLE
    right, bottom = min((columns[-1] + 1) / cells[0], 1.0), min((rows[-1] + 1) / cells[1], 1.0)
    return float(columns[0] / cells[0]), float(rows[0] / cells[1]), float(right), float(bottom)


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
