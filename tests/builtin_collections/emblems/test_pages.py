"""Drawn pages of books of emblems: the same seed gives the same page, and the truth fits what is drawn."""

import json
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from builtin_collections.emblems import book
from builtin_collections.emblems.leaf import Leaf
from builtin_collections.emblems.sorts import album, pictures
from builtin_collections.emblems.style import choose
from builtin_collections.emblems.truth import PAGE_KINDS, Line, Placement, TextBlock, as_row
from builtin_collections.emblems.write import write

EXPECTED_KINDS = {
    "text": "text", "verse": "text", "chapter": "text", "chapter_end": "text", "emblem": "mixed",
    "illustrated": "mixed", "plate": "picture", "small_pictures": "picture", "photographs": "picture",
    "music": "music", "map": "map", "blank": "blank", "binding": "binding", "target": "target",
}  # fmt: skip


@pytest.fixture(scope="module")
def leaves() -> dict[str, tuple[Leaf, str]]:
    """One small leaf of each sort, without paper and camera."""
    made = {}
    for sort in EXPECTED_KINDS:
        style = replace(choose(random.Random(f"style {sort}")), technique="woodcut")
        leaf = Leaf(style, random.Random(sort), 320)
        made[sort] = (leaf, book.MAKERS[sort](leaf, 7))
    return made


@pytest.mark.parametrize("sort", EXPECTED_KINDS)
def test_each_sort_of_page_has_its_kind_and_its_boxes_on_the_page(leaves, sort):
    leaf, kind = leaves[sort]
    assert kind == EXPECTED_KINDS[sort]
    for picture in leaf.pictures:
        x, y, width, height = picture.box
        assert x >= 0
        assert y >= 0
        assert x + width <= leaf.width
        assert y + height <= leaf.height


@pytest.mark.parametrize("sort", ["emblem", "plate", "illustrated", "chapter_end"])
def test_a_printed_picture_has_ink_up_to_the_edges_of_its_box(leaves, sort):
    leaf, _ = leaves[sort]
    (picture,) = [each for each in leaf.pictures if each.kind in ("illustration", "ornament")]
    x, y, width, height = picture.box
    printed = np.asarray(leaf.ink)[y : y + height, x : x + width] < 200
    rows, columns = np.flatnonzero(printed.any(axis=1)), np.flatnonzero(printed.any(axis=0))
    assert rows[0] <= 0.05 * height
    assert rows[-1] >= 0.95 * height - 1
    assert columns[0] <= 0.05 * width
    assert columns[-1] >= 0.95 * width - 1


def test_a_caption_belongs_to_one_picture_and_touches_none(leaves):
    for leaf, _ in leaves.values():
        captions = [picture.caption for picture in leaf.pictures if picture.caption is not None]
        assert len(set(map(id, captions))) == len(captions)
        for caption in captions:
            assert caption in leaf.texts
            assert caption.text


def test_the_same_seed_draws_the_same_page_and_another_seed_another():
    first, first_truth = book.page(book.volume(4, 2, num_pages=12), 2)
    again, again_truth = book.page(book.volume(4, 2, num_pages=12), 2)
    other, _ = book.page(book.volume(5, 2, num_pages=12), 2)
    assert first.tobytes() == again.tobytes()
    assert first_truth == again_truth
    assert first.tobytes() != other.tobytes()


def test_a_turned_leaf_turns_its_boxes():
    # A quarter turn about the centre of a 100 x 100 leaf takes (10, 20) to (80, 10), then 5 to the right.
    place = Placement((100, 100), (5, 0), 90.0, (200, 200))
    assert place.box((10, 20, 30, 40)) == (45, 10, 40, 30)


def test_a_block_joins_words_broken_at_the_end_of_a_line():
    block = TextBlock("body", "en", (Line("the em-", (0, 0, 9, 9)), Line("blem of men", (0, 10, 30, 9))))
    assert block.text == "the emblem of men"
    assert block.box == (0, 0, 30, 19)


def test_pages_are_written_with_one_row_each(tmp_path):
    assert write(tmp_path, num_pages=5, seed=3) == 5
    rows = [json.loads(line) for line in (tmp_path / "pages.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows[:3]] == ["binding", "binding", "blank"]
    for row in rows:
        assert (tmp_path / row["file"]).is_file()
        assert row["kind"] in PAGE_KINDS
        assert {"document", "century", "page", "width", "height", "zones", "boxes"} <= set(row)
        assert max(row["width"], row["height"]) <= book.LONG_SIDE


@pytest.mark.parametrize("only", ["fillers", "photographs", "two_shades"])
def test_volumes_with_something_rare_are_written_alone(tmp_path, only):
    command = [sys.executable, "-m", "builtin_collections.emblems.write", str(tmp_path), "--pages", "26"]
    subprocess.run([*command, "--seed", "405", "--only", only], check=True, timeout=120)
    rows = [json.loads(line) for line in (tmp_path / "pages.jsonl").read_text().splitlines()]
    documents = {row["document"] for row in rows}
    assert (len(rows), len(documents)) == (26, 2)
    if only == "two_shades":
        assert {row["scan"] for row in rows} == {"bitonal"}
    else:
        kind = {"fillers": "ornament", "photographs": "photograph"}[only]
        assert any(box["kind"] == kind for row in rows[:24] for box in row["boxes"])


def test_bars_fill_the_rest_of_lines_of_early_volumes():
    style = replace(choose(random.Random(2)), fillers=True, columns=1)
    leaf = Leaf(style, random.Random(2), 900)
    leaf.paragraph((60, 80, 420, 700))
    lines = [line.box for text in leaf.texts for line in text.lines]
    assert leaf.pictures
    for bar in leaf.pictures:
        assert bar.kind == "ornament"
        x, y, width, height = bar.box
        assert x + width <= 481
        assert all(
            x >= left + wide or y >= top + tall or y + height <= top
            for left, top, wide, tall in lines
            if abs(top + tall / 2 - y - height / 2) < height / 2
        )


def test_photographs_of_an_album_do_not_touch_even_if_there_are_thirty():
    style = replace(choose(random.Random(1)), century=20)
    counts = set()
    for seed in range(60):
        leaf = Leaf(style, random.Random(seed), 500)
        if (count := _num_of_photographs(seed)) in counts:
            continue
        counts.add(count)
        album.photographs(leaf, 1)
        boxes = [picture.box for picture in leaf.pictures]
        assert len(boxes) == count
        for n, (x, y, width, height) in enumerate(boxes):
            for left, top, across, down in boxes[:n]:
                assert x >= left + across or left >= x + width or y >= top + down or top >= y + height
    assert 30 in counts


def _num_of_photographs(seed: int) -> int:
    leaf = Leaf(replace(choose(random.Random(1)), century=20), random.Random(seed), 60)
    album.photographs(leaf, 1)
    return len(leaf.pictures)


def test_a_row_names_zones_as_segmonto_does():
    leaf = Leaf(choose(random.Random(1)), random.Random(1), 400)
    pictures.emblem(leaf, 3)
    row = as_row(leaf.truth("mixed"), file="x.jpg")
    labels = [zone["label"] for zone in row["zones"]]
    assert labels[0] == "GraphicZone"
    assert "MainZone" in labels
    (box,) = row["boxes"]
    assert box["caption"]["text"].split()[1] == "III."
