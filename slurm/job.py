"""A run's job: what SLURM was asked, what came of it, and whether the work is finished.

The record stands in the run's own folder: under `slurm` in job.json, the rest in job/:

    job/stage.yaml        the stage's config as it was resolved at submission
    job/script.sbatch     the script that was submitted
    job/plan.json         what it was rendered from
    job/code/, code.json, code.diff     the code that runs, and which commit and edits it is
    job/submissions.jsonl one line for each sbatch: job id, time, array
    job/logs/             the output of each job
    job/tasks/00000.json  of a job array: each task's own record
    job/join.yaml         the config of the call that puts the tasks' work together

job.json is written before sbatch by whoever submits, then by the job alone, then by `cancel` when the job is gone;
so it has one writer at a time.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import write_json
from iconoclip.rundir import RunDir

State = Literal[
    "submitted", "running", "joining", "requeued", "interrupted", "finished", "failed", "cancelled"
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attempt(_Part):
    """One start of the stage's command."""

    job_id: int
    restart: int = Field(default=0, description="how often SLURM has started this job before")
    nodes: str = ""
    started_at: str
    ended_at: str | None = None
    exit_code: int | None = None
    stop: str = Field(
        default="none",
        description="none, warned (the signal before a time limit) or ended (by the scheduler)",
    )
    progress: int = Field(
        default=0,
        description="steps or bytes of output at the end; when it does not grow, another attempt is in vain",
    )


class Work(_Part):
    """The record of one piece of work: a run, or one task of a job array."""

    state: State = "submitted"
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()


class Job(_Part):
    """What is known of a run before its first job starts."""

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
    evidence: str = Field(description="the file there that says it is finished")
    command: tuple[str, ...]
    needs: tuple[str, ...] = Field((), description="runs that must be finished first")
    work: Work = Work()


class JobDir:
    """The `job/` side of a run's folder."""

    def __init__(self, run_dir: str | Path) -> None:
        self.run = RunDir(run_dir)
        self.folder = self.run.folder / "job"
        self.config_path = self.folder / "stage.yaml"
        self.script_path = self.folder / "script.sbatch"
        self.plan_path = self.folder / "plan.json"
        self.code = self.folder / "code"
        self.logs = self.folder / "logs"
        self.tasks = self.folder / "tasks"
        self.submissions_path = self.folder / "submissions.jsonl"
        self.cancelled_path = self.folder / "cancelled"
        self.joining_path = self.folder / "joining"

    @property
    def exists(self) -> bool:
        """Whether a job was ever submitted from this folder."""
        return "slurm" in self.run.job

    def read(self) -> Job:
        """The record.

        Raises:
            MissingRequirement: nothing was submitted from this folder.
            DamagedData: the record is not one.
        """
        record = self.run.job.get("slurm")
        if record is None:
            raise MissingRequirement(
                "no job was submitted from this folder",
                where=self.run.folder,
                remedy="`iconoclip submit` does",
            )
        try:
            return Job.model_validate(record)
        except ValidationError as error:
            raise DamagedData(
                f"job.json is not a job's record: {error.errors()[0]['msg']}",
                where=self.run.job_path,
                remedy="it was edited by hand, or written by a newer version",
            ) from error

    def write(self, job: Job) -> None:
        """Replace the record; whatever else stands in job.json stays."""
        self.run.update_job(slurm=job.model_dump(mode="json"))

    def work_of(self, task: int | None) -> Work:
        """The record of the run's work, or of one task of its array."""
        if task is None:
            return self.read().work
        path = self._task_path(task)
        return Work.model_validate_json(path.read_bytes()) if path.exists() else Work()

    def write_work(self, task: int | None, work: Work) -> None:
        """Replace the record of the run's work, or of one task."""
        if task is None:
            self.write(self.read().model_copy(update={"work": work}))
        else:
            write_json(self._task_path(task), work.model_dump(mode="json"))

    def _task_path(self, task: int) -> Path:
        return self.tasks / f"{task:05d}.json"

    def missing_tasks(self, job: Job) -> list[int]:
        """The tasks of the array that are not finished."""
        return [task for task in range(job.num_tasks or 0) if self.work_of(task).state != "finished"]

    def note_submission(self, job_id: int, array: str | None) -> None:
        """Append a line to submissions.jsonl."""
        line = json.dumps({"job_id": job_id, "at": now(), "array": array})
        with self.submissions_path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def job_ids(self) -> list[int]:
        """The ids of every job submitted from here, oldest first."""
        return [int(line["job_id"]) for line in self._submissions()]

    def _submissions(self) -> Iterator[dict[str, Any]]:
        if not self.submissions_path.exists():
            return
        for line in self.submissions_path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield json.loads(line)

    def is_finished(self, job: Job | None = None) -> bool:
        """Whether the run's own records say that the work is finished.

        An output that was there before the run was submitted says nothing of it, until an attempt has ended well: a harvest
        that is to ask what has changed begins with a finished one. Of an array the tasks' records say it: that of the task
        which joins them, as one that packs in a harvest, is not finished before the joining has ended.
        """
        job = job or self.read()
        if job.num_tasks is not None:
            return not self.missing_tasks(job) and has_evidence(job)
        return has_evidence(job) and (job.work.state == "finished" or not _is_from_before(job))

    def unmet_needs(self, job: Job) -> list[str]:
        """The runs it needs that are not finished by their own records."""
        needed = {need: JobDir(need) for need in job.needs}
        return [need for need, run in needed.items() if not (run.exists and run.is_finished())]


def has_evidence(job: Job) -> bool:
    """Whether the stage's own last file is there, and says so where it can."""
    path = Path(job.output) / job.evidence
    if job.stage != "train":
        return path.exists()
    record = json.loads(path.read_text()) if path.exists() else {}
    return record.get("state") == "finished"


def _is_from_before(job: Job) -> bool:
    submitted_at = datetime.datetime.fromisoformat(job.submitted_at).timestamp()
    try:
        return (Path(job.output) / job.evidence).stat().st_mtime < submitted_at
    except OSError:
        # It was there a moment ago; no news of the run either way.
        return True


def now() -> str:
    """The time as the records write it: ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
