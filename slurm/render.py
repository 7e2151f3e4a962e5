"""A plan rendered as an sbatch script. The template is job.sbatch.jinja; the script runs without this package's help
but for `python -m slurm.attempt`, which keeps the record."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import jinja2
from pydantic import Field

from iconoclip.config import Config
from iconoclip.errors import ConfigError

TEMPLATE_NAME = "job.sbatch.jinja"


class Plan(Config):
    """Everything a script says. Rendered again, the same plan gives the same script."""

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
    max_running: int | None = None
    join_command: tuple[str, ...] = ()
    gpu_option: str | None = None
    memory: str | None = None
    time: str
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    options: tuple[str, ...] = ()
    requeue: bool = True
    warning_seconds: int
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    environment: dict[str, str] = Field({})
    container: str | None = None
    python: str
    command: tuple[str, ...]
    master_addr: str | None = None

    @property
    def array(self) -> str | None:
        """The value of sbatch's --array for all tasks."""
        return None if self.num_tasks is None else array_of(list(range(self.num_tasks)), self.max_running)


def array_of(tasks: list[int], max_running: int | None) -> str:
    """Tasks as sbatch writes them: [0, 1, 2, 5] is `0-2,5`, and `%N` when at most N may run."""
    spans: list[list[int]] = []
    for task in tasks:
        if spans and task == spans[-1][1] + 1:
            spans[-1][1] = task
        else:
            spans.append([task, task])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return f"{text}%{max_running}" if max_running else text


def render(plan: Plan) -> str:
    """The script.

    Raises:
        ConfigError: a path that no #SBATCH line can hold.
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
    prefix = f"{plan.container} " if plan.container else ""
    return environment.get_template(TEMPLATE_NAME).render(
        **plan.model_dump(),
        array=plan.array,
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
    """A value on an #SBATCH line: sbatch reads double quotes and backslashes there, and no dollar sign."""
    if re.fullmatch(r"[\w./%+=:,@-]+", value, re.ASCII):
        return value
    return '"' + value.replace('"', '\\"') + '"'


def _expandable(value: str) -> str:
    """A value in which the shell fills in variables, as in `$SCRATCH`, and does nothing else."""
    return '"' + re.sub(r'(["`\\]|\$\()', r"\\\1", value) + '"'
