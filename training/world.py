"""The processes that train together: how many are requested, how many were started, and by which launcher.

A rank that does not know about the others would train on its share of every batch and report a finished run.
So each process first compares what its launcher started with what the config requests. Does not import torch.

launcher                      recognised by                     number of processes
torchrun, or variables        RANK and WORLD_SIZE               WORLD_SIZE; LOCAL_WORLD_SIZE per node
    set by hand
srun                          SLURM_STEP_NUM_TASKS, without     SLURM_STEP_NUM_TASKS;
                              the terminal of `srun --pty`      SLURM_STEP_TASKS_PER_NODE per node
mpirun, jsrun                 their own size variables          that size; refused, because they set no
                                                                address of the first rank
a batch script of SLURM       SLURM_PROCID without a step       one
    (sbatch, also of an array
    or a notebook server)
the process itself: a shell,  none of these                     one per device on this node
    salloc, `srun --pty`

A process that starts the others itself marks them with its own process number in PARENT_VARIABLE, which is
checked first. torchrun is checked next, because it is also used inside SLURM allocations, where processes
inherit SLURM's variables.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iconoclip.errors import ConfigError
from training.config_groups import HardwareConfig

Launcher = Literal["torchrun", "srun", "mpirun", "batch", "itself"]
# The number of processes as set by Open MPI, MVAPICH and IBM's jsrun. MPICH and Intel set
# PMI_SIZE, but srun may do so too.
MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "JSM_NAMESPACE_SIZE")
# Step ids that are not srun's: 2^32 minus a few, for interactive, batch and external steps (slurm.h).
FIRST_SPECIAL_STEP = 0xFFFFFFF0
# Contains the number of the process that started this one, which is a rank of that process.
PARENT_VARIABLE = "ICONOCLIP_RANK_OF"


@dataclass(frozen=True)
class World:
    """The processes that are requested.

    Args:
        devices: the number of processes per node.
        num_nodes: the number of nodes.
    """

    devices: int
    num_nodes: int = 1

    @property
    def size(self) -> int:
        """The number of all processes."""
        return self.devices * self.num_nodes

    def __str__(self) -> str:
        return f"{_processes(self.size)} (devices {self.devices}, num_nodes {self.num_nodes})"


def asked_of(hardware: HardwareConfig) -> World:
    """The processes that a config requests."""
    return World(hardware.devices, hardware.num_nodes)


@dataclass(frozen=True)
class Started:
    """What the environment variables say about this process.

    Args:
        launcher: the launcher that started it.
        size: the number of processes that the launcher started; None if this process starts the others.
        per_node: their number on each node, if known.
        rank: the number of this process among all; 0 prints and writes.
        local_rank: the number of this process on its node.
        node_rank: the number of its node.
    """

    launcher: Launcher
    size: int | None = None
    per_node: tuple[int, ...] | None = None
    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0


def started(environment: Mapping[str, str] | None = None) -> Started:
    """How this process was started, from its environment variables."""
    found = os.environ if environment is None else environment
    if found.get(PARENT_VARIABLE) == str(os.getppid()):
        local_rank, node_rank = _number(found, "LOCAL_RANK"), _number(found, "NODE_RANK")
        # Never rank 0, which is the process that started this one.
        return Started("itself", _number(found, "WORLD_SIZE"), None, local_rank, local_rank, node_rank)
    if "RANK" in found and "WORLD_SIZE" in found:
        return _by_torchrun(found)
    if (size := _number(found, *MPI_SIZES)) > 1:
        return Started("mpirun", size)
    if _is_task_of_srun(found):
        return _by_srun(found)
    if (size := _number(found, "PMI_SIZE")) > 1:
        return Started("mpirun", size)
    if "SLURM_PROCID" in found and not _has_terminal(found):
        return Started("batch", 1)
    node_rank = _number(found, "NODE_RANK")
    return Started("itself", rank=node_rank, node_rank=node_rank)


def _by_torchrun(found: Mapping[str, str]) -> Started:
    size, on_node = _number(found, "WORLD_SIZE"), _number(found, "LOCAL_WORLD_SIZE")
    per_node = None
    if on_node:
        per_node = (on_node,) * (size // on_node) if size % on_node == 0 else (on_node, size - on_node)
    return Started(
        "torchrun",
        size,
        per_node,
        _number(found, "RANK"),
        _number(found, "LOCAL_RANK", "SLURM_LOCALID"),
        _number(found, "GROUP_RANK", "NODE_RANK", "SLURM_NODEID"),
    )


def _is_task_of_srun(found: Mapping[str, str]) -> bool:
    step = found.get("SLURM_STEP_ID", found.get("SLURM_STEPID", ""))
    is_step = step.isdigit() and int(step) < FIRST_SPECIAL_STEP
    return is_step and "SLURM_PROCID" in found and not _has_terminal(found)


def _has_terminal(found: Mapping[str, str]) -> bool:
    """Whether this is an interactive shell: `srun --pty`, or salloc's own step."""
    step = found.get("SLURM_STEP_ID", "")
    if step.isdigit() and int(step) >= FIRST_SPECIAL_STEP:
        return True
    # The tasks of a second srun, started in such a shell, inherit the variable.
    return "SLURM_PTY_PORT" in found and _number(found, "SLURM_STEP_NUM_TASKS", default=1) == 1


def _by_srun(found: Mapping[str, str]) -> Started:
    size = _number(found, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", default=1)
    layout = found.get("SLURM_STEP_TASKS_PER_NODE")
    return Started(
        "srun",
        size,
        tasks_per_node(layout) if layout else None,
        _number(found, "SLURM_PROCID"),
        _number(found, "SLURM_LOCALID"),
        _number(found, "SLURM_NODEID"),
    )


def tasks_per_node(layout: str) -> tuple[int, ...]:
    """Read SLURM's short form of the tasks on each node: "2(x3),1" is (2, 2, 2, 1)."""
    counts: list[int] = []
    for tasks, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", layout):
        counts += [int(tasks)] * int(times or 1)
    return tuple(counts)


def _number(found: Mapping[str, str], *names: str, default: int = 0) -> int:
    """The value of the first of some variables that contains a number."""
    return next((int(found[name]) for name in names if found.get(name, "").isdigit()), default)


def check_world(
    asked: World,
    environment: Mapping[str, str] | None = None,
    *,
    command: str | None = None,
    is_notebook: bool | None = None,
) -> Started:
    """Compare the processes that were started with those that are requested.

    Args:
        asked: what the config requests.
        environment: the variables of this process; by default the real ones.
        command: the command line, for the remedy; by default the real one.
        is_notebook: whether this process is an interactive Python; by default this is detected.

    Returns:
        How this process was started.

    Raises:
        ConfigError: the two differ; the remedy is the command that starts the right number.
    """
    found = os.environ if environment is None else environment
    now = started(found)
    command = command or typed_command()
    if now.launcher == "itself":
        _check_itself(asked, now, found, command, _is_interactive() if is_notebook is None else is_notebook)
    elif now.launcher == "mpirun":
        raise ConfigError(
            f"mpirun started {_processes(now.size or 0)}, which have no address to meet at",
            where="launcher",
            remedy=f"start them with {_line('torchrun', asked, command, found)}",
        )
    elif now.size != asked.size or not _is_laid_out(asked, now):
        raise ConfigError(
            _difference(asked, now), where="launcher", remedy=_remedy(asked, now, found, command)
        )
    return now


def _check_itself(
    asked: World, now: Started, found: Mapping[str, str], command: str, is_notebook: bool
) -> None:
    if now.size is not None:
        if now.size != asked.size:
            raise ConfigError(_difference(asked, now), where="launcher", remedy=f"run {command} again")
        return
    if "LOCAL_RANK" in found and asked.size > 1:
        raise ConfigError(
            f"LOCAL_RANK is set, but not RANK and WORLD_SIZE, and {asked} are requested",
            where="launcher",
            remedy=f"start them with {_line('torchrun', asked, command, found)}, or unset LOCAL_RANK",
        )
    if asked.num_nodes > 1 and not {"NODE_RANK", "GROUP_RANK"} & found.keys():
        launcher: Launcher = "srun" if "SLURM_JOB_ID" in found else "torchrun"
        raise ConfigError(
            f"only this node was started, but {asked} are requested",
            where="launcher",
            remedy=f"start the others with {_line(launcher, asked, command, found)}",
        )
    if is_notebook and asked.size > 1:
        raise ConfigError(
            f"a notebook or an interactive Python is one process, but {asked} are requested",
            where="launcher",
            remedy=f"run it as a command, in a terminal or in a cell that begins with !: {command}",
        )


def _is_laid_out(asked: World, now: Started) -> bool:
    return now.per_node is None or now.per_node == (asked.devices,) * asked.num_nodes


def _difference(asked: World, now: Started) -> str:
    if now.launcher == "batch":
        return f"the batch script started one process, but {asked} are requested"
    where = (
        f" as {', '.join(map(str, now.per_node))} per node" if now.per_node and now.size == asked.size else ""
    )
    return f"{now.launcher} started {_processes(now.size or 0)}{where}, but {asked} are requested"


def _remedy(asked: World, now: Started, found: Mapping[str, str], command: str) -> str:
    if asked.size == 1:
        # Several were probably started on purpose, and the config does not match.
        nodes = len(now.per_node or (1,))
        return (
            f"to train on all of them set devices to {(now.size or 1) // nodes} and num_nodes to {nodes}; "
            f"to train on one: {_line(now.launcher, asked, command, found)}"
        )
    launcher: Launcher = "torchrun" if now.launcher == "torchrun" else "srun"
    line = f"start them with {_line(launcher, asked, command, found)}"
    allocated = found.get("SLURM_NTASKS", "")
    if now.launcher == "batch" and allocated.isdigit() and int(allocated) < asked.size:
        options = f"--nodes={asked.num_nodes} --ntasks-per-node={asked.devices}{_cpus_each(asked, found)}"
        line += f" (and give the job #SBATCH {options})"
    return line


def _line(launcher: Launcher, asked: World, command: str, found: Mapping[str, str]) -> str:
    """The command that starts the requested processes."""
    if launcher == "torchrun":
        command = re.sub(r"^iconoclip ", "-m iconoclip.cli ", command)
        nodes = f" --nnodes={asked.num_nodes}" if asked.num_nodes > 1 else ""
        return f"torchrun{nodes} --nproc-per-node={asked.devices} {command}"
    # --ntasks as well, because an allocation's SLURM_NTASKS would take precedence over --ntasks-per-node.
    size = f"--nodes={asked.num_nodes} --ntasks={asked.size} --ntasks-per-node={asked.devices}"
    return f"srun {size}{_cpus_each(asked, found)} {command}"


def _cpus_each(asked: World, found: Mapping[str, str]) -> str:
    """srun's option that divides a node's CPUs, where the processes would request more than the job has.

    Since SLURM 23.11, srun gives each process all the CPUs that a job requested for each of its tasks.
    """
    for_each = _number(found, "SLURM_CPUS_PER_TASK")
    on_node = min(tasks_per_node(found.get("SLURM_JOB_CPUS_PER_NODE", "")), default=0)
    fits = for_each * asked.devices <= on_node
    return "" if fits or on_node < asked.devices else f" --cpus-per-task={on_node // asked.devices}"


def typed_command() -> str:
    """The command line that was typed, or a general one if this is another program."""
    program = Path(sys.argv[0])
    if program.name == "iconoclip" or program.parts[-2:] == ("iconoclip", "cli.py"):
        return shlex.join(["iconoclip", *sys.argv[1:]])
    return "iconoclip train SHARDSETS --run_dir RUN_DIR"


def _is_interactive() -> bool:
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or "ipykernel" in sys.modules


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"
