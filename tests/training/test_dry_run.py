"""The numbers of a dry run equal those of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from iconoclip.errors import MissingRequirement
from training.checkpoint import folder as checkpoints
from training.config import TrainConfig
from training.dry_run import CPU_SECONDS, Trial, tried_on_cpu
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]


def test_the_dry_run_measures_and_writes_nothing(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(dry_run=True, json=True)
    assert train(config) == 0
    facts = json.loads(capsys.readouterr().out)
    assert not config.run_dir.exists()
    assert facts["num_steps"] == 13  # two epochs of 50 in batches of 8, the last one filled up
    assert facts["num_samples"] == 50
    assert facts["samples_per_second"] > 0
    assert facts["num_parameters"] == facts["num_trainable_parameters"] > 800_000
    # By hand: float32 weights, a gradient and AdamW's two moments.
    megabytes = facts["num_parameters"] * 4 / 1e6
    assert facts["memory_mb"]["weights"] == pytest.approx(megabytes)
    assert facts["memory_mb"]["learning"] == pytest.approx(3 * megabytes)
    assert facts["memory_mb"]["activations"] > 0.1
    assert facts["is_elsewhere"] is False


def test_a_dry_run_where_the_gpus_are_not_says_so(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"device": "cuda", "devices": 4, "ema_decay": 0.9, "micro_batch_size": 1}
    train(make_config(dry_run=True, json=True, strategy="fsdp", **changes))
    facts = json.loads(capsys.readouterr().out)
    assert facts["is_elsewhere"] is not torch.cuda.is_available()
    # Four ranks share weights, gradients, two moments and the average.
    assert facts["memory_mb"]["weights"] == pytest.approx(facts["num_parameters"] / 1e6)
    assert facts["memory_mb"]["learning"] == pytest.approx(4 * facts["num_parameters"] / 1e6)
    train(make_config(dry_run=True, **changes))
    assert "the GPU that the config sets is not here" in " ".join(capsys.readouterr().out.split())
    if not torch.cuda.is_available():
        with pytest.raises(MissingRequirement, match="sees no GPU"):
            train(make_config(device="cuda"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema_decay": 0.9, "keep_checkpoints": 3},
        {"lora_rank": 1},
        {"locked": ["text"]},
        pytest.param({"optimizer.name": "lion"}, marks=pytest.mark.long),
        pytest.param({"optimizer.name": "muon"}, marks=pytest.mark.long),
        pytest.param({"optimizer.name": "adamw8bit"}, marks=pytest.mark.long),
    ],
    ids=["all", "average", "adapters", "locked", "lion", "muon", "8 bits"],
)
def test_the_disk_space_it_names_is_the_space_a_run_takes(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    config = make_config(validation_split="none", max_steps=1, **changes)
    train(changed(config, dry_run=True, json=True))
    said_mb = json.loads(capsys.readouterr().out)["disk_mb"]
    train(config)
    (path,) = checkpoints.checkpoints_in(config.run_dir / "checkpoints")
    # Names and shapes take a few kilobytes in addition to the numbers.
    assert path.stat().st_size * (config.checkpoint.num_kept + 1) / 1e6 == pytest.approx(said_mb, rel=0.03)


def test_a_cpu_tries_as_many_samples_as_fit_and_extrapolates() -> None:
    # Seconds of a step: half a second for the optimizer, and some for each sample.
    for each, num, wanted in [(0.001, 256, 256), (0.7, 256, None), (9.0, 64, 2), (0.001, 2, 2)]:
        spent: list[float] = []

        def trial(tried: int, each: float = each, spent: list[float] = spent) -> Trial:
            seconds = 0.5 + each * tried
            spent.append(2 * seconds)
            return Trial(tried, seconds, 1000.0 * tried)

        found = tried_on_cpu(trial, num, more=True)
        assert found.num_samples == wanted or wanted is None
        assert sum(spent) <= CPU_SECONDS or len(spent) == 1
        assert found.activation_bytes == pytest.approx(1000 * num)
        # Two trials give the line. One alone is taken in proportion, which is never less.
        exact = 0.5 + each * num
        assert found.seconds == pytest.approx(exact if len(spent) > 1 else (0.5 + each * 2) / 2 * num)
    assert tried_on_cpu(lambda tried: Trial(tried, 1.0, 8.0), 256, more=False) == Trial(2, 128.0, 1024.0)
