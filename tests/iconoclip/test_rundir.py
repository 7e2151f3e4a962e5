"""A run's folder: one process at a time, one run per folder, metrics that survive a crash and a resume."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import Field

from iconoclip.config import Config
from iconoclip.errors import ConfigError, DamagedData, MissingRequirement, TryAgainLater
from iconoclip.rundir import RunDir


class Plan(Config):
    """The config of a run in these tests."""

    seed: int = Field(0, description="of everything drawn")


def test_what_is_known_before_the_first_step_is_written(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "a" / "run")
    run.start(Plan(seed=3), data={"shardsets": ["x"]}, resuming=False)
    assert yaml.safe_load(run.config_path.read_text()) == {"seed": 3}
    assert json.loads(run.data_path.read_text()) == {"shardsets": ["x"]}
    assert "iconoclip" in json.loads(run.env_path.read_text())["packages"]
    assert run.checkpoints.is_dir()


def test_another_run_in_the_folder_is_refused_and_a_resumed_one_keeps_its_config(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.start(Plan(seed=3), data={"n": 1}, resuming=False)
    with pytest.raises(ConfigError, match="already holds a run"):
        run.start(Plan(seed=4), data={"n": 2}, resuming=False)
    assert json.loads(run.data_path.read_text()) == {"n": 1}
    run.start(Plan(seed=4), data={"n": 2}, resuming=True)
    assert yaml.safe_load(run.config_path.read_text()) == {"seed": 3}
    assert json.loads(run.data_path.read_text()) == {"n": 2}


def test_a_folder_that_cannot_be_made_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingRequirement, match="cannot be written"):
        RunDir(tmp_path / "file" / "run").start(Plan(), data={}, resuming=False)


def test_a_line_cut_short_by_a_crash_is_left_out_and_damage_before_it_is_named(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert list(run.metrics()) == []
    run.log(step=1, loss=2.5)
    run.log(step=2, loss=1.5)
    with run.metrics_path.open("a") as file:
        file.write('{"step": 3, "lo')
    assert list(run.metrics()) == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 1.5}]
    run.metrics_path.write_text('{"step": 1}\n{"step"\n{"step": 3}\n')
    with pytest.raises(DamagedData, match="line 2 is not JSON"):
        list(run.metrics())


def test_a_number_that_json_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        RunDir(tmp_path).log(loss=float("nan"))


def test_metrics_after_the_checkpoint_are_removed(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.rewind(0)
    assert not run.metrics_path.exists()
    for step in range(1, 6):
        run.log(step=step)
        run.log(step=step, validation=True)
    with run.metrics_path.open("a") as file:
        file.write('{"step": 6')
    run.rewind(3)
    assert [line["step"] for line in run.metrics()] == [1, 1, 2, 2, 3, 3]
    run.log(step=4)
    assert [line["step"] for line in run.metrics()] == [1, 1, 2, 2, 3, 3, 4]


def test_the_job_s_record_is_merged(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.job == {}
    run.update_job(state="running", wandb_id="abc")
    run.update_job(state="finished")
    assert run.job == {"state": "finished", "wandb_id": "abc"}


HOLD = """
import sys, time
from iconoclip.rundir import RunDir
with RunDir(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_and_a_killed_one_does_not_block(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TryAgainLater, match="another process is training"), RunDir(tmp_path).locked():
            pytest.fail("two processes in one folder")
        other.kill()
    with RunDir(tmp_path).locked():
        pass
