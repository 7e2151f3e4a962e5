"""Waiting for what a cluster does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from slurm.job import JobDir


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Wait until a condition on the cluster holds."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


def log_of(run: Path) -> str:
    """The text of all logs of a run."""
    return "".join(path.read_text() for path in sorted(JobDir(run).logs.glob("*.log")))


def wait_until_finished(job_dir: JobDir, seconds: float = 180) -> None:
    """Wait until no job of a run is in the queue, and check that its own records say finished."""
    wait_until(lambda: not job_dir.queued(), "gone from the queue", seconds)
    assert job_dir.is_finished(), log_of(job_dir.run.folder)


def steps_of(run: Path, task: str = "") -> list[int]:
    """The steps a counting run has recorded."""
    path = run / "out" / f"steps{task}.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []
