"""Connected parts of maps, and how far the rectangle of one is turned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from iconoclip.page_layout.components import Component, components
from iconoclip.page_layout.regions import tilt_of


def flooded(map_HW: np.ndarray) -> set[frozenset[tuple[int, int]]]:
    """The connected parts, by walking from cell to cell."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(map_HW), strict=True)}
    parts = set()
    while left:
        edge, part = [left.pop()], set()
        while edge:
            y, x = edge.pop()
            part.add((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    edge.append(near)
        parts.add(frozenset(part))
    return parts


@settings(max_examples=60)
@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_components_are_those_of_a_walk(map_HW):
    found = {
        frozenset(zip(part.rows.tolist(), part.columns.tolist(), strict=True)) for part in components(map_HW)
    }
    assert found == flooded(map_HW)


@pytest.mark.parametrize("degrees", [-9, -3, 0, 4, 11])
def test_a_turned_rectangle_is_told_from_an_upright_one(degrees):
    # Cells of a rectangle of 40 x 26, turned clockwise (rows count downwards).
    rows, columns = np.indices((80, 60))
    angle = np.radians(degrees)
    x, y = columns + 0.5 - 30, rows + 0.5 - 40
    along, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (abs(along) < 20) & (abs(down) < 13)
    assert tilt_of(Component(*np.nonzero(inside))) == pytest.approx(degrees, abs=1)
    # A disc has no turn.
    assert tilt_of(Component(*np.nonzero(x**2 + y**2 < 400))) == 0
