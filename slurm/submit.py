"""`iconoclip submit`: one stage as a job. What it will run is checked and frozen before SLURM hears of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from iconoclip.config import Config, digest, read_yaml, to_yaml
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.files import atomic_write
from slurm import scheduler
from slurm.config import SubmitConfig
from slurm.freeze import code_facts, code_version, describe, freeze_code, freeze_config
from slurm.job import Job, JobDir, now
from slurm.render import Plan, array_of, render
from slurm.request import Request, request_of
from slurm.stages import parse_overrides


def submit(config: SubmitConfig) -> int:
    """Submit a stage, or say that it is in the queue or finished already.

    Raises:
        ConfigError: the stage's config, or what is asked of the site, does not fit.
        MissingRequirement: no SLURM on this machine (a dry run needs none).
        BadInput: SLURM refuses the job.
    """
    needs, job_ids = _after(config.after)
    file_name: str | None = config.config_file
    words = list(config.overrides)
    if file_name and "=" in file_name and not Path(file_name).exists():
        words.insert(0, file_name)
        file_name = None
    request = request_of(config, file_name, parse_overrides(words), needs)
    if config.dry_run:
        show(request, dependencies_of(needs, job_ids, ask=scheduler.is_here()))
        return 0
    scheduler.require("submit")
    place(request, job_ids=job_ids, new_code=config.new_code)
    return 0


def _after(after: str | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    words = [word.strip() for word in (after or "").split(",") if word.strip()]
    job_ids = tuple(int(word) for word in words if word.isdigit())
    runs = tuple(str(Path(word).absolute()) for word in words if not word.isdigit())
    for run in runs:
        if not JobDir(run).exists:
            raise MissingRequirement(
                "no job was submitted from this folder", where=run, remedy="check --after"
            )
    return runs, job_ids


def dependencies_of(needs: tuple[str, ...], job_ids: tuple[int, ...], *, ask: bool = True) -> list[str]:
    """The sbatch options that make a job wait: for runs that are not finished yet, and for plain jobs.

    Raises:
        ConfigError: a run that neither is finished nor has a job in the queue.
    """
    waiting = list(job_ids)
    queued = {job.job_id for job in scheduler.queue()} if ask and needs else set()
    for need in needs:
        needed = JobDir(need)
        if needed.is_finished():
            continue
        live = [job_id for job_id in needed.job_ids() if job_id in queued]
        if not live and ask:
            raise ConfigError(
                "the run to wait for is neither finished nor in the queue",
                where=need,
                remedy=f"iconoclip resume {shlex.quote(need)}",
            )
        waiting += live
    if not waiting:
        return []
    # A job whose dependency failed would wait for ever.
    return [f"--dependency=afterok:{':'.join(map(str, waiting))}", "--kill-on-invalid-dep=yes"]


def place(request: Request, *, job_ids: tuple[int, ...] = (), new_code: bool = False) -> int | None:
    """Submit a request unless its run is finished or in the queue.

    Returns:
        the job's id, or None when the run is finished.
    """
    job_dir = request.job_dir
    fresh = not job_dir.exists
    if not fresh:
        _check_same(request)
        if job_dir.is_finished():
            print(f"{job_dir.run.folder}: finished already")
            return None
        if live := live_jobs(job_dir):
            print(f"{job_dir.run.folder}: job {live[-1]} is in the queue already")
            return live[-1]
    dependencies = dependencies_of(request.needs, job_ids)
    if fresh or new_code:
        freeze(request)
    else:
        _say_if_code_differs(job_dir)
    return send(job_dir, request.plan, dependencies)


def _check_same(request: Request) -> None:
    """A run goes on with the config and the number of tasks it began with."""
    job = request.job_dir.read()
    if job.num_tasks != request.plan.num_tasks:
        raise ConfigError(
            f"this run began with {job.num_tasks or 'no'} tasks and cannot go on with {request.plan.num_tasks or 'none'}: "
            "each task would get other work",
            where=request.job_dir.run.folder,
            remedy="go on with the same number, or choose another --run_dir",
        )
    if differing := differing_fields(read_yaml(request.job_dir.config_path), request.config):
        name, before, present = differing[0]
        more = f" (and {len(differing) - 1} more)" if differing[1:] else ""
        raise ConfigError(
            f"this folder holds a run with another {name}: {before!r}, not {present!r}{more}",
            where=request.job_dir.config_path,
            remedy="choose another --run_dir, or remove this one if nothing in it is worth keeping; "
            "`iconoclip resume` goes on with the run as it is",
        )


def differing_fields(frozen: dict[str, Any], config: Config) -> list[tuple[str, Any, Any]]:
    """The fields whose values differ, with both values. One that a newer version brought, and that is left at its
    default, does not: a chain goes on after an upgrade."""
    present = config.model_dump(mode="json")
    defaults = {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in type(config).model_fields.items()
        if not field.is_required()
    }
    known = {name: frozen.get(name, defaults.get(name)) for name in present}
    return [(name, known[name], value) for name, value in present.items() if known[name] != value]


def _say_if_code_differs(job_dir: JobDir) -> None:
    frozen = code_facts(job_dir)
    present, diff = code_version()
    old_diff = (job_dir.folder / "code.diff").read_bytes() if (job_dir.folder / "code.diff").exists() else b""
    if frozen.get("commit") != present.get("commit") or old_diff != diff:
        print(
            f"goes on with the code it froze at {frozen.get('frozen_at')} ({describe(frozen)}); "
            "--new-code takes the code as it is now"
        )


def live_jobs(job_dir: JobDir) -> list[int]:
    """The run's jobs that wait or run."""
    queued = {job.job_id for job in scheduler.queue()}
    return [job_id for job_id in job_dir.job_ids() if job_id in queued]


def freeze(request: Request) -> None:
    """Write config, code, plan, script and record into the run's folder."""
    job_dir = request.job_dir
    try:
        for folder in (job_dir.logs, job_dir.tasks):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingRequirement(
            f"the run's folder cannot be written: {error.strerror}",
            where=job_dir.folder,
            remedy="choose another --run_dir",
        ) from error
    freeze_config(job_dir.config_path, request.config)
    if request.join_config is not None:
        freeze_config(job_dir.folder / "join.yaml", request.join_config)
    freeze_code(job_dir)
    write_script(job_dir, request.plan)
    if not job_dir.exists:
        job_dir.write(record_of(request))


def write_script(job_dir: JobDir, plan: Plan) -> None:
    """Write the plan and the script it renders to."""
    with atomic_write(job_dir.plan_path) as file:
        file.write((plan.model_dump_json(indent=2) + "\n").encode())
    with atomic_write(job_dir.script_path) as file:
        file.write(render(plan).encode())


def record_of(request: Request) -> Job:
    """The record a run starts with."""
    return Job(
        stage=request.stage.verb,
        site=request.plan.site,
        submitted_at=now(),
        nodes=request.plan.nodes,
        tasks_per_node=request.plan.tasks_per_node,
        num_tasks=request.plan.num_tasks,
        joins=bool(request.plan.join_command),
        config_digest=digest(request.config),
        output=str(request.output),
        evidence=request.stage.evidence,
        command=request.plan.command,
        needs=request.needs,
    )


def send(job_dir: JobDir, plan: Plan, dependencies: list[str]) -> int:
    """Hand the run's script to SLURM, for what is still missing, and record the job's id."""
    job = job_dir.read()
    job_dir.cancelled_path.unlink(missing_ok=True)
    job_dir.joining_path.unlink(missing_ok=True)
    array = None
    if job.num_tasks is not None:
        # All tasks may be done and only the joining missing: the last one runs again, and joins.
        missing = job_dir.missing_tasks(job) or [job.num_tasks - 1]
        for task in missing:
            job_dir.write_work(
                task, job_dir.work_of(task).model_copy(update={"state": "submitted", "reason": ""})
            )
        array = array_of(missing, plan.max_running)
    job_dir.write(
        job.model_copy(update={"work": job.work.model_copy(update={"state": "submitted", "reason": ""})})
    )
    options = [*([f"--array={array}"] if array else []), *dependencies]
    job_id = scheduler.sbatch(job_dir.script_path, *options)
    job_dir.note_submission(job_id, array)
    waits = f", after {dependencies[0].partition(':')[2].replace(':', ', ')}" if dependencies else ""
    tasks = f", tasks {array}" if array else ""
    print(f"{job_dir.run.folder}: job {job_id}{tasks}{waits}")
    return job_id


def show(request: Request, dependencies: list[str]) -> None:
    """Print the script exactly as it would be submitted; what would be done goes to standard error."""
    array = [f"--array={request.plan.array}"] if request.plan.array else []
    command = ["sbatch", "--parsable", *array, *dependencies, str(request.job_dir.script_path)]
    print(
        f"would freeze {describe(code_version()[0])} and this config in {request.job_dir.folder}:",
        file=sys.stderr,
    )
    print("".join(f"    {line}\n" for line in to_yaml(request.config).splitlines()), end="", file=sys.stderr)
    print(f"would run: {shlex.join(command)}", file=sys.stderr)
    print(render(request.plan), end="")
