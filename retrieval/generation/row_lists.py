"""Rows of an index as lists that ascend: what is in any of several, and what is in another.

Shapes: N rows of the index.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Fewer rows are looked up one by one, without a place for each row of the index.
FEW_ROWS = 1_000
# Lists that together have fewer of the index's rows than one in so many are sorted, for the same reason.
SORTED_SHARE = 100


def united(several: Sequence[Rows], num_rows: int) -> Rows:
    """The rows that are in any of several lists, which ascend."""
    if len(several) == 1:
        return several[0]
    if SORTED_SHARE * sum(map(len, several)) <= num_rows:
        # Four times as quick as np.unique, which hashes integers since numpy 2.3.
        rows = np.sort(np.concatenate([np.zeros(0, np.int64), *several]))
        return rows[np.diff(rows, prepend=-1) > 0]
    has_some_N = np.zeros(num_rows, bool)
    for rows in several:
        has_some_N[rows] = True
    return np.flatnonzero(has_some_N)


def among(rows: Rows, others: Rows) -> Mask:
    """Which of the rows, which ascend, are among the others."""
    if min(len(rows), len(others)) > FEW_ROWS:
        has_N = np.zeros(max(int(rows[-1]), int(others.max())) + 1, bool)
        has_N[others] = True
        return has_N[rows]
    held_M = np.zeros(len(rows), bool)
    if len(rows) and len(others):
        place = np.searchsorted(rows, others)
        place[place == len(rows)] = 0
        held_M[place[rows[place] == others]] = True
    return held_M
