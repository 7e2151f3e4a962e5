"""The order of all hits of one query, computed only as far as it is read, and its pages.

First comes a window: the best by meaning and the best by words, fused. After it comes the rest, where every
row is compared exactly. The order does not depend on how far it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from retrieval import iconography
from retrieval.answers import Filters, Query
from retrieval.backends.interface import Mask
from retrieval.generation.catalog import WordMatch
from retrieval.live.view import IndexView
from retrieval.query.ranking import Cursor, Entry, diversified, fuse
from retrieval.query.vector import QueryVector

# The number of rows by meaning, and by words, that are fused.
WINDOW = 300
FIRST_DEPTH = 2_000
NUM_DIVERSIFIED = 200


@dataclass(frozen=True)
class Page:
    """The entries of one page, and the position where the next page begins."""

    entries: list[Entry]
    num_before: int
    generation: str
    num_rows: int
    next_position: int | None

    def cursor(self, digest: str) -> str | None:
        """The cursor of the next page, or None on the last."""
        if self.next_position is None:
            return None
        shown = self.num_before + len(self.entries)
        return Cursor(self.generation, self.next_position, shown, self.num_rows, digest).encode()


class Order:
    """The order of all hits of a query.

    Args:
        view: the view to read.
        query: the query.
        wanted: the query's vector, if it has one.
        mask_N: rows that pass the filters, or None for all.
        cursor: the position where an earlier page of the same query ended.
    """

    def __init__(
        self,
        view: IndexView,
        query: Query,
        wanted: QueryVector | None,
        mask_N: Mask | None,
        cursor: Cursor | None,
    ) -> None:
        self._view, self._query, self._wanted, self._cursor = view, query, wanted, cursor
        self._continues = cursor is not None and cursor.generation == view.generation
        # Rows that were added after the first page would move later hits, so they
        # appear only in the next query.
        self._num_rows = min(cursor.num_rows, view.num_rows) if cursor and self._continues else view.num_rows
        self._mask_N = self._bounded(mask_N)
        self.asks_for_words = bool(query.text) and query.mode != "semantic"
        self.best_row: int | None = None
        semantic = self._near()
        words = self._match_words(semantic)
        self.has_every_word = any(match.tier < 2 and match.row not in view.withdrawn for match in words)
        self._window = self._fused(semantic, words)

    def _bounded(self, mask_N: Mask | None) -> Mask | None:
        if self._num_rows == self._view.num_rows:
            return mask_N
        bounded_N = np.ones(self._view.num_rows, bool) if mask_N is None else mask_N.copy()
        bounded_N[self._num_rows :] = False
        return bounded_N

    def _near(self) -> list[int]:
        """The best rows by meaning."""
        if self._wanted is None:
            return []
        found, _ = self._view.backend.search(self._wanted.vector, WINDOW, self._mask_N)
        rows: list[int] = found.tolist()
        not_shown = self._view.withdrawn | self._example_rows()
        self.best_row = next((row for row in rows if row not in not_shown), None)
        return rows

    def _match_words(self, semantic: list[int]) -> list[WordMatch]:
        if not self.asks_for_words:
            return []
        text = self._query.text or ""
        if iconography.is_notation(text):
            return self._in_branch(text)
        if self._query.mode == "keyword":
            return self._view.match_words(text, self._view.num_rows, self._mask_N)
        is_hybrid = self._wanted is not None
        return self._view.match_words(text, WINDOW, self._mask_N, telling_only=is_hybrid, near=semantic)

    def _in_branch(self, notation: str) -> list[WordMatch]:
        """Rows of an Iconclass notation: a query that is a notation means it and everything below it."""
        mask_N = self._view.mask(Filters(iconclass=notation))
        assert mask_N is not None
        rows = np.flatnonzero(mask_N if self._mask_N is None else mask_N & self._mask_N)
        return [WordMatch(int(row), 0, 0.0) for row in rows]

    def _fused(self, semantic: list[int], words: list[WordMatch]) -> list[Entry]:
        text_D = None if self._wanted is None else self._wanted.text
        captions = [] if text_D is None else self._view.match_captions(text_D, WINDOW, self._mask_N)
        entries = fuse(semantic, words, captions)
        if self._query.diversity and len(entries) > 1:
            head = entries[:NUM_DIVERSIFIED]
            vectors_CD = self._view.backend.vectors(np.array([entry.row for entry in head], np.int64))
            entries = diversified(head, vectors_CD, self._query.diversity) + entries[NUM_DIVERSIFIED:]
        return entries

    def _entries(self) -> Iterator[Entry]:
        """Every entry, including withdrawn ones."""
        yield from self._window
        if self._wanted is None and not self.asks_for_words:
            rows = np.arange(self._num_rows) if self._mask_N is None else np.flatnonzero(self._mask_N)
            yield from (Entry(int(row), False) for row in rows)
        elif self._wanted is not None:
            yield from self._rest(self._wanted)

    def _rest(self, wanted: QueryVector) -> Iterator[Entry]:
        """The entries after the window, in steps that do not depend on how far the order is read."""
        done = {entry.row for entry in self._window}
        depth = FIRST_DEPTH
        while True:
            rows, _ = self._view.backend.exact(wanted.vector, depth, self._mask_N)
            for row in rows.tolist():
                if row not in done:
                    done.add(row)
                    yield Entry(row, True)
            if len(rows) < depth:
                return
            depth *= 8

    def page(self, k: int) -> Page:
        """The next k entries that may be shown, from the position of the cursor."""
        start = self._cursor.position if self._cursor and self._continues else 0
        # With a cursor of an earlier generation, only its count of entries can be used.
        to_skip = self._cursor.num_shown if self._cursor and not self._continues else 0
        num_before = self._cursor.num_shown if self._cursor else 0
        chosen: list[Entry] = []
        for position, entry in enumerate(self._showable(start)):
            if position < to_skip:
                continue
            if len(chosen) == k:
                return Page(chosen, num_before, self._view.generation, self._num_rows, entry.position)
            chosen.append(entry.entry)
        return Page(chosen, num_before, self._view.generation, self._num_rows, None)

    def shown(self) -> Iterator[Entry]:
        """Every entry that may be shown, in order, however many there are."""
        return (each.entry for each in self._showable(0))

    def _showable(self, start: int) -> Iterator[_PositionedEntry]:
        """The entries from position `start` that are not withdrawn, not an example of the query, and
        not folded under another.
        """
        examples = self._example_rows()
        clusters, seen = self._view.clusters, set[int]()
        for position, entry in enumerate(self._entries()):
            hidden = entry.row in self._view.withdrawn or entry.row in examples
            number = int(clusters[entry.row])
            if self._query.fold and number in seen:
                continue
            if position < start:
                # Counted as seen even if it has been withdrawn: its copies were folded
                # under it on an earlier page.
                if entry.row not in examples:
                    seen.add(number)
                continue
            if not hidden:
                seen.add(number)
                yield _PositionedEntry(position, entry)

    def _example_rows(self) -> set[int]:
        """The rows of the items in the query: a user who asks for more like this one already has this one."""
        keys = {*self._query.like, *self._query.unlike}
        return {row for key in keys if (row := self._view.row_of(key)) is not None}


@dataclass(frozen=True)
class _PositionedEntry:
    position: int
    entry: Entry
