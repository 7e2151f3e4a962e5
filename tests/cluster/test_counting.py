"""The life of a run on a real SLURM, shown with a stage that only counts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.errors import BadInput, ConfigError
from slurm.config import CancelConfig, LogsConfig, ResumeConfig, StatusConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.logs import logs
from slurm.status import status
from slurm.submit import cancel, resume
from tests.slurm.checkouts import assert_frozen_code_ran, copy_checkout, write_merge

from .conftest import COUNTING
from .waiting import log_of, steps_of, wait_until, wait_until_finished

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


Submit = Callable[..., JobDir]


def test_a_run_in_a_folder_with_a_hostile_name_finishes(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    run = tmp_path / """it's a "run" #1 %j $HOME & é;"""
    job_dir = submit_count(run, nodes=2)
    wait_until_finished(job_dir)
    work = job_dir.work_of(None)
    assert work.state == "finished"
    assert [attempt.exit_code for attempt in work.attempts] == [0]
    assert steps_of(run) == [1, 2, 3]
    assert "job " in log_of(run)


def test_edits_after_submission_change_nothing(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    """Neither those of the config, nor those of the code: also in the root of a checkout, where `python -m`
    would find the edited code first."""
    checkout = copy_checkout(tmp_path / "checkout")
    config_file, edited = tmp_path / "count.yaml", tmp_path / "edited"
    config_file.write_text("num_steps: 2\n")
    first = submit_count(tmp_path / "first", f"waits_for={edited}")
    second = submit_count(tmp_path / "second", config_file=str(config_file), after=str(tmp_path / "first"))
    words = ["merge", "shardsets=a", "--run_dir", str(tmp_path / "third"), "--after", str(tmp_path / "first")]
    subprocess.run([sys.executable, "-m", "iconoclip.cli", "submit", *words], cwd=checkout, check=True)
    config_file.write_text("num_steps: 50\n")
    write_merge(checkout, "edited since")
    assert not first.is_finished()
    edited.touch()
    third = JobDir(tmp_path / "third")
    for job_dir in (second, third):
        wait_until_finished(job_dir)
        started = job_dir.work_of(None).attempts[0].started_at
        assert started >= (first.work_of(None).attempts[0].ended_at or "never")
    assert steps_of(tmp_path / "second") == [1, 2]
    assert_frozen_code_ran(third)


def test_an_array_redoes_only_the_task_that_failed(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    job_dir = submit_count(run, "num_steps=3", "fails_at=2", "fails_task=1", num_tasks=3)
    wait_until(lambda: not job_dir.queued(), "over")
    assert not job_dir.is_finished()
    assert job_dir.missing_tasks(job_dir.read()) == [1]
    resume(ResumeConfig(run_dir=run, time="7"))
    assert "#SBATCH --time=7\n" in job_dir.script_path.read_text()
    wait_until(lambda: job_dir.work_of(1).state != "submitted", "running")
    wait_until_finished(job_dir)
    assert [len(job_dir.work_of(task).attempts) for task in range(3)] == [1, 2, 1]
    submissions = [json.loads(line) for line in job_dir.submissions_path.read_text().splitlines()]
    assert [line["array"] for line in submissions] == ["0-2", "1"]
    assert json.loads((run / "out/done.json").read_text()) == {"steps": 9}
    with pytest.raises(ConfigError, match="cannot continue with 5"):
        submit_count(run, "num_steps=3", "fails_at=2", num_tasks=5)


def test_a_cancelled_run_leaves_no_process_and_can_be_resumed(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    job_dir = submit_count(run, "num_steps=1000", "seconds_a_step=0.05", nodes=2)
    wait_until(lambda: (run / "out/steps.jsonl").exists(), "started")
    assert cluster.processes(job_dir.job_ids()[0])
    cancel(CancelConfig(run_dir=run))
    assert cluster.processes(job_dir.job_ids()[0]) == []
    assert job_dir.work_of(None).state == "cancelled"
    # SLURM ends srun as well, which may be gone before it can say 75.
    assert re.search("exit code (75|143), cancelled", log_of(run))
    num_done = len(steps_of(run))
    resume(ResumeConfig(run_dir=run))
    wait_until(lambda: len(steps_of(run)) > num_done, "continuing")
    cancel(CancelConfig(run_dir=run))
    assert steps_of(run) == list(range(1, len(steps_of(run)) + 1))


def test_a_refusal_of_slurm_is_quoted(cluster: LocalCluster, submit_count: Submit, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="invalid partition"):
        submit_count(tmp_path / "run", partition="nowhere")


@pytest.mark.long
def test_status_and_logs_follow_an_array_of_which_a_task_is_warned(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job_dir = submit_count(tmp_path / "run", "num_steps=20", num_tasks=2)
    wait_until(lambda: any(job_dir.work_of(task).state == "running" for task in range(2)), "running")
    capsys.readouterr()
    status(StatusConfig(folder=tmp_path, json=True))
    row = json.loads(capsys.readouterr().out)
    assert (row["stage"], row["state"], row["job"]) == ("count", "running, 0/2 tasks", job_dir.job_ids()[0])
    wait_until(lambda: len(steps_of(tmp_path / "run", "-1")) > 1, "counting")
    cluster.run("scancel", "--signal=USR1", "--batch", f"{job_dir.job_ids()[0]}_1")
    logs(LogsConfig(run_dir=tmp_path / "run", task=1, follow=True, num_lines=0))
    printed = capsys.readouterr().out
    assert (
        printed.index("exit code 75, requeue")
        < printed.index("attempt 2")
        < printed.index("exit code 0, finished")
    )
    wait_until_finished(job_dir)
    assert [len(job_dir.work_of(task).attempts) for task in (0, 1)] == [1, 2]
    assert steps_of(tmp_path / "run", "-1") == list(range(1, 21))
    status(StatusConfig(folder=tmp_path, json=True))
    assert json.loads(capsys.readouterr().out)["state"] == "finished"


def warned_while_counting(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path, scontrol: str
) -> tuple[Path, JobDir]:
    """A run whose script finds another `scontrol`, and which got the warning before its time limit."""
    site, run = tmp_path / "site.yaml", tmp_path / "run"
    site.write_text(json.dumps({"extends": "local", "setup": [f"scontrol() {{ {scontrol}; }}"]}))
    job_dir = submit_count(run, "num_steps=20", site=str(site))
    wait_until(lambda: len(steps_of(run)) > 1, "counting")
    cluster.run("scancel", "--signal=USR1", "--batch", str(job_dir.job_ids()[0]))
    return run, job_dir


@pytest.mark.long
def test_a_job_that_may_not_be_requeued_is_submitted_again(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    """In some containers there is no scontrol; some sites forbid it."""
    run, job_dir = warned_while_counting(cluster, submit_count, tmp_path, "return 1")
    wait_until(lambda: len(job_dir.job_ids()) == 2, "submitted again")
    wait_until_finished(job_dir)
    attempts = job_dir.work_of(None).attempts
    assert [(attempt.job_id, attempt.exit_code) for attempt in attempts] == list(
        zip(job_dir.job_ids(), (75, 0), strict=True)
    )
    assert steps_of(run) == list(range(1, 21))


def test_a_requeue_that_ends_the_scontrol_that_requested_it_is_no_refusal(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    """SLURM's SIGTERM goes to all that the job runs, and may reach scontrol before it has left."""
    run, job_dir = warned_while_counting(cluster, submit_count, tmp_path, 'command scontrol "$@"; sleep 60')
    wait_until_finished(job_dir)
    attempts = job_dir.work_of(None).attempts
    (job_id,) = job_dir.job_ids()
    assert [(attempt.job_id, attempt.exit_code) for attempt in attempts] == [(job_id, 75), (job_id, 0)]
    assert not job_dir.queued()
    assert steps_of(run) == list(range(1, 21))


def test_a_run_whose_srun_is_killed_is_requeued(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    """As by a machine out of memory that picks the small process: the stage lives on without it, saves when
    it is told to, and continues in the same job. A stage that is killed itself has failed."""
    job_dir = submit_count(tmp_path / "run", "num_steps=30")
    wait_until(lambda: len(steps_of(tmp_path / "run")) > 3, "started")
    (job_id,) = job_dir.job_ids()
    kill_all(cluster, job_id, "srun")
    wait_until_finished(job_dir)
    attempts = job_dir.work_of(None).attempts
    assert [(attempt.exit_code, attempt.stop) for attempt in attempts] == [(137, "lost"), (0, "none")]
    assert {attempt.job_id for attempt in attempts} == {job_id}
    assert steps_of(tmp_path / "run") == list(range(1, 31))


def test_a_killed_stage_of_an_array_is_not_taken_for_another_task(
    cluster: LocalCluster, submit_count: Submit, tmp_path: Path
) -> None:
    """The id of an array stands for all its tasks, and is also that of its last task alone."""
    run = tmp_path / "run"
    job_dir = submit_count(run, "num_steps=40", num_tasks=2)
    wait_until(lambda: all(len(steps_of(run, f"-{task}")) > 2 for task in (0, 1)), "both started")
    (array,) = job_dir.job_ids()
    (job_id,) = (attempt.job_id for attempt in job_dir.work_of(1).attempts)
    assert job_id == array
    (stage,) = (
        pid
        for pid in cluster.processes(job_id)
        if str(COUNTING).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        and Path(f"/proc/{pid}/comm").read_text().strip() not in ("srun", "bash", "slurm_script")
    )
    os.kill(stage, signal.SIGKILL)
    wait_until(lambda: job_dir.work_of(1).state == "failed", "failed")
    assert len(steps_of(run, "-0")) < 40
    # And the other task, whose srun is killed, is requeued alone.
    kill_all(cluster, job_dir.work_of(0).attempts[0].job_id, "srun")
    wait_until(lambda: not job_dir.queued(), "over")
    assert [attempt.stop for attempt in job_dir.work_of(0).attempts] == ["lost", "none"]
    assert [attempt.exit_code for attempt in job_dir.work_of(1).attempts] == [137]
    assert steps_of(run, "-0") == list(range(1, 41))


def kill_all(cluster: LocalCluster, job_id: int, name: str) -> None:
    """Kill the processes of a job that have this name, the youngest first: a second process of srun would
    end the stage when the first is gone, and then the run continues from its last checkpoint."""
    for pid in sorted(cluster.processes(job_id), reverse=True):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                os.kill(pid, signal.SIGKILL)
