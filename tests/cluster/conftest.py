"""A real two-node SLURM for the tests of this folder, and a stage that counts."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import Field

from iconoclip.config import Config
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.stages import STAGES, Stage

COUNTING = Path(__file__).parent / "counting.py"


class CountConfig(Config):
    """What the counting stage is told."""

    out: str
    num_steps: int = 3
    seconds_a_step: float = 0.1
    fails_at: int = 0
    num_tasks: int = 1
    task: int | None = None
    sources: list[str] = Field(default=[])


@pytest.fixture(scope="session")
def cluster(slurm_programs: str) -> Iterator[LocalCluster]:
    """The cluster, up for the whole session; SLURM's commands find it by the environment."""
    # A short path: a socket lies in it.
    folder = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    cluster = LocalCluster(folder, kill_wait_seconds=10)
    cluster.start()
    before = dict(os.environ)
    os.environ.update(cluster.environment, ICONOCLIP_SITE="local")
    yield cluster
    os.environ.clear()
    os.environ.update(before)
    cluster.stop()
    assert cluster.processes() == []
    shutil.rmtree(folder)


@pytest.fixture
def count_stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage called `count`."""
    stage = Stage(
        "count",
        "cpu",
        "done.json",
        multi_node=True,
        shares=True,
        joined_by="count",
        program=(sys.executable, str(COUNTING)),
        model=CountConfig,
    )
    monkeypatch.setitem(STAGES, "count", stage)
    return stage


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for something that the cluster does in its own time."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


def log_of(run: Path) -> str:
    """All logs of a run."""
    return "".join(path.read_text() for path in sorted(JobDir(run).logs.glob("*.log")))
