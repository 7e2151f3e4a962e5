"""Real training on a real SLURM: two nodes give what one process gives, and a requeue changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from iconoclip.rundir import RunDir
from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.submit import submit

from .conftest import log_of, wait_until
from .tiny import train_fields

# Bounds on failures, not on how long it takes: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
NUM_STEPS = 960 // 16


@dataclass(frozen=True)
class Trained:
    """One run by one process without SLURM, and on two nodes: plain, with sliced weights, interrupted."""

    alone: Path
    two_nodes: Path
    sliced: Path
    requeued: Path


@pytest.fixture(scope="module")
def trained(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    config_file = folder / "tiny.yaml"
    config_file.write_text(yaml.safe_dump(train_fields(folder)))
    runs = Trained(folder / "alone", folder / "two_nodes", folder / "sliced", folder / "requeued")
    for run in (runs.requeued, runs.two_nodes, runs.sliced):
        overrides = ["strategy=fsdp"] if run == runs.sliced else []
        submit(
            SubmitConfig(
                stage="train", config_file=str(config_file), overrides=overrides, run_dir=run, nodes=2
            )
        )
    alone = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "iconoclip.cli",
            "train",
            "--config",
            str(config_file),
            "--run_dir",
            str(runs.alone),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    interrupt_twice(cluster, JobDir(runs.requeued))
    assert alone.wait(timeout=300) == 0
    for run in (runs.requeued, runs.two_nodes, runs.sliced):
        wait_until(lambda run=run: not JobDir(run).queued(), f"{run.name} gone from the queue", seconds=300)
        assert JobDir(run).is_finished(), log_of(run)
    return runs


def interrupt_twice(cluster: LocalCluster, job_dir: JobDir) -> None:
    """First by the warning before a time limit, in the middle of the epoch; then by an operator's requeue."""
    (job_id,) = job_dir.job_ids()
    wait_until(lambda: last_step(job_dir) >= 5, "training", seconds=300)
    cluster.run("scancel", "--signal=USR1", "--batch", str(job_id))
    wait_until(lambda: job_dir.work_of(None).state == "requeued", "requeued by itself")
    stopped_at = last_step(job_dir)
    assert stopped_at < NUM_STEPS - 10, "too late to be in the middle"
    # What was saved is the step recorded last: nothing but a batch in flight is lost.
    assert job_dir.run.job["step"] == stopped_at
    wait_until(lambda: last_step(job_dir) >= stopped_at + 5, "continuing", seconds=300)
    cluster.run("scontrol", "requeue", str(job_id))


def last_step(job_dir: JobDir) -> int:
    return max([line["step"] for line in job_dir.run.metrics()], default=0)


def losses_of(run: Path) -> list[float]:
    lines = [line for line in RunDir(run).metrics() if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, NUM_STEPS + 1))
    return [line["loss"] for line in lines]


def test_two_nodes_give_the_losses_of_one_process(trained: Trained) -> None:
    assert losses_of(trained.two_nodes) == pytest.approx(losses_of(trained.alone), abs=1e-5)
    # It learns: a run in which nothing happens would agree with anything.
    assert losses_of(trained.alone)[-1] < losses_of(trained.alone)[0] - 0.01


def test_sliced_weights_on_two_nodes_give_the_losses_of_one_process(trained: Trained) -> None:
    assert losses_of(trained.sliced) == pytest.approx(losses_of(trained.alone), abs=1e-5)
    assert yaml.safe_load((trained.sliced / "config.yaml").read_text())["strategy"] == "fsdp"


def test_two_requeues_in_the_middle_of_an_epoch_change_no_loss(trained: Trained) -> None:
    assert losses_of(trained.requeued) == losses_of(trained.two_nodes)


def test_the_requeued_run_is_one_run(trained: Trained) -> None:
    job_dir = JobDir(trained.requeued)
    attempts = job_dir.work_of(None).attempts
    assert [(attempt.exit_code, attempt.stop) for attempt in attempts] == [
        (75, "warned"),
        (75, "ended"),
        (0, "none"),
    ]
    assert len({attempt.job_id for attempt in attempts}) == 1
    assert log_of(trained.requeued).count("attempt ") == 3
    record = job_dir.run.job
    assert record["state"] == "finished"
    # wandb writes a folder for each start; all of them are the same run to its server.
    folders = [path.name for path in (trained.requeued / "wandb").glob("offline-run-*")]
    assert len(folders) == 3
    assert all(name.endswith(record["wandb_id"]) for name in folders)


def test_both_ranks_ran_on_their_own_node(trained: Trained) -> None:
    assert JobDir(trained.two_nodes).work_of(None).attempts[0].nodes == "node[1-2]"
    assert yaml.safe_load((trained.two_nodes / "config.yaml").read_text())["num_nodes"] == 2
