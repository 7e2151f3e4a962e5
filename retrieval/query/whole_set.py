"""Every match of a query, for exports: rows and scores in memory, records read while they are written out.

What matches is what the engine judges to match: items with a calibrated score of at least one half, or all
items if the query only lists a filtered set. A set holds 12 bytes per item, so 100,000 items take about a
megabyte, whatever their records weigh.

Shapes: M matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from retrieval.answers import Hit
from retrieval.generation.calibration import MIN_PROBABILITY
from retrieval.live.view import IndexView
from retrieval.query.hits import hit_of
from retrieval.query.order import Order

BATCH = 500


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


def collect(view: IndexView, order: Order, limit: int, is_served: Callable[[str], bool]) -> WholeSet:
    """Read an order until nothing more matches, or until there are `limit` matches."""
    rows: list[npt.NDArray[np.int64]] = []
    scores: list[npt.NDArray[np.float32]] = []
    num_found = 0
    entries = order.shown()
    while num_found <= limit and (batch := list(islice(entries, BATCH))):
        scores_B = np.array([entry.score for entry in batch], np.float32)
        matches_B = scores_B >= MIN_PROBABILITY
        rows.append(np.array([entry.row for entry in batch], np.int64)[matches_B])
        scores.append(np.asarray(scores_B[matches_B], np.float32))
        num_found += int(matches_B.sum())
        # The order follows the scores, except in the part that was diversified.
        if not matches_B.any():
            break
    rows_M = np.concatenate([np.zeros(0, np.int64), *rows])
    scores_M = np.concatenate([np.zeros(0, np.float32), *scores])
    return WholeSet(view, rows_M[:limit], scores_M[:limit], len(rows_M) > limit, is_served)
