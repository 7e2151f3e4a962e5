"""Lion, Muon and 8-bit AdamW do what their formulas say, and go through a checkpoint unchanged."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from iconoclip.errors import ConfigError, MissingRequirement
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import TrainConfig
from training.config_groups import OptimizerConfig
from training.optimizer import check_optimizer, make_optimizer, parameter_groups, state_bytes
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]
MATRIX, VECTOR, TOKENS = (
    "transformer.resblocks.0.mlp.c_fc.weight",
    "ln_final.weight",
    "token_embedding.weight",
)


class Parts(nn.Module):
    """A matrix of a layer, a norm and an embedding, under their names in a CLIP."""

    def __init__(self, rows: int = 6, columns: int = 8) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        sizes = {MATRIX: (rows, columns), VECTOR: (8,), TOKENS: (5, 8)}
        self._named = {name: nn.Parameter(torch.randn(size, generator=draw)) for name, size in sizes.items()}

    def named_parameters(self, *args: Any, **options: Any) -> Any:
        """The parameters under names with dots."""
        return iter(self._named.items())


def gradients(step: int, model: Parts) -> dict[str, torch.Tensor]:
    """The same gradients each time."""
    draw = torch.Generator().manual_seed(100 + step)
    return {name: torch.randn(one.shape, generator=draw) for name, one in model.named_parameters()}


def optimizer_of(model: Parts, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimizer, with the groups that a run makes."""
    groups = parameter_groups(
        model,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        muon=config.name == "muon",
    )
    return make_optimizer(groups, config)


def stepped(model: Parts, optimizer: torch.optim.Optimizer, steps: range) -> dict[str, torch.Tensor]:
    """The parameters after these steps."""
    for step in steps:
        found = gradients(step, model)
        for name, parameter in model.named_parameters():
            parameter.grad = found[name]
        optimizer.step()
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def config_of(name: Any, **values: Any) -> OptimizerConfig:
    return OptimizerConfig(name=name, learning_rate=0.01, weight_decay=0.5, beta1=0.9, beta2=0.99, **values)


def by_adamw(model: Parts, name: str, steps: int) -> torch.Tensor:
    """AdamW without decay, written out: arXiv 1711.05101, algorithm 2."""
    value = start = dict(model.named_parameters())[name].detach().clone()
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, steps + 1):
        gradient = gradients(step - 1, model)[name]
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        unbiased = (second / (1 - 0.99**step)).sqrt()
        value = value - 0.01 * first / (1 - 0.9**step) / (unbiased + 1e-6)
    return value


def test_lion_by_its_formula() -> None:
    # arXiv 2302.06675, program 1.
    wanted = {name: one.detach().clone() for name, one in Parts().named_parameters()}
    moving = {name: torch.zeros_like(one) for name, one in wanted.items()}
    for step in range(3):
        for name, gradient in gradients(step, Parts()).items():
            direction = (0.9 * moving[name] + 0.1 * gradient).sign()
            decay = 0.5 if name == MATRIX else 0.0
            wanted[name] = wanted[name] - 0.01 * (direction + decay * wanted[name])
            moving[name] = 0.99 * moving[name] + 0.01 * gradient
    model = Parts()
    for name, found in stepped(model, optimizer_of(model, config_of("lion")), range(3)).items():
        torch.testing.assert_close(found, wanted[name], rtol=1e-5, atol=1e-6)


def test_muon_by_its_formula() -> None:
    # Nesterov's momentum, five steps of Newton and Schulz on the matrix, a step of 0.2 sqrt(8) (arXiv
    # 2502.16982, equation 4). The library multiplies in bfloat16: 8 bits of mantissa.
    wanted = dict(Parts().named_parameters())[MATRIX].detach().clone()
    moving = torch.zeros_like(wanted)
    for step in range(3):
        gradient = gradients(step, Parts())[MATRIX]
        moving = 0.95 * moving + 0.05 * gradient
        matrix = 0.05 * gradient + 0.95 * moving
        matrix = matrix / matrix.norm()
        for _ in range(5):
            gram = matrix @ matrix.T
            matrix = 3.4445 * matrix + (-4.7750 * gram + 2.0315 * gram @ gram) @ matrix
        wanted = wanted * (1 - 0.01 * 0.5) - 0.01 * 0.2 * 8**0.5 * matrix
    start, model = dict(Parts().named_parameters()), Parts()
    found = stepped(model, optimizer_of(model, config_of("muon")), range(3))
    moved = (wanted - start[MATRIX].detach()).norm()
    assert float((found[MATRIX] - wanted).norm() / moved) < 0.02
    # torch's own Muon.
    reference = Parts()
    matrix_only = [dict(reference.named_parameters())[MATRIX]]
    theirs = torch.optim.Muon(matrix_only, lr=0.01, weight_decay=0.5, adjust_lr_fn="match_rms_adamw")
    assert float((stepped(reference, theirs, range(3))[MATRIX] - found[MATRIX]).norm() / moved) < 0.01
    # What is no matrix of a layer is AdamW's, without decay.
    for name in (VECTOR, TOKENS):
        torch.testing.assert_close(found[name], by_adamw(Parts(), name, 3), rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_8_bit_adamw_is_near_adamw() -> None:
    pytest.importorskip("bitsandbytes")
    model, reference = Parts(64, 64), Parts(64, 64)
    start = {name: one.detach().clone() for name, one in model.named_parameters()}
    found = stepped(model, optimizer_of(model, config_of("adamw8bit")), range(3))
    exact = stepped(reference, optimizer_of(reference, config_of("adamw")), range(3))
    # Small tensors have states of 32 bits.
    torch.testing.assert_close(found[TOKENS], exact[TOKENS], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(exact[VECTOR], by_adamw(Parts(64, 64), VECTOR, 3), rtol=1e-4, atol=1e-5)
    moved = (exact[MATRIX] - start[MATRIX]).norm()
    assert 0 < float((found[MATRIX] - exact[MATRIX]).norm() / moved) < 0.05


# To import bitsandbytes takes two seconds.
@pytest.mark.parametrize("name", ["adamw", "lion", "muon", pytest.param("adamw8bit", marks=pytest.mark.long)])
def test_states_resume_exactly_and_have_the_bytes_that_are_estimated(name: str) -> None:
    if name == "adamw8bit":
        pytest.importorskip("bitsandbytes")
    config, whole, first, second = config_of(name), *(Parts(64, 64) for _ in range(3))
    wanted = stepped(whole, optimizer_of(whole, config), range(4))
    optimizer = optimizer_of(first, config)
    halfway = stepped(first, optimizer, range(2))
    stored = io.BytesIO()
    torch.save(optimizer.state_dict(), stored)
    stored.seek(0)
    for one, parameter in second.named_parameters():
        parameter.data.copy_(halfway[one])
    resumed = optimizer_of(second, config)
    resumed.load_state_dict(torch.load(stored, weights_only=True))
    found = stepped(second, resumed, range(2, 4))
    assert all(torch.equal(found[one], wanted[one]) for one in wanted), name
    tensors = [one for state in resumed.state.values() for one in state.values() if torch.is_tensor(one)]
    # Besides the moments there are a few numbers: steps, and tables of quantiles.
    moments = sum(one.nbytes for one in tensors if one.numel() not in (1, 32, 16, 256))
    assert moments == state_bytes(second, config), name


def test_what_does_not_fit_is_refused(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("muon", "adamw8bit"):
        with pytest.raises(ConfigError, match="needs whole weights"):
            make_config(strategy="fsdp", devices=2, **{"optimizer.name": name})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingRequirement, match="needs the package bitsandbytes"):
        check_optimizer(config_of("adamw8bit"))
    check_optimizer(config_of("muon"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["lion", "muon", "adamw8bit"])
def test_runs_resume_exactly(name: str, make_config: MakeConfig, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer.name": name, "max_steps": 6, "validation_split": "none"}
    changes |= {"model.patch_dropout": 0.5, "micro_batch_size": 3, "layer_decay": 0.8}
    whole, pieces = (make_config(run_dir=tmp_path / one, **changes) for one in ("whole", "pieces"))
    train(whole)
    train(changed(pieces, max_steps=2))
    train(pieces)
    one, other = (state_of(config) for config in (whole, pieces))
    assert all(torch.equal(one[part], other[part]) for part in one)


@pytest.mark.long
def test_lion_on_slices_is_lion(make_config: MakeConfig, tmp_path: Path) -> None:
    from .test_ranks import launch, losses

    changes: dict[str, Any] = {"optimizer.name": "lion", "max_steps": 6, "validation_split": "none"}
    alone = make_config(run_dir=tmp_path / "alone", learning_rate=1e-4, **changes)
    train(alone)
    sliced = make_config(
        run_dir=tmp_path / "sliced", learning_rate=1e-4, devices=2, strategy="fsdp", **changes
    )
    launch(changed(sliced, max_steps=3), tmp_path)
    launch(sliced, tmp_path)
    assert losses(sliced) == pytest.approx(losses(alone), abs=1e-3)


def state_of(config: TrainConfig) -> dict[str, torch.Tensor]:
    """The weights at the end of a run."""
    path, _ = latest_sound(config.run_dir / "checkpoints")
    assert path
    state: dict[str, torch.Tensor] = read_checkpoint(path)["state_dict"]
    return state
