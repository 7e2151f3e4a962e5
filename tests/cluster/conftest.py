"""A real two-node SLURM for the tests of this folder, and a stage that counts.

Most of the time here is waiting: for SLURM, and for trainings that load their libraries. So what takes
longest is submitted first and runs in the background, and each test of it waits for the rest.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from iconoclip.config import Config
from iconoclip.verbs import resolve
from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.stages import STAGES, Stage
from slurm.submit import submit
from tests import commands

from .chains import Chained, start_chain
from .trainings import Trained, start_trainings

COUNTING = Path(__file__).parent / "counting.py"


class CountConfig(Config):
    """The config of the counting stage."""

    out: str
    num_steps: int = 3
    seconds_a_step: float = 0.1
    fails_at: int = 0
    fails_task: int | None = None
    waits_for: str = ""
    num_tasks: int = 1
    task: int | None = None
    sources: list[str] = Field(default=[])


@pytest.fixture(scope="package")
def cluster(slurm_programs: str) -> Iterator[LocalCluster]:
    """The cluster, up while the tests of this folder run; SLURM's commands find it by the environment.

    Its jobs start with a Python that has torch imported; those of a job script and of `doctor` with a
    plain one.
    """
    # A short path: a socket is in it.
    folder = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    cluster = LocalCluster(folder, ends_with_parent=True)
    cluster.start()
    with pytest.MonkeyPatch.context() as patch:
        site = {"extends": "local", "python": str(commands.write_python(folder / "python"))}
        (folder / "local.yaml").write_text(yaml.safe_dump(site))
        for name, value in {**cluster.environment, "ICONOCLIP_SITE": str(folder / "local.yaml")}.items():
            patch.setenv(name, value)
        yield cluster
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


@pytest.fixture
def submit_count(count_stage: Stage) -> Callable[..., JobDir]:
    """Submits the counting stage."""

    def submit_one(run: Path, *overrides: str, **placement: Any) -> JobDir:
        submit(SubmitConfig(stage="count", overrides=list(overrides), run_dir=run, **placement))
        return JobDir(run)

    return submit_one


@pytest.fixture(scope="package", autouse=True)
def early(request: pytest.FixtureRequest) -> None:
    """Starts what takes longest before the first test, if a test will look at it. One worker takes all tests
    here.
    """
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in ("time_limited", "chaining", "training"):
        if name in wanted:
            request.getfixturevalue(name)


@pytest.fixture(scope="package")
def background() -> Iterator[ThreadPoolExecutor]:
    """Threads that act on runs as an operator would, while other tests run."""
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture(scope="package")
def time_limited(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> JobDir:
    """A counting run of 40 s under a limit of one minute."""
    run = tmp_path_factory.mktemp("time_limited") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "count", COUNT)
        submit(SubmitConfig(stage="count", overrides=["num_steps=400"], run_dir=run, time="1"))
    return JobDir(run)


@pytest.fixture(scope="package")
def chaining(
    cluster: LocalCluster, background: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[Chained]]:
    """All stages over the built-in archives, which are served for as long as it takes."""
    serve_armorial = resolve("builtin_collections.armorial.server.process:serve_armorial")
    with serve_armorial(num_arms=60) as served:
        iiif = [served.wexcombe_collection, served.aldersheim_collection]
        folder = tmp_path_factory.mktemp("chained")
        yield background.submit(start_chain, cluster, folder, iiif, served.valcendre_oai)


@pytest.fixture
def chained(chaining: Future[Chained]) -> Chained:
    """The chain, submitted again after a task of its harvest was killed."""
    return chaining.result(timeout=600)


@pytest.fixture(scope="package")
def training(
    cluster: LocalCluster, background: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> Future[Trained]:
    """The trainings that are compared with each other."""
    runs = start_trainings(tmp_path_factory.mktemp("trained"))
    return background.submit(runs.finish, cluster)


@pytest.fixture(scope="package")
def trained(training: Future[Trained]) -> Trained:
    """The trainings, all of them finished."""
    return training.result(timeout=900)
