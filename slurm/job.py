"""The record of a run's jobs: what was submitted, the attempts, and whether the work is finished.

The record is in the run's own folder: under `slurm` in job.json, the rest in job/:

    job/stage.yaml        the stage's config as it was resolved at submission
    job/script.sbatch     the script that was submitted
    job/plan.json         what it was rendered from
    job/code/, code.json, code.diff     the code that runs, and which commit and edits it is
    job/.submitting       the lock of the process that submits
    job/submissions.jsonl one line per sbatch: job id, time, array
    job/logs/             the output of each job
    job/tasks/00000.json  of a job array: each task's own record
    job/join.yaml         the config of the call that puts the tasks' work together

There is only one writer of job.json at any time: before sbatch the command that submits, then the job, and
`cancel` after the job has ended.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip import clock, locks
from iconoclip.errors import DamagedData, MissingRequirement, TryAgainLater
from iconoclip.files import write_json
from iconoclip.rundir import RunDir
from slurm.scheduler import QueuedJob, queue

State = Literal[
    "submitted", "running", "joining", "requeued", "interrupted", "finished", "failed", "cancelled"
]


class _Record(BaseModel):
    """Base of the records on disk: immutable; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Attempt(_Record):
    """One start of the stage's command."""

    job_id: int
    restart: int = Field(default=0, description="how often SLURM has started this job before")
    nodes: str = ""
    started_at: str
    ended_at: str | None = None
    exit_code: int | None = None
    stop: str = Field(
        default="none",
        description="none, warned (the signal before a time limit), ended (by the scheduler) or lost (srun "
        "was killed, and the stage was not)",
    )
    progress: int = Field(
        default=0,
        description="steps or bytes of output at the end; while it does not grow, another attempt is useless",
    )


class TaskRecord(_Record):
    """The state of a run, or of one task of a job array, with all its attempts."""

    state: State = "submitted"
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()


class JobRecord(_Record):
    """The facts about a run that are known before its first job starts, and the state of its work."""

    schema_version: Literal[1] = 1
    stage: str
    site: str
    submitted_at: str
    nodes: int
    tasks_per_node: int
    num_tasks: int | None = Field(None, description="tasks of the job array")
    joins: bool = False
    config_digest: str
    output: str = Field(description="what the stage writes")
    evidence: str = Field(
        description="the file in the output that shows that the stage is finished; empty: its exit code does"
    )
    command: tuple[str, ...]
    needs: tuple[str, ...] = Field((), description="runs that must be finished first")
    work: TaskRecord = TaskRecord()


class JobDir:
    """The `job/` part of a run's folder."""

    def __init__(self, run_dir: str | Path) -> None:
        self.run = RunDir(run_dir)
        self.folder = self.run.folder / "job"
        self.config_path = self.folder / "stage.yaml"
        self.join_config_path = self.folder / "join.yaml"
        self.script_path = self.folder / "script.sbatch"
        self.plan_path = self.folder / "plan.json"
        self.code = self.folder / "code"
        self.code_facts_path = self.folder / "code.json"
        self.diff_path = self.folder / "code.diff"
        self.logs = self.folder / "logs"
        self.tasks = self.folder / "tasks"
        self.submissions_path = self.folder / "submissions.jsonl"
        self.cancelled_path = self.folder / "cancelled"
        self.joining_path = self.folder / "joining"

    @contextlib.contextmanager
    def submitting(self, timeout_seconds: float) -> Iterator[None]:
        """Keep every other process from submitting from this folder while the block runs: two would freeze
        code over each other, or submit a run twice.

        Raises:
            TryAgainLater: another process holds the lock for longer than `timeout_seconds`.
        """

        def busy(holder: str) -> TryAgainLater:
            return TryAgainLater(
                f"another process is submitting from this folder: {holder}",
                where=self.run.folder,
                remedy="wait for it to end",
            )

        with locks.hold(self.folder / ".submitting", busy, timeout_seconds=timeout_seconds):
            yield

    @property
    def exists(self) -> bool:
        """Whether a job was ever submitted from this folder."""
        return "slurm" in self.run.job

    def read(self) -> JobRecord:
        """The record, from the run's job.json.

        Raises:
            MissingRequirement: nothing was submitted from this folder.
            DamagedData: the record is not valid.
        """
        record = self.run.job.get("slurm")
        if record is None:
            raise MissingRequirement(
                "no job was submitted from this folder",
                where=self.run.folder,
                remedy="`iconoclip submit` does",
            )
        try:
            return JobRecord.model_validate(record)
        except ValidationError as error:
            raise DamagedData(
                f"job.json is not a job's record: {error.errors()[0]['msg']}",
                where=self.run.job_path,
                remedy="it was edited by hand, or written by a newer version",
            ) from error

    def write(self, job: JobRecord) -> None:
        """Replace the record; other keys of job.json are kept."""
        self.run.update_job(slurm=job.model_dump(mode="json"))

    def work_of(self, task: int | None) -> TaskRecord:
        """The record of the run's work, or of one task of its array."""
        if task is None:
            return self.read().work
        path = self._task_path(task)
        return TaskRecord.model_validate_json(path.read_bytes()) if path.exists() else TaskRecord()

    def write_work(self, task: int | None, work: TaskRecord) -> None:
        """Replace the record of the run's work, or of one task."""
        if task is None:
            self.write(self.read().model_copy(update={"work": work}))
        else:
            write_json(self._task_path(task), work.model_dump(mode="json"))

    def set_state(self, task: int | None, state: State) -> None:
        """Change the state of the run's work, or of one task, and keep its attempts."""
        self.write_work(task, self.work_of(task).model_copy(update={"state": state, "reason": ""}))

    def mark_submitted(self) -> list[int] | None:
        """Record that the missing work is about to be submitted. Returns the tasks, or
        None for a run without tasks.
        """
        job = self.read()
        self.cancelled_path.unlink(missing_ok=True)
        self.joining_path.unlink(missing_ok=True)
        tasks = None
        if job.num_tasks is not None:
            # If all tasks are done and only the joining is missing, the last task runs again and joins.
            tasks = self.missing_tasks(job) or [job.num_tasks - 1]
            for task in tasks:
                self.set_state(task, "submitted")
        self.set_state(None, "submitted")
        return tasks

    def _task_path(self, task: int) -> Path:
        return self.tasks / f"{task:05d}.json"

    def missing_tasks(self, job: JobRecord) -> list[int]:
        """The tasks of the array that are not finished."""
        return [task for task in range(job.num_tasks or 0) if self.work_of(task).state != "finished"]

    def note_submission(self, job_id: int, array: str | None) -> None:
        """Append a line to submissions.jsonl."""
        line = json.dumps({"job_id": job_id, "at": clock.wall_now(), "array": array})
        with self.submissions_path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def job_ids(self) -> list[int]:
        """The ids of every job submitted from here, oldest first."""
        return [int(line["job_id"]) for line in self._submissions()]

    def queued(self) -> list[int]:
        """The ids of its jobs that wait, run or are ending, from one query of SLURM's queue."""
        return list(dict.fromkeys(job.job_id for job in self.queued_jobs()))

    def queued_jobs(self) -> list[QueuedJob]:
        """Its lines in SLURM's queue, from one query; the oldest job first."""
        ids = self.job_ids()
        return sorted((job for job in queue() if job.job_id in ids), key=lambda job: ids.index(job.job_id))

    def _submissions(self) -> Iterator[dict[str, Any]]:
        if not self.submissions_path.exists():
            return
        for line in self.submissions_path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield json.loads(line)

    def is_finished(self, job: JobRecord | None = None) -> bool:
        """Whether the run's own records show that the work is finished.

        An output that existed before the run was submitted proves nothing until an attempt has succeeded: a
        refresh of a harvest starts from a finished output. For an array, the records of the tasks decide: the
        task that joins the parts is not finished until they are joined.
        """
        job = job or self.read()
        if job.num_tasks is not None:
            return not self.missing_tasks(job) and has_evidence(job)
        return has_evidence(job) and (job.work.state == "finished" or not _is_from_before(job))

    def unmet_needs(self, job: JobRecord) -> list[str]:
        """The runs it needs that are not finished by their own records."""
        needed = {need: JobDir(need) for need in job.needs}
        return [need for need, run in needed.items() if not (run.exists and run.is_finished())]


def has_evidence(job: JobRecord) -> bool:
    """Whether the file that the stage writes last exists; for a training, whether its record
    states that it is finished; for a stage that writes no such file, the state of its last attempt.
    """
    if not job.evidence:
        return job.work.state == "finished"
    path = Path(job.output) / job.evidence
    if job.stage != "train":
        return path.exists()
    record = json.loads(path.read_text()) if path.exists() else {}
    return record.get("state") == "finished"


def _is_from_before(job: JobRecord) -> bool:
    submitted_at = clock.parse(job.submitted_at).timestamp()
    try:
        return (Path(job.output) / job.evidence).stat().st_mtime < submitted_at
    except OSError:
        # The file disappeared between two checks; that proves nothing about the run.
        return True
