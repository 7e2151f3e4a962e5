"""Bands of type ornaments and pen work on training samples, and samples of two shades."""

from __future__ import annotations

import numpy as np
import torch

from iconoclip.page_layout.kinds import CLASSES, OTHER
from tests.training.marked_pages import lines_of_text, write_pages, zone
from training.pages.composing import Draft
from training.pages.decorations import MOST_BANDS, draw_penwork, put_bands
from training.pages.part_samples import PartSamples
from training.pages.samples import SMALL_CANVAS, Samples, coloured
from training.pages.stored import FIRST_THING, stored
from training.pages.truth import read_pages


def test_a_band_replaces_one_line(tmp_path):
    page = lines_of_text(tmp_path)
    numbers, shares = [], []
    for seed in range(12):
        draft, before = Draft.of(page), Draft.of(page)
        put_bands(draft, np.random.default_rng(seed))
        numbers.append(len(draft.things))
        for number, thing in enumerate(draft.things):
            assert CLASSES[thing.number] == "ornament"
            assert not thing.is_picture
            line = 104 + 48 * round((thing.top + thing.bottom - 228) / 96)
            inside = slice(int(thing.top), int(thing.bottom)), slice(int(thing.left), int(thing.right))
            assert (draft.marks[inside] == FIRST_THING + number).all()
            assert thing.left >= 100
            assert thing.right <= 700
            # Nothing of the line is left next to the band, and its neighbours are as they were.
            for side in (slice(100, inside[1].start), slice(inside[1].stop, 700)):
                rest = draft.pixels[:, line : line + 20, side]
                assert rest.numel() == 0 or rest.min() > 0.85
            for other in (line - 48, line + 48):
                assert torch.equal(
                    draft.pixels[:, other : other + 20], before.pixels[:, other : other + 20]
                ) or any(abs(one.top - other) < 30 for one in draft.things)
            band = draft.pixels[:, *inside].mean(0)
            shares.append(float((band < 0.5).float().mean()))
            assert band.max() > 0.85, "between the ornaments is paper"
    assert 1 <= max(numbers) <= MOST_BANDS
    assert sum(numbers) >= 12
    assert 0.1 < np.median(shares) < 0.7, "ink and paper"


def test_bands_do_not_cover_what_is_marked(tmp_path):
    page = lines_of_text(tmp_path, [zone("GraphicZone", 100, 200, 600, 700)])
    for seed in range(12):
        draft, before = Draft.of(page), Draft.of(page)
        put_bands(draft, np.random.default_rng(seed))
        is_picture = before.marks == FIRST_THING
        assert torch.equal(draft.marks[is_picture], before.marks[is_picture])
        assert torch.equal(draft.pixels[:, is_picture], before.pixels[:, is_picture])


def test_pen_work_is_drawn_on_bare_paper_next_to_text_and_is_not_marked(tmp_path):
    page = lines_of_text(tmp_path)
    num_painted = 0
    for seed in range(12):
        draft, before = Draft.of(page), Draft.of(page)
        draw_penwork(draft, np.random.default_rng(seed))
        assert torch.equal(draft.marks, before.marks)
        assert draft.things == []
        changed = (draft.pixels - before.pixels).abs().amax(0) > 0.1
        assert not changed[before.marks != OTHER].any(), "text is not covered"
        assert not changed[:, 150:].any(), "it is next to the left ends of the lines"
        num_painted += bool(changed.any())
        if changed.any():
            red, green, blue = draft.pixels[:, changed]
            assert float(((red - green).abs() + (blue - green).abs()).mean()) > 0.1, "it is coloured"
    assert num_painted >= 10


def test_pages_without_text_stay_as_they_are(tmp_path):
    row = {"file": "images/a.jpg", "document": "d", "kind": "blank", "boxes": []}
    (page,) = read_pages(write_pages(tmp_path, [row]))
    kept = stored(page)
    for change in (put_bands, draw_penwork):
        draft = Draft.of(kept)
        change(draft, np.random.default_rng(0))
        assert torch.equal(draft.pixels, kept.pixels.float() / 255)
        assert draft.things == []


def test_samples_of_a_page_with_text_have_bands_and_pen_work(tmp_path, monkeypatch):
    kept, done = [lines_of_text(tmp_path)], []
    monkeypatch.setattr("training.pages.samples.put_bands", lambda draft, random: done.append("band"))
    monkeypatch.setattr("training.pages.samples.draw_penwork", lambda draft, random: done.append("pen work"))
    for made in (Samples(kept, 80, canvas=SMALL_CANVAS), PartSamples(kept, 80)):
        done.clear()
        for number in range(80):
            _ = made[number]
        assert 1 <= done.count("band") <= 16
        assert 1 <= done.count("pen work") <= 20


def test_samples_of_two_shades():
    """Middle grey becomes white, black or dots; text stays dark and paper light."""
    page = torch.full((3, 200, 300), 0.5)
    page[:, :, :100], page[:, :, 200:] = 0.1, 0.9
    middles = []
    for seed in range(40):
        shades = coloured(page.clone(), np.random.default_rng(seed), bitonal=1.0)
        assert torch.equal(shades.min(), shades.min().clamp(0, 1))
        dark, middle, light = (shades[..., at : at + 100].mean() for at in (0, 100, 200))
        assert light - dark > 0.3
        middles.append(float((middle - dark) / (light - dark)))
    assert min(middles) < 0.15
    assert max(middles) > 0.85


def test_pages_keep_their_shades_unless_asked():
    page = torch.rand((3, 64, 64), generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    spread = [float(coloured(page.clone(), np.random.default_rng(n), bitonal=0.0).std()) for n in range(20)]
    assert max(spread) < 0.25
