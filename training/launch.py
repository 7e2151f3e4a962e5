"""Connects Lightning with the ranks of a run: those that a launcher started, or those
that this process starts.

Lightning's own detection concludes from SLURM's variables that srun was used. Then torchrun inside
an allocation makes two first ranks, and a batch script makes one rank of two. Here
`training.world` decides instead.
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

# The variables that Lightning's launcher leaves in the environment of the process that starts the others.
LAUNCHER_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class LaunchedRanks(ClusterEnvironment):
    """Ranks that torchrun or srun started, numbered as the launcher numbers them."""

    def __init__(self, now: Started) -> None:
        self._now = now

    @property
    def creates_processes_externally(self) -> bool:
        """True: the launcher has created them."""
        return True

    @property
    def main_address(self) -> str:
        """The host of the first rank: $MASTER_ADDR, or the first node of the job."""
        nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_JOB_NODELIST") or "127.0.0.1"
        return os.environ.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes)

    @property
    def main_port(self) -> int:
        """The port of the first rank: $MASTER_PORT, or one derived from the job's number."""
        job = int(os.environ.get("SLURM_JOB_ID", "0"))
        return int(os.environ.get("MASTER_PORT") or 20_000 + job * 7 % 12_000)

    @staticmethod
    def detect() -> bool:
        """False: training.world detects the launcher, not Lightning."""
        return False

    def world_size(self) -> int:
        """The number of all ranks."""
        return self._now.size or 1

    def set_world_size(self, size: int) -> None:
        """Does nothing: the launcher has set it."""

    def global_rank(self) -> int:
        """The number of this process among all."""
        return self._now.rank

    def set_global_rank(self, rank: int) -> None:
        """Does nothing: the launcher has set it."""

    def local_rank(self) -> int:
        """The number of this process on its node."""
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
    """The environment object through which Lightning finds the ranks."""
    is_launched = now.launcher in ("torchrun", "srun") and asked.size > 1
    return LaunchedRanks(now) if is_launched else OwnRanks(now)


@contextlib.contextmanager
def rank_variables() -> Iterator[None]:
    """Mark processes that are started inside the block as ranks of this one, and make
    them import the same code.

    With `python -m`, a folder `training` in the working directory would hide our package. PYTHONSAFEPATH
    keeps the working directory out of the import path.
    """
    names = (*LAUNCHER_VARIABLES, PARENT_VARIABLE, "PYTHONSAFEPATH", "PYTHONPATH")
    before = {name: os.environ.get(name) for name in names}
    os.environ[PARENT_VARIABLE], os.environ["PYTHONSAFEPATH"] = str(os.getpid()), "1"
    root = Path(iconoclip.__file__).resolve().parents[1]
    if root == Path.cwd():
        # In a checkout, the code may have been found only through the working directory.
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
    """Check, once the ranks are connected, that their number is the requested one and
    that all do the same work.

    Args:
        asked: the world that the config requests.
        facts: plain values of this rank, by the name to use in a message.

    Raises:
        ConfigError: on every rank, if any two differ.
    """
    size = dist.get_world_size() if is_distributed() else 1
    if size != asked.size:
        raise ConfigError(
            f"{size} ranks have met, but {asked} are requested", remedy="start as many as requested"
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
