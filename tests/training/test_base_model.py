"""The sigmoid loss starts where SigLIP does, whatever the weights come from; CoCa is refused."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import pretrained
from safetensors.torch import save_file

from iconoclip.errors import ConfigError
from tests.commands import Command
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import TrainConfig
from training.config_groups import LossConfig, ModelConfig
from training.plan import load_for_training
from training.train import train

from .conftest import SMALL_MODEL, changed

MakeConfig = Callable[..., TrainConfig]


def scale_and_bias(name: str, weights: str | None = None, function: Any = "siglip") -> tuple[float, float]:
    """The logit scale and bias that a run would start with."""
    model = ModelConfig(name=name, pretrained=weights)
    loaded = load_for_training(model, LossConfig(function=function), 0).model
    return loaded.logit_scale.exp().item(), loaded.logit_bias.item()  # type: ignore[operator, union-attr]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An architecture that open_clip knows, with weights of CLIP's kind: scale 50, no bias."""
    name = "tiny-for-tests"
    values = json.loads(json.dumps(SMALL_MODEL))
    values["model_cfg"]["text_cfg"]["vocab_size"] = 49408
    architectures = tmp_path / "architectures"
    architectures.mkdir()
    (architectures / f"{name}.json").write_text(json.dumps(values["model_cfg"]))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(architectures)
    folder = tmp_path / "clip"
    folder.mkdir()
    state = open_clip.create_model(name).state_dict()
    state["logit_scale"] = torch.tensor(math.log(50))
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, folder / "open_clip_model.safetensors"
    )
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    return folder


def test_weights_of_clip_start_as_siglip_does(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tiny / "open_clip_model.safetensors")
    small = tiny.parent / "small.json"
    small.write_text(json.dumps(SMALL_MODEL))
    # A tag of open_clip, and a repository on the hub, both as the hub's client keeps them on disk.
    snapshot = tiny.parent / "hub" / "models--some--clip" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for one in tiny.iterdir():
        os.link(one, snapshot / one.name)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tiny.parent / "hub"))
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-for-tests", {"some": {"hf_hub": "some/clip/"}})
    ways = {
        "tag": ("tiny-for-tests:some", None),
        "file of a known architecture": ("tiny-for-tests", file),
        "file of an own one": (str(small), file),
        "folder": (str(tiny), None),
        "hub": ("hf-hub:some/clip", None),
        "random weights": (str(small), None),
    }
    for way, (name, weights) in ways.items():
        assert scale_and_bias(name, weights) == pytest.approx((10, -10)), way
    # The softmax loss keeps CLIP's scale.
    loaded = load_for_training(ModelConfig(name=str(tiny)), LossConfig(), 0).model
    assert loaded.logit_scale.exp().item() == pytest.approx(50)  # type: ignore[operator, union-attr]


def test_a_bias_that_was_learned_stays(tiny: Path) -> None:
    state = open_clip.create_model("tiny-for-tests", init_logit_bias=-12.3, init_logit_scale=4.2).state_dict()
    learned = pytest.approx((math.exp(4.2), -12.3))
    torch.save(state, tiny.parent / "siglip.pt")
    assert scale_and_bias("tiny-for-tests", str(tiny.parent / "siglip.pt")) == learned
    config = json.loads((tiny / "open_clip_config.json").read_text())
    config["model_cfg"] |= {"init_logit_bias": -10, "init_logit_scale": math.log(10)}
    (tiny / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, tiny / "open_clip_model.safetensors"
    )
    assert scale_and_bias(str(tiny)) == learned
    assert scale_and_bias(str(tiny), function="clip") == learned


def test_the_first_steps_from_clip_do_not_explode(tiny: Path, make_config: MakeConfig) -> None:
    changes: dict[str, Any] = {"validation_split": "none", "captions_per_image": 1, "learning_rate": 1e-3}
    config = make_config(model=str(tiny), loss="siglip", max_steps=1, **changes)
    train(config)
    (line,) = [json.loads(one) for one in (config.run_dir / "metrics.jsonl").read_text().splitlines()]
    # Eight pictures and logits of 10 cos - 10. Its own pair costs a picture at most softplus(20), and each of
    # seven others at most softplus(0): 25 in all. A scale of 50 and no bias can cost up to 8 * 50.
    assert 0 < line["loss"] < 20.01 + 7 * math.log(2)
    # A run that resumes keeps what it has learned.
    train(changed(config, max_steps=2))
    path, _ = latest_sound(config.run_dir / "checkpoints")
    assert path
    bias = read_checkpoint(path)["state_dict"]["model.logit_bias"].item()
    assert bias != -10
    assert bias == pytest.approx(-10, abs=3e-3)


def captioner(folder: Path) -> Path:
    """The config of a small CoCa model."""
    path = folder / "captioner.json"
    values = json.loads(json.dumps(SMALL_MODEL))
    decoder = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    values["model_cfg"] |= {"multimodal_cfg": decoder | {"attn_pooler_heads": 2}, "custom_text": True}
    values["model_cfg"]["vision_cfg"] |= {
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    }
    values["model_cfg"]["text_cfg"] |= {"embed_cls": True, "output_tokens": True}
    path.write_text(json.dumps(values))
    return path


def test_coca_is_refused_before_anything_is_trained(make_config: MakeConfig, tmp_path: Path) -> None:
    path = captioner(tmp_path)
    # Its config is enough: these weights are none of it.
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(path, folder / "open_clip_config.json")
    weights = {"visual.proj": torch.zeros(2), "text.token_embedding.weight": torch.zeros(2)}
    save_file(weights, folder / "open_clip_model.safetensors")
    for name in (str(path), str(folder), "coca_ViT-L-14", "coca_ViT-B-32:laion2b_s13b_b90k"):
        for dry_run in (True, False):
            with pytest.raises(ConfigError, match=r"is a CoCa model.*no caption loss") as caught:
                train(make_config(model=name, dry_run=dry_run))
            assert "open_clip_train" in caught.value.remedy


@pytest.mark.long
def test_coca_is_refused_on_two_ranks(shapes_set: Path, tmp_path: Path) -> None:
    path = captioner(tmp_path)
    words = ["-m", "iconoclip.cli", "train", shapes_set, "--run_dir", tmp_path / "two", "--model.name", path]
    command = Command(
        [*words, "--hardware.devices", "2", "--hardware.device", "cpu", "--schedule.batch_size", "8"],
        cwd=tmp_path,
    )
    assert command.wait(60) == 2, command.stderr
    assert "is a CoCa model" in " ".join(command.stderr.split())
