"""Marked pages as training samples: what marks mean, and what samples are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from tests.training.marked_pages import lines_of_text, write_pages, zone
from training.pages.composing import Cut, Draft, darken_edges, fan, paste, sheet, side_by_side
from training.pages.fillers import are_fillers, fill_lines
from training.pages.part_samples import PartSamples, WithParts
from training.pages.samples import BATCH, NO_KIND, Samples
from training.pages.stored import FIRST_THING, TEXT_OR_OTHER, stored
from training.pages.truth import read_pages


def test_marks_of_segmonto(tmp_path):
    path = write_pages(
        tmp_path,
        [
            {"file": "images/a.jpg", "document": "d", "page": "a", "zones": [
                zone("MainZone#1", 20, 20, 200, 300), zone("GraphicZone", 20, 330, 200, 40),
                zone("GraphicZone", 60, 60, 120, 100), zone("DropCapitalZone", 30, 200, 20, 20),
                zone("NumberingZone", 5, 5, 10, 10)]},
            # The same page under the name of another step of its making.
            {"file": "images/b.jpg", "document": "d", "page": "a.chocomufin", "zones": []},
        ],
    )  # fmt: skip
    (page,) = read_pages(path)
    # A band is an ornament; a page number is no text that matters.
    assert sorted(one.kind for one in page.zones) == ["illustration", "initial", "ornament", "text"]
    assert page.kind == "mixed"


def test_marks_of_drawn_pages_and_of_albums(tmp_path):
    path = write_pages(
        tmp_path,
        [
            {"file": "images/a.jpg", "document": "d", "kind": "binding",
             "zones": [zone("GraphicZone", 1, 1, 9, 9)],
             "boxes": [{"kind": "bookplate", "xywh": [100, 100, 80, 90]}]},
            {"file": "images/b-f1.jpg", "regions": [
                {"xywh_percent": [10, 20, 50, 40], "label": ["photographie"]},
                {"xywh_percent": [10, 70, 50, 5], "label": ["écriture manuscrite"]}]},
        ],
    )  # fmt: skip
    first, second = read_pages(path)
    assert [one.kind for one in first.zones] == ["bookplate"]
    assert (first.kind, second.kind, second.document) == ("binding", "picture", "b")
    assert second.zones[0].box == pytest.approx((30, 80, 180, 240))
    assert second.shares(second.zones[0]) == pytest.approx((0.1, 0.2, 0.6, 0.6))


def test_two_pages_of_an_open_book_are_a_spread(tmp_path):
    left, right = zone("MainZone", 40, 50, 150, 200), zone("MainZone", 220, 50, 150, 200)
    whole = zone("MainZone", 40, 50, 330, 200)
    rows = [
        {"file": f"images/{n}.jpg", "document": f"d{n}", "zones": zones}
        for n, zones in enumerate(([left, right], [whole], [left]))
    ]
    lying = read_pages(write_pages(tmp_path, rows, (400, 300)))
    assert [page.kind for page in lying] == ["spread", "text", "text"]
    columns = [zone("MainZone", 20, 50, 120, 300), zone("MainZone", 160, 50, 120, 300)]
    upright = read_pages(write_pages(tmp_path, [{**rows[0], "zones": columns}]))
    assert [page.kind for page in upright] == ["text"], "two columns of one page"


WHOLE = '{"file": "a.jpg", "width": 9, "height": 9, '


@pytest.mark.parametrize("line", [
    "{", '{"file": "a.jpg", "zones": [{"label": "MainZone"}]}', "[" * 9_000, "[]", "7",
    '{"file": "a.jpg", "width": 0, "height": 9, "zones": []}', WHOLE + '"zones": [], "kind": ["text"]}',
    '{"file": "a.jpg", "width": 9, "height": 1e999, "zones": []}', WHOLE + '"zones": [], "kind": "cover"}',
    WHOLE + '"zones": [{"label": "MainZone", "xywh": [1, 2, NaN, 4]}]}',
    WHOLE + '"zones": [{"label": "MainZone", "xywh": [1, 2, -3, 4]}]}', WHOLE + '"zones": 4}',
    WHOLE + '"regions": [{"label": ["plan"], "xywh_percent": [0, 0, 1e999, 9]}]}',
])  # fmt: skip
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "pages.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BadInput, match="line 1"):
        read_pages(path)
    path.write_text('{"file": "nowhere.jpg", "width": 1, "height": 1, "zones": []}\n')
    with pytest.raises(MissingRequirement, match="not there"):
        read_pages(path)


def test_samples_keep_marks_on_what_they_mark(tmp_path, monkeypatch):
    monkeypatch.setattr("training.pages.samples.SHEETS", 0.0)
    monkeypatch.setattr("training.pages.samples.DARK_EDGES", 0.0)
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 90, 120, 120, 140)]}
    kept = [stored(page) for page in read_pages(write_pages(tmp_path, [row]))]
    samples, again = Samples(kept, 12, seed=3), Samples(kept, 12, seed=3)
    seen = 0
    for number in range(12):
        sample = samples[number]
        assert sample.classes.shape == (sample.pixels.shape[1] // CELL, sample.pixels.shape[2] // CELL)
        mask = sample.classes == CLASSES.index("illustration")
        shades = torch.nn.functional.avg_pool2d(sample.pixels, CELL).mean(0)
        # The picture was drawn darker than its paper; on the mask and only there the sample is dark.
        assert shades[mask].mean() < shades[~mask].median() - 0.2
        assert int(sample.kinds) in (PAGE_KINDS.index("picture"), NO_KIND)
        # All cells of the picture see the same box, and it ends where the mask ends, if nothing is cut off.
        rows, columns = np.nonzero(mask.numpy())
        left, top, right, bottom = sample.edges.numpy()[:, rows, columns]
        boxes = np.stack([columns + 0.5 - left, rows + 0.5 - top, columns + 0.5 + right, rows + 0.5 + bottom])
        whole = min(rows.min(), columns.min()) > 0 and (
            rows.max() < mask.shape[0] - 1 and columns.max() < mask.shape[1] - 1
        )
        if whole and sample.weights[mask].min() > 0:
            seen += 1
            ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            assert np.median(boxes, axis=1) == pytest.approx(ends, abs=4)
    assert seen >= 3
    # Made in another order: a sample is a function of seed and number alone.
    backwards = [again[number].pixels for number in reversed(range(12))]
    assert all(map(torch.equal, (samples[number].pixels for number in range(12)), reversed(backwards)))


def test_parts_show_small_things_at_the_scale_at_which_pages_are_read(tmp_path):
    initial = zone("DropCapitalZone", 300, 500, 44, 44)
    row = {"file": "images/a.jpg", "document": "d", "zones": [initial]}
    kept = [stored(page) for page in read_pages(write_pages(tmp_path, [row], (800, 1100)))]
    samples, again = PartSamples(kept, 14, seed=3), PartSamples(kept, 14, seed=3)
    shapes, sides = [], []
    for number in range(14):
        sample = samples[number]
        assert sorted(sample.pixels.shape[1:]) == [400, 552]
        shapes.append(sample.pixels.shape)
        assert int(sample.kinds) == NO_KIND, "a part of a page has no kind"
        mask = sample.classes == CLASSES.index("initial")
        if not mask.any():
            continue
        shades = torch.nn.functional.avg_pool2d(sample.pixels, CELL).mean(0)
        assert shades[mask].mean() < shades[~mask].median() - 0.2
        left, top, right, bottom = sample.edges[:, mask].median(1).values.tolist()
        sides.append(CELL * (left + right + top + bottom) / 2)
    assert torch.equal(again[13].pixels, sample.pixels), "a function of seed and number alone"
    batches = [set(shapes[first : first + BATCH]) for first in range(0, 14, BATCH)]
    assert [len(one) for one in batches] == [1] * 4, "the samples of a batch have one shape"
    # Three of four are around it; it has 44 pixels of 1,100.
    assert 7 <= len(sides) <= 14
    assert 35 < np.median(sides) < 53


def test_batches_of_whole_pages_and_of_parts_take_turns(tmp_path):
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 90, 120, 120, 140)]}
    kept = [stored(page) for page in read_pages(write_pages(tmp_path, [row]))]
    whole, parts = Samples(kept, 16), PartSamples(kept, 16)
    both = WithParts(whole, parts)
    assert len(both) == 16
    for number, source in ((0, whole), (3, whole), (4, parts), (7, parts), (8, whole), (15, parts)):
        assert torch.equal(both[number].pixels, source[number].pixels)


def test_lines_are_ended_early_and_filled_at_their_own_height(tmp_path):
    page = lines_of_text(tmp_path)
    widths, ends = [], []
    for seed in range(12):
        draft = Draft.of(page)
        fill_lines(draft, [], np.random.default_rng(seed))
        for number, thing in enumerate(draft.things):
            assert CLASSES[thing.number] == "ornament"
            assert not thing.is_picture
            # The line is 20 pixels high; what fills it reaches beyond it by 7 at most.
            line = 104 + 48 * round((thing.top - 104) / 48)
            assert line - 8 <= thing.top <= line + 1
            assert line + 19 <= thing.bottom <= line + 28
            widths.append((thing.right - thing.left) / (thing.bottom - thing.top))
            ends.append(thing.right)
            own = draft.marks == FIRST_THING + number
            assert own.sum() == (thing.right - thing.left) * (thing.bottom - thing.top)
            # Right before it, and up to the end of the line, the text that was there is covered.
            inside = slice(line + 5, line + 15)
            assert draft.pixels[:, inside, int(thing.left) - 4 : int(thing.left)].min() > 0.85
            rest = draft.pixels[:, inside, int(thing.right) : 700]
            assert rest.numel() == 0 or rest.min() > 0.85
    assert min(widths) >= 0.75
    assert max(widths) > 6
    assert sum(width < 3 for width in widths) >= 8, "some are as wide as a word"
    assert max(ends) == 700
    assert min(ends) < 600, "after some of them the line is bare"


def test_edges_are_darkened_where_nothing_is_marked(tmp_path):
    page = lines_of_text(tmp_path)
    darker = 0
    for seed in range(6):
        draft, whole = Draft.of(page), Draft.of(page)
        darken_edges(draft, np.random.default_rng(seed))
        changed = (draft.pixels != whole.pixels).any(0)
        assert torch.equal(draft.marks, whole.marks)
        assert not changed[draft.marks != 0].any(), "text is not covered"
        assert not changed[60:1040, 60:740].any(), "only edges are"
        if changed.any():
            darker += 1
            assert draft.pixels[:, changed].max() < 0.35
    assert darker >= 4


def test_pages_without_lines_are_not_filled(tmp_path):
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("MainZone", 100, 100, 600, 900)]}
    (page,) = read_pages(write_pages(tmp_path, [row], (800, 1100)))
    Image.new("RGB", (800, 1100), (235, 235, 235)).save(page.path)
    draft = Draft.of(stored(page))
    fill_lines(draft, [], np.random.default_rng(0))
    assert draft.things == []


def test_fillers_of_other_pages_are_used_and_head_pieces_are_not(tmp_path):
    low, tall = zone("GraphicZone", 300, 1020, 300, 20), zone("GraphicZone", 300, 1052, 300, 42)
    page = lines_of_text(tmp_path, (low, tall))
    pixels = np.array(Image.open(page.page.path))
    pixels[1020:1040, 300:600] = (200, 40, 220)
    Image.fromarray(pixels).save(page.page.path, quality=95, subsampling=0)
    page = replace(page, page=replace(page.page, document="violet"))
    cuts = [Cut(page, thing) for thing in page.things]
    assert len(cuts) == 2
    (filler,) = are_fillers(cuts)
    assert filler.thing.bottom - filler.thing.top == pytest.approx(20, abs=1)
    violet = torch.tensor([200, 40, 220]) / 255
    num_violet = num_drawn = 0
    for seed in range(12):
        draft = Draft.of(page)
        fill_lines(draft, [filler], np.random.default_rng(seed))
        for thing in draft.things[2:]:
            bar = draft.pixels[
                :, int(thing.top) + 2 : int(thing.bottom) - 2, int(thing.left) : int(thing.right)
            ]
            is_of_the_other = bool(((bar.flatten(1).median(1).values - violet).abs() < 0.06).all())
            num_violet, num_drawn = num_violet + is_of_the_other, num_drawn + (not is_of_the_other)
    assert min(num_violet, num_drawn) >= 8


def test_no_filler_is_wider_than_its_line(tmp_path):
    """Lines of 43 pixels from the left edge on, not much wider than high."""
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("MainZone", 0, 100, 184, 900)]}
    (page,) = read_pages(write_pages(tmp_path, [row], (800, 1100)))
    pixels = np.full((1100, 800, 3), 235, np.uint8)
    for top in range(104, 960, 70):
        pixels[top : top + 43, :184] = 30
    Image.fromarray(pixels).save(page.path, quality=95)
    kept, widths = stored(page), []
    for seed in range(60):
        draft = Draft.of(kept)
        fill_lines(draft, [], np.random.default_rng(seed))
        widths += [thing.right - thing.left for thing in draft.things if thing.left >= 0]
        assert len(draft.things) == sum(thing.left >= 0 for thing in draft.things)
    assert max(widths) <= 184
    assert max(widths) > 100


@pytest.mark.parametrize("row", [
    {"boxes": [{"kind": "map", "xywh": [100, 100, 90, 80]}]},
    {"boxes": [{"kind": "map", "xywh": [100, 100, 90, 80]}], "kind": "mixed"},
])  # fmt: skip
def test_where_nobody_marked_text_it_is_not_taken_for_paper(tmp_path, row):
    rows = [
        {"file": "images/a.jpg", "document": "d", **row},
        {"file": "images/b.jpg", "document": "e", **row},
    ]
    rows[1]["zones"] = [zone("MainZone", 20, 20, 200, 40)]
    open_page, told = (stored(page) for page in read_pages(write_pages(tmp_path, rows)))
    assert set(open_page.marks.unique().tolist()) == {TEXT_OR_OTHER, FIRST_THING}
    assert set(told.marks.unique().tolist()) == {0, 1, FIRST_THING}
    classes = [Samples([page], 6)[5].classes for page in (open_page, told)]
    assert (classes[0] == TEXT_OR_OTHER).any()
    assert not (classes[1] == TEXT_OR_OTHER).any()
    blank = {"file": "images/c.jpg", "document": "f", "kind": "blank", "boxes": []}
    (blank_page,) = read_pages(write_pages(tmp_path, [blank]))
    assert stored(blank_page).marks.unique().tolist() == [0]


def test_two_pages_side_by_side_keep_their_things(tmp_path):
    rows = [
        {
            "file": f"images/{n}.jpg",
            "document": f"d{n}",
            "zones": [zone("GraphicZone", 60 + 40 * n, 90, 90, 120)],
        }
        for n in range(2)
    ]
    first, second = (stored(page) for page in read_pages(write_pages(tmp_path, rows)))
    draft = Draft.of(first)
    side_by_side(draft, Draft.of(second))
    assert draft.pixels.shape == (3, 400, 600)
    assert draft.marks.shape == (400, 600)
    assert [tuple(thing[1:5]) for thing in draft.things] == [(60, 90, 150, 210), (400, 90, 490, 210)]
    assert [int(draft.marks[100, x]) for x in (30, 100, 450, 550)] == [0, 2, 3, 0]
    assert draft.kind == "spread"
    cover = Draft.of(second)
    cover.kind = "binding"
    side_by_side(cover, Draft.of(first))
    assert cover.kind is None, "a cover and a page are no spread"


@pytest.mark.parametrize("kind", ["stamp", "illustration"])
def test_a_stamp_is_put_over_text_and_other_things_on_bare_paper(tmp_path, kind):
    row = {"file": "images/s.jpg", "document": "s", "kind": "text", "zones": []}
    row["boxes"] = [{"kind": kind, "xywh": [300, 300, 90, 90]}]
    (tmp_path / "source").mkdir()
    (source,) = read_pages(write_pages(tmp_path / "source", [row], (800, 1100)))
    pixels = np.full((1100, 800, 3), 245, np.uint8)
    pixels[[310, 350, 380]] = (200, 40, 40)
    Image.fromarray(pixels).save(source.path, quality=95)
    item = Cut(stored(source), stored(source).things[0])
    page = lines_of_text(tmp_path)
    num_pasted = 0
    for seed in range(6):
        draft, whole = Draft.of(page), Draft.of(page)
        paste(draft, item, np.random.default_rng(seed))
        for thing in draft.things:
            num_pasted += 1
            inside = slice(int(thing.top), int(thing.bottom)), slice(int(thing.left), int(thing.right))
            assert (draft.marks[inside] == FIRST_THING).all()
            is_over = bool((draft.pixels[:, *inside] <= whole.pixels[:, *inside] + 1e-6).all())
            assert is_over == (kind == "stamp"), "what is dark below a stamp stays dark"
            others = (draft.marks != FIRST_THING) & (draft.marks != whole.marks)
            assert bool(others.any()) == (kind != "stamp"), "around a stamp is no bare paper"
            assert (draft.pixels[1, *inside] < whole.pixels[1, *inside] - 0.2).any()
    assert num_pasted >= 5


def test_a_sheet_has_the_pictures_of_other_pages_and_marks_them(tmp_path):
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 90, 120, 120, 140)]}
    source, *_ = (stored(page) for page in read_pages(write_pages(tmp_path, [row])))
    for seed in range(6):
        draft = sheet([Cut(source, source.things[0])] * 13, source, np.random.default_rng(seed))
        assert draft.kind == "picture"
        assert len(draft.things) == 13
        shown = draft.marks >= FIRST_THING
        assert len(torch.unique(draft.marks[shown])) == 13, "each is a thing of its own"
        for number, thing in enumerate(draft.things):
            own = torch.nonzero(draft.marks == FIRST_THING + number)
            ends = thing.left, thing.top, thing.right - 1, thing.bottom - 1
            assert ends == (*own.amin(0).flip(0).tolist(), *own.amax(0).flip(0).tolist())
            inner = draft.pixels[:, thing.top : thing.bottom, thing.left : thing.right].mean()
            picture = source.pixels[:, 140:240, 110:190].float().mean() / 255
            assert abs(float(inner - picture)) < 0.06, "its pixels are those of the picture"


def test_a_fan_is_one_photograph(tmp_path):
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 90, 120, 120, 140)]}
    source, *_ = (stored(page) for page in read_pages(write_pages(tmp_path, [row])))
    for seed in range(4):
        draft = fan([Cut(source, source.things[0])] * 12, np.random.default_rng(seed))
        (thing,) = draft.things
        own = torch.nonzero(draft.marks == FIRST_THING)
        ends = thing.left, thing.top, thing.right - 1, thing.bottom - 1
        assert ends == (*own.amin(0).flip(0).tolist(), *own.amax(0).flip(0).tolist())
        bare = draft.pixels[:, draft.marks != FIRST_THING]
        assert float(bare.std(1).max()) == 0, "around it is plain card"
        assert float(draft.pixels[:, draft.marks == FIRST_THING].std(1).min()) > 0.1


def test_pages_with_rare_things_are_chosen_more_often(tmp_path):
    rows = [
        {
            "file": f"images/{n}.jpg",
            "document": f"d{n}",
            "kind": "text",
            "boxes": [{"kind": "stamp" if n == 0 else "illustration", "xywh": [60, 90, 90, 120]}],
        }
        for n in range(40)
    ]
    pages = [stored(page) for page in read_pages(write_pages(tmp_path, rows))]
    samples = Samples(pages, 1)
    chosen = [samples._chosen(np.random.default_rng(n)).page.document for n in range(400)]
    # One page of forty has a stamp; a tenth of the pages would be common: the root of four times as often.
    assert 12 <= chosen.count("d0") <= 32
