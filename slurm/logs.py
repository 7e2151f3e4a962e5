"""`iconoclip logs`: prints the output of a run's jobs. Also reads the ends of logs
and metrics for `status`.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from iconoclip.errors import MissingRequirement
from iconoclip.rundir import RunDir
from slurm import scheduler
from slurm.config import LogsConfig
from slurm.job import JobDir

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_QUESTIONS = 10.0
CHUNK_BYTES = 1 << 20
TAIL_BYTES = 8192
# Enough for the line of a step and that of a validation after it.
NUM_METRIC_LINES = 12
# The lines that the script itself prints before and after the stage: they do not say why it failed.
OF_THE_SCRIPT = re.compile(r"iconoclip: (exit code |the stage left |[a-z]+(, task \d+ of \d+)?, job \d+ on )")


def logs(config: LogsConfig) -> int:
    """Print the end of the run's log; with `follow`, also new lines until the run has ended.

    Raises:
        MissingRequirement: no job was submitted from this folder, or none has written anything.
    """
    job_dir = JobDir(config.run_dir)
    job_dir.read()
    path = newest_log(job_dir, config.task)
    if path is None and not config.follow:
        raise MissingRequirement(
            "this run has written no log yet",
            where=job_dir.logs,
            remedy="`iconoclip status` says whether it waits",
        )
    position = _print_end(path, config.num_lines) if path else 0
    if config.follow:
        _follow(job_dir, config.task, path, position)
    return 0


def _print_end(path: Path, num_lines: int) -> int:
    """Print the last lines and return the offset of their end."""
    data = path.read_bytes()
    lines = data.decode("utf-8", errors="replace").splitlines(keepends=True)
    sys.stdout.write("".join(lines[-num_lines:] if num_lines else lines))
    sys.stdout.flush()
    return len(data)


def _follow(job_dir: JobDir, task: int | None, path: Path | None, position: int) -> None:
    asked = 0.0
    is_over = False
    while True:
        newest = newest_log(job_dir, task)
        # One more pass after the end of the run, for lines that were written in the meantime.
        if newest != path:
            path, position = newest, 0
        if path:
            position = _print_from(path, position)
        if is_over:
            return
        # The records say finished shortly before the job writes its last line.
        patience = SECONDS_BETWEEN_LOOKS if job_dir.is_finished() else SECONDS_BETWEEN_QUESTIONS
        if time.monotonic() - asked > patience:
            asked = time.monotonic()
            is_over = not (scheduler.is_here() and job_dir.queued())
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _print_from(path: Path, position: int) -> int:
    with path.open("rb") as file:
        file.seek(position)
        while chunk := file.read(CHUNK_BYTES):
            sys.stdout.buffer.write(chunk)
            position += len(chunk)
    sys.stdout.flush()
    return position


def last_log_line(job_dir: JobDir, *, why: bool = False) -> str:
    """The last line of the newest log; with `why`, the last error in it."""
    log = newest_log(job_dir)
    lines = [line.strip() for line in re.split(r"[\r\n]+", tail(log)) if line.strip()] if log else []
    if why:
        told = [line for line in lines if line.startswith("iconoclip: ") and not OF_THE_SCRIPT.match(line)]
        # A program that was killed has printed no error, so the script's own lines are used.
        lines = told or [line for line in lines if not line.startswith("iconoclip: exit code")]
    return lines[-1] if lines else ""


def newest_log(job_dir: JobDir, task: int | None = None) -> Path | None:
    """The newest log of the run, or of one task of its array."""
    pattern = "*.log" if task is None else f"*_{task}.log"
    logs = sorted(job_dir.logs.glob(pattern), key=lambda path: path.stat().st_mtime_ns)
    return logs[-1] if logs else None


def last_metrics(run: Path) -> dict[str, Any]:
    """The last values in metrics.jsonl, by name."""
    merged: dict[str, Any] = {}
    for line in tail(RunDir(run).metrics_path).splitlines()[-NUM_METRIC_LINES:]:
        try:
            values = json.loads(line)
        except ValueError:
            # The first line is usually incomplete, and the last may be too.
            continue
        if isinstance(values, dict):
            merged.update(values)
    return merged


def tail(path: Path) -> str:
    """The last few kilobytes of a text file; empty if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
