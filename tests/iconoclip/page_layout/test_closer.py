"""Small things are looked at again at twice the scale; others, and what is not seen again, stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from iconoclip.page_layout.closer import CLOSER_SIDE, seen_closer
from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.page_layout.inputs import CELL, INPUT_SIDE, PagePixels, Pixels
from iconoclip.page_layout.kinds import CLASSES, OTHER, PAGE_KINDS
from iconoclip.page_layout.measure import overlap
from iconoclip.page_layout.regions import Answer

# A small black square on a page of 700 x 1,000: left, top, right, bottom in shares.
SQUARE = (0.201, 0.301, 0.258, 0.345)
WHOLE = (0.0, 0.0, 1.0, 1.0)


def page(side: int, place: tuple[float, float, float, float] = WHOLE) -> PagePixels:
    """The part of the page at `place`, with `side` pixels on its longer side."""
    left, top, right, bottom = place
    across, down = 0.7 * (right - left), bottom - top
    width, height = (round(side * one / max(across, down)) for one in (across, down))
    pixels_HWC = np.full((height, width, 3), 230, np.uint8)
    x0, x1 = (round((x - left) / (right - left) * width) for x in SQUARE[0::2])
    y0, y1 = (round((y - top) / (bottom - top) * height) for y in SQUARE[1::2])
    pixels_HWC[y0:y1, x0:x1] = 20
    return PagePixels(pixels_HWC, place)


def sees_ink(pixels_HWC: Pixels) -> Answer:
    """A model that takes dark cells for an initial."""
    height, width = (-(-side // CELL) for side in pixels_HWC.shape[:2])
    padded_HW = np.full((height * CELL, width * CELL), 230, np.uint8)
    padded_HW[: pixels_HWC.shape[0], : pixels_HWC.shape[1]] = pixels_HWC[:, :, 1]
    dark_HW = 1 - padded_HW.reshape(height, CELL, width, CELL).mean((1, 3), dtype=np.float32) / 230
    maps_CHW = np.zeros((len(CLASSES), height, width), np.float32)
    maps_CHW[CLASSES.index("initial")] = dark_HW
    maps_CHW[OTHER] = 1 - dark_HW
    return Answer(maps_CHW, np.ones((4, height, width), np.float32), np.zeros(len(PAGE_KINDS), np.float32))


def sees_nothing(pixels_HWC: Pixels) -> Answer:
    return sees_ink(np.full_like(pixels_HWC, 230))


def looked(
    box: FoundBox,
    look: Callable[[Pixels], Answer] = sees_ink,
    place: tuple[float, float, float, float] = WHOLE,
) -> FoundBox:
    finding = Finding("mixed", 0.9, (box,))
    closer = seen_closer(finding, page(INPUT_SIDE, place), lambda: page(CLOSER_SIDE, place), look)
    assert (closer.kind, closer.probability) == ("mixed", 0.9)
    return closer.boxes[0]


COARSE = FoundBox("initial", 0.19, 0.29, 0.275, 0.35, score=0.8)


# A page whose bare border is cut off lies within its image.
@pytest.mark.parametrize("place", [WHOLE, (0.1, 0.2, 0.9, 0.8), (0.0, 0.1, 0.9, 1.0)])
def test_a_small_box_becomes_what_is_seen_closely(place: tuple[float, float, float, float]) -> None:
    found = looked(COARSE, place=place)
    assert overlap(COARSE.corners, SQUARE) < 0.6
    assert overlap(found.corners, SQUARE) > 0.9
    assert (found.kind, found.score) == ("initial", 0.8)


def test_a_box_at_the_edge_of_the_page_stays_on_it() -> None:
    found = looked(FoundBox("initial", 0.0, 0.0, 0.04, 0.03, score=0.7))
    assert found.corners == (0.0, 0.0, 0.04, 0.03)


def test_a_model_never_sees_more_than_its_input() -> None:
    shapes = []

    def look(pixels_HWC: Pixels) -> Answer:
        shapes.append(max(pixels_HWC.shape[:2]))
        return sees_ink(pixels_HWC)

    for side in (0.001, 0.01, 0.02, 0.05, 0.08, 0.1):
        for left, top in ((0.0, 0.0), (0.4, 0.3), (0.74, 0.74)):
            looked(FoundBox("photograph", left, top, left + side, top + side, score=0.9), look)
    assert len(shapes) == 18
    assert max(shapes) <= INPUT_SIDE


@pytest.mark.parametrize(
    "box",
    [
        FoundBox("photograph", 0.1, 0.2, 0.5, 0.6, score=0.9),
        FoundBox("photograph", 0.19, 0.29, 0.275, 0.35, score=0.9, tilt=4.0),
        FoundBox("initial", 0.1, 0.3, 0.9, 0.34, score=0.9),
        FoundBox("stamp", 0.19, 0.29, 0.275, 0.35, score=0.9),
        FoundBox("ornament", 0.19, 0.29, 0.275, 0.35, score=0.9),
    ],
)
def test_large_and_tilted_things_and_ornaments_are_not_looked_at_again(box: FoundBox) -> None:
    def never() -> PagePixels:
        raise AssertionError("the page was decoded again")

    finding = Finding("mixed", 0.9, (box,))
    assert seen_closer(finding, page(INPUT_SIDE), never, sees_ink) == finding


def test_a_page_without_more_pixels_is_not_looked_at_again() -> None:
    finding = Finding("mixed", 0.9, (COARSE,))
    assert seen_closer(finding, page(INPUT_SIDE), lambda: page(720), sees_ink) == finding
    assert seen_closer(finding, page(INPUT_SIDE), lambda: page(900), sees_ink) != finding


def test_what_is_not_seen_again_stays_as_it_was() -> None:
    assert looked(COARSE, sees_nothing) == COARSE
    # Something else is next to it.
    neighbour = FoundBox("initial", 0.3, 0.29, 0.37, 0.34, score=0.8)
    assert looked(neighbour) == neighbour
