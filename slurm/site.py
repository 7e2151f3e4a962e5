"""Sites: descriptions of clusters, with the names of their queues and the options that jobs need, as data.

A shipped site is a YAML file in sites/, next to this module. A user's own sites are in
~/.config/iconoclip/sites/NAME.yaml; such a file may begin with `extends: leonardo` and add only an account.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from iconoclip.config import Config, build, laid_over, nearest, read_yaml
from iconoclip.errors import ConfigError, MissingRequirement
from slurm.config import TIME_PATTERN

SHIPPED = Path(__file__).resolve().parent / "sites"
MAX_EXTENDS = 5

# What a stage needs: whole GPU nodes, some GPUs of one node, no GPU, hosts outside.
QueueName = Literal["gpu", "gpu_part", "cpu", "internet"]
# Where a site lacks a queue, what else can do the work, the cheapest first.
INSTEAD: dict[QueueName, tuple[QueueName, ...]] = {
    "gpu": ("gpu", "cpu", "gpu_part", "internet"),
    "gpu_part": ("gpu_part", "gpu", "cpu", "internet"),
    "cpu": ("cpu", "gpu_part", "gpu", "internet"),
    "internet": ("internet", "cpu", "gpu_part", "gpu"),
}


class Queue(Config):
    """One kind of queue: a partition, with the options that a job there needs."""

    partition: str | None = Field(None, description="partition; none: the cluster's default")
    qos: str | None = Field(
        None, description="quality of service, where the site has them; {account} stands for the account"
    )
    account: str | None = Field(None, description="account for this queue; default: the site's")
    budget: str = Field("", description="which budget its jobs are charged to, where that is another one")
    account_suffix: str = Field("", description="suffix of the account's name for this queue")
    constraint: str | None = Field(None, description="node feature (--constraint)")
    gpus_per_node: int = Field(0, description="GPUs of a node", ge=0)
    gpu_request: str | None = Field(
        None, description="the option that requests GPUs, with {gpus} for their number on a node"
    )
    cpus_per_task: int = Field(1, description="cores for each process", ge=1)
    memory: str | None = Field(None, description="memory per node, as --mem takes it; 0: all")
    memory_per_gpu: str | None = Field(
        None, description="memory for each GPU (--mem-per-gpu), unless the user sets that of a node"
    )
    default_time: str = Field(
        "1:00:00", description="time limit if the user gives none", pattern=TIME_PATTERN
    )
    max_time: str | None = Field(None, description="longest time limit allowed", pattern=TIME_PATTERN)
    max_nodes: int | None = Field(None, description="largest job allowed", ge=1)
    internet: bool = Field(False, description="whether a job here has internet access")
    modules: tuple[str, ...] = Field((), description="modules to load, after the site's")
    whole_nodes: bool = Field(False, description="whether jobs get, and are charged for, whole nodes")
    whole_node_srun_options: tuple[str, ...] = Field(
        (), description="options of srun where each GPU of a node has its process, such as a --cpu-bind"
    )
    options: tuple[str, ...] = Field((), description="further sbatch options, as written on its command line")


class Site(Config):
    """A cluster: its queues, their limits, and how jobs must be submitted."""

    name: str
    system: str = Field(description="the machine and who runs it")
    sources: tuple[str, ...] = Field((), description="pages these facts were taken from")
    read_on: datetime.date | None = Field(None, description="the date when they were read")
    unverified: tuple[str, ...] = Field(
        (), description="facts that no page of the site was found for; `doctor` prints them"
    )
    notes: str = Field("", description="what a user should know before the first job")
    account: str | None = Field(None, description="project account that is charged")
    account_required: bool = Field(False, description="whether a job without an account is refused")
    queues: dict[QueueName, Queue] = Field(description="the queues, by what they are for", min_length=1)
    module_folders: tuple[str, ...] = Field((), description="folders for `module use`, before modules load")
    modules: tuple[str, ...] = Field((), description="modules to load")
    purge_modules: bool = Field(
        True,
        description="whether `module purge` comes first where modules are loaded, so that those of the "
        "shell that submitted do not count",
    )
    setup: tuple[str, ...] = Field((), description="shell lines before the stage starts")
    environment: dict[str, str] = Field({}, description="environment variables of every process")
    container: str | None = Field(
        None,
        description="command that runs what follows inside a container, e.g. `apptainer exec --nv IMAGE`",
    )
    python: str | None = Field(
        None,
        description="the interpreter on the nodes; default: the one that submits, which then must be shared",
    )
    scratch: str | None = Field(None, description="folder for large files, which `doctor` checks")
    requeue: bool = Field(True, description="whether a job may requeue itself")
    warning_seconds: int = Field(
        300, description="seconds before the time limit at which a job is warned: enough to save", ge=1
    )
    max_array_size: int = Field(1000, description="largest job array", ge=1)
    master_addr: str | None = Field(
        None, description="where rank 0 is found; default: the first node. {host} stands for its name"
    )

    def queue(self, wanted: QueueName) -> Queue:
        """The queue for a kind of work. If a site has no queue of that kind, another one that can do it.

        Raises:
            ConfigError: the site has no such queue.
        """
        for name in INSTEAD[wanted]:
            queue = self.queues.get(name)
            if queue is not None and (wanted != "internet" or queue.internet):
                return queue
        raise ConfigError(
            f"no queue of site '{self.name}' reaches hosts outside",
            where="--site",
            remedy="run `iconoclip harvest` on the login node or a transfer node; "
            "it can be stopped and resumed",
        )


def own_sites() -> Path:
    """The folder of the user's own sites."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "iconoclip" / "sites"


def known_sites() -> list[str]:
    """The names that `--site` accepts."""
    return sorted({path.stem for folder in (SHIPPED, own_sites()) for path in folder.glob("*.yaml")})


def load_site(name: str | None) -> Site:
    """The site called `name`, or in the YAML file `name`.

    Raises:
        ConfigError: there is no such site, or the file does not describe one.
        MissingRequirement: no such file.
    """
    name = name or os.environ.get("ICONOCLIP_SITE") or "generic"
    path = _path_of(name)
    values = _with_parents(path)
    return build(Site, {"name": path.stem, **values}, str(path))


def _path_of(name: str, *, but: Path | None = None) -> Path:
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        if not Path(name).is_file():
            raise MissingRequirement("no such site file", where=name, remedy="check the path")
        return Path(name)
    for path in (own_sites() / f"{name}.yaml", SHIPPED / f"{name}.yaml"):
        # A user's `leonardo.yaml` may extend the shipped one of the same name.
        if path.is_file() and path != but:
            return path
    raise ConfigError(f"unknown site '{name}'", where="--site", remedy=nearest(name, known_sites()))


def _with_parents(path: Path, depth: int = 0) -> dict[str, Any]:
    values = read_yaml(path)
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if depth >= MAX_EXTENDS:
        raise ConfigError("a site extends itself", where=path, remedy="remove an `extends`")
    base = _with_parents(_path_of(str(parent), but=path), depth + 1)
    return laid_over(base, values)
