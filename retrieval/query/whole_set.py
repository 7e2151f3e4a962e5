"""Every match of a query, for exports: rows and scores in memory, records read while they are written out.

What matches is what the engine counts (retrieval.query.matching): items with a calibrated score of one half
or more, or all items if the query only lists a filtered set. A set holds 12 bytes per item, so 100,000 items
take about a megabyte, whatever their records weigh.

Shapes: M matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from retrieval.answers import Hit
from retrieval.live.view import IndexView
from retrieval.query.found import Found
from retrieval.query.hits import hit_of


@dataclass(frozen=True)
class WholeSet:
    """The matches of a query at one moment, best first.

    Args:
        view: the state of the index that they were found in.
        rows_M: their rows, int64 [M].
        scores_M: their calibrated scores, float32 [M].
        is_cut: whether there are more matches than the limit.
        is_served: whether an item may still be shown.
    """

    view: IndexView
    rows_M: npt.NDArray[np.int64]
    scores_M: npt.NDArray[np.float32]
    is_cut: bool
    is_served: Callable[[str], bool]

    def __len__(self) -> int:
        return len(self.rows_M)

    @property
    def snapshot(self) -> str:
        """Names the state of the index: the same query gives the same set as long as this is the same."""
        view = self.view
        return f"{view.generation}.{view.additions.last_seq}.{len(view.withdrawn)}"

    def hits(self, start: int = 0, stop: int | None = None) -> Iterator[Hit]:
        """The hits from position `start` (0 is the best), read one by one. Items that were withdrawn since
        are left out; the ranks of the others stay.
        """
        for position in range(start, min(len(self), len(self) if stop is None else stop)):
            record = self.view.record(int(self.rows_M[position]))
            if self.is_served(record.key):
                yield hit_of(record, rank=position + 1, score=float(self.scores_M[position]))


def collect(found: Found, limit: int, is_served: Callable[[str], bool]) -> WholeSet:
    """Every match of a query, at most `limit`, best first."""
    entries = list(islice(found.matches(), limit))
    rows_M = np.array([entry.row for entry in entries], np.int64)
    scores_M = np.array([entry.score for entry in entries], np.float32)
    num_matches = int(found.shown_N.sum())
    return WholeSet(found.view, rows_M, scores_M, num_matches > limit, is_served)
