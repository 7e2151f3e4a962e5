"""Which numbers came before, for more of them than a Python set could hold: with 8 bytes each, not a hundred.

Letters: R numbers of a part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


class SeenNumbers:
    """All numbers so far, in sorted arrays of which each is more than twice as long as the next.

    A part is compared with all of them, so numbers are merged a few times each, and never compared one by
    one.
    """

    def __init__(self) -> None:
        self._sorted: list[IntArray] = []

    def add(self, number_R: IntArray) -> npt.NDArray[np.bool_]:
        """Which of these did not come before, neither in earlier parts nor in this one; all are added."""
        unique, first = np.unique(number_R, return_index=True)
        is_known = np.zeros(len(unique), dtype=np.bool_)
        for one in self._sorted:
            at = np.minimum(np.searchsorted(one, unique), len(one) - 1)
            is_known |= one[at] == unique
        is_new_R = np.zeros(len(number_R), dtype=np.bool_)
        is_new_R[first[~is_known]] = True
        if not is_known.all():
            self._sorted.append(unique[~is_known])
        while len(self._sorted) > 1 and len(self._sorted[-2]) <= 2 * len(self._sorted[-1]):
            both = np.concatenate([self._sorted.pop(), self._sorted.pop()])
            self._sorted.append(np.sort(both, kind="stable"))
        return is_new_R
