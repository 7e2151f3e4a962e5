"""The likelihood that a picture matches a query, and whether this can be said at all.

In a query of several parts, each wanted part is scored separately, with the curve for texts or for images
(retrieval.generation.calibration), and the likelihood is the weighted mean. No curve fits the sum of the
parts, which is neither like a text nor like an image. Unwanted parts move hits down the order, and do not
affect the number that is shown.

Shapes: C hits, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.backends.interface import Vectors
from retrieval.generation.calibration import curve_of, least_cosine, likelihoods
from retrieval.live.view import IndexView
from retrieval.query.vector import QueryPart, QueryVector

NO_CLAIM = 0.5


@dataclass(frozen=True)
class PictureJudge:
    """Judges the pictures of one query with a vector."""

    view: IndexView
    wanted: QueryVector

    def likelihoods(self, vectors_CD: Vectors) -> Vectors:
        """The likelihood of each of the vectors, 0 to 1."""
        return self._mean(self.wanted.wanted, vectors_CD)

    def least_cosine(self, log_odds: float) -> float | None:
        """The cosine from which on a picture has at least these log odds; None if the query has several
        parts, because then no one cosine decides.
        """
        if len(self.wanted.parts) != 1 or not self.wanted.wanted:
            return None
        (part,) = self.wanted.parts
        calibration, statistics = self.view.sealed.manifest.calibration, self.view.sealed.statistics
        return least_cosine(calibration, statistics, part.vector, part.side, log_odds)

    def penalties(self, vectors_CD: Vectors) -> Vectors:
        """The likelihood that each of the vectors is what is not wanted."""
        unwanted = [part for part in self.wanted.parts if part.weight < 0]
        if not unwanted:
            return np.zeros(len(vectors_CD), np.float32)
        return self._mean(unwanted, vectors_CD)

    @property
    def has_unwanted(self) -> bool:
        """Whether the query names something that hits should not resemble."""
        return any(part.weight < 0 for part in self.wanted.parts)

    @property
    def can_judge(self) -> bool:
        """Whether the index has curves that tell a match from chance for all parts of the query."""
        calibration = self.view.sealed.manifest.calibration
        if calibration is None or not self.wanted.wanted:
            return False
        return not any(curve_of(calibration, part.side).is_flat for part in self.wanted.wanted)

    def _mean(self, parts: Sequence[QueryPart], vectors_CD: Vectors) -> Vectors:
        if not parts:
            return np.full(len(vectors_CD), NO_CLAIM, np.float32)
        calibration, statistics = self.view.sealed.manifest.calibration, self.view.sealed.statistics
        judged = []
        for part in parts:
            side, vector_D = part.side, part.vector
            judged.append(likelihoods(calibration, statistics, vector_D, side, vectors_CD @ vector_D))
        weights = [abs(part.weight) for part in parts]
        return np.average(judged, axis=0, weights=weights).astype(np.float32)


def captions_by_chance(cosines_C: Vectors, sample_S: Vectors, num_captions: int) -> Vectors:
    """The likelihood that captions with these cosines are no chance hits: 1 / (1 + e), where e is the number
    of captions that would come as close by chance, from the mean and deviation of a sample of cosines.
    """
    deviation = max(float(sample_S.std()), 1e-6)
    z_C = (cosines_C - float(sample_S.mean())) / deviation
    tails_C = np.array([0.5 * math.erfc(float(z) / math.sqrt(2)) for z in z_C])
    return np.asarray(1 / (1 + num_captions * tails_C), np.float32)
