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
from functools import cached_property

import numpy as np
import numpy.typing as npt

from retrieval.backends.interface import Mask, Products, Rows, VectorBackend, Vectors
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


class Compared:
    """The cosines of pictures to the vector of one query. Each picture is read once: in a large index, a read
    takes longer than everything else that is done with the picture.

    Args:
        backend: has the pictures.
        vector_D: the unit vector that they are compared with.
    """

    def __init__(self, backend: VectorBackend, vector_D: Vectors) -> None:
        self._backend, self._vector_D = backend, vector_D
        self._rows, self._cosines = np.zeros(0, np.int64), np.zeros(0, np.float32)

    def nearest(self, k: int, mask_N: Mask | None) -> Rows:
        """The k rows with the highest cosines, of those that a mask allows."""
        rows, cosines_K = self._backend.search(self._vector_D, k, mask_N)
        self._add(rows, cosines_K)
        return rows

    def cosines(self, rows: Rows) -> Vectors:
        """The cosines of rows, float32 [len(rows)]."""
        cosines_C, is_known_C = self.known(rows)
        if not is_known_C.all():
            new = rows[~is_known_C]
            cosines_C[~is_known_C] = self.add(new, self._backend.read_ahead(new))
        return cosines_C

    def add(self, rows: Rows, products: Products) -> Vectors:
        """Compare rows that were read before; their cosines."""
        cosines_C = products(self._vector_D)
        self._add(rows, cosines_C)
        return cosines_C

    def known(self, rows: Rows) -> tuple[Vectors, Mask]:
        """The cosines of those of some rows that were compared before, and which these are."""
        if not len(self._rows):
            return np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
        places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        return self._cosines[places], self._rows[places] == rows

    def _add(self, rows: Rows, cosines_C: Vectors) -> None:
        self._rows, first = np.unique(np.concatenate([self._rows, rows]), return_index=True)
        self._cosines = np.concatenate([self._cosines, cosines_C])[first]


@dataclass(frozen=True)
class PictureJudge:
    """Judges the pictures of one query with a vector."""

    view: IndexView
    wanted: QueryVector

    @cached_property
    def compared(self) -> Compared:
        """The pictures that were compared with the query's vector."""
        return Compared(self.view.backend, self.wanted.vector)

    def judged(self, rows: Rows) -> Judged:
        """The cosines and likelihoods of the pictures of rows."""
        part = self.only_part
        if part is not None:
            cosines_C = self.compared.cosines(rows)
            return Judged(cosines_C, self.of_cosines(part, cosines_C), np.zeros(len(rows), np.float32))
        vectors_CD = self.view.backend.vectors(rows)
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
