"""What is asked for: a stage, with its config read from a file and from NAME=VALUE words, complete and
checked.

This module knows the stages as command lines: what each reads, writes and needs. It imports none of them
until a config is to be checked, and then only the module that holds the config's model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconoclip.config import Config, build, find_config, nearest, read_yaml
from iconoclip.errors import ConfigError
from iconoclip.verbs import config_model
from slurm.config import SubmitConfig
from slurm.fields import path_of_field, value_at, with_values
from slurm.site import Queue, QueueName, Site, Size


@dataclass(frozen=True)
class Stage:
    """A verb that can run as a job.

    Attributes:
        verb: its name on the command line. queue: the kind of queue it runs in. out: the field that names its
        output. evidence: the file that the stage writes last into its output. A run whose evidence is missing
        is not finished,
            whatever the exit code or the scheduler reports.
        multi_node: whether it may span nodes. shares: whether it has the fields `task` and `num_tasks`, so
        that the tasks of a job array share its work. joins: whether the verb, called again without `task`,
        puts the tasks' parts together. The last task of a harvest
            does that by itself.
        program: the command line; default: the verb's own.
        model: of the fields; default: the verb's own.
        world: the fields that repeat the size of the job (nodes, processes per node) and must agree with it.

    `out`, `world`, `task` and `num_tasks` are names of fields; a field may lie in a nested group of the
    model.
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
        return self.model or config_model(self.verb)

    def command(self, python: str) -> tuple[str, ...]:
        """The command line without its options."""
        return self.program or (python, "-m", "iconoclip.cli", self.verb)

    def path(self, name: str) -> str:
        """The dotted name of one of the fields above in this stage's config."""
        return path_of_field(self.config_model, name) or name


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


@dataclass(frozen=True)
class Request:
    """A stage with its config, and the size of the job that runs it.

    `join_config` is the config of the call that puts the parts of a job array together, where a stage needs
    one.
    """

    stage: Stage
    asked: SubmitConfig
    config: Config
    join_config: Config | None
    size: Size
    run_dir: Path
    output: Path
    needs: tuple[str, ...]


def request_of(
    asked: SubmitConfig, site: Site, file_name: str | None, overrides: dict[str, Any], needs: tuple[str, ...]
) -> Request:
    """The stage that is asked for, with a complete config: checked now, and not after hours in the queue.

    Args:
        asked: which stage, with how many nodes or tasks; its own words are not read here.
        site: where the stage runs.
        file_name: YAML file of the stage's fields.
        overrides: fields on top of the file, nested as in the file or with dotted names.
        needs: folders of runs that must be finished first.

    Raises:
        ConfigError: something does not fit; the message says what.
        MissingRequirement: no such file.
    """
    stage = stage_called(asked.stage)
    path = find_config(file_name) if file_name else None
    set_by_hand = with_values({}, overrides)
    fields = with_values(read_yaml(path) if path else {}, set_by_hand)
    size = _size(stage, site.queue(stage.queue), asked, fields, set_by_hand)
    run_dir = _run_dir(stage, asked, fields, set_by_hand, path)
    if stage.out == "run_dir":
        fields = with_values(fields, {stage.path(stage.out): str(run_dir)})
    elif value_at(fields, stage.path(stage.out)) is None:
        fields = with_values(fields, {stage.path(stage.out): str(run_dir / "out")})
    fields = with_values(fields, _world(stage, size) | _shares(stage, asked))
    config = build(stage.config_model, fields, str(path) if path else f"iconoclip submit {stage.verb}")
    joins = stage.joins and asked.num_tasks is not None
    whole = with_values(fields, {stage.path("task"): None})
    return Request(
        stage=stage,
        asked=asked,
        config=config,
        join_config=build(stage.config_model, whole, f"iconoclip submit {stage.verb}") if joins else None,
        size=size,
        run_dir=run_dir.absolute(),
        output=Path.cwd() / str(value_at(config.model_dump(), stage.path(stage.out))),
        needs=needs,
    )


def _run_dir(
    stage: Stage, asked: SubmitConfig, fields: dict[str, Any], set_by_hand: dict[str, Any], path: Path | None
) -> Path:
    """The folder of the run. For a training it is the config's own `run_dir`, unless --run_dir names
    another.
    """
    default = Path("runs") / (f"{stage.verb}-{path.stem}" if path else stage.verb)
    if stage.out != "run_dir":
        return asked.run_dir or default
    by_hand = value_at(set_by_hand, stage.path(stage.out))
    if by_hand and asked.run_dir and Path(by_hand) != asked.run_dir:
        raise ConfigError(
            f"two folders for the run: run_dir={by_hand} and --run_dir {asked.run_dir}",
            where=f"iconoclip submit {stage.verb}",
            remedy="leave one of them out",
        )
    return Path(by_hand or asked.run_dir or value_at(fields, stage.path(stage.out)) or default)


def _size(
    stage: Stage, queue: Queue, asked: SubmitConfig, fields: dict[str, Any], set_by_hand: dict[str, Any]
) -> Size:
    """The size of the job: what the options ask for, else what the stage's own fields set, else the site's
    default.

    Raises:
        ConfigError: option and field contradict each other, or the stage cannot run in this size.
    """
    wanted: list[int | None] = [asked.nodes, asked.tasks_per_node]
    for index, name in enumerate(stage.world or ()):
        option = ("--nodes", "--tasks_per_node")[index]
        by_hand = _whole_number(value_at(set_by_hand, stage.path(name)))
        if wanted[index] is not None and by_hand is not None and by_hand != wanted[index]:
            raise ConfigError(
                f"{stage.path(name)}={by_hand} does not match the job: {option} {wanted[index]}",
                where=f"iconoclip submit {stage.verb}",
                remedy=f"leave one of them out: {stage.path(name)} follows from {option}",
            )
        if wanted[index] is None:
            wanted[index] = _whole_number(value_at(fields, stage.path(name)))
    nodes = wanted[0] or 1
    if nodes > 1 and not stage.multi_node:
        raise ConfigError(f"`{stage.verb}` runs on one node", where="--nodes", remedy="leave it out")
    return queue.size(asked, nodes, wanted[1], multi_node=stage.multi_node, uses_gpu=stage.queue == "gpu")


def _whole_number(value: Any) -> int | None:
    """A number that a field sets by itself; `auto` and other words set none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _world(stage: Stage, size: Size) -> dict[str, Any]:
    """The stage's own fields for the size of the job, as far as it has them."""
    wanted = zip(stage.world or (), (size.nodes, size.tasks_per_node), strict=False)
    paths = {path_of_field(stage.config_model, name): value for name, value in wanted}
    return {path: value for path, value in paths.items() if path is not None}


def _shares(stage: Stage, asked: SubmitConfig) -> dict[str, Any]:
    if asked.num_tasks is None:
        return {}
    if not stage.shares:
        raise ConfigError(
            f"`{stage.verb}` cannot be shared by a job array", where="--num_tasks", remedy="leave it out"
        )
    # Each task's command line fills in its own number.
    return {stage.path("num_tasks"): asked.num_tasks, stage.path("task"): 0}
