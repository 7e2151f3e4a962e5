"""Patch dropout and batch norms over ranks: what they change in a tower, and where they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from iconoclip.errors import ConfigError
from training.batch_norm import synchronise
from training.config import TrainConfig
from training.config_groups import HardwareConfig, LossConfig, ModelConfig
from training.model import LoadedModel
from training.patch_dropout import set_patch_dropout
from training.plan import load_for_training
from training.sharding import _layers

from .conftest import SMALL_MODEL
from .test_agreement import RESNET
from .test_ranks import launch, losses


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """The config of a small ResNet."""
    path = tmp_path / "resnet.json"
    path.write_text(json.dumps({"model_cfg": RESNET, "preprocess_cfg": SMALL_MODEL["preprocess_cfg"]}))
    return path


def test_blocks_are_sliced_and_not_the_stages_around_them(resnet: Path) -> None:
    model = load_for_training(ModelConfig(name=str(resnet)), LossConfig(), 0).model
    model.visual.trunk = timm.create_model("convnext_atto", depths=(1, 1, 2, 1), dims=(8, 8, 8, 8))  # type: ignore[union-attr]
    sliced = {id(part) for part in _layers(model)}
    names = [name for name, part in model.named_modules() if id(part) in sliced]
    # Four blocks of the ResNet, five of the ConvNeXt, one of the text tower.
    stages = [f"visual.layer{number}.0" for number in range(1, 5)]
    blocks = [
        f"visual.trunk.stages.{place}" for place in ("0.blocks.0", "1.blocks.0", "2.blocks.0", "2.blocks.1")
    ]
    assert sorted(names) == sorted(
        [*stages, *blocks, "visual.trunk.stages.3.blocks.0", "transformer.resblocks.0"]
    )


@pytest.mark.long
def test_a_resnet_on_slices_is_trained_as_on_whole_weights(
    resnet: Path, make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"model": str(resnet), "devices": 2, "max_steps": 4, "validation_split": "none"}
    runs = [make_config(run_dir=tmp_path / one, strategy=one, **changes) for one in ("ddp", "fsdp")]
    for config in runs:
        launch(config, tmp_path)
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), abs=1e-4)


def lengths(tower: nn.Module, layer: nn.Module, side: int) -> list[int]:
    """The number of tokens that a layer sees in training, and after it."""
    seen: list[int] = []
    hook = layer.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0].shape[1]))
    for mode in (True, False):
        tower.train(mode)
        tower(torch.randn(2, 3, side, side))
    hook.remove()
    return seen


def test_patches_are_left_out_in_training_only(small_model: Path, resnet: Path) -> None:
    # 32 pixels in patches of 8 are 16 patches and a class token; a quarter are left out.
    loaded = load_for_training(ModelConfig(name=str(small_model), patch_dropout=0.25), LossConfig(), 0)
    visual: Any = loaded.model.visual
    assert lengths(visual, visual.transformer.resblocks[0], 32) == [13, 17]
    assert loaded.model_config["vision_cfg"].get("patch_dropout") is None
    # The same seed draws the same patches.
    visual.train()
    draws = [torch.manual_seed(5) and visual(torch.ones(1, 3, 32, 32) * torch.arange(32)) for _ in range(2)]
    assert torch.equal(*draws)
    small: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    for name, options in (
        ("vit_tiny_patch16_224", {}),
        ("eva02_tiny_patch14_224", {"use_rot_pos_emb": True}),
    ):
        tower = nn.Module()
        tower.trunk = timm.create_model(name, **small, **options)
        model = nn.Module()
        model.visual = tower
        set_patch_dropout(LoadedModel(model, {}, {}, None, name), 0.25)
        assert lengths(tower.trunk, tower.trunk.blocks[0], 32) == [13, 17], name
    with pytest.raises(ConfigError, match="is not a ViT"):
        load_for_training(ModelConfig(name=str(resnet), patch_dropout=0.5), LossConfig(), 0)


def test_batch_norms_over_ranks(
    small_model: Path, resnet: Path, make_config: Callable[..., TrainConfig]
) -> None:
    def model_of(path: Path) -> nn.Module:
        return load_for_training(ModelConfig(name=str(path)), LossConfig(), 0).model

    model = model_of(resnet)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    # Three norms in the stem, three in each of four blocks, and one next to each block.
    two, gpu = HardwareConfig(sync_batch_norm=True, devices=2), torch.device("cuda")
    for hardware, number in ((HardwareConfig(), 0), (HardwareConfig(sync_batch_norm=True), 0), (two, 19)):
        synchronise(model, hardware, gpu)
        kinds = [type(part) for part in model.modules()]
        assert kinds.count(nn.SyncBatchNorm) == number
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in state.items()
    }
    with pytest.raises(ConfigError, match="only on GPUs"):
        synchronise(model, two, torch.device("cpu"))
    with pytest.raises(ConfigError, match="no batch norms"):
        synchronise(model_of(small_model), two, gpu)
    with pytest.raises(ConfigError, match="needs whole weights"):
        make_config(strategy="fsdp", devices=2, **{"hardware.sync_batch_norm": True})
