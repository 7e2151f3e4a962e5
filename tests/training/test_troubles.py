"""Ordinary errors of a machine: a full disk, damaged pictures, too little memory, wandb without a key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from iconoclip.config import to_yaml
from iconoclip.errors import BadInput, DamagedData
from iconoclip.rundir import RunDir
from tests import commands
from training.checkpoint import folder as checkpoints
from training.config import EvaluateConfig, ExportConfig, TrainConfig
from training.data.loader import TrainingSamples
from training.evaluate import evaluate
from training.export import export
from training.seen import times_seen
from training.train import train

from .conftest import changed, make_record, shapes, write_set
from .test_ranks import launch
from .test_train import assert_same_run

MakeConfig = Callable[..., TrainConfig]


def test_a_disk_that_is_full_keeps_the_last_checkpoint(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(max_steps=4, validation_split="none")
    train(config)
    before = sorted(path.name for path in config.run_dir.rglob("*") if path.is_file())
    longer = tmp_path / "longer.yaml"
    longer.write_text(to_yaml(changed(config, max_steps=8)))
    # The checkpoint has megabytes (a vocabulary of 49,408 rows), everything else a few kilobytes.
    done = commands.run(["train", "--config", longer], max_file_bytes=1_000_000)
    assert done.returncode == 75, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in config.run_dir.rglob("*") if path.is_file()) == before
    found, damaged = checkpoints.latest_sound(config.run_dir / "checkpoints")
    assert (found and checkpoints.step_of(found), damaged) == (4, [])
    model = tmp_path / "model"
    done = commands.run(["export", config.run_dir, "--out", model], max_file_bytes=1_000_000)
    assert done.returncode == 75, done.stderr
    assert not list(tmp_path.glob("*model*"))


def test_all_ranks_end_when_the_first_cannot_write(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(devices=2, max_steps=4, validation_split="none")
    script = tmp_path / "elsewhere" / "full.py"
    script.parent.mkdir()
    script.write_text(FULL)
    said = launch(config, tmp_path, (str(script),), code=75)
    assert said.count("the disk is full") == 2
    assert "Traceback" not in said


FULL = """
import resource, sys
from iconoclip.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
sys.exit(main(["train", *sys.argv[1:]]))
"""


@pytest.fixture
def damaged_set(tmp_path: Path) -> Path:
    """The small set with five pictures that no decoder reads, two of them neighbours."""
    samples = shapes(lambda number: "val" if number % 6 == 0 else "train")
    for number in (3, 20, 21, 40, 6):  # 6 is on the validation side
        samples[number] = (samples[number][0], b"no picture at all, number %d" % number)
    return write_set(tmp_path / "damaged", samples)


def damaged_keys(numbers: tuple[int, ...]) -> list[str]:
    return [make_record(number, shapes()[0][1], {"en": "a"}).key for number in numbers]


def test_damaged_pictures_do_not_end_a_run(
    make_config: MakeConfig, damaged_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    plain = TrainingSamples.__getitems__

    def noted(self: TrainingSamples, pairs: list[tuple[int, int]]) -> Any:
        batch = plain(self, pairs)
        trained.extend(self.samples.keys[row].as_py() for row in batch.rows_B.tolist())
        return batch

    options: dict[str, Any] = {"shardsets": [str(damaged_set)], "max_steps": 13, "checkpoint_every": 5}
    whole = make_config(run_dir=tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingSamples, "__getitems__", noted)
        train(whole)
    run = RunDir(whole.run_dir)
    bad = damaged_keys((3, 20, 21, 40))
    assert set(run.job["damaged"]) == set(bad)
    assert all("cannot be decoded" in reason for reason in run.job["damaged"].values())
    listed = [pair for line in run.metrics() for pair in line.get("damaged", ())]
    assert {key for key, _ in listed} == set(bad)
    # Two neighbours are damaged: the same sample takes both places. Every batch is full.
    neighbours = dict(listed)
    assert neighbours[bad[1]] == neighbours[bad[2]] == damaged_keys((22,))[0]
    assert len(trained) == 13 * 8
    counted = Counter(trained)
    assert times_seen(run, [*bad, *neighbours.values()], 13) == {
        **dict.fromkeys(bad, 0), **{key: counted[key] for key in neighbours.values()},
    }  # fmt: skip
    # The one on the validation side is left out of the measurement.
    assert [line["validation/num_damaged"] for line in run.metrics() if "validation/num_damaged" in line] == [
        1
    ]
    # In pieces, and with a loading process, it is the same run.
    pieces = make_config(run_dir=tmp_path / "pieces", **options)
    train(changed(pieces, max_steps=6))
    train(changed(pieces, num_workers=1))
    assert_same_run(whole.run_dir, pieces.run_dir)
    assert RunDir(pieces.run_dir).job["damaged"] == run.job["damaged"]


def test_too_many_damaged_pictures_end_the_run_with_the_list(
    make_config: MakeConfig, damaged_set: Path
) -> None:
    config = make_config(shardsets=[str(damaged_set)], max_damaged_samples=2, epochs=2)
    with pytest.raises(
        DamagedData, match=r"3 samples have damaged pictures, more than data.max_damaged_samples \(2\)"
    ) as caught:
        train(config)
    listed = RunDir(config.run_dir).job["damaged"]
    assert len(listed) == 3
    assert all(key in caught.value.what for key in listed)
    assert train(changed(config, max_damaged_samples=4)) == 0


def test_ranks_agree_about_damaged_pictures(
    make_config: MakeConfig, damaged_set: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "shardsets": [str(damaged_set)],
        "max_damaged_samples": 2,
        "validation_split": "none",
    }
    alone, two = (
        make_config(run_dir=tmp_path / name, devices=devices, **options)
        for name, devices in (("alone", 1), ("two", 2))
    )
    with pytest.raises(DamagedData):
        train(alone)
    said = launch(two, tmp_path, code=2)
    assert said.count("more than data.max_damaged_samples (2)") == 2
    lines = [list(RunDir(one.run_dir).metrics()) for one in (alone, two)]
    losses = [[line["loss"] for line in found if "loss" in line] for found in lines]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    listed = [[(line["step"], line["damaged"]) for line in found if "damaged" in line] for found in lines]
    assert listed[0] == listed[1]
    assert RunDir(two.run_dir).job["damaged"] == RunDir(alone.run_dir).job["damaged"]


def test_an_evaluation_leaves_damaged_pictures_out(
    make_config: MakeConfig, damaged_set: Path, tmp_path: Path
) -> None:
    config = make_config(max_steps=1, validation_split="none")
    train(config)
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "model"))
    evaluate(
        EvaluateConfig(
            model=str(tmp_path / "model"),
            shardsets=[str(damaged_set)],
            split="val",
            out=tmp_path / "evaluation",
            device="cpu",
        )
    )
    found = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert list(found["damaged"]) == damaged_keys((6,))
    assert found["num_images"] == 9


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."), MemoryError()],
)
def test_too_little_memory_names_the_fields_that_help(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from training.module import ContrastiveModule

    def raised(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(ContrastiveModule, "backward_whole", raised)
    with pytest.raises(BadInput, match="out of memory") as caught:
        train(make_config(validation_split="none"))
    assert all(
        word in (caught.value.remedy or "")
        for word in ("micro_batch_size", "gradient_checkpointing", "precision")
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "environment",
    [
        {"WANDB_MODE": "online"},  # no key
        {"WANDB_MODE": "online", "WANDB_API_KEY": "0" * 40, "WANDB_INIT_TIMEOUT": "1"},  # no server
        {"WANDB_MODE": "no such mode"},
    ],
    ids=["no key", "no server", "no such mode"],
)
def test_wandb_never_ends_a_run(
    make_config: MakeConfig, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    for name, value in {"HOME": str(tmp_path), "WANDB_BASE_URL": "http://127.0.0.1:9", **environment}.items():
        monkeypatch.setenv(name, value)
    config = make_config(wandb=True, max_steps=2, validation_split="none")
    assert train(config) == 0
    assert "the run is mirrored offline" in capfd.readouterr().err
    assert list((config.run_dir / "wandb").glob("offline-run-*"))
