"""Connected parts of a small boolean map, by union of runs; a map has some ten thousand cells.

Shapes: H, W of the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BoolMap = npt.NDArray[np.bool_]


class Component(NamedTuple):
    """The cells of a connected part: their rows and columns, ascending."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in cells; right and bottom are the first cells outside."""
        return (
            int(self.columns.min()),
            int(self.rows.min()),
            int(self.columns.max()) + 1,
            int(self.rows.max()) + 1,
        )


def components(map_HW: BoolMap) -> Iterator[Component]:
    """The parts whose cells touch at their sides, in the order of their first cells."""
    runs = _runs(map_HW)
    if not len(runs):
        return
    parts: dict[int, list[tuple[int, int, int]]] = {}
    for run, label in zip(runs, _joined(runs), strict=True):
        parts.setdefault(label, []).append(run)
    for own in parts.values():
        columns = np.concatenate([np.arange(start, end) for _, start, end in own])
        rows = np.concatenate([np.full(end - start, row) for row, start, end in own])
        yield Component(rows, columns)


def _runs(map_HW: BoolMap) -> list[tuple[int, int, int]]:
    """Row, start and end of each run of true cells in a row."""
    padded = np.zeros((map_HW.shape[0], map_HW.shape[1] + 2), np.int8)
    padded[:, 1:-1] = map_HW
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))


def _joined(runs: list[tuple[int, int, int]]) -> list[int]:
    """A label per run; runs that touch in neighbouring rows have the same."""
    parent = list(range(len(runs)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    above, first = 0, 0
    for n, (row, start, end) in enumerate(runs):
        while first < n and runs[first][0] < row - 1:
            first += 1
        above = first
        while above < n and runs[above][0] == row - 1 and runs[above][1] < end:
            if runs[above][2] > start:
                parent[root(n)] = root(above)
            above += 1
    return [root(n) for n in range(len(runs))]
