"""Additions over any backend: the mutable segment, small and in memory, compared whole."""

from __future__ import annotations

import numpy as np

from retrieval.backends.interface import Mask, Rows, VectorBackend, Vectors
from retrieval.faiss_index import exact_top, top_order


class NoVectors:
    """A backend that holds nothing, of any dimension: what additions lie over where a generation has no such
    vectors."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    def __len__(self) -> int:
        return 0

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """No rows and no scores, whatever the query is."""
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    exact = search

    def vectors(self, rows: Rows) -> Vectors:
        """An empty array; only no rows may be requested."""
        return np.zeros((len(rows), self._dimension), np.float32)

    def close(self) -> None:
        """Do nothing: no file is open."""


class Overlay:
    """A sealed backend with added vectors behind it: its rows keep their numbers, those of additions follow.

    Args:
        sealed: holds the generation's vectors.
        added_MD: unit vectors added since, float32.
    """

    def __init__(self, sealed: VectorBackend, added_MD: Vectors) -> None:
        self._sealed, self._added_MD = sealed, added_MD

    def __len__(self) -> int:
        return len(self._sealed) + len(self._added_MD)

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k best rows of both parts."""
        return self._with_added(self._sealed.search(query_D, k, self._part(mask_N)), query_D, k, mask_N)

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k best of both, every row compared."""
        return self._with_added(self._sealed.exact(query_D, k, self._part(mask_N)), query_D, k, mask_N)

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors from whichever holds them."""
        is_sealed = rows < len(self._sealed)
        if is_sealed.all():
            return self._sealed.vectors(rows)
        out = np.empty((len(rows), self._added_MD.shape[1]), np.float32)
        out[is_sealed] = self._sealed.vectors(rows[is_sealed])
        out[~is_sealed] = self._added_MD[rows[~is_sealed] - len(self._sealed)]
        return out

    def close(self) -> None:
        """Close the sealed backend."""
        self._sealed.close()

    def _part(self, mask_N: Mask | None) -> Mask | None:
        return None if mask_N is None else mask_N[: len(self._sealed)]

    def _with_added(
        self, sealed: tuple[Rows, Vectors], query_D: Vectors, k: int, mask_N: Mask | None
    ) -> tuple[Rows, Vectors]:
        if not len(self._added_MD):
            return sealed
        allowed = None if mask_N is None else np.flatnonzero(mask_N[len(self._sealed) :])
        rows, scores = exact_top(self._added_MD, query_D, k, allowed)
        all_rows = np.concatenate([sealed[0], rows + len(self._sealed)])
        all_scores = np.concatenate([sealed[1], scores])
        order = top_order(all_scores, k)
        return all_rows[order], all_scores[order]
