"""The edges of boxes are moved to the ends of ink."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.page_layout.measure import overlap
from iconoclip.page_layout.snapping import LEAST_KEPT, at_straight_edges, snapped

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


def mounted(tone: int) -> np.ndarray:
    """A photograph of 30 x 40 pixels on card, with a line of writing eight pixels below it."""
    random = np.random.default_rng(1)
    grey_HW = 150 + random.normal(0, 3, (HEIGHT, WIDTH))
    grey_HW[200:240, 100:130] = tone + random.normal(0, 12, (40, 30))
    grey_HW[248:254, 100:130:3] = 40
    return grey_HW.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("tone", [60, 110, 190, 240])
@pytest.mark.parametrize("off", [(-4, 5, 5, 7), (3, -5, -4, 4), (0, 0, 0, 0)])
def test_edges_of_photographs_lie_where_the_mount_begins(tone, off):
    sides = (WIDTH, HEIGHT) * 2
    place = (100, 200, 130, 240)
    box = tuple((a + b) / side for a, b, side in zip(place, off, sides, strict=True))
    found = at_straight_edges(mounted(tone), box)
    assert [round(share * side) for share, side in zip(found, sides, strict=True)] == list(place)


def test_without_a_clear_edge_a_photograph_keeps_its_box():
    box = (0.24, 0.35, 0.33, 0.44)
    assert at_straight_edges(mounted(150), box) == pytest.approx(
        [round(share * side) / side for share, side in zip(box, (WIDTH, HEIGHT) * 2, strict=True)]
    )
    assert at_straight_edges(mounted(60), (0.24, 0.35, 0.25, 0.44)) == (0.24, 0.35, 0.25, 0.44), "too narrow"
    whole = (0.0, 0.0, 1.0, 1.0)
    assert at_straight_edges(mounted(60), whole) == whole, "the edges of the page are no steps"


SHARES = st.tuples(*[st.floats(0, 1)] * 4).map(lambda v: (*map(min, v[:2], v[2:]), *map(max, v[:2], v[2:])))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([snapped, at_straight_edges]), SHARES, st.integers(0, 9))
def test_a_moved_box_lies_on_the_page_and_is_still_the_same(move, box, seed):
    random = np.random.default_rng(seed)
    noise = random.integers(0, 255, (60, 45)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    found = move(noise, box)
    assert 0 <= found[0] <= found[2] <= 1
    assert 0 <= found[1] <= found[3] <= 1
    assert found == box or overlap(found, box) >= LEAST_KEPT
