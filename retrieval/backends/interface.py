"""What the engine asks of whatever holds the vectors. One conformance suite (tests/retrieval/backends) holds each to it.

Rows are the engine's numbers of items: a backend keeps a unit vector for each row and knows nothing else of it.
Shapes: N rows, D dimensions, K neighbours.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class VectorBackend(Protocol):
    """Unit vectors by row, searched by inner product."""

    @property
    def num_rows(self) -> int:
        """One more than the highest row: the length a mask must have."""
        ...

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k rows with the highest product among those the mask lets through, best first, with exact scores.

        As many as there are, up to k. An approximate backend may miss some of the best; it must say in its recall
        how many, and must still return k.
        """
        ...

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The same without any approximation."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of rows, float32 [len(rows), D], in their order."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
