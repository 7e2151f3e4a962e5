"""What is on a page: components, boxes from maps, overlap, bare borders, corrections.

Expected numbers come from arithmetic, or from a plain search in place of the quick one.
"""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from iconoclip.errors import BadInput
from iconoclip.page_layout.components import Component, components
from iconoclip.page_layout.corrections import digest_of, read_corrections
from iconoclip.page_layout.findings import Finding, FoundBox, finding_from_json
from iconoclip.page_layout.inputs import CELL, INPUT_SIDE, content_box, is_bare, model_input, page_pixels
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.measure import Score, box_score, f1_interval, match, overlap
from iconoclip.page_layout.page_kind import KindRegression
from iconoclip.page_layout.reading import Reading
from iconoclip.page_layout.regions import FEATURES, Answer, tilt_of
from iconoclip.page_layout.table import Measured, as_markdown, kinds_as_markdown, rows_of

KEY = "bnf-0123456789abcdef"
READING = Reading.plain()
SIZE = (60 * CELL, 80 * CELL)


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


def test_overlap_is_intersection_over_union():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0
    assert overlap((0, 0, 1, 1), (0, 0, 1, 1)) == 1


def test_each_box_is_matched_once_and_the_best_pairs_first():
    wanted = [(0.0, 0.0, 1.0, 1.0)]
    found = [(0.0, 0.0, 1.0, 0.6), (0.0, 0.0, 1.0, 0.9)]
    assert match(found, wanted, 0.5) == [(1, 0)]
    assert box_score(found, wanted, 0.5) == Score(1, 1, 0)
    assert Score(3, 1, 2).f1 == pytest.approx(6 / 9)
    assert Score().f1 == 1


def maps_with(kind: str, rows: slice, columns: slice, shape: tuple[int, int] = (80, 60)) -> np.ndarray:
    maps_CHW = np.zeros((len(CLASSES), *shape), np.float32)
    maps_CHW[0] = 1
    maps_CHW[0, rows, columns] = 0
    maps_CHW[CLASSES.index(kind), rows, columns] = 1
    return maps_CHW


def blind(maps_CHW: np.ndarray) -> Answer:
    """What a model gives whose cells see no edges."""
    edges_4HW = np.full((4, *maps_CHW.shape[1:]), 0.1, np.float32)
    return Answer(maps_CHW, edges_4HW, np.zeros(len(PAGE_KINDS), np.float32))


@pytest.mark.parametrize("kind", ["illustration", "ornament", "initial", "photograph", "map", "stamp"])
def test_a_part_of_a_map_becomes_a_box_of_its_kind(kind):
    maps_CHW = maps_with(kind, slice(20, 36), slice(15, 30))
    finding = READING.read(blind(maps_CHW), SIZE)
    (box,) = finding.boxes
    assert box.kind == kind
    assert overlap(box.corners, (15 / 60, 20 / 80, 30 / 60, 36 / 80)) > 0.95
    assert box.score > 0.9


@pytest.mark.parametrize(("share", "expected"), [(1.0, (14.5, 20.5, 30.5, 35.5)), (0.3, (15, 20, 30, 36))])
def test_a_box_ends_between_its_cells_and_the_edges_that_most_of_them_see(share, expected):
    answer = blind(maps_with("illustration", slice(20, 36), slice(15, 30)))
    rows, columns = np.indices((80, 60)) + 0.5
    seen = np.random.default_rng(0).random((80, 60)) < share
    left, top, right, bottom = 14, 21, 31, 35
    edges = np.stack([columns - left, rows - top, right - columns, bottom - rows]).clip(0.1)
    answer.edges_4HW[:, seen] = edges[:, seen]
    (box,) = READING.read(answer, SIZE).boxes
    corners = expected[0] / 60, expected[1] / 80, expected[2] / 60, expected[3] / 80
    assert box.corners == pytest.approx(corners, abs=0.004)


def test_what_is_too_large_for_an_initial_is_none():
    (box,) = READING.read(blind(maps_with("initial", slice(5, 60), slice(5, 50))), SIZE).boxes
    assert box.kind not in ("initial", "stamp")


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


def test_a_page_with_something_large_is_not_blank():
    doubtful = maps_with("photograph", slice(10, 60), slice(10, 50))
    doubtful[:, 10:60, 10:50] *= 0.55
    assert certain_of("blank").read(blind(doubtful), SIZE).kind != "blank"
    assert certain_of("blank").read(blind(maps_with("text", slice(0, 9), slice(0, 9))), SIZE).kind == "blank"


def test_many_small_pictures_are_each_others_witnesses():
    """Alone a picture of this size is doubtful, by weights that speak against small ones."""
    weights = READING.score_weights.copy()
    weights[FEATURES.index("log area")] = 2.0
    strict = replace(READING, score_weights=weights)

    def found(count: int, around: str = "other", grey_HW: np.ndarray | None = None) -> int:
        maps_CHW = maps_with("photograph", slice(0, 0), slice(0, 0))
        maps_CHW[[0, CLASSES.index(around)]] = 0
        maps_CHW[CLASSES.index(around)] = 1
        for row, column in itertools.islice(itertools.product(range(6), range(5)), count):
            place = (slice(None), slice(3 + 12 * row, 11 + 12 * row), slice(2 + 11 * column, 9 + 11 * column))
            maps_CHW[place] = 0
            maps_CHW[CLASSES.index("photograph"), *place[1:]] = 1
        return len(strict.read(blind(maps_CHW), SIZE, grey_HW=grey_HW).boxes)

    assert found(1) == 0
    assert found(30) == 30
    assert found(30, around="text") == 0, "in text they are initials or faults"
    assert found(30, grey_HW=np.full((80 * CELL, 60 * CELL), 90, np.uint8)) == 0, "patches of a colour target"
    noise = np.random.default_rng(0).integers(0, 255, (80 * CELL, 60 * CELL)).astype(np.uint8)
    assert found(30, grey_HW=noise) == 30


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


def test_a_box_leaves_off_what_hardly_belongs_to_it():
    maps_CHW = maps_with("illustration", slice(20, 50), slice(20, 40))
    maps_CHW[:, 50:60, 25:27] = 0
    maps_CHW[CLASSES.index("illustration"), 50:60, 25:27] = 1
    (box,) = READING.read(blind(maps_CHW), SIZE).boxes
    assert overlap(box.corners, (20 / 60, 20 / 80, 40 / 60, 50 / 80)) > 0.93


def test_a_box_is_placed_in_the_image_that_the_page_was_cut_from():
    maps_CHW = maps_with("map", slice(0, 80), slice(0, 60))
    place = (0.25, 0.5, 0.75, 1.0)
    finding = READING.read(blind(maps_CHW), SIZE, place)
    assert overlap(finding.boxes[0].corners, place) > 0.97


def test_the_kind_of_page_is_the_likeliest_with_its_probability():
    maps_CHW = maps_with("text", slice(0, 2), slice(0, 2))
    finding = READING.read(blind(maps_CHW), SIZE)
    assert finding.probability == pytest.approx(1 / 9)
    # The first logit speaks for a binding; 2 is four deviations above its mean of 0.
    kinds = KindRegression.undecided()
    kinds.deviation[:] = 0.5
    kinds.weights[PAGE_KINDS.index("binding"), 0] = 1.25
    logits = np.zeros(len(PAGE_KINDS), np.float32)
    logits[0] = 2.0
    finding = replace(READING, kinds=kinds).read(blind(maps_CHW)._replace(kinds_K=logits), SIZE)
    assert finding.kind == "binding"
    assert finding.probability == pytest.approx(np.exp(5) / (np.exp(5) + 8))


def certain_of(kind: str, logit: float = 5.0) -> Reading:
    """A reading that takes every page for one of a kind, e^5 : 8 likely."""
    kinds = KindRegression.undecided()
    kinds.weights[PAGE_KINDS.index(kind), -1] = logit
    return replace(READING, kinds=kinds)


@pytest.mark.parametrize(("kind", "box_kind"), [("map", "map"), ("picture", "illustration")])
def test_a_page_that_is_a_picture_is_never_without_one(kind, box_kind):
    # Doubtful throughout: lines and names all over a sheet with a bare edge of ten cells.
    maps_CHW = maps_with(box_kind, slice(10, 70), slice(10, 50))
    maps_CHW[:, 10:70, 10:50] *= 0.55
    finding = certain_of(kind).read(blind(maps_CHW), SIZE)
    (box,) = finding.boxes
    assert (box.kind, box.score) == (box_kind, finding.probability)
    assert box.corners == pytest.approx((10 / 60, 10 / 80, 50 / 60, 70 / 80))
    assert certain_of(kind, 1.0).read(blind(maps_CHW), SIZE).boxes == (), "an uncertain kind says nothing"
    small = maps_with(box_kind, slice(10, 20), slice(10, 20))
    small[:, 10:20, 10:20] *= 0.55
    assert certain_of(kind).read(blind(small), SIZE).boxes == (), "a spot is no picture for that"


@pytest.mark.parametrize("kind", ["text", "blank"])
def test_a_page_with_a_picture_is_no_page_of_text_alone(kind):
    finding = certain_of(kind).read(blind(maps_with("illustration", slice(20, 50), slice(20, 40))), SIZE)
    assert finding.kind == "picture", "the first of the other seven, which are equally likely"
    assert finding.probability == pytest.approx(1 / 7)
    doubtful = maps_with("illustration", slice(20, 35), slice(20, 40))
    # Cells that are pictures by 7 of 10 make a box of a score of e : 1.
    doubtful[:, 20:35, 20:40] *= 0.7
    found = certain_of(kind).read(blind(doubtful), SIZE)
    assert (found.kind, len(found.boxes)) == (kind, 1), "one that may be none says nothing of the page"
    ornament = maps_with("ornament", slice(20, 24), slice(10, 40))
    assert certain_of(kind).read(blind(ornament), SIZE).kind == kind


def test_a_reading_survives_json():
    again = Reading.from_json(json.loads(json.dumps(READING.as_json())))
    assert again.as_json() == READING.as_json()
    broken = READING.as_json()
    broken["kinds"]["mean"].append(0.0)
    with pytest.raises(ValueError, match="other sizes"):
        Reading.from_json(broken)


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("bare", [255, 0])
def test_bare_borders_are_cut_off(bare):
    page = np.full((1000, 800), bare, np.uint8)
    page[300:700, 200:500] = np.arange(400)[:, None] % 160 + 40
    decoded = page_pixels(jpeg(page), 10_000_000)
    left, top, right, bottom = decoded.place
    assert 0.2 < left < 0.25
    assert 0.27 < top < 0.3
    assert 0.62 < right < 0.66
    assert 0.7 < bottom < 0.73
    # 400 rows and a margin of 3 % on both sides; nothing is enlarged.
    assert max(decoded.pixels_HWC.shape) == pytest.approx(428, abs=2)


def test_a_bare_page_is_kept_whole():
    assert content_box(np.full((90, 70, 3), 255, np.uint8)) == (0, 0, 70, 90)


def test_the_input_is_padded_to_whole_cells():
    batch = model_input(np.zeros((INPUT_SIDE, 391, 3), np.uint8))
    assert batch.shape == (1, 3, 552, 392)
    assert batch[0, 0, 0, 0] == -1
    with pytest.raises(ValueError):
        model_input(np.zeros((INPUT_SIDE + 1, 10, 3), np.uint8))


def sorted_corners(values: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    (left, right), (top, bottom) = sorted(values[0::2]), sorted(values[1::2])
    return left, top, right, bottom


shares = st.tuples(*[st.floats(0, 1)] * 4).map(sorted_corners)


@given(shares, st.integers(1, 5000), st.integers(1, 5000))
def test_pixels_of_a_box_lie_on_the_page_and_are_never_empty(corners, width, height):
    x, y, across, down = FoundBox("map", *corners, score=1.0).pixels(width, height)
    assert x >= 0
    assert y >= 0
    assert across >= 1
    assert down >= 1
    assert x + across <= width
    assert y + down <= height


def test_findings_survive_json():
    finding = Finding("mixed", 0.75, (FoundBox("initial", 0.1, 0.2, 0.3, 0.4, 0.5, -3.25),), "institution")
    assert finding_from_json(json.loads(json.dumps(finding.as_json()))) == finding


def line(kind: str = "text", boxes: str = "", key: str = KEY) -> str:
    return f'{{"key": "{key}", "kind": "{kind}", "boxes": [{boxes}]}}'


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ('{"kind": "text", "boxes": []}', "'key' is missing"),
        (line(key="../etc"), "is no key"),
        (line(kind="poem"), "no kind of page"),
        (line(boxes='{"kind": "cat", "box": [0, 0, 1, 1]}'), "no kind of box"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 2]}'), "lie on the page"),
        (line(boxes='{"kind": "map", "box": [0, 0, NaN, 1]}'), "lie on the page"),
        (line(boxes='{"kind": "map", "box": [1, 1]}'), "line 1"),
    ],
)
def test_what_is_no_correction_is_named_with_its_line(tmp_path, line, complaint):
    path = tmp_path / "corrections.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BadInput, match=complaint):
        read_corrections(path)


def test_the_last_correction_of_a_page_counts(tmp_path):
    path = tmp_path / "corrections.jsonl"
    first, last = ({"key": KEY, "kind": kind, "boxes": []} for kind in ("text", "blank"))
    path.write_text(f"{json.dumps(first)}\n\n{json.dumps(last)}\n")
    found = read_corrections(path)
    assert found[KEY].kind == "blank"
    assert found[KEY].origin == "correction"
    assert digest_of(found, ["other-0123456789abcdef"]) == digest_of({}, [KEY])
    assert digest_of(found, [KEY]) != digest_of({}, [KEY])


def test_the_table_counts_pages_and_boxes_by_group():
    box = FoundBox("ornament", 0.0, 0.0, 0.5, 0.5, 0.9)
    pages = [
        Measured("a", "1", [("illustration", (0.0, 0.0, 0.5, 0.5))], "mixed", Finding("text", 0.9, (box,))),
        Measured("b", "2", [], "text", Finding("text", 0.9)),
    ]
    rows = rows_of(pages)
    # Found as a graphic, although as another kind of one.
    assert rows["a"].scores["graphic boxes at 0.5"] == Score(1, 0, 0)
    assert rows["a"].scores["pictures at 0.5"] == Score(0, 0, 1)
    assert rows["a"].scores["ornaments at 0.5"] == Score(0, 1, 0)
    assert rows["all"].num_right_kinds == 1
    assert "| all | 2 |" in as_markdown(rows)
    (line,) = [line for line in kinds_as_markdown(pages).splitlines() if line.startswith("| illustration")]
    # Marked once, found once as some kind, never as an illustration.
    assert line == "| illustration | 1 | 1.00 | 0.000 (1.00, 0.00) | 0.000 (1.00, 0.00) | ornament 1 |"


def test_intervals_are_those_of_documents_and_not_of_pages():
    alike = [Score(8, 2, 2)] * 5
    assert f1_interval(alike) == pytest.approx((0.8, 0.8)), "documents that are alike leave no doubt"
    # Of two documents, one all right and one all wrong, a resample has both with a chance of a half.
    assert f1_interval([Score(5, 0, 0), Score(0, 5, 5)]) == (0.0, 1.0)
    assert f1_interval([Score(), Score()]) == (1.0, 1.0), "nothing there and nothing found"


@pytest.mark.parametrize("paper", [(225, 205, 170), (250, 240, 220), (60, 80, 140), (128, 128, 128)])
@pytest.mark.parametrize(("grain", "light"), [(0, 0), (4, 0), (3, 14)])
def test_a_sheet_in_one_colour_is_bare_and_one_with_a_mark_is_not(paper, grain, light):
    random = np.random.default_rng(0)
    page = np.zeros((550, 400, 3)) + paper + random.normal(0, grain, (550, 400, 1))
    page += np.linspace(-light, light, 400)[:, None]
    sheet = page.clip(0, 255).astype(np.uint8)
    assert is_bare(sheet)
    for mark in ((20, 20), (4, 60), (60, 4)):
        marked = sheet.copy()
        marked[200 : 200 + mark[0], 150 : 150 + mark[1]] //= 2
        assert not is_bare(marked), mark
    assert is_bare(sheet[:1, :1])
    assert is_bare(sheet[:3, :200])
