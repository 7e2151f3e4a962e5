"""`iconoclip cancel`: end a run's jobs, and wait until their processes are gone."""

from __future__ import annotations

import time

from iconoclip.errors import TryAgainLater
from slurm import scheduler
from slurm.config import CancelConfig
from slurm.job import JobDir
from slurm.submit import live_jobs

SECONDS_BETWEEN_LOOKS = 0.2


def cancel(config: CancelConfig) -> int:
    """Cancel a run's jobs. What the run has saved stays, and `resume` goes on from there.

    Raises:
        MissingRequirement: nothing was submitted from this folder, or no SLURM on this machine.
        TryAgainLater: the jobs are still being ended after `timeout_seconds`.
    """
    job_dir = JobDir(config.run)
    job = job_dir.read()
    if job_dir.is_finished(job):
        print(f"{config.run}: finished already; nothing to cancel")
        return 0
    scheduler.require("cancel")
    live = live_jobs(job_dir)
    # Before scancel: a job that is told to end reads it and does not requeue itself.
    job_dir.cancelled_path.touch()
    scheduler.cancel(live)
    until = time.monotonic() + config.timeout_seconds
    # SLURM keeps a job in the queue, as COMPLETING, until every process of it is gone.
    while live_jobs(job_dir):
        if time.monotonic() > until:
            raise TryAgainLater(
                "the jobs are still being ended",
                where=config.run,
                remedy="look again with `iconoclip status`",
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if job.num_tasks is None:
        job_dir.write_work(
            None, job_dir.work_of(None).model_copy(update={"state": "cancelled", "reason": ""})
        )
    cancelled = f"job {', '.join(map(str, live))} cancelled" if live else "no job was in the queue"
    print(f"{config.run}: {cancelled}; `iconoclip resume` goes on from what was saved")
    return 0
