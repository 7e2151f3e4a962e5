"""One table of all runs: correct, fast, and robust against damaged records."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from iconoclip.errors import MissingRequirement
from iconoclip.status import is_harvest
from slurm.config import LogsConfig, StatusConfig
from slurm.job import JobDir, TaskRecord
from slurm.logs import last_metrics, logs
from slurm.scheduler import QueuedJob
from slurm.status import RunRow, find_runs, plain, row_of, status

from .test_attempt import make_run

pytestmark = pytest.mark.usefixtures("no_slurm")


def queued(job_id: int, state: str, reason: str = "None") -> dict[int, list[QueuedJob]]:
    return {job_id: [QueuedJob(job_id, None, state, reason, "node1")]}


def test_the_queue_adds_what_the_records_cannot_know(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    job_dir.note_submission(7, None)
    job_dir.write_work(None, TaskRecord(state="running"))
    assert row_of(tmp_path / "run", queued(7, "RUNNING"), tmp_path).state == "running"
    assert row_of(tmp_path / "run", queued(7, "PENDING", "Priority"), tmp_path).state == "waiting (Priority)"
    # Its record says running, and no job of it is in the queue: the node went away.
    assert row_of(tmp_path / "run", {}, tmp_path).state == "stopped"
    assert row_of(tmp_path / "run", None, tmp_path).state == "running"
    (tmp_path / "run/out/done.json").touch()
    assert row_of(tmp_path / "run", queued(7, "RUNNING"), tmp_path).state == "finished"


def test_a_job_that_is_ending_is_neither_running_nor_waiting(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    job_dir.note_submission(7, None)
    states = {"running": "ending", "failed": "failed (ending)", "requeued": "requeued (ending)"}
    for record, shown in states.items():
        job_dir.write_work(None, TaskRecord.model_validate({"state": record}))
        assert row_of(tmp_path / "run", queued(7, "COMPLETING"), tmp_path).state == shown
    job_dir.cancelled_path.touch()
    assert row_of(tmp_path / "run", queued(7, "COMPLETING"), tmp_path).state == "cancelled (ending)"


# The states and flags of slurm.schedmd.com/job_state_codes.html, and those of squeue(1) of 20.11.
OF_SLURM = {
    "waiting (None)": "PENDING CONFIGURING POWER_UP_NODE REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD "
    "SPECIAL_EXIT SUSPENDED STOPPED EXPEDITING",
    "running": "RUNNING RESIZING SIGNALING",
    "ending": "COMPLETING COMPLETED CANCELLED FAILED TIMEOUT NODE_FAIL OUT_OF_MEMORY PREEMPTED BOOT_FAIL "
    "DEADLINE STAGE_OUT REVOKED LAUNCH_FAILED RECONFIG_FAIL UPDATE_DB",
}


def test_each_documented_state_waits_runs_or_ends(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run")
    job_dir.note_submission(7, None)
    for shown, states in OF_SLURM.items():
        for state in states.split():
            assert row_of(tmp_path / "run", queued(7, state, "None"), tmp_path).state == shown, state


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        ("CONFIGURING", "None", "waiting (None)"),
        ("SUSPENDED", "None", "waiting (None)"),
        ("REQUEUE_HOLD", "launch_failed_requeued_held", "waiting (launch_failed_requeued_held)"),
        ("SIGNALING", "None", "running"),
        ("STAGE_OUT", "None", "ending"),
        # A state of a later SLURM: nothing is submitted a second time.
        ("TELEPORTING", "None", "running"),
    ],
)
def test_every_state_of_slurm_is_one_of_ours(tmp_path: Path, state: str, reason: str, shown: str) -> None:
    job_dir = make_run(tmp_path / "run")
    job_dir.note_submission(7, None)
    assert row_of(tmp_path / "run", queued(7, state, reason), tmp_path).state == shown


def test_a_run_that_stopped_because_it_needs_another_names_it(tmp_path: Path) -> None:
    needed = make_run(tmp_path / "first")
    make_run(tmp_path / "second", needs=(str(tmp_path / "first"), str(tmp_path / "gone")))
    assert row_of(tmp_path / "second", {}, tmp_path).state == "stopped (needs first, gone)"
    (needed.run.folder / "out/done.json").touch()
    assert row_of(tmp_path / "second", {}, tmp_path).state == "stopped (needs gone)"


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            "iconoclip: train, job 3 on node[1-2], attempt 1\n"
            "iconoclip: a batch of 128 needs as many samples; there are 63\n"
            "  where:  shards\n  remedy: set schedule.batch_size to 63\n"
            "srun: error: node1: task 0: Exited with exit code 2\n"
            "iconoclip: the stage left with exit code 2\niconoclip: exit code 2, failed\n",
            "iconoclip: a batch of 128 needs as many samples; there are 63",
        ),
        (
            "iconoclip: encode, task 1 of 2, job 4 on node1, attempt 1\nsrun: error: node1: task 0: Killed\n"
            "iconoclip: killed (exit code 137): probably out of memory\n"
            "iconoclip: exit code 137, failed\n",
            "iconoclip: killed (exit code 137): probably out of memory",
        ),
        (
            "bash: python: command not found\niconoclip: exit code 127, failed\n",
            "bash: python: command not found",
        ),
    ],
)
def test_the_row_of_a_failed_run_says_why(tmp_path: Path, log: str, told: str) -> None:
    job_dir = make_run(tmp_path / "run")
    job_dir.write_work(None, TaskRecord(state="failed"))
    job_dir.logs.mkdir()
    (job_dir.logs / "3.log").write_text(log)
    assert row_of(tmp_path / "run", {}, tmp_path).log == told


def test_an_array_counts_its_tasks(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", num_tasks=4)
    for task in (0, 3):
        job_dir.write_work(task, TaskRecord(state="finished"))
    job_dir.write_work(1, TaskRecord(state="failed"))
    assert row_of(tmp_path / "run", {}, tmp_path).state == "failed, 2/4 tasks"


def test_the_row_shows_where_training_is(tmp_path: Path) -> None:
    job_dir = make_run(tmp_path / "run", stage="train")
    job_dir.note_submission(7, None)
    job_dir.run.update_job(num_steps=100)
    job_dir.run.config_path.write_text("seed: 0\nepochs: 5.0\n")
    job_dir.logs.mkdir()
    (job_dir.logs / "7.log").write_text("first\nlast line \x1b[1m\n\n")
    with job_dir.run.metrics_path.open("w") as file:
        file.write(json.dumps({"step": 1, "samples": 16, "loss": 2.5}) + "\n")
        last = {"step": 20, "samples": 320, "loss": 0.12345678, "samples_per_second": 0.64}
        file.write(
            json.dumps(last) + "\n" + json.dumps({"step": 20, "validation/en/recall@1": 0.5}) + '\n{"cut sho'
        )
    row = row_of(tmp_path / "run", queued(7, "RUNNING"), tmp_path)
    # 20 of 100 steps are one of five epochs; 80 steps of 16 samples at 0.64 a second are 2,000 s.
    assert (row.step, row.epoch, row.loss, row.left) == ("20", "1.0/5", "0.123", "0:33:20")
    # Told to end after 40 steps, it has 20 of 16 samples before it: 500 s. The epochs are those of the
    # schedule.
    job_dir.run.config_path.write_text("seed: 0\nschedule:\n  epochs: 5.0\n  max_steps: 40\n")
    shorter = row_of(tmp_path / "run", queued(7, "RUNNING"), tmp_path)
    assert (shorter.epoch, shorter.left) == ("1.0/5", "0:08:20")
    assert row.log.startswith("last line")
    assert "\x1b" not in _shown_in_table(row)


def _shown_in_table(row: RunRow) -> str:
    return "".join(plain(str(value)) for value in asdict(row).values())


def test_only_the_end_of_a_long_metrics_file_is_read(tmp_path: Path) -> None:
    # A sparse file larger than the machine's memory: reading all of it would fail.
    with (tmp_path / "metrics.jsonl").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"\n" + json.dumps({"step": 50_001, "loss": 0.5}).encode() + b"\n")
    assert last_metrics(tmp_path)["step"] == 50_001


def test_a_damaged_record_hides_no_other_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "runs" / "good")
    for name, text in (("odd", '{"slurm": {"stage": 1}}'), ("torn", '{"slurm": ')):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "job.json").write_text(text)
    assert status(StatusConfig(folder=tmp_path / "runs", json=True)) == 0
    rows = {row["run"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["good"]["state"] == "submitted"
    assert "damaged record" in rows["odd"]["state"]
    assert "damaged record" in rows["torn"]["state"]


def test_an_output_that_goes_away_meanwhile_hides_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_dir = make_run(tmp_path / "run")
    # It was there when asked for, and is gone when its time is.
    monkeypatch.setattr("slurm.job.has_evidence", lambda job: True)
    assert not job_dir.is_finished()
    assert row_of(tmp_path / "run", {}, tmp_path).state == "stopped"


def test_runs_in_folders_of_folders_are_all_in_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(40):
        job_dir = make_run(tmp_path / "runs" / f"set-{number % 10}" / f"run-{number:03d}", stage="train")
        job_dir.logs.mkdir()
        (job_dir.logs / "1.log").write_text("a line\n" * 100)
        job_dir.run.metrics_path.write_text(json.dumps({"step": number, "loss": 0.5}) + "\n")
    assert status(StatusConfig(folder=tmp_path / "runs")) == 0
    assert capsys.readouterr().out.count("submitted") == 40


def test_a_run_is_not_searched_for_runs_and_links_are_not_followed(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "a" / "inner")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    assert list(find_runs(tmp_path)) == [tmp_path / "a"]


def test_a_folder_of_runs_and_a_folder_of_a_harvest_are_told_apart(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "harvest")
    (tmp_path / "runs" / "harvest" / "out" / "ledger.sqlite").touch()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "ledger.sqlite").touch()
    assert [is_harvest(tmp_path / name) for name in ("runs", "runs/harvest", "set", "none")] == [
        False,
        False,
        True,
        False,
    ]


def test_no_run_and_no_folder_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no run in this folder"):
        status(StatusConfig(folder=tmp_path))
    with pytest.raises(MissingRequirement, match="no such folder"):
        status(StatusConfig(folder=tmp_path / "none"))


def test_the_log_of_a_task_and_the_newest_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job_dir: JobDir = make_run(tmp_path / "run", num_tasks=2)
    with pytest.raises(MissingRequirement, match="no job was submitted"):
        logs(LogsConfig(run_dir=tmp_path))
    with pytest.raises(MissingRequirement, match="no log yet"):
        logs(LogsConfig(run_dir=tmp_path / "run"))
    job_dir.logs.mkdir()
    (job_dir.logs / "5_0.log").write_text("zero\n")
    time.sleep(0.01)
    (job_dir.logs / "5_1.log").write_text("one\ntwo\nthree\n")
    logs(LogsConfig(run_dir=tmp_path / "run", num_lines=2))
    logs(LogsConfig(run_dir=tmp_path / "run", task=0))
    assert capsys.readouterr().out == "two\nthree\nzero\n"
