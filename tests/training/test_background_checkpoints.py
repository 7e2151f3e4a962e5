"""Checkpoints that are written while the training continues: the same bytes, and what a full disk does."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from iconoclip.errors import TryAgainLater
from iconoclip.rundir import RunDir
from training.checkpoint import folder as checkpoints
from training.checkpoint.background import Copier
from training.checkpoint.file import AtomicCheckpointIO
from training.config import TrainConfig
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]


def held_back(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Keep each checkpoint that is written in a thread from being completed until the event is set."""
    may_write, plain = threading.Event(), AtomicCheckpointIO.write

    def write(self: AtomicCheckpointIO, checkpoint: dict[str, Any], path: Path) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert may_write.wait(60)
        plain(self, checkpoint, path)

    monkeypatch.setattr(AtomicCheckpointIO, "write", write)
    return may_write


def test_a_checkpoint_is_of_its_step_however_late_it_is_written(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.callbacks import StepLimit

    late: dict[str, Any] = {"checkpoint_every": 2, "ema_decay": 0.9, "validation_split": "none"}
    late["max_steps"] = 3
    at_once = make_config(run_dir=tmp_path / "at_once", **late, **{"checkpoint.in_background": False})
    train(at_once)
    may_write, plain = held_back(monkeypatch), StepLimit.on_train_batch_end
    at_step_3: list[list[Path]] = []

    def stepped(self: StepLimit, trainer: Any, module: Any, *args: Any) -> None:
        if module.step == 3:
            # The step after the checkpoint is done, and nothing is written yet.
            at_step_3.append(list((tmp_path / "later" / "checkpoints").glob("*.ckpt")))
            may_write.set()
        plain(self, trainer, module, *args)

    monkeypatch.setattr(StepLimit, "on_train_batch_end", stepped)
    train(make_config(run_dir=tmp_path / "later", **late))
    assert at_step_3 == [[]]
    for step in (2, 3):
        now, later = (
            checkpoints.checkpoint_path(tmp_path / one / "checkpoints", step) for one in ("at_once", "later")
        )
        # Not one value of a later step: the same bytes.
        assert now.read_bytes() == later.read_bytes()


def test_a_disk_that_is_full_ends_the_run_at_a_later_step(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(checkpoint_every=2, validation_split="none", epochs=20)
    train(changed(config, max_steps=2))
    before = checkpoints.checkpoints_in(config.run_dir / "checkpoints")

    def full(self: AtomicCheckpointIO, checkpoint: dict[str, Any], path: Path) -> None:
        raise TryAgainLater("the disk is full", where=path)

    with monkeypatch.context() as patched:
        patched.setattr(AtomicCheckpointIO, "write", full)
        with pytest.raises(TryAgainLater, match="the disk is full"):
            train(config)
    assert checkpoints.checkpoints_in(config.run_dir / "checkpoints") == before
    assert checkpoints.is_sound(before[0])
    assert 4 <= max(line["step"] for line in RunDir(config.run_dir).metrics()) < 125


def test_a_copy_keeps_what_is_shared_and_how_it_is_laid_out() -> None:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    given: dict[str, Any] = {"a": weight, "tied": weight.detach(), "list": [torch.zeros(0), (1, "x")]}
    given["n"] = OrderedDict(z=1, y=2)
    found = Copier()(given)
    expected = weight.clone()
    weight.zero_()
    assert torch.equal(found["a"], expected)
    assert found["a"].stride() == expected.stride()
    assert found["tied"].data_ptr() == found["a"].data_ptr()
    assert found["list"][1] == (1, "x")
    assert list(found["n"].items()) == [("z", 1), ("y", 2)]


def test_the_next_copy_takes_the_memory_of_the_last() -> None:
    copier, weight, state = Copier(), torch.arange(6.0).view(2, 3), torch.ones(4)
    first = copier({"weight": weight, "state": [state]})
    places = [first["weight"].data_ptr(), first["state"][0].data_ptr()]
    weight += 1
    second = copier({"weight": weight, "state": [state * 2]})
    assert [second["weight"].data_ptr(), second["state"][0].data_ptr()] == places
    assert second["weight"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert second["state"][0].tolist() == [2] * 4
    # The optimizer has another state now, and a weight has another layout.
    third = copier({"weight": weight.T, "new": torch.zeros(2), "state": [state]})
    weight.zero_()
    assert third["weight"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert third["weight"].stride() == (1, 3)
    assert (third["new"].tolist(), third["state"][0].tolist()) == ([0, 0], [1] * 4)
