"""The engine without a model, held to the behaviour of the interface; what is no model is refused."""

from __future__ import annotations

from data_prep.segment.engines.classical import ClassicalEngine
from iconoclip.page_layout.measure import overlap
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.engines import check_engine, odd_pages

SHARES = (PICTURE[0] / WIDTH, PICTURE[1] / HEIGHT, PICTURE[2] / WIDTH, PICTURE[3] / HEIGHT)


def test_the_engine_without_a_model_keeps_the_interface():
    check_engine(ClassicalEngine())


def test_the_engine_without_a_model_finds_a_block_of_ink_and_no_text():
    engine = ClassicalEngine()
    (box,) = engine.find(page(PICTURE)).boxes
    assert overlap(box.corners, SHARES) > 0.75
    assert engine.find(page()).boxes == ()
    assert engine.find(odd_pages()["empty"]).boxes == ()
