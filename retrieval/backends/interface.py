"""What the engine asks of whatever holds a generation's vectors.

Rows are the engine's numbers of items, from 0: a backend keeps a unit vector for each and knows nothing else
of it. One conformance suite (tests/retrieval/test_backends.py) holds every backend to what is written here.
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

    def __len__(self) -> int:
        """The number of rows: the length a mask must have."""
        ...

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k rows with the highest product among those the mask lets through, best first, with exact
        scores.

        As many as there are, up to k, whatever the mask. An approximate backend may miss some of the best.
        """
        ...

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The same, as exactly as the backend can."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of rows, float32 [len(rows), D], in their order."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
