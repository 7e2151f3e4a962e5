"""The order of matches by something other than relevance: by date, title or maker. Ties by row.

Rows without a date, caption or maker come last. Titles are compared by the first 80 letters of the first
caption, makers by the family name of the first, both without case and accents.

Shapes: N rows, M rows to sort.
"""

from __future__ import annotations

import numpy as np

from retrieval.backends.interface import Rows
from retrieval.config import Sort
from retrieval.generation.columns import UNKNOWN_EARLIEST
from retrieval.live.view import IndexView


def sorted_rows(view: IndexView, rows_M: Rows, sort: Sort) -> Rows:
    """The rows in the requested order."""
    if sort in ("oldest", "newest"):
        return rows_M[_by_date(view, rows_M, newest_first=sort == "newest")]
    keys_N = view.title_ranks if sort == "title" else view.maker_ranks
    return rows_M[np.lexsort((rows_M, keys_N[rows_M]))]


def _by_date(view: IndexView, rows_M: Rows, *, newest_first: bool) -> Rows:
    """Oldest: by the first year that is named, then by the last; newest: the other way round."""
    years = zip(*(columns.named_years() for columns in view.columns), strict=True)
    earliest_M, latest_M = (np.concatenate(each).astype(np.int64)[rows_M] for each in years)
    unknown_M = earliest_M == UNKNOWN_EARLIEST
    if newest_first:
        return np.lexsort((rows_M, -earliest_M, -latest_M, unknown_M))
    return np.lexsort((rows_M, latest_M, earliest_M, unknown_M))
