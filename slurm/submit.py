"""The verbs `submit`, `resume` and `cancel`, which put a run into SLURM's queue or remove it.

A submission goes from the words through the site, the request, the plan and its script to the run's folder,
where everything is frozen before it is sent to SLURM:

    words -> site.py -> request.py -> plan.py -> freeze.py -> scheduler.py
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from iconoclip.config import to_yaml
from iconoclip.errors import ConfigError, MissingRequirement, TryAgainLater
from slurm import scheduler
from slurm.config import CancelConfig, ResumeConfig, SubmitConfig
from slurm.freeze import (
    check_same_run,
    code_version,
    describe,
    freeze,
    freeze_code,
    print_if_code_differs,
    write_script,
)
from slurm.job import JobDir, JobRecord
from slurm.plan import Plan, array_of, in_words, plan_of, render
from slurm.request import Request, missing_inputs, read_words, request_of
from slurm.site import load_site
from slurm.stages import STAGES, stage_called

SECONDS_BETWEEN_LOOKS = 0.2
# How long a job that ends may keep a new submission waiting.
SECONDS_TO_END = 120.0


class WillNotRunError(ConfigError):
    """A run that another one waits for is neither finished nor in the queue."""


class Submission(NamedTuple):
    """The request that is submitted, and the plan of its job."""

    request: Request
    plan: Plan

    @property
    def job_dir(self) -> JobDir:
        """The folder of the run that the submission starts."""
        return JobDir(self.plan.run_dir)


def submit(config: SubmitConfig) -> int:
    """Submit a stage, or print that it is in the queue or finished already.

    Raises:
        ConfigError: the stage's config does not fit, or the site does not allow the job.
        MissingRequirement: no SLURM on this machine (a dry run needs none).
        BadInput: SLURM refuses the job.
    """
    needs, job_ids = _after(config.after)
    config, words = _sorted_words(config)
    file_name, fields = read_words(words, stage_called(config.stage).config_model)
    submission = prepare(config, file_name, fields, needs)
    if not needs and not job_ids and (missing := missing_inputs(submission.request)):
        print(
            f"not there: {', '.join(missing)}. The job fails unless something writes it before it starts; "
            "--after names what it waits for",
            file=sys.stderr,
        )
    if config.dry_run:
        show(submission, dependencies_of(needs, job_ids, ask=scheduler.is_here()))
        return 0
    scheduler.require("submit")
    place(submission, job_ids=job_ids, new_code=config.new_code)
    return 0


def _sorted_words(config: SubmitConfig) -> tuple[SubmitConfig, list[str]]:
    """The config with its stage, which may be any of the words, and the other words in their order."""
    words = [config.stage, *([config.config_file] if config.config_file else []), *config.overrides]
    place = next((at for at, word in enumerate(words) if word in STAGES), 0)
    stage = words.pop(place)
    return config.model_copy(update={"stage": stage}), words


def _after(after: str | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The runs and the plain jobs that `--after` names."""
    words = [word.strip() for word in (after or "").split(",") if word.strip()]
    job_ids = tuple(int(word) for word in words if word.isdigit())
    runs = tuple(str(Path(word).absolute()) for word in words if not word.isdigit())
    for run in runs:
        if not JobDir(run).exists:
            raise MissingRequirement(
                "no job was submitted from this folder", where=run, remedy="check --after"
            )
    return runs, job_ids


def prepare(
    asked: SubmitConfig, file_name: str | None, fields: dict[str, Any], needs: tuple[str, ...]
) -> Submission:
    """Check everything that can be checked before a job is submitted. Nothing is written.

    Args:
        asked: stage, site and size; the words after the stage are not read here.
        file_name: YAML file of the stage's fields.
        fields: fields on top of the file.
        needs: folders of runs that must be finished first.

    Raises:
        ConfigError: something does not fit; the message names it.
    """
    site = load_site(asked.site)
    request = request_of(asked, site, file_name, fields, needs)
    return Submission(request, plan_of(request, site))


def dependencies_of(needs: tuple[str, ...], job_ids: tuple[int, ...], *, ask: bool = True) -> list[str]:
    """The sbatch options that make a job wait: for runs that are not finished yet, and for plain jobs.

    Raises:
        WillNotRunError: a run is not finished and has no job in the queue.
    """
    waiting = list(job_ids)
    queued = scheduler.queued_ids() if ask and needs else set()
    for needed in map(JobDir, needs):
        if needed.is_finished():
            continue
        live = [job_id for job_id in needed.job_ids() if job_id in queued]
        if not live and ask:
            raise WillNotRunError(
                "the run to wait for is neither finished nor in the queue",
                where=needed.run.folder,
                remedy=f"iconoclip resume {shlex.quote(str(needed.run.folder))}",
            )
        waiting += live
    if not waiting:
        return []
    # Without this, a job whose dependency failed would wait for ever.
    return [f"--dependency=afterok:{':'.join(map(str, waiting))}", "--kill-on-invalid-dep=yes"]


def show(submission: Submission, dependencies: list[str]) -> None:
    """Print the script exactly as it would be submitted, and to standard error what would be done."""
    plan, job_dir = submission.plan, submission.job_dir
    array = [f"--array={plan.array}"] if plan.array else []
    command = ["sbatch", "--parsable", *array, *dependencies, str(job_dir.script_path)]
    config = "".join(f"    {line}\n" for line in to_yaml(submission.request.config).splitlines())
    queue = submission.request.queue
    if queue.whole_nodes:
        print(f"charged by whole nodes: {plan.nodes}, for up to {in_words(plan.time)}", file=sys.stderr)
    if queue.budget and not queue.account:
        print(f"charged to another budget: {queue.budget}", file=sys.stderr)
    frozen = f"would freeze {describe(code_version()[0])} and this config in {job_dir.folder}:"
    print(f"{frozen}\n{config}would run: {shlex.join(command)}", file=sys.stderr)
    print(render(plan), end="")


def place(submission: Submission, *, job_ids: tuple[int, ...] = (), new_code: bool = False) -> int | None:
    """Submit a request unless its run is finished or in the queue.

    Returns:
        the job's id, or None when the run is finished.

    Raises:
        TryAgainLater: another process has been submitting from this folder for SECONDS_TO_END.
    """
    if not submission.job_dir.exists:
        # What is refused leaves no folder.
        dependencies_of(submission.request.needs, job_ids)
    with submission.job_dir.submitting(SECONDS_TO_END):
        return _place(submission, job_ids, new_code=new_code)


def _place(submission: Submission, job_ids: tuple[int, ...], *, new_code: bool) -> int | None:
    request, plan = submission
    job_dir = submission.job_dir
    fresh = not job_dir.exists
    if not fresh:
        check_same_run(job_dir, request)
        if job_dir.is_finished():
            print(f"{job_dir.run.folder}: finished already")
            return None
        if live := _live(job_dir):
            print(f"{job_dir.run.folder}: job {live[-1]} is in the queue already")
            return live[-1]
        if job_dir.is_finished():
            print(f"{job_dir.run.folder}: finished already")
            return None
    dependencies = dependencies_of(request.needs, job_ids)
    if fresh or new_code:
        freeze(request, plan)
    else:
        # Another time limit, memory or node than the last time; the code stays as it was.
        print_if_code_differs(job_dir)
        write_script(job_dir, plan)
        job = job_dir.read()
        job_dir.write(job.model_copy(update={"nodes": plan.nodes, "tasks_per_node": plan.tasks_per_node}))
    return send(job_dir, plan, dependencies)


def send(job_dir: JobDir, plan: Plan, dependencies: list[str]) -> int:
    """Submit the run's script for the work that is still missing, and record the job's id."""
    tasks = job_dir.mark_submitted()
    array = None if tasks is None else array_of(tasks, plan.max_running)
    options = [*([f"--array={array}"] if array else []), *dependencies]
    job_id = scheduler.sbatch(job_dir.script_path, *options)
    job_dir.note_submission(job_id, array)
    waits = f", after {dependencies[0].partition(':')[2].replace(':', ', ')}" if dependencies else ""
    print(f"{job_dir.run.folder}: job {job_id}{f', tasks {array}' if array else ''}{waits}")
    return job_id


def resume(config: ResumeConfig) -> int:
    """Submit the missing work of a run again, in the same folder, with its original config.

    Raises:
        MissingRequirement: nothing was submitted from this folder, or no SLURM on this machine.
        BadInput: SLURM refuses the job.
    """
    job_dir = JobDir(config.run_dir)
    job = job_dir.read()
    if job_dir.is_finished(job):
        print(f"{config.run_dir}: finished already")
        return 0
    plan = Plan.model_validate_json(job_dir.plan_path.read_bytes())
    if config.time:
        plan = plan.model_copy(update={"time": config.time})
    if config.memory:
        # sbatch takes one option for memory.
        options = tuple(option for option in plan.options if not option.startswith("--mem"))
        plan = plan.model_copy(update={"memory": config.memory, "options": options})
    if config.dry_run:
        missing = "" if job.num_tasks is None else f", tasks {job_dir.missing_tasks(job)}"
        print(f"would submit {shlex.quote(str(job_dir.script_path))} again{missing}", file=sys.stderr)
        return 0
    scheduler.require("resume")
    with job_dir.submitting(SECONDS_TO_END):
        return _resume(config, job_dir, job, plan)


def _resume(config: ResumeConfig, job_dir: JobDir, job: JobRecord, plan: Plan) -> int:
    if live := _live(job_dir):
        print(f"{config.run_dir}: job {live[-1]} is in the queue already")
        return 0
    if job_dir.is_finished():
        print(f"{config.run_dir}: finished already")
        return 0
    if config.new_code:
        freeze_code(job_dir)
    write_script(job_dir, plan)
    send(job_dir, plan, dependencies_of(job.needs, ()))
    return 0


def cancel(config: CancelConfig) -> int:
    """Cancel a run's jobs, and wait until their processes have ended. `resume`
    continues from the saved state.

    Raises:
        MissingRequirement: nothing was submitted from this folder, or no SLURM on this machine.
        TryAgainLater: the jobs are still ending after `timeout_seconds`.
    """
    job_dir = JobDir(config.run_dir)
    job = job_dir.read()
    if job_dir.is_finished(job):
        print(f"{config.run_dir}: finished already; nothing to cancel")
        return 0
    scheduler.require("cancel")
    live = job_dir.queued()
    # Before scancel: a job that is ended reads this state and does not requeue itself.
    job_dir.cancelled_path.touch()
    scheduler.cancel(live)
    _wait_until_gone(job_dir, config.timeout_seconds)
    if job.num_tasks is None:
        job_dir.set_state(None, "cancelled")
    cancelled = f"job {', '.join(map(str, live))} cancelled" if live else "no job was in the queue"
    print(f"{config.run_dir}: {cancelled}; `iconoclip resume` continues from what was saved")
    return 0


def _live(job_dir: JobDir) -> list[int]:
    """The ids of its jobs that wait or run, once none of them is merely ending. A job that ends leaves the
    queue, or waits in it again if it was requeued: before that nobody knows whether a new one is needed.

    Raises:
        TryAgainLater: they are still ending after SECONDS_TO_END.
    """
    until = time.monotonic() + SECONDS_TO_END
    while jobs := job_dir.queued_jobs():
        if live := [job.job_id for job in jobs if not job.is_ending]:
            return live
        if time.monotonic() > until:
            raise _still_ending(job_dir)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return []


def _still_ending(job_dir: JobDir) -> TryAgainLater:
    return TryAgainLater(
        "the jobs are still ending", where=job_dir.run.folder, remedy="look again with `iconoclip status`"
    )


def _wait_until_gone(job_dir: JobDir, timeout_seconds: float) -> None:
    """Wait until the jobs are gone. SLURM keeps a job in the queue, as COMPLETING, until all
    its processes have ended.
    """
    until = time.monotonic() + timeout_seconds
    while job_dir.queued():
        if time.monotonic() > until:
            raise _still_ending(job_dir)
        time.sleep(SECONDS_BETWEEN_LOOKS)
