"""The order of all hits for one text and picture, computed only as far as it is read.

First comes a window: the items that are best by meaning, by captions and by words, each with one likelihood
from its words and its picture (retrieval.generation.relevance), the likeliest first. After those of it that
match come the other items that match (retrieval.query.matching), then the window's remainder, and then the
rest, where every picture is compared exactly. The order does not depend on how far it is read.

Shapes: N rows, M items with words, C candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import cast

import numpy as np

from retrieval.backends.interface import Mask, Rows, Vectors
from retrieval.faiss_index import top_order
from retrieval.generation.calibration import MIN_PROBABILITY
from retrieval.generation.evidence import WordEvidence
from retrieval.generation.relevance import DEFAULT, combined
from retrieval.generation.row_lists import among, united
from retrieval.live.view import IndexView
from retrieval.query.judging import Compared, PictureJudge, captions_by_chance, captions_of
from retrieval.query.matching import Matcher, Matching
from retrieval.query.ranking import Cursor, Entry, Ranked
from retrieval.query.vector import QueryVector
from retrieval.query.wording import asks_for_words
from retrieval.questions import Query

# The number of rows by meaning, and by captions, that are judged.
WINDOW = 200
# The number of rows with words that are judged together with their pictures; the best by words.
MAX_JUDGED = 300
# Up to so many rows with every word, all pictures are compared; of more, the index finds the best.
MAX_COMPARED = 5_000
FIRST_DEPTH = 2_000
NUM_SAMPLED_CAPTIONS = 1_000
# An approximate index rarely misses the nearest picture, and then not by as much as this cosine.
MISSED = 0.02
_NO_ROWS: Rows = np.zeros(0, np.int64)


class Order:
    """The order of all hits of a query that has at most one text.

    Args:
        view: the view to read.
        query: the query, with its text as it is searched (retrieval.query.wording).
        all_words: what the words of that text say, without filters.
        vector_of: gives the query's vector, if it has one; it is asked as late as possible, because the text
            may still be encoded.
        mask_N: rows that pass the filters, or None for all.
        cursor: the position where an earlier page of the same query ended.
    """

    def __init__(
        self,
        view: IndexView,
        query: Query,
        all_words: WordEvidence,
        vector_of: Callable[[], QueryVector | None],
        mask_N: Mask | None,
        cursor: Cursor | None,
    ) -> None:
        self._view, self._query, self._cursor = view, query, cursor
        self._continues = cursor is not None and cursor.generation == view.generation
        # Rows that were added after the first page would move later hits, so they
        # appear only in the next query.
        self._num_rows = min(cursor.num_rows, view.num_rows) if cursor and self._continues else view.num_rows
        self._mask_N = self._bounded(mask_N)
        self._relevance = view.sealed.manifest.relevance or DEFAULT
        self.asks_for_words = asks_for_words(query)
        self.all_words = all_words
        self.words = all_words if self._mask_N is None else all_words.kept(self._mask_N[all_words.rows])
        best = self._best_by_words()
        products = highest_M = None
        if self.asks_for_words and query.mode == "hybrid":
            # What needs no vector is done while the text may still be encoded.
            products = view.backend.read_ahead(best)
            highest_M = combined(self._relevance, all_words, np.ones(len(all_words.rows), np.float32))
        self._wanted = vector_of()
        self._judge = None if self._wanted is None else PictureJudge(view, self._wanted)
        if self._judge is not None and products is not None:
            self._judge.compared.add(best, products)
        self._captions = self._by_captions()
        self._window = self._judged(best)
        self._matcher = Matcher(view, all_words, self._relevance, self._judge, self._captions, highest_M)
        self.best = self._best_shown()
        self.text = query.text or ""

    # --- what is found
    # ----------------------------------------------------------------------------------------------

    def _bounded(self, mask_N: Mask | None) -> Mask | None:
        if self._num_rows == self._view.num_rows:
            return mask_N
        bounded_N = np.ones(self._view.num_rows, bool) if mask_N is None else mask_N.copy()
        bounded_N[self._num_rows :] = False
        return bounded_N

    # --- the window
    # ----------------------------------------------------------------------------------------------

    def _judged(self, by_words: Rows) -> Ranked:
        """The window: every candidate with its likelihood, the likeliest first; `by_words` are the best by
        words.
        """
        if self._wanted is None or self._judge is None:
            return self._by_words_alone()
        near = self._judge.compared.nearest(WINDOW, self._mask_N)
        by_caption = np.fromiter(self._captions, np.int64)
        by_both = self._best_by_both(self._judge.compared)
        return self._ranked(united([near, by_caption, by_words, by_both], self._view.num_rows), near)

    def _by_words_alone(self) -> Ranked:
        words = self.words
        scores_M = combined(self._relevance, words, None)
        order = np.lexsort((words.rows, -words.in_title, -scores_M))
        no, yes = np.zeros(len(order), bool), np.ones(len(order), bool)
        return Ranked(words.rows[order], no, no, yes, words.is_full[order], scores_M[order], None)

    def _best_by_words(self) -> Rows:
        words = self.words
        if len(words.rows) <= MAX_JUDGED:
            return words.rows
        return words.rows[top_order(combined(self._relevance, words, None), MAX_JUDGED)]

    def _best_by_both(self, compared: Compared) -> Rows:
        """Of more items with every word than are judged, those whose pictures are nearest."""
        words = self.words
        if len(words.rows) <= MAX_JUDGED:
            return _NO_ROWS
        full = words.rows[words.is_full] if words.is_full.any() else words.rows
        if len(full) <= MAX_COMPARED:
            return full[top_order(compared.cosines(full), WINDOW)]
        among_N = np.zeros(self._view.num_rows, bool)
        among_N[full] = True
        return compared.nearest(WINDOW, among_N)

    def _by_captions(self) -> dict[int, float]:
        """The rows whose captions mean the text, each with the likelihood that this is no chance."""
        text_D = None if self._wanted is None else self._wanted.text
        num = len(self._view.captions)
        if text_D is None or not num:
            return {}
        rows = self._view.match_captions(text_D, WINDOW, self._mask_N)
        numbers = self._view.caption_numbers(rows)
        cosines_C = self._view.captions.vectors(numbers) @ text_D
        sample = np.arange(0, num, max(1, num // NUM_SAMPLED_CAPTIONS), dtype=np.int64)
        sample_S = self._view.captions.vectors(sample) @ text_D
        return dict(zip(rows, captions_by_chance(cosines_C, sample_S, num).tolist(), strict=True))

    def _ranked(self, rows: Rows, near: Rows) -> Ranked:
        """Rows, which ascend, as an order; `near` are those that are near by meaning."""
        assert self._wanted is not None
        assert self._judge is not None
        judged = self._judge.judged(rows)
        cosines_C, by_picture_C = judged.cosines, judged.likelihoods
        by_caption_C = captions_of(rows, self._captions)
        words, has_words_C = self.words.about(rows)
        scores_C = combined(self._relevance, words, 1 - (1 - by_picture_C) * (1 - by_caption_C))
        if self._judge.has_unwanted:
            scores_C = self._without_unwanted(scores_C, judged.penalties)
        order = np.lexsort((rows, -cosines_C, -scores_C))
        if self._judge.has_unwanted and not self.asks_for_words:
            # A query with weighted examples is ordered by their weighted sum. Words have no such sum.
            order = np.lexsort((rows, -cosines_C))
            scores_C[order] = np.minimum.accumulate(scores_C[order])
        return Ranked(
            rows=rows[order],
            by_meaning=among(rows, near)[order],
            by_caption=among(rows, np.fromiter(self._captions, np.int64))[order],
            has_some_words=has_words_C[order],
            has_every_word=words.is_full[order],
            scores=np.asarray(scores_C[order], np.float32),
            cosines=cosines_C[order],
        )

    def _without_unwanted(self, scores_C: Vectors, penalties_C: Vectors) -> Vectors:
        """The likelihood that items match and are not what is unwanted. Without a wanted part, nothing can be
        claimed, and the cosine alone orders.
        """
        assert self._wanted is not None
        if not (self._wanted.wanted or self.asks_for_words):
            return scores_C
        return np.asarray(scores_C * (1 - penalties_C), np.float32)

    def _best_shown(self) -> Entry | None:
        hidden = self._view.withdrawn | self._example_rows()
        return self._window.first(self._outside_of(hidden))

    def _outside_of(self, hidden: AbstractSet[int]) -> Mask:
        """Which rows of the window are not hidden."""
        return ~np.isin(self._window.rows, np.fromiter(hidden, np.int64))

    @property
    def matches_well(self) -> bool | None:
        """Whether anything matches the query; None if unknown. A record that contains all of its words
        matches.
        """
        full_C = self._window.has_every_word
        if self.asks_for_words and (full_C & self._outside_of(self._view.withdrawn)).any():
            return True
        if self._judge is None:
            return self._has_match if self.asks_for_words else None
        if not self._judge.can_judge:
            return None
        return self._has_match

    @property
    def _has_match(self) -> bool:
        return self.best is not None and self.best.score >= MIN_PROBABILITY

    # --- reading it
    # ----------------------------------------------------------------------------------------------

    @property
    def is_ranked(self) -> bool:
        """Whether there is a text, picture or item to order by, and not only filters."""
        return self._wanted is not None or self.asks_for_words

    @cached_property
    def matching(self) -> Matching:
        """The items that match, within the filters."""
        cosines_C = self._window.cosines
        nearest = None if cosines_C is None or not len(cosines_C) else float(cosines_C.max()) + MISSED
        return self.matching_among(self._mask_N, nearest)

    def matching_among(self, among_N: Mask | None, nearest: float | None = None) -> Matching:
        """The items that match among those of a mask, or among all; `nearest` is the highest cosine in it."""
        allowed_N = self._bounded(among_N)
        if not self.is_ranked:
            return Matching.all_of(np.ones(self._view.num_rows, bool) if allowed_N is None else allowed_N)
        return self._matcher.among(allowed_N, nearest)

    def entries(self) -> Iterator[Entry]:
        """Every entry in the order, including withdrawn ones."""
        if not self.is_ranked:
            rows = np.arange(self._num_rows) if self._mask_N is None else np.flatnonzero(self._mask_N)
            yield from (Entry(int(row), False) for row in rows)
            return
        matches_N = self.matching.rows_N
        matches_C = matches_N[self._window.rows]
        yield from self._window.entries(matches_C)
        yield from self._others_that_match(matches_N)
        yield from self._window.entries(~matches_C)
        if self._wanted is not None:
            yield from self._rest(self._wanted)

    def entries_of(self, rows: Rows) -> list[Entry]:
        """The entries of given rows, in the order of the rows."""
        if not self.is_ranked:
            return [Entry(int(row), False) for row in rows]
        judged = self._window if self._wanted is None else self._ranked(np.unique(rows), _NO_ROWS)
        found = {entry.row: entry for entry in judged.entries(np.isin(judged.rows, rows))}
        return [found.get(row) or Entry(row, False, score=0.0) for row in rows.tolist()]

    def _others_that_match(self, matches_N: Mask) -> Iterator[Entry]:
        """Items that match and are not in the window, those with the best words first. None is given a higher
        number than those of the window.
        """
        left_N = matches_N.copy()
        left_N[self._window.rows] = False
        if not left_N.any():
            return
        least = _lowest(self._window.scores[matches_N[self._window.rows]])
        for rows in self._in_steps(left_N):
            for entry in self._ranked(np.sort(rows), _NO_ROWS).entries():
                least = max(MIN_PROBABILITY, min(least, entry.score))
                yield entry.with_score(least)

    def _in_steps(self, left_N: Mask) -> Iterator[Rows]:
        """The rows of a mask, those with the best words first, as many at a time as are judged together."""
        scores_M = combined(self._relevance, self.words, None)
        by_words = self.words.rows[np.argsort(-scores_M, kind="stable")]
        by_words = by_words[left_N[by_words]]
        others_N = left_N.copy()
        others_N[by_words] = False
        rows = np.concatenate([by_words, np.flatnonzero(others_N)])
        for start in range(0, len(rows), MAX_JUDGED):
            yield cast(Rows, rows[start : start + MAX_JUDGED])

    def _rest(self, wanted: QueryVector) -> Iterator[Entry]:
        """The entries after the window, in steps that do not depend on how far the order is read. None is
        given a higher number than the window's last, as it was not compared with them.
        """
        left_N = ~self.matching.rows_N
        left_N[self._window.rows] = False
        least = _lowest(self._window.scores)
        depth = FIRST_DEPTH
        while True:
            rows, _ = self._view.backend.exact(wanted.vector, depth, self._mask_N)
            new = np.sort(rows[left_N[rows]])
            left_N[new] = False
            for entry in self._ranked(new, new).entries() if len(new) else ():
                least = min(least, entry.score)
                yield entry.with_score(least)
            if len(rows) < depth:
                return
            depth *= 8

    def _example_rows(self) -> set[int]:
        """The rows of the items in the query: a user who asks for more like this one already has this one."""
        keys = {*self._query.like, *self._query.unlike}
        return {row for key in keys if (row := self._view.row_of(key)) is not None}


def _lowest(scores_C: Vectors) -> float:
    """The lowest score of the window, which none after it may exceed."""
    return float(scores_C.min()) if len(scores_C) else 1.0
