"""The engine for detectors in Hugging Face's format, with tiny random ones.

It is among the tests of training because these processes have torch loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessor,
    ResNetConfig,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessor,
    RTDetrResNetConfig,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessor,
)

from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.hugging_face import label_kinds
from iconoclip.errors import BadInput, MissingRequirement
from tests.data_prep.segment.conftest import PICTURE, page
from tests.data_prep.segment.engines import check_engine

LABELS = {0: "Picture", 1: "Illustration", 2: "drop_capital_initial", 3: "ornament"}
NAMES: dict[str, Any] = {"id2label": LABELS, "label2id": {label: number for number, label in LABELS.items()}}
STAGES: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}


def small_yolos(folder: Path) -> None:
    """A detector that is a transformer alone."""
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 64],
        patch_size=16,
        num_detection_tokens=8,
        **NAMES,
    )
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 64}).save_pretrained(folder)


def small_detr(folder: Path) -> None:
    """A detector with a convolutional backbone and queries."""
    config = DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=ResNetConfig(out_features=["stage4"], **STAGES),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=8,
        **NAMES,
    )
    DetrForObjectDetection(config).save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(folder)


def small_rt_detr(folder: Path) -> None:
    """A detector that sees three scales."""
    stages = ["stage2", "stage3", "stage4"]
    config = RTDetrConfig(
        backbone_config=RTDetrResNetConfig(layer_type="basic", out_features=stages, **STAGES),
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        decoder_layers=1,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        num_queries=8,
        num_denoising=0,
        **NAMES,
    )
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A folder with a detector of some thousand weights, which guesses."""
    folder = tmp_path_factory.mktemp("detector")
    torch.manual_seed(0)
    small_yolos(folder)
    return folder


@pytest.mark.parametrize("written", [small_yolos, small_detr, small_rt_detr])
def test_a_detector_keeps_the_interface(written, tmp_path):
    torch.manual_seed(0)
    written(tmp_path)
    check_engine(engine_called("hugging_face", str(tmp_path), None))
    assert engine_called("hugging_face", str(tmp_path), 0.0).find(page(PICTURE)).boxes, "it guesses boxes"


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


def changed(detector: Path, folder: Path, **config: Any) -> Path:
    """A copy of the detector with other values in its config."""
    for path in detector.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    values = json.loads((detector / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **config}))
    return folder


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"hidden_size": 32}, "weights are not those of the config: .* has another shape, and .* more"),
        ({"hidden_size": "wide"}, "not an object-detection model"),
        ({"num_attention_heads": 0}, "not an object-detection model"),
        ({"id2label": [1, 2]}, "not an object-detection model"),
    ],
)
def test_a_config_of_another_model_is_refused(detector, tmp_path, config, complaint):
    folder = changed(detector, tmp_path, **config)
    with pytest.raises(BadInput, match=complaint) as refused:
        engine_called("hugging_face", str(folder), None)
    assert refused.value.where == str(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.safetensors", b""), ("model.safetensors", b"{}" * 300), ("config.json", b"[" * 200_000)],
)
def test_a_damaged_detector_is_refused(detector, tmp_path, name, content):
    folder = changed(detector, tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(BadInput, match="not an object-detection model"):
        engine_called("hugging_face", str(folder), None)


def test_a_detector_without_some_of_its_weights_is_refused(detector, tmp_path):
    folder = changed(detector, tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = "class_labels_classifier.layers.0.bias"
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=f"weights are not those of the config: '{name}' is missing"):
        engine_called("hugging_face", str(folder), None)


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
