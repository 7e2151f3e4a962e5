"""Added vectors on top of any backend: the mutable segment, which is small, in
memory, and compared completely.
"""

from __future__ import annotations

import numpy as np

from retrieval.backends.interface import Mask, Products, Rows, VectorBackend, Vectors
from retrieval.faiss_index import exact_top, top_order


class NoVectors:
    """An empty backend of any dimension, used under additions if a generation has no vectors of that kind."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    def __len__(self) -> int:
        return 0

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """No rows and no scores, for any query."""
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    exact = search

    def vectors(self, rows: Rows) -> Vectors:
        """An empty array; `rows` must be empty."""
        return np.zeros((len(rows), self._dimension), np.float32)

    def read_ahead(self, rows: Rows) -> Products:
        """What gives an empty array; `rows` must be empty."""
        return lambda _: np.zeros(len(rows), np.float32)

    def close(self) -> None:
        """Do nothing: no file is open."""


class Overlay:
    """A sealed backend and added vectors. The rows of the backend keep their numbers;
    those of the additions follow.

    Args:
        sealed: the backend with the generation's vectors.
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
        """The k best rows of both parts; every row is compared."""
        return self._with_added(self._sealed.exact(query_D, k, self._part(mask_N)), query_D, k, mask_N)

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of rows of both parts."""
        is_sealed = rows < len(self._sealed)
        if is_sealed.all():
            return self._sealed.vectors(rows)
        out = np.empty((len(rows), self._added_MD.shape[1]), np.float32)
        out[is_sealed] = self._sealed.vectors(rows[is_sealed])
        out[~is_sealed] = self._added_MD[rows[~is_sealed] - len(self._sealed)]
        return out

    def read_ahead(self, rows: Rows) -> Products:
        """What gives the inner products of rows of both parts, which are read now, with a unit vector."""
        is_sealed = rows < len(self._sealed)
        sealed = self._sealed.read_ahead(rows[is_sealed])
        if is_sealed.all():
            return sealed
        added_MD = self._added_MD[rows[~is_sealed] - len(self._sealed)]

        def products(query_D: Vectors) -> Vectors:
            out = np.empty(len(rows), np.float32)
            out[is_sealed], out[~is_sealed] = sealed(query_D), added_MD @ query_D
            return out

        return products

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
