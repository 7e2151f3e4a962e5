"""How Lightning meets the ranks of a run: those that a launcher started, or those that this process starts
itself.

Lightning's own detection takes SLURM's variables for SLURM's launcher, so that torchrun inside an allocation
makes two first ranks, and a batch script one of two. Here `training.world` decides, and Lightning follows.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

import iconoclip
from iconoclip.errors import ConfigError
from training.ranks import is_distributed
from training.world import PARENT_VARIABLE, Started, World

# What Lightning's launcher leaves in the environment of the process that starts the others.
LAUNCHER_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class LaunchedRanks(ClusterEnvironment):
    """Ranks that torchrun or srun started, numbered as the launcher numbers them."""

    def __init__(self, now: Started) -> None:
        self._now = now

    @property
    def creates_processes_externally(self) -> bool:
        """They are there already."""
        return True

    @property
    def main_address(self) -> str:
        """The host of the first rank: $MASTER_ADDR, or the first node of the job."""
        nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_JOB_NODELIST") or "127.0.0.1"
        return os.environ.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes)

    @property
    def main_port(self) -> int:
        """The port it listens at: $MASTER_PORT, or one that follows from the job's number."""
        job = int(os.environ.get("SLURM_JOB_ID", "0"))
        return int(os.environ.get("MASTER_PORT") or 20_000 + job * 7 % 12_000)

    @staticmethod
    def detect() -> bool:
        """Never by Lightning: see training.world."""
        return False

    def world_size(self) -> int:
        """The number of all ranks."""
        return self._now.size or 1

    def set_world_size(self, size: int) -> None:
        """The launcher has decided it."""

    def global_rank(self) -> int:
        """This process among all."""
        return self._now.rank

    def set_global_rank(self, rank: int) -> None:
        """The launcher has decided it."""

    def local_rank(self) -> int:
        """This process on its node."""
        return self._now.local_rank

    def node_rank(self) -> int:
        """The number of its node among all."""
        return self._now.node_rank


class OwnRanks(LightningEnvironment):
    """Ranks that the first process of each node starts by running its own command again."""

    def __init__(self, now: Started) -> None:
        super().__init__()
        self._is_child = now.size is not None

    @property
    def creates_processes_externally(self) -> bool:
        """Whether this process was started as one of them."""
        return self._is_child


def cluster_environment(asked: World, now: Started) -> ClusterEnvironment:
    """How Lightning finds the ranks."""
    is_launched = now.launcher in ("torchrun", "srun") and asked.size > 1
    return LaunchedRanks(now) if is_launched else OwnRanks(now)


@contextlib.contextmanager
def rank_variables() -> Iterator[None]:
    """Mark the processes that are started inside the block as ranks of this one, and let them import the same
    code.

    A folder `training` in the working directory would come before ours where a command is run with `python
    -m`: PYTHONSAFEPATH keeps the working directory from the front of the path.
    """
    names = (*LAUNCHER_VARIABLES, PARENT_VARIABLE, "PYTHONSAFEPATH", "PYTHONPATH")
    before = {name: os.environ.get(name) for name in names}
    os.environ[PARENT_VARIABLE], os.environ["PYTHONSAFEPATH"] = str(os.getpid()), "1"
    root = Path(iconoclip.__file__).resolve().parents[1]
    if root == Path.cwd():
        # Run from a checkout: the code was found by the working directory alone, perhaps.
        paths = [str(root), *filter(None, [before["PYTHONPATH"]])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def check_agreement(asked: World, facts: Mapping[str, Any]) -> None:
    """Make sure, once the ranks have met, that they are as many as asked for and that all do the same work.

    Args:
        asked: by the config.
        facts: of this rank, by the name that a message gives them; plain values.

    Raises:
        ConfigError: on every rank, when any two differ.
    """
    size = dist.get_world_size() if is_distributed() else 1
    if size != asked.size:
        raise ConfigError(
            f"{size} ranks have met, but {asked} are asked for", remedy="start as many as asked for"
        )
    if size == 1:
        return
    everyone: list[Mapping[str, Any]] = [{}] * size
    dist.all_gather_object(everyone, dict(facts))
    for rank, others in enumerate(everyone):
        for name, value in everyone[0].items():
            if others[name] != value:
                raise ConfigError(
                    f"rank 0 and rank {rank} differ in their {name}: {value}, {others[name]}",
                    remedy="give every rank the same command, and a run_dir that all nodes share",
                )
