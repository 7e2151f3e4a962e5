"""The edges of boxes are moved to the ends of ink."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.page_layout.measure import overlap
from iconoclip.page_layout.snapping import LEAST_KEPT, snapped

WIDTH, HEIGHT = 400, 550


def sheet(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Paper with grain, lines of text above and below, and a hatched picture with a frame."""
    random = np.random.default_rng(0)
    grey_HW = np.full((HEIGHT, WIDTH), 215.0) + random.normal(0, 4, (HEIGHT, WIDTH))
    for line in range(20, HEIGHT - 20, 12):
        if not top - 12 < line < bottom + 4:
            grey_HW[line : line + 6, 40:360:3] = 60
    grey_HW[top:bottom, left:right] = random.choice([60, 210], (bottom - top, right - left))
    grey_HW[[top, bottom - 1], left:right] = 40
    grey_HW[top:bottom, [left, right - 1]] = 40
    return grey_HW.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("off", [(-6, 5, 6, -5), (5, -4, -6, 4), (-3, -3, -3, -3), (0, 0, 0, 0)])
@pytest.mark.parametrize("place", [(120, 200, 280, 330), (60, 250, 340, 270), (0, 100, 90, 220)])
def test_edges_lie_where_the_ink_ends(place, off):
    sides = (WIDTH, HEIGHT) * 2
    box = tuple(min(max((a + b) / side, 0.0), 1.0) for a, b, side in zip(place, off, sides, strict=True))
    found = snapped(sheet(*place), box)
    assert [round(share * side) for share, side in zip(found, sides, strict=True)] == pytest.approx(
        place, abs=1
    )


def test_without_clear_ink_a_box_stays():
    box = (0.2, 0.2, 0.6, 0.5)
    assert snapped(np.full((HEIGHT, WIDTH), 200, np.uint8), box) == box
    assert snapped(sheet(100, 200, 300, 400), (0.5, 0.5, 0.51, 0.8)) == (0.5, 0.5, 0.51, 0.8), "too narrow"


SHARES = st.tuples(*[st.floats(0, 1)] * 4).map(lambda v: (*map(min, v[:2], v[2:]), *map(max, v[:2], v[2:])))


@settings(max_examples=60, deadline=None)
@given(SHARES, st.integers(0, 9))
def test_a_moved_box_lies_on_the_page_and_is_still_the_same(box, seed):
    random = np.random.default_rng(seed)
    noise = random.integers(0, 255, (60, 45)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    found = snapped(noise, box)
    assert 0 <= found[0] <= found[2] <= 1
    assert 0 <= found[1] <= found[3] <= 1
    assert found == box or overlap(found, box) >= LEAST_KEPT
