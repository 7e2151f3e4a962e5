"""The state machine: what a job's script reports, and what follows. A run is finished when its own records
say so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip import clock
from slurm.attempt import FINISHED_ALREADY, MAX_IDLE_ATTEMPTS, begin, end, is_stuck, main
from slurm.job import Attempt, JobDir, JobRecord


def make_run(folder: Path, **fields: object) -> JobDir:
    job_dir = JobDir(folder)
    job_dir.tasks.mkdir(parents=True)
    (folder / "out").mkdir()
    values: dict[str, object] = {
        "stage": "count", "site": "local", "submitted_at": clock.wall_now(), "nodes": 1, "tasks_per_node": 1,
        "config_digest": "d", "output": str(folder / "out"), "evidence": "done.json", "command": ("count",),
    }  # fmt: skip
    job_dir.write(JobRecord.model_validate({**values, **fields}))
    return job_dir


def work_a_little(job_dir: JobDir) -> None:
    with (job_dir.run.folder / "out" / "steps").open("a") as file:
        file.write("step\n")


def finish(job_dir: JobDir) -> None:
    (job_dir.run.folder / "out" / "done.json").touch()


def test_exit_code_zero_without_evidence_is_a_failure(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    assert begin(job_dir, None) == 0
    assert end(job_dir, None, code=0, stop="none") == "failed"
    assert "does not say finished" in job_dir.work_of(None).reason
    assert not job_dir.is_finished()


@pytest.mark.parametrize("code", [0, 3])
def test_done_with_evidence_is_finished_even_if_items_were_refused(tmp_path: Path, code: int) -> None:
    job_dir = make_run(tmp_path / "run")
    begin(job_dir, None)
    finish(job_dir)
    assert end(job_dir, None, code=code, stop="none") == "finished"
    assert begin(job_dir, None) == FINISHED_ALREADY


def test_an_output_from_before_the_run_does_not_finish_it(tmp_path: Path) -> None:
    """A harvest with `refresh` is submitted over a finished set: it has work to do, and steps that need it
    wait for that.
    """
    job_dir = make_run(tmp_path / "run")
    finish(job_dir)
    os.utime(tmp_path / "run" / "out" / "done.json", (1_000_000_000, 1_000_000_000))
    assert not job_dir.is_finished()
    later = make_run(tmp_path / "later", needs=(str(tmp_path / "run"),))
    assert begin(later, None) == 2
    assert begin(job_dir, None) == 0
    # A stage that finds nothing to do leaves its output as it was.
    assert end(job_dir, None, code=0, stop="none") == "finished"
    assert job_dir.is_finished()
    assert begin(later, None) == 0


def test_a_run_that_was_killed_after_its_last_word_is_finished(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    begin(job_dir, None)
    finish(job_dir)
    assert job_dir.is_finished()
    assert begin(job_dir, None) == FINISHED_ALREADY


@pytest.mark.parametrize(
    ("code", "stop", "verdict"),
    [
        (75, "none", "requeue"),  # the stage says: try again later
        (75, "warned", "requeue"),  # it saved before its time limit
        (138, "warned", "requeue"),  # the warning came before it could listen
        (137, "lost", "requeue"),  # srun was killed, the stage was not
        (75, "ended", "interrupted"),  # the scheduler takes the nodes and starts it again itself
        (143, "ended", "interrupted"),
        (1, "none", "failed"),
        (2, "none", "failed"),
        (137, "none", "failed"),
    ],
)
def test_what_follows_from_an_exit_code(tmp_path: Path, code: int, stop: str, verdict: str) -> None:
    job_dir = make_run(tmp_path / "run")
    begin(job_dir, None)
    work_a_little(job_dir)
    assert end(job_dir, None, code=code, stop=stop) == verdict


def test_a_stage_without_a_file_that_shows_it_is_finished_by_its_exit_code(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", evidence="")
    assert not job_dir.is_finished()
    begin(job_dir, None)
    assert end(job_dir, None, code=2, stop="none") == "failed"
    assert not job_dir.is_finished()
    begin(job_dir, None)
    assert not job_dir.is_finished()
    assert end(job_dir, None, code=0, stop="none") == "finished"
    assert job_dir.is_finished()


def test_out_of_memory_is_named(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    begin(job_dir, None)
    end(job_dir, None, code=137, stop="none")
    assert "out of memory" in job_dir.work_of(None).reason


def test_a_cancelled_run_does_not_requeue_itself(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    begin(job_dir, None)
    work_a_little(job_dir)
    job_dir.cancelled_path.touch()
    assert end(job_dir, None, code=75, stop="warned") == "cancelled"


def test_attempts_without_progress_end_the_run(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    verdicts = []
    for _ in range(MAX_IDLE_ATTEMPTS):
        begin(job_dir, None)
        verdicts.append(end(job_dir, None, code=75, stop="none"))
    assert verdicts == ["requeue"] * (MAX_IDLE_ATTEMPTS - 1) + ["failed"]


def test_logs_alone_are_no_progress_of_a_training(tmp_path: Path) -> None:
    """Its logs lie in its output's folder and grow: that is no progress. Steps are, and so is a save before
    the first line of metrics."""
    run = tmp_path / "run"
    job_dir = make_run(run, stage="train", output=str(run), evidence="job.json")
    job_dir.logs.mkdir()

    def attempt(number: int) -> str:
        begin(job_dir, None)
        (job_dir.logs / "1.log").write_text("iconoclip: the disk is full\n" * number)
        return end(job_dir, None, code=75, stop="none")

    job_dir.run.update_job(step=5)
    verdicts = [attempt(1), attempt(2)]
    job_dir.run.metrics_path.write_text('{"step": 10}\n')
    verdicts += [attempt(number) for number in (3, 4, 5, 6)]
    assert verdicts == ["requeue"] * 5 + ["failed"]
    assert "3 attempts in a row" in job_dir.work_of(None).reason


@given(st.lists(st.integers(1, 5), max_size=12))
def test_a_run_with_progress_is_never_stuck(grown: list[int]) -> None:
    sizes = [sum(grown[: count + 1]) for count in range(len(grown))]
    attempts = tuple(Attempt(job_id=1, started_at="t", progress=size) for size in sizes)
    assert not is_stuck(attempts)


def test_a_run_waits_for_the_records_of_what_it_needs_whatever_the_scheduler_says(tmp_path: Path) -> None:
    needed = make_run(tmp_path / "needed")
    job_dir = make_run(tmp_path / "run", needs=(str(tmp_path / "needed"),))
    assert begin(job_dir, None) == 2
    assert "not finished by its own records" in job_dir.work_of(None).reason
    finish(needed)
    assert begin(job_dir, None) == 0


def test_another_number_of_tasks_than_planned_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_dir = make_run(tmp_path / "run", nodes=2, tasks_per_node=4)
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert begin(job_dir, None) == 2
    assert "started 4 tasks, the run was made for 8" in job_dir.work_of(None).reason


def test_the_last_task_of_an_array_joins_and_no_other(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", num_tasks=3, joins=True)
    for task in range(3):
        assert begin(job_dir, task) == 0
    assert [end(job_dir, task, code=0, stop="none") for task in (2, 0)] == ["finished", "finished"]
    assert end(job_dir, 1, code=0, stop="none") == "join"
    assert end(job_dir, 1, code=0, stop="none") == "finished"
    assert not job_dir.is_finished()
    finish(job_dir)
    assert job_dir.is_finished()


def test_an_array_over_an_older_output_is_finished_when_its_join_has_ended(tmp_path: Path) -> None:
    """The output of an earlier time is there all along, and a node's death in the middle of the join loses
    nothing.
    """
    job_dir = make_run(tmp_path / "run", num_tasks=2, joins=True)
    later = make_run(tmp_path / "later", needs=(str(tmp_path / "run"),))
    finish(job_dir)
    os.utime(tmp_path / "run" / "out" / "done.json", (1_000_000_000, 1_000_000_000))
    for task in (0, 1):
        assert begin(job_dir, task) == 0
    assert [end(job_dir, task, code=0, stop="none") for task in (1, 0)] == ["finished", "join"]
    assert not job_dir.is_finished()
    assert begin(later, None) == 2
    # The node dies and SLURM starts the task again, or `resume` does: it is the one that is missing, and
    # joins.
    assert job_dir.missing_tasks(job_dir.read()) == [0]
    assert begin(job_dir, 1) == FINISHED_ALREADY
    assert begin(job_dir, 0) == 0
    assert end(job_dir, 0, code=0, stop="none") == "join"
    # A join that finds nothing new leaves the output as it was.
    assert end(job_dir, 0, code=0, stop="none", joined=True) == "finished"
    assert job_dir.is_finished()
    assert begin(later, None) == 0


def test_of_tasks_that_end_at_once_one_joins(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", num_tasks=2, joins=True)
    for task in (0, 1):
        begin(job_dir, task)
    # The other has written that its share is done, and has not looked yet whether it is the last.
    job_dir.write_work(1, job_dir.work_of(1).model_copy(update={"state": "joining"}))
    assert end(job_dir, 0, code=0, stop="none") == "join"
    assert end(job_dir, 1, code=0, stop="none") == "finished"
    assert job_dir.missing_tasks(job_dir.read()) == [0]


def test_a_killed_task_leaves_the_others_done(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", num_tasks=3)
    for task in (0, 1, 2):
        begin(job_dir, task)
    end(job_dir, 0, code=0, stop="none")
    end(job_dir, 2, code=0, stop="none")
    assert job_dir.missing_tasks(job_dir.read()) == [1]
    # A set from an earlier time may lie there: the array is not finished for that.
    finish(job_dir)
    assert not job_dir.is_finished()


def test_the_record_of_training_is_kept_with_ours(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    job_dir.run.update_job(wandb_id="abc")
    begin(job_dir, None)
    assert job_dir.run.job["wandb_id"] == "abc"


def test_a_training_run_is_finished_when_it_says_so_itself(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", stage="train", output=str(tmp_path / "run"), evidence="job.json")
    assert not job_dir.is_finished()
    job_dir.run.update_job(state="finished")
    assert job_dir.is_finished()


def test_the_reports_run_as_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job_dir = make_run(tmp_path / "run")
    run = str(tmp_path / "run")
    assert main(["begin", run]) == 0
    capsys.readouterr()
    work_a_little(job_dir)
    assert main(["end", run, "--code", "75", "--stop", "warned"]) == 0
    assert capsys.readouterr().out == "requeue\n"
    assert main(["resubmitted", run, "--job", "12"]) == 0
    assert job_dir.job_ids() == [12]
    assert main(["begin", str(tmp_path / "nothing")]) == 4
