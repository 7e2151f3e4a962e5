"""Which items match a query, without reading the order of all: for counts, facets, sorting and exports.

An item matches if its likelihood is one half or more; every item with all words of the query has at least
that (retrieval.generation.relevance). What the words say is known for all items that have one. Pictures are
compared only where they can make a difference: for items whose words alone do not decide, and for the nearest
items without any word, until these fall below the line.

Shapes: N rows, M items with words, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.backends.interface import Mask, Rows, Vectors
from retrieval.generation.calibration import MIN_PROBABILITY
from retrieval.generation.evidence import WordEvidence
from retrieval.generation.manifest import Relevance
from retrieval.generation.relevance import combined, least_log_odds
from retrieval.generation.row_lists import among
from retrieval.live.view import IndexView
from retrieval.query.judging import PictureJudge, captions_of
from retrieval.query.vector import QueryPart

FIRST_DEPTH, DEEPER = 300, 8
# Pictures that are read for one count, and the depth to which items without words are counted.
MAX_READ, MAX_DEPTH = 20_000, 20_000
# Of cosines: a picture at the very line is compared.
ROUNDING = 1e-4
# Likelihoods of several parts do not fall evenly: below the line are as many in a row.
NUM_BELOW = 30


@dataclass(frozen=True)
class Matching:
    """The rows that match.

    Args:
        rows_N: which rows match.
        by_words_N: which of them have every word of the query.
        is_exact: whether no picture had to be judged.
    """

    rows_N: Mask
    by_words_N: Mask
    is_exact: bool

    @classmethod
    def all_of(cls, among_N: Mask) -> Matching:
        """Every row of a mask, because the query has only filters."""
        return cls(among_N, np.zeros(len(among_N), bool), True)

    def __or__(self, other: Matching) -> Matching:
        """What matches one or the other."""
        return Matching(
            self.rows_N | other.rows_N, self.by_words_N | other.by_words_N, self.is_exact and other.is_exact
        )


@dataclass(frozen=True)
class Matcher:
    """Finds the items that match one text and picture.

    Args:
        view: the view to read.
        words: what the words say, without filters.
        relevance: the weights that join words and pictures.
        judge: judges pictures, or None if the query has only words.
        captions: rows whose captions mean the text, with their likelihood.
        highest_M: the likelihoods of the items that have words if their pictures match, if known.
    """

    view: IndexView
    words: WordEvidence
    relevance: Relevance
    judge: PictureJudge | None
    captions: Mapping[int, float]
    highest_M: Vectors | None = None

    def among(self, among_N: Mask | None, nearest: float | None = None) -> Matching:
        """The items that match among those of a mask, or among all.

        Args:
            among_N: the mask.
            nearest: the cosine of the nearest picture in it, if it is known.
        """
        allowed_N = np.ones(self.view.num_rows, bool) if among_N is None else among_N
        judge, words = self.judge, self.words
        if judge is not None and not judge.can_judge and not words.has_known_word:
            # Nothing says where the line is: everything is ordered, and nothing is left out.
            return Matching(allowed_N.copy(), np.zeros(len(allowed_N), bool), is_exact=False)
        rows_N = np.zeros(len(allowed_N), bool)
        here = words if among_N is None else words.kept(allowed_N[words.rows])
        rows_N[here.rows[self._with_words(here, nearest)]] = True
        by_words_N = np.zeros(len(allowed_N), bool)
        by_words_N[here.rows[here.is_full | here.is_called]] = True
        by_words_N &= rows_N
        if judge is not None and self._may_match_without_words(here):
            without_N = allowed_N.copy()
            without_N[here.rows] = False
            rows_N[self._without_words(here, without_N, judge)] = True
        return Matching(rows_N, by_words_N, bool((rows_N == by_words_N).all()))

    def _with_words(self, words: WordEvidence, nearest: float | None) -> Mask:
        """Which of the items that have words match."""
        if self.judge is None:
            return np.asarray(combined(self.relevance, words, None) >= MIN_PROBABILITY)
        matches_M = np.zeros(len(words.rows), bool)
        highest_M = self.highest_M if words is self.words else None
        if highest_M is None:
            highest_M = combined(self.relevance, words, np.ones(len(words.rows), np.float32))
        may_M = highest_M >= MIN_PROBABILITY
        if not may_M.any():
            return matches_M
        may = words.kept(may_M).among_called(words.has_called)
        sure_M = combined(self.relevance, may, np.zeros(len(may.rows), np.float32)) >= MIN_PROBABILITY
        if self.judge.has_unwanted:
            sure_M = np.zeros(len(may.rows), bool)
        if not sure_M.all():
            sure_M[~sure_M] = self._with_picture(may.kept(~sure_M), words.has_called, nearest)
        matches_M[may_M] = sure_M
        return matches_M

    def _with_picture(self, words: WordEvidence, has_called: bool, nearest: float | None) -> Mask:
        """Which items match whose words alone do not decide."""
        assert self.judge is not None
        part = self.judge.only_part
        if part is None:
            best_M = self._first(-combined(self.relevance, words, np.ones(len(words.rows), np.float32)))
            matches_M = np.zeros(len(words.rows), bool)
            matches_M[best_M] = self._judged(words.kept(best_M), has_called) >= MIN_PROBABILITY
            return matches_M
        rows, cosines_C = self._compared(words, part, nearest)
        by_picture_C = self._with_captions(rows, self.judge.of_cosines(part, cosines_C))
        about, _ = words.about(rows)
        scores_C = combined(self.relevance, about.among_called(has_called), by_picture_C)
        return among(words.rows, rows[scores_C >= MIN_PROBABILITY])

    def _compared(self, words: WordEvidence, part: QueryPart, nearest: float | None) -> tuple[Rows, Vectors]:
        """The items whose pictures can make a difference, with the cosines of these."""
        assert self.judge is not None
        cosines_M, is_known_M = self.judge.compared.known(words.rows)
        if is_known_M.all():
            return words.rows, cosines_M
        # No picture is nearer than the nearest, so most items need not be compared.
        least_M = self.judge.least_cosines(part, least_log_odds(self.relevance, words))
        if nearest is None:
            nearest = self._nearest(words.rows)
        least_M[np.isin(words.rows, list(self.captions))] = -np.inf
        chosen_M = self._first(least_M) & (least_M <= nearest + ROUNDING)
        return words.rows[chosen_M], self.judge.compared.cosines(words.rows[chosen_M])

    @staticmethod
    def _first(keys_M: npt.NDArray[np.floating]) -> Mask:
        """The items with the lowest keys, as many as may be read."""
        if len(keys_M) <= MAX_READ:
            return np.ones(len(keys_M), bool)
        first_M = np.zeros(len(keys_M), bool)
        first_M[np.argsort(keys_M, kind="stable")[:MAX_READ]] = True
        return first_M

    def _nearest(self, rows: Rows) -> float:
        """The highest cosine of the rows' pictures."""
        assert self.judge is not None
        among_N = np.zeros(self.view.num_rows, bool)
        among_N[rows] = True
        nearest = self.judge.compared.nearest(1, among_N)
        return float(self.judge.compared.cosines(nearest)[0])

    def _judged(self, words: WordEvidence, has_called: bool) -> Vectors:
        """The likelihood of items from their words and pictures."""
        assert self.judge is not None
        judged = self.judge.judged(words.rows)
        by_picture_C = self._with_captions(words.rows, judged.likelihoods)
        scores_C = combined(self.relevance, words.among_called(has_called), by_picture_C)
        return np.asarray(scores_C * (1 - judged.penalties), np.float32)

    def _with_captions(self, rows: Rows, by_picture_C: Vectors) -> Vectors:
        return np.asarray(1 - (1 - by_picture_C) * (1 - captions_of(rows, self.captions)), np.float32)

    def _may_match_without_words(self, words: WordEvidence) -> bool:
        """Whether an item without any word matches if its picture does."""
        none = words.nothing_about(np.zeros(1, np.int64))
        return bool(combined(self.relevance, none, np.ones(1, np.float32))[0] >= MIN_PROBABILITY)

    def _without_words(self, words: WordEvidence, among_N: Mask, judge: PictureJudge) -> Rows:
        """The rows without any word that match by their picture or caption."""
        if not among_N.any():
            return np.zeros(0, np.int64)
        by_caption = np.array([row for row in self.captions if among_N[row]], np.int64)
        found = by_caption[self._judged_without(by_caption, words) >= MIN_PROBABILITY]
        depth, search = FIRST_DEPTH, self.view.backend.search
        while True:
            rows, _ = search(judge.wanted.vector, depth, among_N)
            scores_C = self._judged_without(rows, words)
            if judge.has_unwanted and not words.has_known_word:
                # Ordered by the weighted sum (retrieval.query.order): none scores above the one before.
                scores_C = np.minimum.accumulate(scores_C)
            matches_C = scores_C >= MIN_PROBABILITY
            is_last = len(rows) < depth or depth >= MAX_DEPTH or not matches_C[-NUM_BELOW:].any()
            if is_last:
                return np.union1d(found, rows[matches_C])
            depth, search = min(depth * DEEPER, MAX_DEPTH), self.view.backend.exact

    def _judged_without(self, rows: Rows, words: WordEvidence) -> Vectors:
        if not len(rows):
            return np.zeros(0, np.float32)
        return self._judged(words.nothing_about(rows), words.has_called)
