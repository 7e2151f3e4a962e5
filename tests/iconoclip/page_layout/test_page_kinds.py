"""The kind of a page, and what its boxes say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iconoclip.page_layout.kinds import PAGE_KINDS
from iconoclip.page_layout.page_kind import KindRegression
from tests.iconoclip.page_layout.maps import READING, SIZE, blind, certain_of, maps_with


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


def test_a_page_with_something_large_is_not_blank():
    doubtful = maps_with("photograph", slice(10, 60), slice(10, 50))
    doubtful[:, 10:60, 10:50] *= 0.55
    assert certain_of("blank").read(blind(doubtful), SIZE).kind != "blank"
    assert certain_of("blank").read(blind(maps_with("text", slice(0, 9), slice(0, 9))), SIZE).kind == "blank"


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
