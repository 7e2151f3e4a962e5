"""What the verbs say and do while SLURM still ends a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm.config import ResumeConfig, StatusConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.status import status
from slurm.submit import resume

from .waiting import steps_of, wait_until, wait_until_finished

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

Submit = Callable[..., JobDir]


@pytest.mark.parametrize(("words", "num_jobs"), [(["scancel"], 2), (["scontrol", "requeue"], 1)])
def test_resume_waits_for_a_job_that_is_ending(
    cluster: LocalCluster,
    submit_count: Submit,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    num_jobs: int,
) -> None:
    """A step of four seconds delays the end. A job that SLURM ends for good is followed by another; one that
    comes back is not."""
    run = tmp_path / "run"
    job_dir = submit_count(run, "num_steps=3", "seconds_a_step=4")
    wait_until(lambda: len(steps_of(run)) == 1, "counting")
    cluster.run(*words, str(job_dir.job_ids()[0]))
    wait_until(lambda: "ending" in state_shown(run, capsys), "shown as ending")
    assert resume(ResumeConfig(run_dir=run)) == 0
    assert len(job_dir.job_ids()) == num_jobs
    wait_until_finished(job_dir)
    assert len(job_dir.job_ids()) == num_jobs
    # The step that was under way is saved, and none is done twice.
    assert steps_of(run) == [1, 2, 3]
    assert [attempt.exit_code for attempt in job_dir.work_of(None).attempts][-1] == 0


def state_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    status(StatusConfig(folder=run, json=True))
    state: str = json.loads(capsys.readouterr().out)["state"]
    return state
