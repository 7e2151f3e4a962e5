"""Boxes from the maps of a page model."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from iconoclip.page_layout.kinds import CLASSES
from iconoclip.page_layout.measure import Score, box_score, overlap
from iconoclip.page_layout.reading import Reading
from iconoclip.page_layout.regions import FEATURES, Answer, candidates
from tests.iconoclip.page_layout.maps import READING, SIZE, blind, maps_with


@pytest.mark.parametrize("kind", ["illustration", "ornament", "initial", "photograph", "map", "stamp"])
def test_a_part_of_a_map_becomes_a_box_of_its_kind(kind):
    maps_CHW = maps_with(kind, slice(20, 36), slice(15, 30))
    finding = READING.read(blind(maps_CHW), SIZE)
    (box,) = finding.boxes
    assert box.kind == kind
    # Parts are wider than things, by half a cell at each edge.
    assert box.corners == pytest.approx((15.5 / 60, 20.5 / 80, 29.5 / 60, 35.5 / 80), abs=1e-6)
    assert box.score > 0.9


# The sides are 14 and 15 cells, so edges that are seen are wrong by 1.4 and 1.5, those of the part by 1: the
# first have weights of 1 / (1 + 1.4 ** 2) and 1 / (1 + 1.5 ** 2).
@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, (14.993, 20.654, 30.007, 35.346)), (0.3, (15.5, 20.5, 29.5, 35.5))]
)
def test_a_box_ends_between_its_cells_and_the_edges_that_most_of_them_see(share, expected):
    answer = blind(maps_with("illustration", slice(20, 36), slice(15, 30)))
    rows, columns = np.indices((80, 60)) + 0.5
    seen = np.random.default_rng(0).random((80, 60)) < share
    left, top, right, bottom = 14, 21, 31, 35
    edges = np.stack([columns - left, rows - top, right - columns, bottom - rows]).clip(0.1)
    answer.edges_4HW[:, seen] = edges[:, seen]
    (box,) = READING.read(answer, SIZE).boxes
    corners = expected[0] / 60, expected[1] / 80, expected[2] / 60, expected[3] / 80
    assert box.corners == pytest.approx(corners, abs=1e-4)


def test_what_is_too_large_for_an_initial_is_none():
    (box,) = READING.read(blind(maps_with("initial", slice(5, 60), slice(5, 50))), SIZE).boxes
    assert box.kind not in ("initial", "stamp")


@pytest.mark.parametrize(("width", "height"), [(25, 28), (12, 30), (20, 16)])
def test_a_large_initial_is_one(width, height):
    (box,) = READING.read(blind(maps_with("initial", slice(5, 5 + height), slice(5, 5 + width))), SIZE).boxes
    assert box.kind == "initial"


@pytest.mark.parametrize("doubtful", [0.6, 0.7, 0.8])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(2, 40), slice(10, 40)),
        (slice(20, 40), slice(2, 58)),
        (slice(20, 55), slice(10, 40)),
        (slice(12, 48), slice(10, 48)),
    ],
)
def test_a_photograph_ends_where_the_maps_stop_being_sure(rows, columns, doubtful):
    """Spots on its mount are part of the same component, and doubtful."""
    maps_CHW = maps_with("photograph", rows, columns)
    photograph, other = maps_CHW[CLASSES.index("photograph")], maps_CHW[0]
    photograph[rows, columns], other[rows, columns] = doubtful, 1 - doubtful
    photograph[20:40, 10:40], other[20:40, 10:40] = 0.997, 0.003
    (box,) = READING.read(blind(maps_CHW), SIZE).boxes
    assert overlap(box.corners, (10 / 60, 20 / 80, 40 / 60, 40 / 80)) > 0.9


def test_a_photograph_that_the_maps_are_nowhere_sure_of_stays_whole():
    maps_CHW = maps_with("photograph", slice(20, 60), slice(10, 50))
    photograph, other = maps_CHW[CLASSES.index("photograph")], maps_CHW[0]
    photograph[20:40, 10:50], other[20:40, 10:50] = 0.6, 0.4
    photograph[40:60, 10:50], other[40:60, 10:50] = 0.93, 0.07
    (box,) = READING.read(blind(maps_CHW), SIZE).boxes
    assert overlap(box.corners, (10 / 60, 20 / 80, 50 / 60, 60 / 80)) > 0.9


def test_pictures_that_touch_at_a_bridge_are_told_apart():
    maps_CHW = maps_with("photograph", slice(10, 30), slice(5, 25))
    for rows, columns in ((slice(10, 30), slice(30, 55)), (slice(18, 20), slice(25, 30))):
        maps_CHW[:, rows, columns] = 0
        maps_CHW[CLASSES.index("photograph"), rows, columns] = 1
    boxes = READING.read(blind(maps_CHW), SIZE).boxes
    wanted = [(5 / 60, 10 / 80, 25 / 60, 30 / 80), (30 / 60, 10 / 80, 55 / 60, 30 / 80)]
    assert box_score([box.corners for box in boxes], wanted, 0.85) == Score(2, 0, 0)


def test_a_sheet_of_thirty_photographs_that_touch_is_told_apart():
    maps_CHW = maps_with("photograph", slice(0, 0), slice(0, 0))
    wanted = []
    for row, column in itertools.product(range(6), range(5)):
        top, left = 3 + 12 * row, 2 + 11 * column
        maps_CHW[:, top : top + 10, left : left + 9] = 0
        maps_CHW[CLASSES.index("photograph"), top : top + 10, left : left + 9] = 1
        wanted.append((left / 60, top / 80, (left + 9) / 60, (top + 10) / 80))
        # A bridge to the next one, where a mount is spotted.
        maps_CHW[:, top + 4, left + 9 : left + 11] = 0
        maps_CHW[CLASSES.index("photograph"), top + 4, left + 9 : left + 11] = 1
    boxes = READING.read(blind(maps_CHW), SIZE).boxes
    assert box_score([box.corners for box in boxes], wanted, 0.75) == Score(30, 0, 0)


def test_two_pictures_that_run_together_are_apart_where_the_maps_are_surer():
    maps_CHW = maps_with("photograph", slice(20, 40), slice(5, 55))
    # Between them, and at their edges, the model is only just for a photograph.
    maps_CHW[CLASSES.index("photograph"), 20:40, 28:32] = 0.6
    boxes = READING.read(blind(maps_CHW), SIZE).boxes
    wanted = [(5 / 60, 20 / 80, 28 / 60, 40 / 80), (32 / 60, 20 / 80, 55 / 60, 40 / 80)]
    assert box_score([box.corners for box in boxes], wanted, 0.85) == Score(2, 0, 0)
    # A small dark spot next to a picture is no second one.
    maps_CHW = maps_with("photograph", slice(20, 40), slice(5, 40))
    maps_CHW[CLASSES.index("photograph"), 20:40, 28:32] = 0.6
    maps_CHW[CLASSES.index("photograph"), 24:40, 32:40] = 0.6
    assert len(READING.read(blind(maps_CHW), SIZE).boxes) == 1


def bars(between: float, rows: tuple[slice, ...], columns: tuple[slice, ...]) -> Answer:
    """Ornaments, and cells of a lower chance where two are next to each other."""
    maps_CHW = maps_with("ornament", slice(0, 0), slice(0, 0))
    ornament_HW = maps_CHW[CLASSES.index("ornament")]
    for row, after, column, other in zip(rows, rows[1:], columns, columns[1:], strict=False):
        across = slice(max(column.start, other.start), min(column.stop, other.stop))
        if across.start < across.stop:
            ornament_HW[row.stop : after.start, across] = between
        else:
            ornament_HW[row, column.stop : other.start] = between
    for row, column in zip(rows, columns, strict=True):
        ornament_HW[row, column] = 0.98
    maps_CHW[0] = 1 - ornament_HW
    return blind(maps_CHW)


def test_bars_of_neighbouring_lines_are_told_apart():
    rows = slice(20, 24), slice(26, 30), slice(32, 36)
    columns = slice(20, 58), slice(40, 58), slice(30, 58)
    wanted = [
        (column.start / 60, row.start / 80, column.stop / 60, row.stop / 80)
        for row, column in zip(rows, columns, strict=True)
    ]
    boxes = READING.read(bars(0.6, rows, columns), SIZE).boxes
    assert box_score([box.corners for box in boxes], wanted, 0.5) == Score(3, 0, 0)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        # Next to each other, as the flowers of a band; and as high as pictures.
        ((slice(20, 24), slice(20, 24)), (slice(5, 28), slice(32, 55))),
        ((slice(20, 24), slice(27, 41)), (slice(5, 55), slice(5, 55))),
    ],
)
def test_what_are_no_bars_stay_together(rows, columns):
    assert len(READING.read(bars(0.6, rows, columns), SIZE).boxes) == 1


def photographs_on_a_sheet(count: int) -> np.ndarray:
    maps_CHW = maps_with("photograph", slice(0, 0), slice(0, 0))
    for row, column in itertools.islice(itertools.product(range(6), range(5)), count):
        place = (slice(None), slice(3 + 12 * row, 11 + 12 * row), slice(2 + 11 * column, 9 + 11 * column))
        maps_CHW[place] = 0
        maps_CHW[CLASSES.index("photograph"), *place[1:]] = 1
    return maps_CHW


@pytest.mark.parametrize("count", [1, 4, 30])
def test_candidates_know_how_many_others_are_like_them(count):
    maps_CHW = photographs_on_a_sheet(count)
    # Of another class, of another height, and of too little certainty.
    maps_CHW[:, 75:79, 2:9], maps_CHW[:, 75:79, 20:40], maps_CHW[:, 75:79, 45:52] = 0, 0, 0
    maps_CHW[CLASSES.index("ornament"), 75:79, 2:9] = 1
    maps_CHW[CLASSES.index("photograph"), 75:79, 20:40] = 1
    maps_CHW[CLASSES.index("photograph"), 71:79, 45:52] = 0.55
    found = candidates(blind(maps_CHW), (60, 80))
    place, height = FEATURES.index("log of those alike"), FEATURES.index("log height")
    shown = [one for one in found if one.features_F[FEATURES.index("mean chance")] > 0.6]
    tall = [one for one in shown if one.features_F[height] > math.log(0.08)]
    assert [one.features_F[place] for one in tall] == pytest.approx([math.log(count)] * count)
    assert [one.features_F[place] for one in shown if one not in tall] == [0.0, 0.0]


def test_many_small_pictures_make_each_other_likely():
    """Alone a picture of this size is doubtful, by weights that speak against small ones."""
    weights = READING.score_weights.copy()
    weights[:, FEATURES.index("log area")] = 2.0
    weights[:, FEATURES.index("log of those alike")] = 3.0
    reading = replace(READING, score_weights=weights)
    assert len(reading.read(blind(photographs_on_a_sheet(1)), SIZE).boxes) == 0
    assert len(reading.read(blind(photographs_on_a_sheet(30)), SIZE).boxes) == 30


def test_contrast_is_what_a_box_has_more_than_its_surroundings():
    maps_CHW = maps_with("illustration", slice(20, 40), slice(10, 40))
    (clear,) = candidates(blind(maps_CHW), (60, 80))
    maps_CHW[CLASSES.index("illustration"), 10:50] = np.maximum(
        maps_CHW[CLASSES.index("illustration"), 10:50], 0.4
    )
    (vague,) = candidates(blind(maps_CHW), (60, 80))
    contrasts = [one.features_F[FEATURES.index("contrast")] for one in (clear, vague)]
    assert contrasts == pytest.approx([1.0, 0.6])


def test_a_box_leaves_off_what_hardly_belongs_to_it():
    maps_CHW = maps_with("illustration", slice(20, 50), slice(20, 40))
    maps_CHW[:, 50:60, 25:27] = 0
    maps_CHW[CLASSES.index("illustration"), 50:60, 25:27] = 1
    (box,) = READING.read(blind(maps_CHW), SIZE).boxes
    assert overlap(box.corners, (20.5 / 60, 20.5 / 80, 39.5 / 60, 49.5 / 80)) > 0.93


def test_a_box_is_placed_in_the_image_that_the_page_was_cut_from():
    maps_CHW = maps_with("map", slice(0, 80), slice(0, 60))
    place = (0.25, 0.5, 0.75, 1.0)
    finding = READING.read(blind(maps_CHW), SIZE, place)
    assert overlap(finding.boxes[0].corners, place) > 0.97


def test_a_reading_survives_json():
    again = Reading.from_json(json.loads(json.dumps(READING.as_json())))
    assert again.as_json() == READING.as_json()
    broken = READING.as_json()
    broken["kinds"]["mean"].append(0.0)
    with pytest.raises(ValueError, match="other sizes"):
        Reading.from_json(broken)
