"""`iconoclip resume`: go on with a run that stopped, in the same folder, with the config it began with."""

from __future__ import annotations

import shlex
import sys

from slurm import scheduler
from slurm.config import ResumeConfig
from slurm.freeze import freeze_code
from slurm.job import JobDir
from slurm.render import Plan
from slurm.submit import dependencies_of, live_jobs, send, write_script


def resume(config: ResumeConfig) -> int:
    """Submit what is missing of a run again.

    Raises:
        MissingRequirement: nothing was submitted from this folder, or no SLURM on this machine.
        BadInput: SLURM refuses the job.
    """
    job_dir = JobDir(config.run)
    job = job_dir.read()
    if job_dir.is_finished(job):
        print(f"{config.run}: finished already")
        return 0
    plan = Plan.model_validate_json(job_dir.plan_path.read_bytes())
    if config.time:
        plan = plan.model_copy(update={"time": config.time})
    if config.dry_run:
        missing = "" if job.num_tasks is None else f", tasks {job_dir.missing_tasks(job)}"
        print(f"would submit {shlex.quote(str(job_dir.script_path))} again{missing}", file=sys.stderr)
        return 0
    scheduler.require("resume")
    if live := live_jobs(job_dir):
        print(f"{config.run}: job {live[-1]} is in the queue already")
        return 0
    if config.new_code:
        freeze_code(job_dir)
    write_script(job_dir, plan)
    send(job_dir, plan, dependencies_of(job.needs, ()))
    return 0
