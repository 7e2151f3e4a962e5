"""The engines that need no torch, held to the behaviour of the interface."""

from __future__ import annotations

import pytest

from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.classical import ClassicalEngine
from data_prep.segment.engines.interface import SHIPPED_MODEL
from data_prep.segment.engines.shipped import ShippedEngine
from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.page_layout.measure import overlap
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.engines import check_engine, odd_pages

SHARES = (PICTURE[0] / WIDTH, PICTURE[1] / HEIGHT, PICTURE[2] / WIDTH, PICTURE[3] / HEIGHT)


@pytest.fixture(scope="module")
def shipped() -> ShippedEngine:
    return ShippedEngine(SHIPPED_MODEL)


def test_the_shipped_engine_keeps_the_interface(shipped):
    check_engine(shipped)


def test_the_engine_without_a_model_keeps_the_interface():
    check_engine(ClassicalEngine())


def test_the_engine_without_a_model_finds_a_block_of_ink_and_no_text():
    engine = ClassicalEngine()
    (box,) = engine.find(page(PICTURE)).boxes
    assert overlap(box.corners, SHARES) > 0.75
    assert engine.find(page()).boxes == ()


def test_bare_pages_hold_no_picture(shipped):
    pages = odd_pages()
    for engine in (shipped, ClassicalEngine()):
        assert engine.find(pages["empty"]).boxes == ()


def test_a_higher_threshold_keeps_fewer_boxes(shipped):
    data = page(PICTURE)
    every, none = engine_called("shipped", None, 0.0), engine_called("shipped", None, 1.0)
    assert none.find(data).boxes == ()
    assert len(every.find(data).boxes) >= len(shipped.find(data).boxes)
    assert len({every.digest, none.digest, shipped.digest}) == 3


def test_the_shipped_model_is_small():
    assert SHIPPED_MODEL.stat().st_size < 10_000_000


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\x12\x07pytorch"])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "pages.onnx"
    path.write_bytes(content)
    with pytest.raises(DamagedData, match="not a page model"):
        ShippedEngine(path)
    with pytest.raises(MissingRequirement, match="no such page model"):
        ShippedEngine(tmp_path / "nowhere.onnx")
