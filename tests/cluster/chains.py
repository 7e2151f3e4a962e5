"""A chain of all stages, running in the background of other tests: a task of its harvest is killed, and it is
submitted again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from slurm import scheduler
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster

from .tiny import MODEL
from .waiting import wait_until


@dataclass(frozen=True)
class Chained:
    """A chain that runs for the second time."""

    file: Path
    runs: Path


def describe(folder: Path, iiif: list[str], oai: str) -> Path:
    (folder / "tiny.json").write_text(json.dumps(MODEL))
    train = {
        "shardsets": ["{merge}"], "model": {"name": str(folder / "tiny.json")}, "data": {"num_workers": 0},
        "schedule": {"batch_size": 8, "epochs": 1, "max_steps": 4},
        "hardware": {"device": "cpu", "precision": "float32", "num_threads": 1}, "log": {"wandb": False},
        "validation": {"split": "none"},
    }  # fmt: skip
    small = {"max_side_pixels": 64, "split": {"val_share": 0.1, "test_share": 0.3}, "num_workers": 1}
    steps = {
        "iiif": {"stage": "harvest", "num_tasks": 2, "fields": {"sources": iiif, **small}},
        "oai": {
            "stage": "harvest",
            "fields": {"sources": [oai], "source": "oai-pmh", "institution": "armorial-valcendre", **small},
        },
        "merge": {"fields": {"shardsets": ["{iiif}", "{oai}"]}},
        "check": {"fields": {"shardset": "{merge}"}},
        "train": {"fields": train, "after": ["check"]},
        "weights": {"stage": "export", "fields": {"run_dir": "{train}"}},
        "evaluate": {
            "nodes": 2,
            "fields": {"model": "{weights}", "shardsets": ["{merge}"], "device": "cpu"},
        },
        "model": {
            "stage": "export",
            "fields": {
                "run_dir": "{train}",
                "evaluations": ["{evaluate}/evaluation.json"],
                "licence": "CC-BY-4.0",
            },
        },
        "encode": {"num_tasks": 2, "fields": {"model": "{model}", "shardset": "{merge}", "num_threads": 1}},
        "index": {
            "fields": {"stores": ["{encode}"], "shardsets": "{merge}", "model": "{model}", "num_threads": 1}
        },
    }
    file = folder / "chain.yaml"
    file.write_text(yaml.safe_dump({"folder": str(folder / "runs"), "steps": steps}, sort_keys=False))
    return file


def kill_task(cluster: LocalCluster, run: Path, task: int) -> None:
    """End the stage of one task of a run as a machine out of memory does: SIGKILL.

    Other tests run harvests of their own on the same cluster: the command line names the folder of the run.
    """
    wanted, folder = f"SLURM_ARRAY_TASK_ID={task}".encode(), str(run).encode()
    found: list[int] = []

    def is_there() -> bool:
        for pid in cluster.processes():
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            is_stage = b"iconoclip.cli" in words and b"srun" not in words[0]
            if is_stage and wanted in variables and any(word.startswith(folder) for word in words):
                found.append(pid)
        return bool(found)

    wait_until(is_there, "the task running", seconds=600)
    os.kill(found[0], signal.SIGKILL)


def start_chain(cluster: LocalCluster, folder: Path, iiif: list[str], oai: str) -> Chained:
    """Submit the chain, kill a task of its harvest, and submit it again when the rest has been given up."""
    file = describe(folder, iiif, oai)
    # Its first step may be over before the last one is submitted.
    submitting = subprocess.Popen(command_of(file), stderr=subprocess.PIPE, text=True)
    harvest = JobDir(folder / "runs" / "iiif")
    kill_task(cluster, harvest.run.folder, 1)
    _, errors = submitting.communicate(timeout=600)
    # 75: the task failed before the last step was submitted.
    assert submitting.returncode in (0, 75), errors
    wait_until(
        lambda: harvest.work_of(1).state == "failed" and harvest.work_of(0).state == "finished",
        "one task killed and the other finished",
        seconds=600,
    )
    wait_until(lambda: not waiting(), "given up by SLURM", seconds=600)
    submit_chain(file)
    return Chained(file, folder / "runs")


def submit_chain(file: Path) -> str:
    """Run `iconoclip chain` and return what it prints."""
    return subprocess.run(command_of(file), capture_output=True, text=True, check=True).stdout


def command_of(file: Path) -> list[str]:
    """The command that submits a chain."""
    return [sys.executable, "-m", "iconoclip.cli", "chain", str(file)]


def waiting() -> list[int]:
    """Jobs that wait for another."""
    return [job.job_id for job in scheduler.queue() if job.reason.startswith("Dependency")]
