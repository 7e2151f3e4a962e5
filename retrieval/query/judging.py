"""Scores of hits: the probability that a hit matches a query, and whether anything here matches.

In a query of several parts, each wanted part is scored separately, with the curve for texts or for
images (retrieval.generation.calibration), and the score of a hit is the weighted mean. No curve fits the
sum of the parts, which is neither like a text nor like an image. Unwanted parts move hits down the
order, and do not affect their scores.

Shapes: C hits, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.backends.interface import Vectors
from retrieval.generation.calibration import MIN_PROBABILITY, curve_of, likelihoods
from retrieval.live.view import IndexView
from retrieval.query.order import Order
from retrieval.query.ranking import Entry
from retrieval.query.vector import QueryVector

# The probability that a record matches the query if it contains every word of it, or some of them.
EVERY_WORD, SOME_WORDS = 0.9, 0.3
NO_CLAIM = 0.5


@dataclass(frozen=True)
class Judge:
    """Scores the hits of one query; `wanted` is its vector, if it has one."""

    view: IndexView
    wanted: QueryVector | None

    def judged(self, entries: Sequence[Entry]) -> tuple[Vectors | None, Vectors]:
        """The cosines of hits with the query, if it has a vector, and their scores, 0 to 1.

        The evidence of the model and that of the record's words are combined as if they were independent.
        """
        if self.wanted is None or not entries:
            return None, np.array([_likelihood_by_words(entry) for entry in entries], np.float32)
        vectors_CD = self.view.backend.vectors(np.array([entry.row for entry in entries], np.int64))
        by_meaning = self._by_meaning(self.wanted, vectors_CD)
        by_words = np.array([EVERY_WORD if entry.has_every_word else 0.0 for entry in entries], np.float32)
        scores = np.asarray(1 - (1 - by_meaning) * (1 - by_words), np.float32)
        return np.asarray(vectors_CD @ self.wanted.vector, np.float32), scores

    def matches_well(self, order: Order) -> bool | None:
        """Whether anything matches the query; None if unknown. A record that contains
        all of its words matches.
        """
        if order.has_every_word:
            return True
        if self.wanted is None:
            return False if order.asks_for_words else None
        if not self._can_judge(self.wanted):
            return None
        if order.best_row is None:
            return False
        best_1D = self.view.backend.vectors(np.array([order.best_row]))
        return bool(self._by_meaning(self.wanted, best_1D)[0] >= MIN_PROBABILITY)

    def _by_meaning(self, wanted: QueryVector, vectors_CD: Vectors) -> Vectors:
        if not wanted.wanted:
            return np.full(len(vectors_CD), NO_CLAIM, np.float32)
        calibration, statistics = self.view.sealed.manifest.calibration, self.view.sealed.statistics
        judged = [
            likelihoods(calibration, statistics, part.vector, part.side, vectors_CD @ part.vector)
            for part in wanted.wanted
        ]
        return np.average(judged, axis=0, weights=[part.weight for part in wanted.wanted]).astype(np.float32)

    def _can_judge(self, wanted: QueryVector) -> bool:
        calibration = self.view.sealed.manifest.calibration
        if calibration is None or not wanted.wanted:
            return False
        return not any(curve_of(calibration, part.side).is_flat for part in wanted.wanted)


def _likelihood_by_words(entry: Entry) -> float:
    """The score of a hit of a query without a vector. In a plain listing every item scores 1."""
    if not entry.has_some_words:
        return 1.0
    return EVERY_WORD if entry.has_every_word else SOME_WORDS
