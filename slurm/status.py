"""`iconoclip status`: one table of all runs, from their own records and one query of the queue."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconoclip.errors import IconoclipError, MissingRequirement
from iconoclip.rundir import RunDir
from slurm import scheduler
from slurm.config import StatusConfig
from slurm.job import JobDir, JobRecord
from slurm.logs import last_log_line, last_metrics
from slurm.scheduler import QueuedJob

MAX_DEPTH = 3
# squeue(1), JOB STATE CODES, and slurm.schedmd.com/job_state_codes.html.
WAITING = frozenset(("PENDING", "CONFIGURING", "POWER_UP_NODE", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
                     "EXPEDITING", "RESV_DEL_HOLD", "SPECIAL_EXIT", "SUSPENDED", "STOPPED"))  # fmt: skip


@dataclass(frozen=True)
class RunRow:
    """One line of the table. Unknown values are empty text."""

    run: str
    stage: str
    state: str
    job: int | None = None
    epoch: str = ""
    step: str = ""
    loss: str = ""
    rate: str = ""
    left: str = ""
    log: str = ""


def status(config: StatusConfig) -> int:
    """Print a line for each run below the folder.

    Raises:
        MissingRequirement: no such folder, or no run in it.
    """
    if not config.folder.is_dir():
        raise MissingRequirement(
            "no such folder", where=config.folder, remedy="name the folder that holds the runs"
        )
    runs = sorted(find_runs(config.folder))
    if not runs:
        raise MissingRequirement(
            "no run in this folder", where=config.folder, remedy="`iconoclip submit` starts one"
        )
    queued, note = _queue()
    rows = sorted(
        (row_of(run, queued, base=config.folder) for run in runs), key=lambda row: (row.job or 0, row.run)
    )
    if config.json:
        for row in rows:
            print(json.dumps(vars(row), ensure_ascii=False))
    else:
        _print_table(rows)
    if note:
        print(note, file=sys.stderr)
    return 0


def _queue() -> tuple[dict[int, list[QueuedJob]] | None, str]:
    if not scheduler.is_here():
        return None, "SLURM is not on this machine: states are from the runs' own records"
    try:
        jobs = scheduler.queue()
    except IconoclipError as error:
        return None, f"{error.what}: states are from the runs' own records"
    queued: dict[int, list[QueuedJob]] = {}
    for job in jobs:
        queued.setdefault(job.job_id, []).append(job)
    return queued, ""


def find_runs(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The folders at or below `folder` that hold a run."""
    if (folder / "job.json").exists() or (folder / "metrics.jsonl").exists():
        yield folder
        return
    if depth >= MAX_DEPTH:
        return
    with os.scandir(folder) as entries:
        below = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    for path in below:
        if not path.name.startswith("."):
            yield from find_runs(path, depth + 1)


def row_of(run: Path, queued: dict[int, list[QueuedJob]] | None, base: Path) -> RunRow:
    """The facts about a run. A damaged record is reported in its line, and does not hide other runs."""
    name = os.path.relpath(run, base) if run != base else run.name
    job_dir = JobDir(run)
    try:
        job = job_dir.read() if job_dir.exists else None
        job_ids = job_dir.job_ids() if job else []
        live = [one for job_id in job_ids for one in (queued or {}).get(job_id, [])]
        state = state_of(job_dir, job, live, is_known=queued is not None)
    except (IconoclipError, ValueError) as error:
        return RunRow(name, "?", f"damaged record: {error}".splitlines()[0])
    metrics = last_metrics(run)
    schedule = _schedule(job_dir.run) if metrics else None
    return RunRow(
        run=name,
        stage=job.stage if job else "train",
        state=state,
        job=job_ids[-1] if job_ids else None,
        epoch=_epoch(metrics, schedule),
        step=_shown(metrics.get("step")),
        loss=_shown(metrics.get("loss")),
        rate=_rate(metrics),
        left=_left(metrics, schedule) if state.startswith("running") else "",
        log=last_log_line(job_dir, why=state.startswith("failed")) if job else "",
    )


def state_of(job_dir: JobDir, job: JobRecord | None, live: list[QueuedJob], *, is_known: bool) -> str:
    """The state in words: the run's own record, and what the queue adds to it.

    `is_known` says whether the queue could be queried. If so, a job that should be in it
    and is not has been lost.
    """
    if job is None:
        return str(job_dir.run.job.get("state", "local"))
    if job_dir.is_finished(job):
        return "finished"
    states = _states(job_dir, job)
    if at_work := [one for one in live if not one.is_ending]:
        waits = all(one.state in WAITING for one in at_work)
        return _with_tasks(f"waiting ({at_work[0].reason})" if waits else "running", job_dir, job)
    if live:
        known = [state for state in ("cancelled", "failed", "requeued", "interrupted") if state in states]
        return _with_tasks(f"{known[0]} (ending)" if known else "ending", job_dir, job)
    for state in ("failed", "cancelled"):
        if state in states:
            return _with_tasks(state, job_dir, job)
    if is_known:
        unmet = [Path(need).name for need in job_dir.unmet_needs(job)]
        return _with_tasks(f"stopped (needs {', '.join(unmet)})" if unmet else "stopped", job_dir, job)
    return _with_tasks(next(iter(states), job.work.state), job_dir, job)


def _states(job_dir: JobDir, job: JobRecord) -> list[str]:
    if job_dir.cancelled_path.exists():
        return ["cancelled"]
    if job.num_tasks is None:
        return [job.work.state]
    return [job_dir.work_of(task).state for task in job_dir.missing_tasks(job)]


def _with_tasks(state: str, job_dir: JobDir, job: JobRecord) -> str:
    if job.num_tasks is None:
        return state
    return f"{state}, {job.num_tasks - len(job_dir.missing_tasks(job))}/{job.num_tasks} tasks"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) >= 0.001 else f"{value:.1e}"
    return "" if value is None else str(value)


def _rate(metrics: dict[str, Any]) -> str:
    rate = metrics.get("samples_per_second")
    return f"{rate:.0f}/s" if isinstance(rate, int | float) else ""


@dataclass(frozen=True)
class Schedule:
    """The length of a training: the steps of all its epochs, and the step after which it ends."""

    num_steps: int
    last_step: int
    epochs: float


def _schedule(run: RunDir) -> Schedule | None:
    """Reads only two lines of the config, because parsing the YAML of 200 runs would be slow."""
    num_steps = run.job.get("num_steps")
    if not isinstance(num_steps, int) or not run.config_path.exists():
        return None
    text = run.config_path.read_text(encoding="utf-8")
    found = dict(re.findall(r"^ *(epochs|max_steps): ([\d.]+)$", text, re.MULTILINE))
    last_step = min(num_steps, int(found.get("max_steps", num_steps)))
    return Schedule(num_steps, last_step, float(found["epochs"])) if "epochs" in found else None


def _left(metrics: dict[str, Any], schedule: Schedule | None) -> str:
    step, samples, rate = metrics.get("step"), metrics.get("samples"), metrics.get("samples_per_second")
    if not (step and samples and rate and schedule):
        return ""
    seconds = (schedule.last_step - step) * samples / step / rate
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _epoch(metrics: dict[str, Any], schedule: Schedule | None) -> str:
    """The number of epochs that the run has done."""
    step = metrics.get("step")
    return (
        f"{step / schedule.num_steps * schedule.epochs:.1f}/{schedule.epochs:g}" if step and schedule else ""
    )


def _print_table(rows: list[RunRow]) -> None:
    """Print columns as wide as their widest cell, without empty columns. On a
    terminal, lines are truncated.
    """
    cells = [{name: plain(_shown(value)) for name, value in vars(row).items()} for row in rows]
    columns = [name for name in cells[0] if any(row[name] for row in cells)]
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in columns}
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in [dict(zip(columns, columns, strict=True)), *cells]:
        line = "  ".join(row[name].ljust(widths[name]) for name in columns)
        print(line.rstrip()[:edge])


def plain(text: str) -> str:
    """Text of a log without control characters, for a table."""
    return "".join(letter for letter in text if letter.isprintable())
