"""The default: a sealed segment on this machine's disk (faiss), and the mutable one in memory."""

from __future__ import annotations

import numpy as np

from retrieval.backends.interface import Mask, Rows, Vectors
from retrieval.index import Segment, exact_top, top_order


class LocalBackend:
    """Rows 0 to N-1 are the sealed segment, the rest the mutable one, which is small and compared whole.

    Args:
        segment: the sealed segment.
        added_MD: the mutable segment's unit vectors, float32.
    """

    def __init__(self, segment: Segment, added_MD: Vectors) -> None:
        self._segment, self._added_MD = segment, added_MD

    @property
    def num_rows(self) -> int:
        """Rows of both segments."""
        return len(self._segment) + len(self._added_MD)

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k best of both segments."""
        sealed = self._segment.search(query_D, k, self._sealed(mask_N))
        return self._with_added(sealed, query_D, k, mask_N)

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k best of both segments, every row compared."""
        sealed = self._segment.exact(query_D, k, self._sealed(mask_N))
        return self._with_added(sealed, query_D, k, mask_N)

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors from whichever segment holds them."""
        out = np.empty((len(rows), self._segment.vectors_ND.shape[1]), np.float32)
        is_sealed = rows < len(self._segment)
        out[is_sealed] = self._segment.vectors(rows[is_sealed])
        out[~is_sealed] = self._added_MD[rows[~is_sealed] - len(self._segment)]
        return out

    def close(self) -> None:
        """Nothing to do: the mapped file goes with the last reference to it."""

    def _sealed(self, mask_N: Mask | None) -> Mask | None:
        return None if mask_N is None else mask_N[: len(self._segment)]

    def _with_added(
        self, sealed: tuple[Rows, Vectors], query_D: Vectors, k: int, mask_N: Mask | None
    ) -> tuple[Rows, Vectors]:
        if not len(self._added_MD):
            return sealed
        allowed = None if mask_N is None else np.flatnonzero(mask_N[len(self._segment) :])
        rows, scores = exact_top(self._added_MD, query_D, k, allowed)
        all_rows = np.concatenate([sealed[0], rows + len(self._segment)])
        all_scores = np.concatenate([sealed[1], scores])
        order = top_order(all_scores, k)
        return all_rows[order], all_scores[order]
