"""Everything that is found for one query: its branches as one order, what matches, and what there is to say.

A query without alternatives has one branch. With alternatives, each combination is ordered by itself, and an
item has its highest likelihood of any: the orders are merged.

Shapes: N rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import islice

import numpy as np

from retrieval.backends.interface import Mask
from retrieval.config import Dates
from retrieval.generation.evidence import WordEvidence
from retrieval.generation.word_index import digest_of_name, names_of
from retrieval.live.view import IndexView
from retrieval.query.matching import Matching
from retrieval.query.narrowing import Branch, Narrowing, both, unknown_filters
from retrieval.query.order import Order
from retrieval.query.partly import MAX_SETS, WordSet, word_sets
from retrieval.query.ranking import Cursor, Entry, diversified
from retrieval.query.reading import Page, Reading
from retrieval.query.sorting import sorted_rows
from retrieval.query.vector import QueryVector
from retrieval.query.wording import worded
from retrieval.query_language.grammar import parse, plain
from retrieval.query_language.parts import Hint, Parsed, Period
from retrieval.questions import Filters, Query

NUM_DIVERSIFIED = 200
SORTED_STEP = 200
# Items of one name that are compared with what was typed, letter by letter.
MAX_COMPARED = 50
VectorOf = Callable[[Query], Callable[[Query], QueryVector | None]]


class Found:
    """What is found for a query.

    Args:
        view: the view to read.
        query: the query.
        vector_of: begins to encode the text of a query with at most one, and returns what makes the vector of
            this query, or of the same one with other words.
        cursor: the position where an earlier page of the same query ended.
    """

    def __init__(
        self,
        view: IndexView,
        query: Query,
        vector_of: VectorOf,
        cursor: Cursor | None = None,
    ) -> None:
        self.view, self.query, self._cursor = view, query, cursor
        concealed = Filters(without_institution=query.filters.without_institution)
        self._visible_N = view.shown(view.mask(concealed))
        self.parsed = self._parsed(query)
        narrowing = Narrowing(view, self._visible_N, query.filters.dates, self.parsed.text)
        self._branches = narrowing.branches(self.parsed.parts)
        filters_N = view.mask(query.filters)
        self.orders = [
            self._order(branch, vector_of, both(filters_N, branch.mask_N)) for branch in self._branches
        ]
        unknown = unknown_filters(view, query.filters, self._visible_N)
        self.hints = tuple(dict.fromkeys([*self.parsed.hints, *narrowing.hints, *unknown]))

    def _order(self, branch: Branch, vector_of: VectorOf, mask_N: Mask | None) -> Order:
        typed = self.query.model_copy(update={"text": branch.text})
        encoded = vector_of(typed)
        wording = worded(self.view, typed)
        query = typed.model_copy(update={"text": wording.text})
        return Order(self.view, query, wording.words, lambda: encoded(query), mask_N, self._cursor)

    def _parsed(self, query: Query) -> Parsed:
        text = query.text or ""
        if query.plain:
            return plain(text)
        parsed = parse(text)
        if not parsed.is_plain and self._is_a_name(text):
            return Parsed(text, plain(text).parts, (Hint("exact_name"),))
        return parsed

    def _is_a_name(self, text: str) -> bool:
        """Whether an item is called exactly so, with these very marks."""
        digest = digest_of_name(text)
        if digest is None:
            return False
        typed = " ".join(text.split()).casefold()
        rows = self.view.words.rows_with((digest,), "identifiers", MAX_COMPARED)
        names = (
            name for row in rows.tolist() if self._visible_N[row] for name in names_of(self.view.record(row))
        )
        return any(" ".join(name.split()).casefold() == typed for name in names)

    # --- the order
    # ----------------------------------------------------------------------------------------------

    @property
    def is_ranked(self) -> bool:
        """Whether there is anything to order by, and not only conditions."""
        return any(order.is_ranked for order in self.orders)

    def entries(self) -> Iterator[Entry]:
        """Every entry in the requested order, including withdrawn ones."""
        if self.query.sort != "relevance":
            return self._sorted()
        united = self._united()
        return self._diverse(united) if self.query.diversity else united

    def _united(self) -> Iterator[Entry]:
        if len(self.orders) == 1:
            yield from self.orders[0].entries()
            return
        seen: set[int] = set()
        for entry in heapq.merge(*(order.entries() for order in self.orders), key=lambda each: -each.score):
            if entry.row not in seen:
                seen.add(entry.row)
                yield entry

    def _diverse(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        head = list(islice(entries, NUM_DIVERSIFIED))
        vectors_CD = self.view.backend.vectors(np.array([entry.row for entry in head], np.int64))
        yield from diversified(head, vectors_CD, self.query.diversity) if len(head) > 1 else head
        yield from entries

    def _sorted(self) -> Iterator[Entry]:
        rows = sorted_rows(self.view, np.flatnonzero(self.matching.rows_N), self.query.sort)
        for start in range(0, len(rows), SORTED_STEP):
            step = rows[start : start + SORTED_STEP]
            for entries in zip(*(order.entries_of(step) for order in self.orders), strict=True):
                yield max(entries, key=lambda entry: entry.score)

    def page(self, k: int) -> Page:
        """The next k entries that may be shown."""
        return self._reading().page(k)

    def _reading(self) -> Reading:
        # Not kept: each would refer to the other, and masks of millions of rows would stay in memory until
        # Python looks for cycles.
        return Reading(self.view, self.query, self.entries, self._cursor)

    def matches(self) -> Iterator[Entry]:
        """The entries that match, in order."""
        left = int(np.count_nonzero(self.shown_N))
        for entry in self._reading().shown() if left else ():
            if self.shown_N[entry.row]:
                yield entry
                left -= 1
                if not left:
                    return

    # --- what matches
    # ----------------------------------------------------------------------------------------------

    @cached_property
    def matching(self) -> Matching:
        """The rows that match within the filters; they may include withdrawn ones."""
        found = self.orders[0].matching
        for order in self.orders[1:]:
            found |= order.matching
        return found

    @cached_property
    def shown_N(self) -> Mask:
        """The rows that match and may be shown, without the examples of the query itself."""
        return self._shown(self.matching.rows_N)

    @cached_property
    def word_sets(self) -> tuple[WordSet, ...]:
        """What has only some of the words, if no match has every word."""
        if (self.shown_N & self.matching.by_words_N).any():
            return ()
        return self._word_sets(self.view.mask(self.query.filters))

    def counted_without(self, filters: Filters) -> Mask:
        """The rows that would match if the filters were these; if none would, those that have the most
        telling of its words.
        """
        rows_N = self.shown_N if filters == self.query.filters else self.matching_without(filters)
        if rows_N.any():
            return rows_N
        sets = self._word_sets(self.view.mask(filters))
        return sets[0].rows_N if sets else rows_N

    def _word_sets(self, mask_N: Mask | None) -> tuple[WordSet, ...]:
        found = [
            each
            for order, branch in zip(self.orders, self._branches, strict=True)
            for each in word_sets(order.all_words, self._allowed(both(mask_N, branch.mask_N)))
        ]
        return tuple(sorted(found, key=lambda each: -each.weight)[:MAX_SETS])

    def _allowed(self, mask_N: Mask | None) -> Mask:
        return self._shown(np.ones(self.view.num_rows, bool) if mask_N is None else mask_N)

    def matching_without(self, filters: Filters) -> Mask:
        """The rows that match if the filters were these, and that may be shown."""
        mask_N = self.view.mask(filters)
        found = [
            order.matching_among(both(mask_N, branch.mask_N)).rows_N
            for order, branch in zip(self.orders, self._branches, strict=True)
        ]
        return self._shown(np.logical_or.reduce(found))

    def _shown(self, rows_N: Mask) -> Mask:
        shown_N = self.view.shown(rows_N)
        keys = {*self.query.like, *self.query.unlike}
        shown_N[[row for key in keys if (row := self.view.row_of(key)) is not None]] = False
        return shown_N

    @property
    def words(self) -> WordEvidence:
        """Which words of any branch were searched as others, or are unknown; no items."""
        corrected = {typed: terms for order in self.orders for typed, terms in order.words.corrected.items()}
        unknown = dict.fromkeys(word for order in self.orders for word in order.words.unknown)
        return replace(WordEvidence.none(), corrected=corrected, unknown=tuple(unknown))

    @property
    def matches_well(self) -> bool | None:
        """Whether anything matches the query; None if unknown."""
        judged = [order.matches_well for order in self.orders]
        return True if True in judged else None if None in judged else False

    # --- dates
    # ----------------------------------------------------------------------------------------------

    @cached_property
    def period(self) -> Period | None:
        """The requested period, from filters or from a field of the text."""
        filters = self.query.filters
        periods = [part.period for part in self.parsed.parts if part.period and not part.excluded]
        if filters.earliest is not None or filters.latest is not None:
            periods.append((filters.earliest, filters.latest))
        if not periods:
            return None
        firsts = [first for first, _ in periods if first is not None]
        lasts = [last for _, last in periods if last is not None]
        return max(firsts, default=None), min(lasts, default=None)

    @cached_property
    def certain_N(self) -> Mask | None:
        """The rows whose date certainly lies within the period, or None if there is no period."""
        if self.period is None:
            return None
        parts = [columns.in_period(*self.period, certainly=True) for columns in self.view.columns]
        return np.concatenate(parts)

    def in_period(self, row: int) -> Dates | None:
        """How certainly the date of a row lies within the period."""
        if self.certain_N is None:
            return None
        return "certainly" if self.certain_N[row] else "possibly"
