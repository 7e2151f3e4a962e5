"""The stages as command lines: what each reads, writes and needs. This is all that `slurm` knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconoclip.cli import VERBS, resolve
from iconoclip.config import Config, build, nearest, read_yaml
from iconoclip.errors import ConfigError
from slurm.site import QueueName


@dataclass(frozen=True)
class Stage:
    """A verb that can run as a job.

    Attributes:
        verb: its name on the command line.
        queue: the kind of place it runs in.
        out: the field that names its output.
        evidence: the file in the output that its own records put there last. A run whose evidence is missing is
            not finished, whatever the exit code or the scheduler says.
        multi_node: whether it may span nodes.
        shares: whether it has the fields `task` and `num_tasks`, so that the tasks of a job array share its work.
        joins: whether the verb, called again without `task`, puts the tasks' work together. A harvest's last task
            does that by itself.
        program: the command line; default: the verb's own.
        model: of the fields; default: the verb's own.
        world: fields that repeat what the job asks for (nodes, processes on each), and must agree with it.
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

    @property
    def config_model(self) -> type[Config]:
        """The model of the fields, found by name as the command line finds it."""
        return self.model or resolve(VERBS[self.verb].config)

    def command(self, python: str) -> tuple[str, ...]:
        """The command line without its options."""
        return self.program or (python, "-m", "iconoclip.cli", self.verb)


STAGES: dict[str, Stage] = {
    stage.verb: stage
    for stage in (
        Stage("harvest", "internet", "shardset.json", shares=True),
        Stage("merge", "cpu", "shardset.json"),
        Stage("train", "gpu", "job.json", out="run_dir", multi_node=True, world=("num_nodes", "devices")),
        Stage("evaluate", "gpu", "evaluation.json", multi_node=True, world=("num_nodes", "devices")),
        Stage("export", "cpu", "open_clip_config.json"),
        Stage("encode", "gpu", "store.json", shares=True, joins=True),
        Stage("index", "cpu", "CURRENT"),
    )
}


def stage_called(name: str) -> Stage:
    """The stage of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in STAGES:
        raise ConfigError(
            f"unknown stage '{name}'", where="iconoclip submit", remedy=nearest(name, list(STAGES))
        )
    return STAGES[name]


def parse_overrides(overrides: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` words as fields; values are read as YAML, so that lists and numbers are what they look like.

    Raises:
        ConfigError: a word without `=`.
    """
    import yaml

    fields: dict[str, Any] = {}
    for word in overrides:
        name, equals, value = word.partition("=")
        if not equals or not name.replace(".", "_").isidentifier():
            raise ConfigError(
                f"'{word}' is not NAME=VALUE", where="iconoclip submit", remedy="write FIELD=VALUE"
            )
        try:
            fields[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            fields[name] = value
    return fields


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with dots in their names as mappings: `data.seed` is the `seed` of `data`."""
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def _laid_over(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in values.items():
        old = merged.get(key)
        merged[key] = _laid_over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def resolve_config(
    stage: Stage, config_file: Path | None, overrides: dict[str, Any], run_dir: Path
) -> Config:
    """The stage's config, checked now and not after hours in the queue.

    A stage whose output is not named writes into `run_dir`.

    Raises:
        ConfigError: a field that does not fit.
        MissingRequirement: no such file.
    """
    values = _laid_over(read_yaml(config_file) if config_file else {}, _nested(overrides))
    if values.get(stage.out) is None:
        values[stage.out] = str(run_dir if stage.out == "run_dir" else run_dir / "out")
    model = stage.config_model
    where = str(config_file) if config_file else f"iconoclip submit {stage.verb}"
    return build(model, values, where)
