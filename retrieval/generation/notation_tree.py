"""The notations of a set of items as a tree: which rows have a notation or one below it.

Shapes: N rows, T nodes of the tree, V values, P (row, node) pairs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from iconoclip import iconclass

Pairs = npt.NDArray[np.int32]

DOUBLED_LETTER = re.compile(r"^(\d\d([A-Z]))\2")
MAX_LEVELS = 9


@dataclass(frozen=True)
class Tree:
    """The notations of a set of items and those above them.

    Args:
        notations: the notations [T], each after the one above it.
        above: the place of the one above each, -1 for a division [T].
        rows, nodes: which row has which notation, or one below it [P].
    """

    notations: list[str]
    above: list[int]
    rows: Pairs
    nodes: Pairs

    @classmethod
    def of(cls, values: list[str], rows_P: Pairs, codes_P: Pairs) -> Tree:
        """The tree of distinct notations, and of the rows that have each."""
        place_of: dict[str, int] = {}
        above: list[int] = []

        def place(notation: str, parent: int) -> int:
            if notation not in place_of:
                place_of[notation] = len(above)
                above.append(parent)
            return place_of[notation]

        nodes_of_V = []
        for value in values:
            nodes: dict[int, None] = {}
            for steps in _paths(value):
                parent = -1
                for step in steps[:MAX_LEVELS]:
                    parent = place(step, parent)
                    nodes[parent] = None
            nodes_of_V.append(np.array(list(nodes), np.int64))
        num_V = np.array([len(nodes) for nodes in nodes_of_V], np.int64)
        if not len(codes_P):
            nothing = np.zeros(0, np.int32)
            return cls(list(place_of), above, nothing, nothing)
        # Each (row, value) pair becomes one pair for each node above the value; a row counts once for a node.
        rows = np.repeat(rows_P.astype(np.int64), num_V[codes_P])
        nodes_P = np.concatenate([nodes_of_V[code] for code in codes_P.tolist()])
        pairs = np.unique(rows * len(above) + nodes_P)
        return cls(
            list(place_of),
            above,
            (pairs // len(above)).astype(np.int32),
            (pairs % len(above)).astype(np.int32),
        )

    def counts(self, shown_N: npt.NDArray[np.bool_]) -> dict[str, int]:
        """How many of the rows have each notation or one below it."""
        found = np.bincount(self.nodes[shown_N[self.rows]], minlength=len(self.notations))
        return {self.notations[n]: int(found[n]) for n in np.flatnonzero(found)}


def _paths(value: str) -> list[tuple[str, ...]]:
    """The notations from a division down to one; 25FF2 is also below 25F, as in a filter for 25F."""
    paths = [_path(value)]
    single = DOUBLED_LETTER.sub(r"\1", value)
    if single != value:
        paths.append(_path(single)[:-1])
    return paths


@lru_cache(maxsize=50_000)
def _path(value: str) -> tuple[str, ...]:
    steps = [step.replace(" ", "") for step in iconclass.path(value)]
    if not steps:
        steps = [value[:1], value[:2], value[:3]] if value[:1].isdigit() else []
    return tuple(dict.fromkeys([*(step for step in steps if value.startswith(step)), value]))
