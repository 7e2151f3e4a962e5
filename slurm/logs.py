"""`iconoclip logs`: the output of a run's jobs, from its own folder."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from iconoclip.errors import MissingRequirement
from slurm import scheduler
from slurm.config import LogsConfig
from slurm.job import JobDir
from slurm.status import newest_log
from slurm.submit import live_jobs

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_QUESTIONS = 10.0
CHUNK_BYTES = 1 << 20


def logs(config: LogsConfig) -> int:
    """Print the end of the run's log; with `follow`, what comes until the run is over.

    Raises:
        MissingRequirement: no job was submitted from this folder, or none has written anything.
    """
    job_dir = JobDir(config.run)
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
    """Print the last lines and return where they end."""
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
        # One pass over the file after the end, for the lines written in between.
        if newest != path:
            path, position = newest, 0
        if path:
            position = _print_from(path, position)
        if is_over:
            return
        # The records say finished a moment before the job has written its last line.
        patience = SECONDS_BETWEEN_LOOKS if job_dir.is_finished() else SECONDS_BETWEEN_QUESTIONS
        if time.monotonic() - asked > patience:
            asked = time.monotonic()
            is_over = not (scheduler.is_here() and live_jobs(job_dir))
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _print_from(path: Path, position: int) -> int:
    with path.open("rb") as file:
        file.seek(position)
        while chunk := file.read(CHUNK_BYTES):
            sys.stdout.buffer.write(chunk)
            position += len(chunk)
    sys.stdout.flush()
    return position
