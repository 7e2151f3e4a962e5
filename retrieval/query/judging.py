"""How surely hits answer a query, and whether anything here does.

A picture answers a question of several parts as far as it answers each of them: the parts that are wanted are
judged one by one, each by the curve of its side (retrieval.generation.calibration), and averaged by their
weights. No curve could judge their sum, which is neither like a text nor like an image. What is not wanted
moves hits down the order, and says nothing of those that stay.

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

# How far a record that holds every word of the query, or some of them, is taken to answer it.
EVERY_WORD, SOME_WORDS = 0.9, 0.3
NO_CLAIM = 0.5


@dataclass(frozen=True)
class Judge:
    """Judges the hits of one query: `wanted` is its vector, if it has one."""

    view: IndexView
    wanted: QueryVector | None

    def judged(self, entries: Sequence[Entry]) -> tuple[Vectors | None, Vectors]:
        """Cosines of hits with the query, where it has a vector, and their scores, 0 to 1.

        Two witnesses, the model and the record's own words, are joined as if independent.
        """
        if self.wanted is None or not entries:
            return None, np.array([_likelihood_by_words(entry) for entry in entries], np.float32)
        vectors_CD = self.view.backend.vectors(np.array([entry.row for entry in entries], np.int64))
        by_meaning = self._by_meaning(self.wanted, vectors_CD)
        by_words = np.array([EVERY_WORD if entry.has_every_word else 0.0 for entry in entries], np.float32)
        scores = np.asarray(1 - (1 - by_meaning) * (1 - by_words), np.float32)
        return np.asarray(vectors_CD @ self.wanted.vector, np.float32), scores

    def matches_well(self, order: Order) -> bool | None:
        """Whether anything answers the query, None where nothing can be said; a record that holds all of its
        words does."""
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
    """The score of a hit where no vector was asked for; a mere listing answers itself."""
    if not entry.has_some_words:
        return 1.0
    return EVERY_WORD if entry.has_every_word else SOME_WORDS
