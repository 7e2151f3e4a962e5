"""Training in float16: the scale of the loss follows torch's rules, and a run resumes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from training import half
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import TrainConfig
from training.half import LossScaler
from training.plan import load_for_training
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]
QUICK: dict[str, Any] = {"precision": "float16", "validation_split": "none", "captions_per_image": 1}


def test_the_scaler_does_what_torchs_does() -> None:
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    reference = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=3)
    scaler = LossScaler(growth_steps=3)
    descent = torch.optim.SGD([theirs], lr=0.1)
    for step, factor in enumerate(
        [1, 1, float("inf"), 1, 1, 1, 1, float("nan"), float("inf"), 1, 1, 1, 1, 1, 1]
    ):
        descent.zero_grad()
        loss = (theirs.square().sum() + step) * factor
        reference.scale(loss).backward()  # type: ignore[no-untyped-call]
        reference.step(descent)
        reference.update()
        ours.grad = None
        (((ours.square().sum() + step) * factor) * scaler.scale).backward()  # type: ignore[no-untyped-call]
        scaler.unscale([ours])
        assert ours.grad is not None
        is_finite = bool(ours.grad.isfinite().all())
        if is_finite:
            ours.data -= 0.1 * ours.grad
        assert scaler.update(is_finite=is_finite) is not is_finite
        assert torch.equal(ours, theirs)
        assert scaler.scale == reference.get_scale()


def test_the_smallest_scale_cannot_be_to_blame() -> None:
    scaler = LossScaler()
    assert [scaler.update(is_finite=False) for _ in range(18)] == [True] * 16 + [False] * 2
    assert scaler.scale == 1


def end_of(config: TrainConfig) -> dict[str, Any]:
    """The last checkpoint of a run."""
    path, _ = latest_sound(config.run_dir / "checkpoints")
    assert path
    return read_checkpoint(path)


def test_a_run_in_float16_resumes_exactly(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A scale that overflows float16's 65,504 at first. No bad step is allowed.
    monkeypatch.setattr(half, "FIRST_SCALE", 2.0**17)
    quick = QUICK | {
        "max_bad_steps": 0,
        "batch_size": 4,
        "micro_batch_size": 2,
        "max_steps": 5,
        "checkpoint_every": 9,
    }
    whole = make_config(run_dir=tmp_path / "whole", **quick)
    train(whole)
    pieces = make_config(run_dir=tmp_path / "pieces", **quick)
    train(changed(pieces, max_steps=2))
    train(pieces)
    one, other = end_of(whole), end_of(pieces)
    assert all(torch.equal(one["state_dict"][name], other["state_dict"][name]) for name in one["state_dict"])
    scale = one["iconoclip"]["loss_scale"]["scale"]
    assert scale == other["iconoclip"]["loss_scale"]["scale"] < 2.0**17
    lines = [json.loads(line) for line in (whole.run_dir / "metrics.jsonl").read_text().splitlines()]
    # Each skipped step halves the scale, and is recorded.
    skipped = [line for line in lines if "overflowed" in line.get("event", "")]
    assert scale == 2.0 ** (17 - len(skipped))
    # By the end, some steps were applied.
    assert 0 < len(skipped) < 5
    start = load_for_training(whole.model, whole.loss, whole.seed).model.state_dict()
    assert not torch.equal(one["state_dict"]["model.visual.proj"], start["visual.proj"])


@pytest.mark.long
def test_two_ranks_skip_the_same_steps(make_config: MakeConfig, tmp_path: Path) -> None:
    from .test_ranks import launch, losses

    alone = make_config(run_dir=tmp_path / "alone", max_steps=6, **QUICK)
    train(alone)
    runs = []
    for strategy in ("ddp", "fsdp"):
        config = make_config(
            run_dir=tmp_path / strategy,
            max_steps=6,
            devices=2,
            strategy=strategy,
            micro_batch_size=2,
            **QUICK,
        )
        launch(config, tmp_path)
        runs.append(config)
    # A rank's mean is over half the samples: its gradients are twice as large and overflow a step longer.
    assert losses(runs[0])[:2] == pytest.approx(losses(alone)[:2], abs=1e-3)
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), abs=2e-2)
    assert end_of(runs[0])["iconoclip"]["loss_scale"] == end_of(runs[1])["iconoclip"]["loss_scale"]
