"""The engines that need no torch, held to the behaviour of the interface."""

from __future__ import annotations

import json
from functools import cache

import onnx
import pytest

from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.classical import ClassicalEngine
from data_prep.segment.engines.interface import SHIPPED_MODEL
from data_prep.segment.engines.shipped import ShippedEngine
from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.page_layout.measure import overlap
from iconoclip.page_layout.model_file import METADATA_NAME
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


@cache
def shipped_model() -> bytes:
    return SHIPPED_MODEL.read_bytes()


def with_metadata(path, change) -> None:
    """Write the shipped model with other values in its metadata: `change` gives the text of the entry."""
    model = onnx.load_model_from_string(shipped_model())
    (entry,) = [one for one in model.metadata_props if one.key == METADATA_NAME]
    entry.value = change(json.loads(entry.value))
    path.write_bytes(model.SerializeToString())


def having(**changes):
    return lambda values: json.dumps({**values, **changes})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda values: having(score_weights=values["score_weights"][0])(values), "of another version"),
        (lambda values: having(box_weights=[values["box_weights"][0][:-1]])(values), "of another version"),
        (having(score_weights=[[1.0], [1.0, 2.0]]), "of another version"),
        (having(score_weights={"illustration": []}), "of another version"),
        (having(least_score=None), "of another version"),
        (having(kinds=[]), "of another version"),
        (lambda values: json.dumps({k: v for k, v in values.items() if k != "kinds"}), "'kinds' is missing"),
        (having(input_side=550), "of another version"),
        (lambda values: json.dumps({k: v for k, v in values.items() if k != "classes"}), "not a page model"),
        (lambda values: having(kinds=values["kinds"] | {"mean": [], "deviation": []})(values), "version"),
        (having(least_score=float("nan")), "not a page model"),
        (lambda values: "[]", "not a page model"),
        (lambda values: "[" * 200_000, "not a page model"),
        (lambda values: "5", "not a page model"),
    ],
)
def test_a_model_whose_metadata_are_others_is_refused(tmp_path, change, complaint):
    path = tmp_path / "pages.onnx"
    with_metadata(path, change)
    with pytest.raises(DamagedData, match=complaint) as refused:
        ShippedEngine(path)
    assert refused.value.where == str(path)
    assert refused.value.remedy


def test_a_network_that_gives_other_arrays_is_refused(tmp_path):
    model = onnx.load_model_from_string(shipped_model())
    del model.graph.output[2]
    path = tmp_path / "pages.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DamagedData, match=r"not a page model.*shapes"):
        ShippedEngine(path)
