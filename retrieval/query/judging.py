"""The likelihood that a picture matches a query, and whether this can be said at all.

In a query of several parts, each wanted part is scored separately, with the curve for texts or for images
(retrieval.generation.calibration), and the likelihood is the weighted mean. No curve fits the sum of the
parts, which is neither like a text nor like an image. Unwanted parts move hits down the order, and do not
affect the number that is shown.

Shapes: C hits, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.backends.interface import Rows, Vectors
from retrieval.generation.calibration import Statistics, curve_of, least_cosines, likelihoods
from retrieval.generation.manifest import Calibration
from retrieval.live.view import IndexView
from retrieval.query.vector import QueryPart, QueryVector

NO_CLAIM = 0.5


@dataclass(frozen=True)
class Judged:
    """What is said of some pictures, float32 [C] each: the cosines to the query's vector, the likelihoods of
    a match, and the likelihoods of being what is not wanted.
    """

    cosines: Vectors
    likelihoods: Vectors
    penalties: Vectors


@dataclass(frozen=True)
class PictureJudge:
    """Judges the pictures of one query with a vector."""

    view: IndexView
    wanted: QueryVector

    def judged(self, rows: Rows, known: Rows | None = None, known_C: Vectors | None = None) -> Judged:
        """The cosines and likelihoods of pictures of rows, which ascend; `known_C` are the cosines of some
        of them, which need not be read again.
        """
        backend, part = self.view.backend, self.only_part
        if part is not None:
            cosines_C = np.empty(len(rows), np.float32)
            new_C = np.ones(len(rows), bool)
            if known is not None and known_C is not None:
                places = np.searchsorted(rows, known)
                cosines_C[places], new_C[places] = known_C, False
            cosines_C[new_C] = backend.cosines(rows[new_C], self.wanted.vector)
            return Judged(cosines_C, self.of_cosines(part, cosines_C), np.zeros(len(rows), np.float32))
        vectors_CD = backend.vectors(rows)
        likelihoods_C = self._mean(self.wanted.wanted, vectors_CD)
        return Judged(vectors_CD @ self.wanted.vector, likelihoods_C, self._penalties(vectors_CD))

    @property
    def only_part(self) -> QueryPart | None:
        """The part of a query that has but one, which is wanted: then a cosine decides all."""
        return self.wanted.parts[0] if len(self.wanted.parts) == len(self.wanted.wanted) == 1 else None

    def of_cosines(self, part: QueryPart, cosines_C: Vectors) -> Vectors:
        """The likelihoods of pictures with these cosines to the only part."""
        return likelihoods(*self._calibrated, part.vector, part.side, cosines_C)

    def least_cosines(self, part: QueryPart, log_odds_C: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The cosines to the only part from which on a picture has at least these log odds."""
        return least_cosines(*self._calibrated, part.vector, part.side, log_odds_C)

    @property
    def _calibrated(self) -> tuple[Calibration | None, Statistics]:
        return self.view.sealed.manifest.calibration, self.view.sealed.statistics

    def _penalties(self, vectors_CD: Vectors) -> Vectors:
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
        judged = [self.of_cosines(part, vectors_CD @ part.vector) for part in parts]
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


def captions_of(rows: Rows, captions: Mapping[int, float]) -> Vectors:
    """The likelihoods of the captions of some rows, 0 for rows that have none."""
    if not captions:
        return np.zeros(len(rows), np.float32)
    return np.array([captions.get(row, 0.0) for row in rows.tolist()], np.float32)
