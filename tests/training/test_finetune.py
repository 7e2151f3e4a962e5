"""Locked towers stay as they are, adapters add what peft's add, averages and interpolations are correct."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.nn.utils import parametrize

from iconoclip.errors import BadInput, ConfigError
from training import finetune
from training.checkpoint import folder as checkpoints
from training.checkpoint.file import read_checkpoint
from training.config import ExportConfig, TrainConfig
from training.export import export
from training.module import ContrastiveModule
from training.optimizer import parameter_groups
from training.plan import load_for_training, make_plan
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]
QUICK: dict[str, Any] = {"max_steps": 4, "validation_split": "none", "learning_rate": 1e-2, "log_every": 1}


def trained(config: TrainConfig) -> dict[str, torch.Tensor]:
    train(config)
    path, _ = checkpoints.latest_sound(config.run_dir / "checkpoints")
    assert path
    state = read_checkpoint(path)["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


def moved(config: TrainConfig) -> set[str]:
    """Which parameters a short run changes."""
    before = load_for_training(config.model, config.loss, config.seed).model.state_dict()
    after = finetune.merged(trained(config), config.adapt.lora_alpha / max(config.adapt.lora_rank, 1))
    assert after.keys() == before.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_locked_image_tower_keeps_its_weights(make_config: MakeConfig) -> None:
    names = moved(make_config(locked=["image"], **QUICK))
    assert {finetune.tower_of(name) for name in names} == {"text", None}


def test_a_locked_tower_opens_from_the_top(make_config: MakeConfig) -> None:
    # 13 steps in all: the image tower's top opens at step 0.15 * 13 = 2, its bottom at 13.
    config = make_config(locked=["image"], unfreeze_from=0.15, **QUICK)
    names = {name for name in moved(config) if name.startswith("visual.")}
    assert "visual.proj" in names
    assert "visual.conv1.weight" not in names
    model = load_for_training(config.model, config.loss, config.seed).model
    steps = finetune.unfreeze_steps(model, config.adapt, 13)
    assert steps["visual.proj"] == 2
    assert steps["visual.conv1.weight"] == 13
    assert (
        steps["visual.transformer.resblocks.0.mlp.c_fc.weight"]
        > steps["visual.transformer.resblocks.1.mlp.c_fc.weight"]
    )
    assert not any(name.startswith(("token", "transformer")) for name in steps)


def test_nothing_left_to_train_is_a_message(make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match="nothing is left to train"):
        train(make_config(locked=["image", "text"], **QUICK))


def test_adapters_train_alone_and_are_added_at_export(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(lora_rank=2, lora_alpha=4, lora_towers=["image"], locked=["text"], **QUICK)
    names = moved(config)
    assert all(name == "logit_scale" or "resblocks" in name for name in names)
    assert "visual.transformer.resblocks.0.attn.in_proj_weight" in names
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "model"))
    model = open_clip.create_model(f"local-dir:{tmp_path / 'model'}")
    # The adapted model in training and the plain model of the export give the same features.
    loaded = load_for_training(config.model, config.loss, config.seed)
    adapted = ContrastiveModule(loaded, make_plan(config).recipe)
    path, _ = checkpoints.latest_sound(config.run_dir / "checkpoints")
    assert path
    adapted.load_state_dict(read_checkpoint(path)["state_dict"])
    pixels = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(
        model.eval().encode_image(pixels), adapted.model.eval().encode_image(pixels), rtol=1e-5, atol=1e-6
    )  # type: ignore[operator]


def test_an_adapter_is_pefts_on_a_linear_layer() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Sequential(nn.Linear(6, 5)).double(), nn.Sequential(nn.Linear(6, 5)).double()
    theirs.load_state_dict(ours.state_dict())
    parametrize.register_parametrization(ours[0], "weight", finetune.LowRank(ours[0].weight, 2, scale=8 / 2))
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=8, target_modules=["0"]), theirs)
    adapter: Any = ours[0].parametrizations.weight[0]  # type: ignore[union-attr, index]
    with torch.no_grad():
        adapter.up.normal_()
        theirs[0].lora_A["default"].weight.copy_(adapter.down)  # type: ignore[union-attr, index, operator]
        theirs[0].lora_B["default"].weight.copy_(adapter.up)  # type: ignore[union-attr, index, operator]
    inputs = torch.randn(4, 6, dtype=torch.float64)
    one, other = ours(inputs), theirs(inputs)
    torch.testing.assert_close(one, other.double())
    one.square().sum().backward()
    other.square().sum().backward()
    torch.testing.assert_close(adapter.up.grad, theirs[0].lora_B["default"].weight.grad.double())  # type: ignore[union-attr, index, operator]
    torch.testing.assert_close(adapter.down.grad, theirs[0].lora_A["default"].weight.grad.double())  # type: ignore[union-attr, index, operator]


def test_the_average_is_kept_resumed_and_exported(make_config: MakeConfig, tmp_path: Path) -> None:
    values = QUICK | {"ema_decay": 0.9, "max_steps": 3}
    whole = make_config(run_dir=tmp_path / "whole", **values)
    state = trained(whole)
    pieces = make_config(run_dir=tmp_path / "pieces", **values)
    trained(changed(pieces, max_steps=1))
    assert all(torch.equal(tensor, state[name]) for name, tensor in trained(pieces).items())
    # By hand, for the logit scale: decays 1/10, 2/11, 3/12 over the values after steps 1, 2 and 3.
    found = [
        trained(make_config(run_dir=tmp_path / f"first-{n}", **(values | {"max_steps": n})))["logit_scale"]
        for n in (1, 2, 3)
    ]
    average = load_for_training(whole.model, whole.loss, whole.seed).model.state_dict()["logit_scale"]
    for value, decay in zip(found, (1 / 10, 2 / 11, 3 / 12), strict=True):
        average = decay * average + (1 - decay) * value
    for run in (whole, pieces):
        export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model", force=True))
        exported = open_clip.create_model(f"local-dir:{tmp_path / 'model'}").state_dict()["logit_scale"]
        torch.testing.assert_close(exported, average, rtol=1e-6, atol=0)
    export(ExportConfig(run_dir=whole.run_dir, out=tmp_path / "last", weights="last"))
    assert torch.equal(
        open_clip.create_model(f"local-dir:{tmp_path / 'last'}").state_dict()["logit_scale"], found[-1]
    )


def test_interpolation_lies_between_the_base_and_the_tuned_model(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(**QUICK)
    trained(config)
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "base"))
    tuned = make_config(model=f"local-dir:{tmp_path / 'base'}", run_dir=tmp_path / "tuned", seed=1, **QUICK)
    after = trained(tuned)
    before = open_clip.create_model(f"local-dir:{tmp_path / 'base'}").state_dict()
    export(
        ExportConfig(
            run_dir=tuned.run_dir,
            out=tmp_path / "half",
            interpolate_with=str(tmp_path / "base"),
            interpolation=0.25,
        )
    )
    half = open_clip.create_model(f"local-dir:{tmp_path / 'half'}").state_dict()
    for name, tensor in half.items():
        torch.testing.assert_close(tensor, 0.75 * before[name] + 0.25 * after[name], rtol=1e-5, atol=1e-6)
    # A model that was tuned with the sigmoid loss from weights of CLIP has a bias that these lack.
    one, other = {"a": torch.zeros(2)}, {"a": torch.ones(2), "logit_bias": torch.tensor(-9.0)}
    between = finetune.interpolated(one, other, 0.5)
    assert [between["a"].tolist(), between["logit_bias"].item()] == [[0.5, 0.5], -9]
    with pytest.raises(BadInput, match="the two models differ in 1 layers, first b"):
        finetune.interpolated({"a": torch.zeros(2)}, {"a": torch.zeros(2), "b": torch.zeros(1)}, 0.5)


def test_layers_learn_slower_the_deeper_they_are(make_config: MakeConfig) -> None:
    config = make_config()
    model = load_for_training(config.model, config.loss, config.seed).model
    groups = parameter_groups(model, learning_rate=1.0, weight_decay=0.1, layer_decay=0.5)
    rates = {id(parameter): group for group in groups for parameter in group["params"]}
    by_name = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    # The image tower has two layers: projection 1, top layer 1/2, bottom layer 1/4, stem 1/8. The text tower
    # has one.
    assert by_name["visual.proj"]["lr"] == 1
    assert by_name["visual.transformer.resblocks.1.mlp.c_fc.weight"]["lr"] == 0.5
    assert by_name["visual.transformer.resblocks.0.mlp.c_fc.weight"]["lr"] == 0.25
    assert by_name["visual.conv1.weight"]["lr"] == 0.125
    assert by_name["transformer.resblocks.0.attn.in_proj_weight"]["lr"] == 0.5
    assert by_name["token_embedding.weight"]["lr"] == 0.25
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    decayed = {name for name, group in by_name.items() if group["weight_decay"]}
    assert "visual.conv1.weight" in decayed
    assert not any(
        "ln_" in name or name.endswith("bias") or "embedding" in name or name == "logit_scale"
        for name in decayed
    )
