"""A run learns, writes its records, stops on a signal, continues exactly, and reports errors."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iconoclip.config import to_yaml
from iconoclip.errors import BadInput, ConfigError, DamagedData, MissingRequirement, TryAgainLater
from iconoclip.rundir import RunDir
from tests.commands import THE_COMMAND, Command
from tests.without_locks import take_locks_away
from training.checkpoint import folder as checkpoints
from training.checkpoint.file import AtomicCheckpointIO, read_checkpoint
from training.config import TrainConfig
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]


def weights(run: Path) -> dict[str, torch.Tensor]:
    path, _ = checkpoints.latest_sound(run / "checkpoints")
    assert path
    state: dict[str, torch.Tensor] = read_checkpoint(path)["state_dict"]
    return state


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in RunDir(run).metrics() if "loss" in line]


def assert_same_run(one: Path, other: Path) -> None:
    """Losses and weights bit-equal."""
    assert losses(one) == losses(other)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_learns_and_records_itself(make_config: MakeConfig) -> None:
    config = make_config(epochs=12, learning_rate=3e-3)
    assert train(config) == 0
    run = RunDir(config.run_dir)
    lines = list(run.metrics())
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == list(range(1, 76))  # 12 epochs of 50 samples in batches of 8
    assert lines[0]["loss"] > 1.8  # ln 8 is 2.08
    assert lines[-1]["validation/en/recall@5"] > 0.6  # 10 images: chance is 0.5
    assert losses(config.run_dir)[-1] < 0.8
    data = json.loads(run.data_path.read_text())
    assert data["num_samples"] == 50
    assert len(data["shardsets"][0]["digest"]) == 64
    assert run.job["state"] == "finished"
    assert 0 <= lines[-2]["data_wait_share"] < 1
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == [
        "step-00000072.ckpt",
        "step-00000072.ckpt.sha256",
        "step-00000075.ckpt",
        "step-00000075.ckpt.sha256",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"micro_batch_size": 3, "loss": "siglip", "num_workers": 1, "institution_alpha": 0.5},
        pytest.param({}, marks=pytest.mark.long),
    ],
)
def test_a_run_in_pieces_is_bit_equal_to_a_whole_one(
    make_config: MakeConfig, tmp_path: Path, changes: dict[str, Any]
) -> None:
    if changes.get("loss") == "siglip":
        changes |= {"model": str(with_bias(make_config(), tmp_path))}
    whole, pieces = (
        make_config(run_dir=tmp_path / "whole", **changes),
        make_config(run_dir=tmp_path / "pieces", **changes),
    )
    train(whole)
    for last_step in (3, 7):
        train(changed(pieces, max_steps=last_step, num_workers=0))
    train(pieces)
    assert_same_run(whole.run_dir, pieces.run_dir)


def with_bias(config: TrainConfig, folder: Path) -> Path:
    values = json.loads(Path(config.model.name).read_text())
    values["model_cfg"]["init_logit_bias"] = -10.0
    path = folder / "bias.json"
    path.write_text(json.dumps(values))
    return path


def test_a_finished_run_says_so(make_config: MakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(epochs=1, validation_split="none")
    train(config)
    before = config.run_dir.joinpath("metrics.jsonl").read_bytes()
    capsys.readouterr()
    assert train(config) == 0
    assert "finished already" in capsys.readouterr().err
    assert config.run_dir.joinpath("metrics.jsonl").read_bytes() == before


def test_another_run_in_the_same_folder_is_refused(make_config: MakeConfig) -> None:
    train(make_config(max_steps=1, validation_split="none"))
    with pytest.raises(ConfigError, match=r"started with optimizer.learning_rate 0\.001, not 0\.002"):
        train(make_config(max_steps=2, learning_rate=2e-3))


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, damaged = make_config(run_dir=tmp_path / "whole"), make_config(run_dir=tmp_path / "damaged")
    train(whole)
    train(changed(damaged, max_steps=8))
    path = checkpoints.checkpoint_path(damaged.run_dir / "checkpoints", 8)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedData, match="does not match its checksum"):
        read_checkpoint(path)
    train(damaged)
    assert "continuing from step-00000004.ckpt" in capsys.readouterr().err
    assert_same_run(whole.run_dir, damaged.run_dir)


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, ("touch " + str(tmp_path / "owned"),)

    path = checkpoints.checkpoint_path(tmp_path, 1)
    AtomicCheckpointIO().write({"state_dict": Evil()}, path)
    with pytest.raises(DamagedData, match="not a checkpoint of plain tensors"):
        read_checkpoint(path)
    assert not (tmp_path / "owned").exists()


def test_weights_that_hold_code_or_are_cut_short_are_refused(make_config: MakeConfig, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, ("touch " + str(tmp_path / "owned"),)

    torch.save({"state_dict": Evil()}, tmp_path / "weights.pt")
    (tmp_path / "weights.safetensors").write_bytes(b"\x40" + bytes(7) + b"{not a header")
    for model in (make_config().model.name, "ViT-B-32"):
        with pytest.raises(DamagedData, match="holds more than plain tensors"):
            train(make_config(model=model, pretrained=str(tmp_path / "weights.pt")))
    assert not (tmp_path / "owned").exists()
    with pytest.raises(DamagedData, match="the weights cannot be read"):
        train(make_config(pretrained=str(tmp_path / "weights.safetensors")))


def start(config: TrainConfig, folder: Path) -> Command:
    """The command as a person would start it, in a process of its own."""
    path = folder / "config.yaml"
    path.write_text(to_yaml(config))
    return Command([*THE_COMMAND, "train", "--config", path])


def wait_for_step(run: Path, step: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if any(line.get("step", 0) >= step for line in RunDir(run).metrics()):
            return
        time.sleep(0.02)
    pytest.fail(f"step {step} was not reached")


def test_signals_and_kills_lose_nothing(make_config: MakeConfig, tmp_path: Path) -> None:
    slow = {"epochs": 9, "checkpoint_every": 10, "validation_split": "none", "batch_size": 10}  # 45 steps
    whole, stopped = (
        make_config(run_dir=tmp_path / "whole", **slow),
        make_config(run_dir=tmp_path / "stopped", **slow),
    )
    train(whole)
    for sign, step in ((signal.SIGTERM, 2), (signal.SIGKILL, 18)):
        process = start(stopped, tmp_path)
        wait_for_step(stopped.run_dir, step)
        process.send_signal(sign)
        process.wait(60)
        if sign == signal.SIGKILL:
            assert process.returncode == -9
        else:
            assert process.returncode == 75, process.stderr
            assert f"stopped by {sign.name}" in process.stderr
            assert RunDir(stopped.run_dir).job["state"] == "stopped"
        assert all(
            checkpoints.is_sound(path) for path in checkpoints.checkpoints_in(stopped.run_dir / "checkpoints")
        )
    train(stopped)
    assert_same_run(whole.run_dir, stopped.run_dir)


def test_a_step_that_is_not_finite_is_never_applied(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.module import ContrastiveModule

    plain, calls = ContrastiveModule.loss_of, itertools.count()

    def poisoned(self: ContrastiveModule, *args: Any) -> torch.Tensor:
        loss = plain(self, *args)
        return loss * float("nan") if next(calls) in (2, 5) else loss

    monkeypatch.setattr(ContrastiveModule, "loss_of", poisoned)
    config = make_config(max_bad_steps=2, validation_split="none")
    train(config)
    lines = list(RunDir(config.run_dir).metrics())
    events = [line for line in lines if "event" in line]
    assert [line["step"] for line in events] == [3, 6]
    assert all(len(line["keys"]) == 8 and line["keys"][0].startswith("north-") for line in events)
    assert all(torch.isfinite(tensor).all() for tensor in weights(config.run_dir).values())
    assert [line["loss"] for line in lines if line["step"] == 3 and "loss" in line] == [None]


def test_a_gradient_that_is_not_finite_is_enough(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.module import ContrastiveModule

    plain, calls = ContrastiveModule.loss_of, itertools.count()

    def steep(self: ContrastiveModule, images: torch.Tensor, *rest: Any) -> torch.Tensor:
        loss = plain(self, images, *rest)
        # A root at zero: nothing is added to the loss, and its slope there has no end.
        return loss + (0 * images.sum()).abs().sqrt() if next(calls) == 1 else loss

    monkeypatch.setattr(ContrastiveModule, "loss_of", steep)
    config = make_config(max_steps=2, ema_decay=0.5, validation_split="none", checkpoint_every=1)
    train(config)
    lines = list(RunDir(config.run_dir).metrics())
    assert [line["step"] for line in lines if "event" in line] == [2]
    second = next(line for line in lines if line["step"] == 2 and "loss" in line)
    assert second["loss"] > 0
    assert second["grad_norm"] is None
    # Neither the weights nor their average nor AdamW's moments have moved.
    first, last = (
        read_checkpoint(checkpoints.checkpoint_path(config.run_dir / "checkpoints", n)) for n in (1, 2)
    )
    for before, after in (
        (first["state_dict"], last["state_dict"]),
        (first["iconoclip"]["average"], last["iconoclip"]["average"]),
        (first["optimizer_states"][0]["state"][0], last["optimizer_states"][0]["state"][0]),
    ):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_too_many_bad_steps_end_the_run(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.module import ContrastiveModule

    monkeypatch.setattr(ContrastiveModule, "loss_of", lambda self, images, *rest: images.sum() * float("inf"))
    with pytest.raises(BadInput, match="3 steps had a loss or gradient that is not finite"):
        train(make_config(max_bad_steps=2, validation_split="none"))


def test_a_run_that_bad_steps_ended_continues_once_more_are_allowed(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.module import ContrastiveModule

    config = make_config(max_bad_steps=0, validation_split="none", checkpoint_every=1, max_steps=4)
    plain = ContrastiveModule.loss_of

    def poisoned(self: ContrastiveModule, *args: Any) -> torch.Tensor:
        return plain(self, *args) * (float("nan") if self.step == 2 else 1)

    monkeypatch.setattr(ContrastiveModule, "loss_of", poisoned)
    with pytest.raises(BadInput, match="1 steps had"):
        train(config)
    train(changed(config, max_bad_steps=1))
    assert max(line["step"] for line in RunDir(config.run_dir).metrics()) == 4


def test_cached_features_give_the_gradients_of_the_whole_batch(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    from training.module import ContrastiveModule
    from training.plan import load_for_training, make_dataset, make_plan

    grads = []
    for micro in (None, 3):
        config = make_config(
            micro_batch_size=micro,
            loss="siglip",
            repeated="positive",
            model=str(with_bias(make_config(), tmp_path)),
        )
        plan = make_plan(config)
        loaded = load_for_training(config.model, config.loss, config.seed)
        module = ContrastiveModule(loaded, plan.recipe).double()
        module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
        module._unsynchronised = torch.enable_grad  # type: ignore[method-assign]
        type(module).global_rank = 0  # type: ignore[assignment, method-assign]
        batch = make_dataset(plan, loaded).__getitems__(plan.schedule.batch(0))
        module.backward_whole(batch)
        grads.append({name: parameter.grad for name, parameter in module.named_parameters()})
    assert grads[0]["model.logit_scale"] is not None
    assert grads[0]["model.logit_bias"] is not None
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, rtol=1e-9, atol=1e-12)


def test_bad_input_is_answered_before_the_first_step(make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a batch of 64 needs as many samples; there are 50"):
        train(make_config(batch_size=64))
    with pytest.raises(BadInput, match="64 ranks are more than the 50 samples"):
        train(make_config(batch_size=64, devices=64))
    with pytest.raises(ConfigError, match="no model is called 'ViT-B-23'") as caught:
        train(make_config(model="ViT-B-23"))
    assert caught.value.remedy
    assert "did you mean 'ViT-B-" in caught.value.remedy
    with pytest.raises(MissingRequirement, match="no model directory here"):
        train(make_config(model=f"local-dir:{tmp_path / 'nothing'}"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(MissingRequirement, match="run directory cannot be written"):
        train(make_config(run_dir=blocked / "run"))


@pytest.mark.long
def test_bf16_and_checkpointing_change_the_cost_and_not_the_course(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    def course(**changes: Any) -> list[tuple[float, float]]:
        config = make_config(
            run_dir=tmp_path / "-".join(["run", *changes]), max_steps=4, validation_split="none", **changes
        )
        train(config)
        return [(line["loss"], line["grad_norm"]) for line in RunDir(config.run_dir).metrics()]

    wanted = course()
    # bf16 keeps eight bits: a loss of about 2 to a few thousandths. Cached features take the weights twice.
    for narrow in (course(precision="bfloat16"), course(precision="bfloat16", micro_batch_size=3)):
        assert np.array(narrow) == pytest.approx(np.array(wanted), rel=0.03)
        assert narrow != wanted
    thrifty = course(gradient_checkpointing=True)
    assert np.array(thrifty) == pytest.approx(np.array(wanted), rel=1e-5)


def test_metrics_go_to_tensorboard_once(make_config: MakeConfig) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = make_config(tensorboard=True, validation_split="none", checkpoint_every=2, max_steps=5)
    train(changed(config, max_steps=3))
    # As after a kill: the last checkpoint is gone, and a step is done once more.
    checkpoints.checkpoint_path(config.run_dir / "checkpoints", 3).unlink()
    train(config)
    events = EventAccumulator(str(config.run_dir / "tensorboard"))
    events.Reload()
    found = [(one.step, one.value) for one in events.Scalars("loss")]
    assert [step for step, _ in found] == [1, 2, 3, 4, 5]
    assert [value for _, value in found] == pytest.approx(losses(config.run_dir))


def test_a_run_where_there_are_no_file_locks(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_away(monkeypatch, errno.ENOSYS)
    config = make_config(max_steps=1)
    train(config)
    run = RunDir(config.run_dir)
    assert run.job["state"] == "finished"
    with run.locked(), pytest.raises(TryAgainLater, match="another process"):
        train(changed(config, max_steps=2))


def test_one_run_at_a_time_in_a_folder(make_config: MakeConfig) -> None:
    config = make_config(max_steps=1)
    run = RunDir(config.run_dir)
    with run.locked(), pytest.raises(TryAgainLater, match="another process"):
        train(config)
