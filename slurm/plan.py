"""Where a stage runs: what the user asks for and what the site says, as everything that a script will say."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from iconoclip.errors import ConfigError
from slurm.config import Placement, SubmitConfig
from slurm.render import Plan
from slurm.site import Queue, Site, in_words, seconds_of
from slurm.stages import Stage


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
        join_command=stage.command(python) if stage.joins and config.num_tasks is not None else (),
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


def _gpus(queue: Queue, config: Placement) -> int:
    return queue.gpus_per_node if config.gpus_per_node is None else config.gpus_per_node


def _check_limits(site: Site, queue: Queue, config: SubmitConfig, time: str) -> None:
    if (
        queue.max_time
        and not config.partition
        and not config.qos
        and seconds_of(time) > seconds_of(queue.max_time)
    ):
        raise ConfigError(
            f"a job of {in_words(time)} is longer than site '{site.name}' allows ({in_words(queue.max_time)})",
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
