"""A real two-node SLURM for the tests of this folder, and a stage that counts."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from iconoclip.config import Config
from iconoclip.verbs import resolve
from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.request import STAGES, Stage
from slurm.submit import submit

COUNTING = Path(__file__).parent / "counting.py"


class CountConfig(Config):
    """What the counting stage is told."""

    out: str
    num_steps: int = 3
    seconds_a_step: float = 0.1
    fails_at: int = 0
    fails_task: int | None = None
    num_tasks: int = 1
    task: int | None = None
    sources: list[str] = Field(default=[])


@pytest.fixture(scope="package")
def cluster(slurm_programs: str) -> Iterator[LocalCluster]:
    """The cluster, up while the tests of this folder run; SLURM's commands find it by the environment."""
    # A short path: a socket lies in it.
    folder = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    cluster = LocalCluster(folder, ends_with_parent=True)
    cluster.start()
    before = dict(os.environ)
    os.environ.update(cluster.environment, ICONOCLIP_SITE="local")
    yield cluster
    os.environ.clear()
    os.environ.update(before)
    cluster.stop()
    assert cluster.processes() == cluster.step_daemons() == []
    shutil.rmtree(folder)


COUNT = Stage(
    "count",
    "cpu",
    "done.json",
    multi_node=True,
    shares=True,
    joins=True,
    program=(sys.executable, str(COUNTING)),
    model=CountConfig,
)


@pytest.fixture
def count_stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage called `count`."""
    monkeypatch.setitem(STAGES, "count", COUNT)
    return COUNT


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Wait for something that the cluster does in its own time."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


def log_of(run: Path) -> str:
    """The text of all logs of a run."""
    return "".join(path.read_text() for path in sorted(JobDir(run).logs.glob("*.log")))


@pytest.fixture
def submit_count(count_stage: Stage) -> Callable[..., JobDir]:
    """Submits the counting stage."""

    def submit_one(run: Path, *overrides: str, **placement: Any) -> JobDir:
        submit(SubmitConfig(stage="count", overrides=list(overrides), run_dir=run, **placement))
        return JobDir(run)

    return submit_one


def wait_until_finished(job_dir: JobDir, seconds: float = 180) -> None:
    """Wait until the queue has let go of a run, and be sure that its own records say finished."""
    wait_until(lambda: not job_dir.queued(), "gone from the queue", seconds)
    assert job_dir.is_finished(), log_of(job_dir.run.folder)


def steps_of(run: Path, task: str = "") -> list[int]:
    """The steps a counting run has recorded."""
    path = run / "out" / f"steps{task}.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="package", autouse=True)
def early(request: pytest.FixtureRequest) -> None:
    """Starts what takes its time in the queue before the first test, if a test will look at it."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in ("time_limited", "chained"):
        if name in wanted:
            request.getfixturevalue(name)


@pytest.fixture(scope="package")
def time_limited(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> JobDir:
    """A counting run of 45 s under a limit of one minute."""
    run = tmp_path_factory.mktemp("time_limited") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "count", COUNT)
        submit(SubmitConfig(stage="count", overrides=["num_steps=450"], run_dir=run, time="1"))
    return JobDir(run)


@pytest.fixture(scope="package")
def chained(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The whole pipeline over the built-in archives, which are served for as long as it runs."""
    from .test_whole_road import start

    serve_armorial = resolve("builtin_collections.armorial.server.process:serve_armorial")
    with serve_armorial(num_arms=60) as served:
        iiif = [served.wexcombe_collection, served.aldersheim_collection]
        yield start(cluster, tmp_path_factory.mktemp("chained"), iiif, served.valcendre_oai)
