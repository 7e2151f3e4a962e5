"""The engine for detectors in Hugging Face's format, with a tiny random one.

It is among the tests of training because these processes have torch loaded.
"""

from __future__ import annotations

import json

import pytest
import torch
from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.hugging_face import label_kinds
from iconoclip.errors import BadInput, MissingRequirement
from tests.data_prep.segment.conftest import PICTURE, page
from tests.data_prep.segment.engines import check_engine


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A folder with a detector of some thousand weights, which guesses."""
    folder = tmp_path_factory.mktemp("detector")
    torch.manual_seed(0)
    labels = {0: "Picture", 1: "Illustration", 2: "drop_capital_initial", 3: "ornament"}
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 64],
        patch_size=16,
        num_detection_tokens=8,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )
    YolosForObjectDetection(config).save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 64}
    YolosImageProcessor(size=size).save_pretrained(folder)
    return folder


def test_a_detector_keeps_the_interface(detector):
    check_engine(engine_called("hugging_face", str(detector), None))


def test_labels_of_pictures_become_boxes(detector):
    engine = engine_called("hugging_face", str(detector), 0.0)
    kinds = {box.kind for box in engine.find(page(PICTURE)).boxes}
    assert kinds <= {"illustration", "initial", "ornament"}
    assert kinds


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        ({0: "Picture", 1: "Caption", 2: "Page-header"}, {0: "illustration"}),
        (
            {0: "GraphicZone", 1: "DropCapitalZone", 2: "StampZone"},
            {0: "illustration", 1: "initial", 2: "stamp"},
        ),
        ({0: "Photograph", 1: "Map", 2: "Comics/Cartoon"}, {0: "photograph", 1: "map"}),
        ({0: "figure", 1: "figure_caption", 2: "table"}, {0: "illustration"}),
        ({0: "LABEL_0"}, {}),
    ],
)
def test_labels_of_known_models(labels, kinds):
    assert label_kinds(labels) == kinds


def test_what_is_no_detector_is_refused(detector, tmp_path):
    with pytest.raises(MissingRequirement, match="no such detection model"):
        engine_called("hugging_face", str(tmp_path / "nowhere"), None)
    config = json.loads((detector / "config.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    for path in detector.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    config["id2label"] = {"0": "cat", "1": "dog", "2": "table", "3": "text"}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="none of the model's labels"):
        engine_called("hugging_face", str(other), None)
