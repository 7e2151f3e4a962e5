"""The same training in four ways, running in the background of other tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.submit import submit
from tests.commands import THE_COMMAND, Command

from .tiny import NUM_STEPS, train_fields
from .waiting import log_of, wait_until


@dataclass(frozen=True)
class Trained:
    """One run in one process without SLURM, and runs on two nodes: plain, sharded, interrupted twice."""

    alone: Path
    two_nodes: Path
    sliced: Path
    requeued: Path
    process: Command

    def finish(self, cluster: LocalCluster) -> Trained:
        """Interrupt one of them, and wait for all."""
        interrupt_twice(cluster, JobDir(self.requeued))
        assert self.process.wait(timeout=600) == 0
        for run in (self.two_nodes, self.sliced, self.requeued):
            wait_until_gone(JobDir(run))
            assert JobDir(run).is_finished(), log_of(run)
        return self


def wait_until_gone(job_dir: JobDir) -> None:
    """Wait until no job of a run is in the queue."""
    wait_until(lambda: not job_dir.queued(), f"{job_dir.run.folder} gone from the queue", seconds=600)


def start_trainings(folder: Path) -> Trained:
    """Submit three, start the fourth, and wait for none."""
    config_file = folder / "tiny.yaml"
    config_file.write_text(yaml.safe_dump(train_fields(folder)))
    own_words = {"requeued": ["log.wandb=true"], "two_nodes": [], "sliced": ["hardware.strategy=fsdp"]}
    for name, words in own_words.items():
        submit(
            SubmitConfig(
                stage="train", config_file=str(config_file), overrides=words, run_dir=folder / name, nodes=2
            )
        )
    words = ["train", "--config", config_file, "--run_dir", folder / "alone"]
    process = Command([*THE_COMMAND, *words])
    names = ("alone", "two_nodes", "sliced", "requeued")
    return Trained(*(folder / name for name in names), process)


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
