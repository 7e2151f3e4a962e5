"""The interface of a vector store: what the engine needs from it.

Rows are the engine's numbers of items, from 0. A backend stores one unit vector per row and knows nothing
else about the item. One conformance suite (tests/retrieval/test_backends.py) tests every backend against this
description. Shapes: N rows, D dimensions, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Products = Callable[[Vectors], Vectors]


class VectorBackend(Protocol):
    """Unit vectors by row, searched by inner product."""

    def __len__(self) -> int:
        """The number of rows: the length a mask must have."""
        ...

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k rows with the highest inner product among those that the mask allows, best
        first, with exact scores.

        It returns k rows, or all allowed rows if there are fewer. An approximate backend
        may miss some of the best.
        """
        ...

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The same as `search`, but as exact as the backend allows."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of the given rows, float32 [len(rows), D], in that order."""
        ...

    def read_ahead(self, rows: Rows) -> Products:
        """Read the given rows now; what is returned gives their inner products with a unit vector, float32
        [len(rows)], in that order.
        """
        ...

    def close(self) -> None:
        """Close all files and connections."""
        ...
