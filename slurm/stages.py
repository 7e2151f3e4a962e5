"""The stages as command lines: what each reads, writes and needs. This is all that
`slurm` knows about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iconoclip.config import Config, nearest
from iconoclip.errors import ConfigError
from iconoclip.verbs import config_model
from slurm.site import QueueName


@dataclass(frozen=True)
class Stage:
    """A verb that can run as a job.

    Attributes:
        verb: its name on the command line.
        queue: the kind of queue it runs in.
        out: the field that names its output, or, for a stage without evidence, what it works on.
        evidence: the file that the stage writes last into its output. A run without this file is not
            finished, whatever the exit code or the scheduler reports. Empty for stages that write no such
            file: their exit code alone says so.
        multi_node: whether it may use several nodes.
        shares: whether it has the fields `task` and `num_tasks`, so that the tasks of a
            job array share its work.
        joins: whether the verb, called again without `task`, joins the parts of the tasks. (The last task of
            a harvest joins them by itself.)
        program: the command line; default: the verb's own.
        model: the model of the fields; default: the verb's own.
        internet_fields: fields with the pattern of values for which the job needs hosts outside.
        inputs: fields that name what it reads: folders, or names that are no paths.
        world: the fields that repeat the size of the job (nodes, processes per node) and must agree with it.

    `out`, `world`, `task` and `num_tasks` are names of fields; a field may be in a nested group.
    """

    verb: str
    queue: QueueName
    evidence: str
    out: str = "out"
    multi_node: bool = False
    shares: bool = False
    joins: bool = False
    world: tuple[str, str] | None = None
    program: tuple[str, ...] = ()
    model: type[Config] | None = None
    internet_fields: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    @property
    def uses_gpu(self) -> bool:
        """Whether it computes on GPUs where there are some."""
        return self.queue in ("gpu", "gpu_part")

    @property
    def config_model(self) -> type[Config]:
        """The model of the fields, found by name as the command line finds it."""
        return self.model or config_model(self.verb)

    def command(self, python: str) -> tuple[str, ...]:
        """The command line without its options."""
        return self.program or (python, "-m", "iconoclip.cli", self.verb)


STAGES: dict[str, Stage] = {
    stage.verb: stage
    for stage in (
        Stage("harvest", "internet", "shardset.json", shares=True),
        # A table may name its images by address; then `contact` is given.
        Stage("pack", "cpu", "shardset.json", internet_fields={"contact": "."}),
        Stage("texts", "internet", "texts.json"),
        Stage("merge", "cpu", "shardset.json", inputs=("shardsets",)),
        Stage(
            "segment",
            "cpu",
            "segment.json",
            shares=True,
            joins=True,
            internet_fields={"crop_from": "service"},
            inputs=("shardset",),
        ),
        Stage("check", "cpu", "", out="shardset", inputs=("shardset",)),
        Stage("card", "cpu", "", out="shardset", inputs=("shardset",)),
        Stage("publish", "cpu", "", out="shardset", internet_fields={"to": "://"}, inputs=("shardset",)),
        Stage(
            "train",
            "gpu",
            "job.json",
            out="run_dir",
            multi_node=True,
            world=("num_nodes", "devices"),
            inputs=("shardsets",),
        ),
        Stage(
            "evaluate",
            "gpu",
            "evaluation.json",
            multi_node=True,
            world=("num_nodes", "devices"),
            inputs=("model", "shardsets"),
        ),
        Stage(
            "export",
            "cpu",
            "open_clip_config.json",
            internet_fields={"push": "."},
            inputs=("run_dir", "evaluations"),
        ),
        Stage("encode", "gpu_part", "store.json", shares=True, joins=True, inputs=("model", "shardset")),
        Stage("index", "cpu", "CURRENT", inputs=("stores", "shardsets", "model")),
    )
}


def stage_called(name: str) -> Stage:
    """The stage of that name.

    Raises:
        ConfigError: there is no such stage.
    """
    if name not in STAGES:
        raise ConfigError(
            f"unknown stage '{name}'", where="iconoclip submit", remedy=nearest(name, list(STAGES))
        )
    return STAGES[name]
