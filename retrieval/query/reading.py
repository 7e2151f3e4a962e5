"""Reads an order page by page, without what was withdrawn, is folded, or is an example of the query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retrieval.live.view import IndexView
from retrieval.query.ranking import Cursor, Entry
from retrieval.questions import Query


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


@dataclass(frozen=True)
class _PositionedEntry:
    position: int
    entry: Entry


class Reading:
    """Reads the order of a query.

    Args:
        view: the view that the order is of.
        query: the query.
        entries: begins the order, from its first entry.
        cursor: the position where an earlier page of the same query ended.
    """

    def __init__(
        self,
        view: IndexView,
        query: Query,
        entries: Callable[[], Iterator[Entry]],
        cursor: Cursor | None,
    ) -> None:
        self._view, self._query, self._entries, self._cursor = view, query, entries, cursor
        self._continues = cursor is not None and cursor.generation == view.generation
        self._num_rows = min(cursor.num_rows, view.num_rows) if cursor and self._continues else view.num_rows

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
