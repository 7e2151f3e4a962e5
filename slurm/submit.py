"""`iconoclip submit`: one stage as a job. What it will run is checked and frozen before SLURM hears of it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from iconoclip.config import Config, build, digest, to_yaml
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.files import atomic_write
from slurm import scheduler
from slurm.config import Placement, SubmitConfig
from slurm.freeze import code_facts, code_version, describe, freeze_code, freeze_config
from slurm.job import Job, JobDir, now
from slurm.render import Plan, array_of, render
from slurm.sharing import shares_of
from slurm.site import Queue, Site, load_site, seconds_of
from slurm.stages import STAGES, Stage, config_path, parse_overrides, resolve_config, stage_called


@dataclass(frozen=True)
class Request:
    """A stage with its config resolved, and where it is to run."""

    stage: Stage
    config: Config
    task_configs: tuple[Config, ...]
    join_config: Config | None
    plan: Plan
    job_dir: JobDir
    needs: tuple[str, ...]
    output: Path


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


def request_of(
    config: SubmitConfig, file_name: str | None, fields: dict[str, Any], needs: tuple[str, ...]
) -> Request:
    """What is asked for, checked against the stage and the site.

    Args:
        config: where the stage runs and with how many nodes or tasks; its own file and overrides are not read.
        file_name: YAML file of the stage's fields.
        fields: fields on top of the file.
        needs: folders of runs that must be finished first.

    Raises:
        ConfigError: something does not fit; the message says what.
    """
    stage = stage_called(config.stage)
    site = load_site(config.site)
    path = config_path(file_name) if file_name else None
    overrides = dict(fields)
    if stage.out == "run_dir" and config.run_dir is None and overrides.get("run_dir"):
        run_dir = Path(str(overrides["run_dir"]))
    else:
        run_dir = config.run_dir or Path("runs") / (f"{stage.verb}-{path.stem}" if path else stage.verb)
    tasks_per_node = tasks_on_a_node(stage, site.queue(stage.queue), config)
    overrides |= _shares(stage, config) | _world(stage, overrides, config.nodes, tasks_per_node)
    resolved = resolve_config(stage, path, overrides, run_dir)
    if stage.out == "run_dir":
        run_dir = Path(str(resolved.run_dir))  # type: ignore[attr-defined]
    plan = plan_of(stage, site, config, run_dir.absolute(), tasks_per_node)
    output = Path(plan.work_dir) / str(getattr(resolved, stage.out))
    return Request(
        stage=stage,
        config=resolved,
        task_configs=_task_configs(stage, resolved, config.num_tasks),
        join_config=_join_config(stage, resolved, config.num_tasks),
        plan=plan,
        job_dir=JobDir(plan.run_dir),
        needs=needs,
        output=output,
    )


def _shares(stage: Stage, config: SubmitConfig) -> dict[str, object]:
    if config.num_tasks is None:
        return {}
    if stage.splits:
        return {}
    if not stage.shares:
        raise ConfigError(
            f"`{stage.verb}` cannot be shared by a job array", where="--num_tasks", remedy="leave it out"
        )
    # `task` is filled in on each task's command line.
    return {"num_tasks": config.num_tasks, "task": 0}


def _join_config(stage: Stage, resolved: Config, num_tasks: int | None) -> Config | None:
    """The config of the verb that puts the tasks' parts together."""
    if num_tasks is None or not stage.joined_by:
        return None
    if not stage.splits:
        return resolved.model_copy(update={"task": None})
    values = resolved.model_dump()
    fields = {
        "shardsets": [str(part_of(values["out"], task)) for task in range(num_tasks)],
        "out": values["out"],
    }
    # Names like `policy` mean the same to both verbs.
    model = STAGES[stage.joined_by].config_model
    shared = {
        name: values[name]
        for name in model.model_fields
        if values.get(name) is not None and name not in fields
    }
    return build(model, {**shared, **fields}, f"iconoclip {stage.joined_by}")


def _task_configs(stage: Stage, resolved: Config, num_tasks: int | None) -> tuple[Config, ...]:
    """Each task's own config, where the tasks share a list."""
    if num_tasks is None or not stage.splits:
        return ()
    values = resolved.model_dump()
    return tuple(
        resolved.model_copy(update={stage.splits: share, stage.out: part_of(values[stage.out], task)})
        for task, share in enumerate(shares_of(values[stage.splits], num_tasks))
    )


def part_of(out: Path | str, task: int) -> Path:
    """Where a task of a job array writes, when each writes an output of its own."""
    return Path(out) / "parts" / f"{task:05d}"


def _world(stage: Stage, overrides: dict[str, Any], nodes: int, tasks_per_node: int) -> dict[str, Any]:
    """The stage's own fields for nodes and processes, which must agree with what SLURM is asked for."""
    if nodes > 1 and not stage.multi_node:
        raise ConfigError(f"`{stage.verb}` runs on one node", where="--nodes", remedy="leave it out")
    if stage.world is None:
        return {}
    wanted = dict(zip(stage.world, (nodes, tasks_per_node), strict=True))
    fields = {name: value for name, value in wanted.items() if name in stage.config_model.model_fields}
    for name, value in fields.items():
        if overrides.get(name, value) not in (value, "auto"):
            raise ConfigError(
                f"{name}={overrides[name]} does not match the job: {nodes} node(s) with {tasks_per_node} process(es) each",
                where=f"iconoclip submit {stage.verb}",
                remedy=f"leave {name} out, or give --nodes and --tasks_per_node that match",
            )
    return fields


def tasks_on_a_node(stage: Stage, queue: Queue, config: Placement) -> int:
    """Processes on each node: one for each GPU, or one.

    Raises:
        ConfigError: another number than there are GPUs.
    """
    gpus = _gpus(queue, config)
    if config.tasks_per_node is None:
        return max(1, gpus) if stage.multi_node else 1
    if gpus and stage.multi_node and config.tasks_per_node != gpus:
        raise ConfigError(
            f"{config.tasks_per_node} processes on a node with {gpus} GPUs: each process drives one GPU",
            where="--tasks_per_node",
            remedy=f"leave it out, or ask for --gpus_per_node {config.tasks_per_node}",
        )
    return config.tasks_per_node


def _gpus(queue: Queue, config: Placement) -> int:
    return queue.gpus_per_node if config.gpus_per_node is None else config.gpus_per_node


def plan_of(stage: Stage, site: Site, config: SubmitConfig, run_dir: Path, tasks_per_node: int) -> Plan:
    """Everything the script will say.

    Raises:
        ConfigError: the site does not allow it.
    """
    queue = site.queue(stage.queue)
    time = config.time or queue.default_time
    _check_limits(site, queue, config, time)
    gpus = _gpus(queue, config)
    if not stage.multi_node:
        gpus = min(gpus, 1) if stage.queue == "gpu" else 0
    account = config.account or site.account
    if site.account_required and not account:
        raise ConfigError(
            f"site '{site.name}' charges every job to an account",
            where="--account",
            remedy=f"give --account, or put `account:` beside `extends: {site.name}` into "
            f"~/.config/iconoclip/sites/{site.name}.yaml",
        )
    python = site.python or sys.executable
    return Plan(
        stage=stage.verb,
        version=version("iconoclip"),
        site=site.name,
        run_dir=str(run_dir),
        work_dir=str(Path.cwd()),
        job_name=_job_name(stage, run_dir),
        nodes=config.nodes,
        tasks_per_node=tasks_per_node,
        cpus_per_task=queue.cpus_per_task,
        num_tasks=config.num_tasks,
        max_running=config.max_running,
        splits=bool(stage.splits) and config.num_tasks is not None,
        join_command=_join_command(stage, python) if config.num_tasks is not None else (),
        gpu_option=queue.gpu_request.format(gpus=gpus) if queue.gpu_request and gpus else None,
        memory=queue.memory,
        time=time,
        partition=config.partition or queue.partition,
        account=f"{account}{queue.account_suffix}" if account else None,
        qos=config.qos or queue.qos,
        constraint=queue.constraint,
        options=queue.options,
        requeue=site.requeue,
        warning_seconds=min(site.warning_seconds, max(1, seconds_of(time) // 2)),
        modules=(*site.modules, *queue.modules),
        setup=site.setup,
        environment=site.environment,
        container=site.container,
        python=python,
        command=stage.command(python),
        master_addr=site.master_addr,
    )


def _join_command(stage: Stage, python: str) -> tuple[str, ...]:
    if not stage.joined_by:
        return ()
    return stage.command(python) if stage.joined_by == stage.verb else STAGES[stage.joined_by].command(python)


def _check_limits(site: Site, queue: Queue, config: SubmitConfig, time: str) -> None:
    if (
        queue.max_time
        and not config.partition
        and not config.qos
        and seconds_of(time) > seconds_of(queue.max_time)
    ):
        raise ConfigError(
            f"a job of {time} is longer than site '{site.name}' allows ({queue.max_time})",
            where="--time",
            remedy="ask for less: a run that hits its limit goes on by itself",
        )
    if queue.max_nodes and not config.partition and not config.qos and config.nodes > queue.max_nodes:
        raise ConfigError(
            f"{config.nodes} nodes are more than site '{site.name}' allows ({queue.max_nodes})",
            where="--nodes",
            remedy="ask for fewer, or name another --partition or --qos",
        )
    if config.num_tasks and config.num_tasks > site.max_array_size:
        raise ConfigError(
            f"{config.num_tasks} tasks are more than a job array may have at site '{site.name}' ({site.max_array_size})",
            where="--num_tasks",
            remedy="ask for fewer, larger tasks",
        )


def _job_name(stage: Stage, run_dir: Path) -> str:
    # What squeue shows; a name with other characters would need quoting in everything people pipe it through.
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-"
        for letter in run_dir.name
    )
    return name if name.startswith(stage.verb) else f"{stage.verb}-{name}"


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
    if job.config_digest != digest(request.config):
        raise ConfigError(
            "this folder holds a run with another config",
            where=request.job_dir.config_path,
            remedy="choose another --run_dir; `iconoclip resume` goes on with the run as it is",
        )


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
    for task, config in enumerate(request.task_configs):
        freeze_config(job_dir.tasks / f"{task:05d}.yaml", config)
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
