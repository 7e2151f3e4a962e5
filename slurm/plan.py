"""The plan of a job, which contains everything that its script states, and the script.

The template is job.sbatch.jinja. The only part of this package that the script uses is `python -m
slurm.attempt`, which keeps the record.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import jinja2
from pydantic import Field

from iconoclip.config import Config
from iconoclip.errors import ConfigError
from slurm.config import SubmitConfig
from slurm.request import Request, Size
from slurm.site import Queue, Site

TEMPLATE_NAME = "job.sbatch.jinja"
# With an address alone SLURM would write no mail.
MAIL_TYPE = "END,FAIL"
# How long processes that lost their srun may take to save.
SECONDS_TO_SAVE = 120


class Plan(Config):
    """Everything that a script states. The same plan gives the same script."""

    stage: str
    version: str
    site: str
    run_dir: str
    work_dir: str
    job_name: str
    nodes: int
    tasks_per_node: int
    cpus_per_task: int
    num_tasks: int | None = None
    task_option: str = "task"
    max_running: int | None = None
    join_command: tuple[str, ...] = ()
    gpu_option: str | None = None
    memory: str | None = None
    time: str
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    mail_user: str | None = None
    mail_type: str | None = None
    options: tuple[str, ...] = ()
    requeue: bool = True
    warning_seconds: int
    purge_modules: bool = False
    module_folders: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    environment: dict[str, str] = Field({})
    srun_options: tuple[str, ...] = ()
    container: str | None = None
    python: str
    command: tuple[str, ...]
    master_addr: str | None = None

    @property
    def array(self) -> str | None:
        """The value of sbatch's --array for all tasks."""
        return None if self.num_tasks is None else array_of(list(range(self.num_tasks)), self.max_running)


def array_of(tasks: list[int], max_running: int | None) -> str:
    """Tasks in the syntax of sbatch: [0, 1, 2, 5] is `0-2,5`, with `%N` if at most N may run."""
    spans: list[list[int]] = []
    for task in tasks:
        if spans and task == spans[-1][1] + 1:
            spans[-1][1] = task
        else:
            spans.append([task, task])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return f"{text}%{max_running}" if max_running else text


def plan_of(request: Request, site: Site) -> Plan:
    """Everything that the script of a request will state on this site.

    Raises:
        ConfigError: the site does not allow it.
    """
    stage, asked, size = request.stage, request.asked, request.size
    queue = request.queue
    time = asked.time or queue.default_time
    python = site.python or sys.executable
    account = _account(site, queue, asked)
    _check_limits(site, queue, asked, size.nodes, time)
    return Plan(
        stage=stage.verb,
        version=version("iconoclip"),
        site=site.name,
        run_dir=str(request.run_dir),
        work_dir=str(Path.cwd()),
        job_name=_job_name(stage.verb, request.run_dir),
        nodes=size.nodes,
        tasks_per_node=size.tasks_per_node,
        cpus_per_task=asked.cpus_per_task or queue.cpus_per_task,
        num_tasks=asked.num_tasks,
        task_option=request.task_option,
        max_running=asked.max_running,
        join_command=stage.command(python) if request.join_config is not None else (),
        gpu_option=_gpu_option(queue, size.gpus_per_node),
        memory=asked.memory or queue.memory,
        time=time,
        partition=asked.partition or queue.partition,
        account=account,
        qos=asked.qos or (queue.qos and queue.qos.format(account=account)),
        constraint=asked.constraint or queue.constraint,
        reservation=asked.reservation,
        nodelist=asked.nodelist,
        exclude=asked.exclude,
        mail_user=asked.mail_user,
        mail_type=asked.mail_type or (MAIL_TYPE if asked.mail_user else None),
        options=(*queue.options, *_memory_per_gpu(queue, asked)),
        requeue=site.requeue,
        warning_seconds=min(site.warning_seconds, max(1, seconds_of(time) // 2)),
        purge_modules=site.purge_modules and bool(site.modules or queue.modules),
        module_folders=site.module_folders,
        modules=(*site.modules, *queue.modules),
        setup=site.setup,
        environment=site.environment,
        srun_options=_srun_options(queue, size),
        container=site.container,
        python=python,
        command=stage.command(python),
        master_addr=site.master_addr,
    )


def _srun_options(queue: Queue, size: Size) -> tuple[str, ...]:
    """Bindings of processes to cores are made for one process per GPU of a whole node."""
    fills_node = 0 < queue.gpus_per_node == size.tasks_per_node
    return queue.whole_node_srun_options if fills_node else ()


def _memory_per_gpu(queue: Queue, asked: SubmitConfig) -> tuple[str, ...]:
    """sbatch refuses both this and --mem."""
    return (f"--mem-per-gpu={queue.memory_per_gpu}",) if queue.memory_per_gpu and not asked.memory else ()


def _gpu_option(queue: Queue, gpus: int) -> str | None:
    return queue.gpu_request.format(gpus=gpus) if queue.gpu_request and gpus else None


def _account(site: Site, queue: Queue, asked: SubmitConfig) -> str | None:
    account = asked.account or queue.account or site.account
    if site.account_required and not account:
        raise ConfigError(
            f"site '{site.name}' charges every job to an account",
            where="--account",
            remedy=f"give --account, or put `account:` next to `extends: {site.name}` into "
            f"~/.config/iconoclip/sites/{site.name}.yaml",
        )
    return f"{account}{queue.account_suffix}" if account else None


def _check_limits(site: Site, queue: Queue, asked: SubmitConfig, nodes: int, time: str) -> None:
    # The known limits are those of the site's own partition and qos.
    is_ours = not asked.partition and not asked.qos
    if is_ours and queue.max_time and seconds_of(time) > seconds_of(queue.max_time):
        raise ConfigError(
            f"a job of {in_words(time)} is longer than site '{site.name}' allows "
            f"({in_words(queue.max_time)})",
            where="--time",
            remedy="ask for less: a run that reaches its time limit continues by itself",
        )
    if is_ours and queue.max_nodes and nodes > queue.max_nodes:
        raise ConfigError(
            f"{nodes} nodes are more than site '{site.name}' allows ({queue.max_nodes})",
            where="--nodes",
            remedy="ask for fewer, or name another --partition or --qos",
        )
    if asked.num_tasks and asked.num_tasks > site.max_array_size:
        raise ConfigError(
            f"{asked.num_tasks} tasks are more than a job array may have at site '{site.name}' "
            f"({site.max_array_size})",
            where="--num_tasks",
            remedy="ask for fewer, larger tasks",
        )


def _job_name(verb: str, run_dir: Path) -> str:
    # The job name in squeue. Other characters would need quoting in the user's own scripts.
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-"
        for letter in run_dir.name
    )
    return name if name.startswith(verb) else f"{verb}-{name}"


def render(plan: Plan) -> str:
    """The script of a plan, as text.

    Raises:
        ConfigError: a path cannot be written on an #SBATCH line.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(quote=shlex.quote, directive=_directive, expandable=_expandable)
    # A container may start with a clean environment, so the variables that put the frozen code
    # first are set again inside it.
    inside = 'env PYTHONSAFEPATH=1 PYTHONPATH="$PYTHONPATH"'
    prefix = f"{plan.container} {inside} " if plan.container else ""
    return environment.get_template(TEMPLATE_NAME).render(
        **plan.model_dump(exclude={"srun_options"}),
        srun_options="".join(f"{shlex.quote(option)} " for option in plan.srun_options),
        plan=plan.model_dump(),
        array=plan.array,
        seconds_to_save=SECONDS_TO_SAVE,
        log=_pattern(f"{plan.run_dir}/job/logs/") + ("%A_%a.log" if plan.num_tasks is not None else "%j.log"),
        python_command=prefix + shlex.quote(plan.python),
        stage_command=prefix + shlex.join(plan.command),
        joining=prefix + shlex.join(plan.join_command) if plan.join_command else None,
    )


def _pattern(path: str) -> str:
    # In an output name % begins a pattern, and a backslash switches patterns off.
    if any(character in path for character in "\n\r\\"):
        raise ConfigError(
            "the run's folder has a backslash or a line break in its name, which no #SBATCH line can hold",
            where=path,
            remedy="choose another with --run_dir",
        )
    return path.replace("%", "%%")


def _directive(value: str) -> str:
    """A value on an #SBATCH line. sbatch reads double quotes and backslashes there, and no dollar sign.

    Raises:
        ConfigError: a line break, which would begin a line of the script.
    """
    if any(character in value for character in "\n\r\0"):
        raise ConfigError(
            "a value has a line break, which no #SBATCH line can hold",
            where=repr(value),
            remedy="remove the line break",
        )
    if re.fullmatch(r"[\w./%+=:,@-]+", value, re.ASCII):
        return value
    return '"' + value.replace('"', '\\"') + '"'


def _expandable(value: str) -> str:
    """A value in which the shell expands variables, such as `$SCRATCH`, and nothing else."""
    return '"' + re.sub(r'(["`\\]|\$\()', r"\\\1", value) + '"'


def in_words(time: str) -> str:
    """A time limit as hours, minutes and seconds: for SLURM, "60" is an hour."""
    minutes, seconds = divmod(seconds_of(time), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def seconds_of(time: str) -> int:
    """The seconds in a time limit as SLURM writes it: MINUTES, MINUTES:SECONDS, H:MM:SS,
    D-HH, D-HH:MM, D-HH:MM:SS.

    Source: sbatch(1), --time.
    """
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return ((int(days) * 24 + hours) * 60 + minutes) * 60 + seconds
    if len(parts) == 3:
        return (parts[0] * 60 + parts[1]) * 60 + parts[2]
    return parts[0] * 60 + (parts[1] if len(parts) == 2 else 0)
