"""All stages on a real SLURM: from a harvest whose task is killed to an index that answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from slurm import scheduler
from slurm.chain import chain
from slurm.config import ChainConfig, StatusConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.status import status

from .conftest import log_of, wait_until
from .tiny import MODEL

# Bounds on failures, not on how long it takes: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Chained:
    """A chain on its way, the second time."""

    file: Path
    runs: Path


def describe(folder: Path, iiif: list[str], oai: str) -> Path:
    (folder / "tiny.json").write_text(json.dumps(MODEL))
    train = {
        "shardsets": ["{merge}"], "model": str(folder / "tiny.json"), "batch_size": 8, "epochs": 1,
        "max_steps": 4, "num_workers": 0, "num_threads": 1, "wandb": False,
        "accelerator": "cpu", "precision": "float32",
        "validation_split": "none",
    }  # fmt: skip
    small = {"max_side_pixels": 64, "val_share": 0.1, "test_share": 0.3, "num_workers": 1}
    steps = {
        "iiif": {"stage": "harvest", "num_tasks": 2, "fields": {"sources": iiif, **small}},
        "oai": {
            "stage": "harvest",
            "fields": {"sources": [oai], "source": "oai-pmh", "institution": "armorial-valcendre", **small},
        },
        "merge": {"fields": {"shardsets": ["{iiif}", "{oai}"]}},
        "train": {"nodes": 2, "fields": train},
        "export": {"fields": {"run_dir": "{train}"}},
        "evaluate": {
            "nodes": 2,
            "fields": {"model": "{export}", "shardsets": ["{merge}"], "accelerator": "cpu"},
        },
        "encode": {"num_tasks": 2, "fields": {"model": "{export}", "shardset": "{merge}", "num_threads": 1}},
        "index": {
            "fields": {"stores": ["{encode}"], "shardset": "{merge}", "model": "{export}", "num_threads": 1}
        },
    }
    file = folder / "chain.yaml"
    file.write_text(
        yaml.safe_dump({"folder": str(folder / "runs"), "site": "local", "steps": steps}, sort_keys=False)
    )
    return file


def kill_task(cluster: LocalCluster, job_dir: JobDir, task: int) -> None:
    """End the stage of one task as a machine out of memory does: SIGKILL."""
    wanted = f"SLURM_ARRAY_TASK_ID={task}".encode()
    found: list[int] = []

    def is_there() -> bool:
        for pid in cluster.processes():
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in variables and b"iconoclip.cli" in words and b"srun" not in words[0]:
                found.append(pid)
        return bool(found)

    wait_until(is_there, "the task running")
    os.kill(found[0], signal.SIGKILL)


def start(cluster: LocalCluster, folder: Path, iiif: list[str], oai: str) -> Chained:
    """Submit the chain, kill a task of its harvest, and submit it again when the rest has been given up."""
    file = describe(folder, iiif, oai)
    chain(ChainConfig(chain=str(file)))
    harvest = JobDir(folder / "runs" / "iiif")
    kill_task(cluster, harvest, 1)
    wait_until(
        lambda: harvest.work_of(1).state == "failed" and harvest.work_of(0).state == "finished", "killed"
    )
    wait_until(lambda: not waiting(), "given up by SLURM")
    chain(ChainConfig(chain=str(file)))
    return Chained(file, folder / "runs")


def num_fetched(ledger: Path) -> int:
    """Images that a task's ledger holds."""
    with contextlib.closing(sqlite3.connect(ledger)) as database:
        found: int = database.execute("SELECT count(*) FROM items WHERE state = 'fetched'").fetchone()[0]
    return found


def waiting() -> list[int]:
    """Jobs that wait for another."""
    return [job.job_id for job in scheduler.queue() if job.reason.startswith("Dependency")]


def test_a_harvest_redoes_only_the_killed_task(chained: Chained) -> None:
    harvest = JobDir(chained.runs / "iiif")
    wait_until(harvest.is_finished, "harvested", seconds=300)
    wait_until(lambda: harvest.work_of(1).state == "finished", "joined")
    assert [len(harvest.work_of(task).attempts) for task in (0, 1)] == [1, 2]
    assert harvest.work_of(1).attempts[0].exit_code == 137
    submissions = [json.loads(line) for line in harvest.submissions_path.read_text().splitlines()]
    assert [line["array"] for line in submissions] == ["0-1", "1"]
    ledgers = [harvest.run.folder / f"out/.harvest/task-{task:05d}-of-00002/ledger.sqlite" for task in (0, 1)]
    fetched = [num_fetched(ledger) for ledger in ledgers]
    assert all(fetched)
    whole = json.loads((harvest.run.folder / "out/shardset.json").read_text())
    assert whole["totals"]["num_samples"] == sum(fetched)


def test_the_chain_ends_in_an_index_that_answers(
    chained: Chained, capsys: pytest.CaptureFixture[str]
) -> None:
    index = JobDir(chained.runs / "index")
    wait_until(lambda: not scheduler_has(chained), "the chain's end", seconds=600)
    assert index.is_finished(), "\n".join(log_of(run) for run in sorted(chained.runs.iterdir()))
    capsys.readouterr()
    status(StatusConfig(folder=chained.runs, json=True))
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["run"] for row in rows} == {
        "iiif",
        "oai",
        "merge",
        "train",
        "export",
        "evaluate",
        "encode",
        "index",
    }
    assert {row["state"] for row in rows} == {"finished"}
    command = [
        sys.executable,
        "-m",
        "iconoclip.cli",
        "search",
        "azure",
        "--index",
        str(chained.runs / "index/out"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def scheduler_has(chained: Chained) -> bool:
    ours = {job_id for run in chained.runs.iterdir() for job_id in JobDir(run).job_ids()}
    return any(job.job_id in ours for job in scheduler.queue())


def test_a_finished_chain_submits_nothing(chained: Chained, capsys: pytest.CaptureFixture[str]) -> None:
    wait_until(JobDir(chained.runs / "index").is_finished, "the chain's end", seconds=600)
    wait_until(lambda: not scheduler_has(chained), "the queue empty", seconds=60)
    capsys.readouterr()
    chain(ChainConfig(chain=str(chained.file)))
    assert capsys.readouterr().out.count("finished already") == 8
