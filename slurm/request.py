"""The request: a stage with its complete, checked config, read from a file and from NAME=VALUE words.

A field in a nested group has a dotted name, `optimizer.learning_rate`. The words are read by the code that
reads the stage's own command line, so that `submit train seed=1` and `train --seed 1` mean the same.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from iconoclip.command_line import read_command_line
from iconoclip.config import Config, as_tree, build, find_config, laid_over, nearest, read_yaml
from iconoclip.errors import ConfigError
from iconoclip.options import options_of, retired_options
from slurm.config import Placement, SubmitConfig
from slurm.site import Queue, QueueName, Site
from slurm.stages import Stage, stage_called

WHERE = "iconoclip submit"
# Addresses, models of a hub, patterns, and architectures such as ViT-B/32.
_NO_PATH = re.compile(r"^[\w.+-]+:|[*?{\[]|^(ViT|RN)")
# Of the digest in the default name of a run's folder.
NUM_DIGITS = 8


@dataclass(frozen=True)
class Size:
    """The size of a job: nodes, tasks and GPUs per node."""

    nodes: int
    tasks_per_node: int
    gpus_per_node: int


@dataclass(frozen=True)
class Request:
    """A stage with its config, and the size of the job that runs it.

    Attributes:
        stage: what runs.
        asked: the options of `submit` as the user wrote them.
        queue: the queue of the site in which it runs.
        size: the size of the job.
        config: the config of the stage, complete.
        join_config: the config of the call that joins the parts of a job array, for stages that need one.
        task_option: the option that gives a task of a job array its number.
        run_dir: the folder of the run.
        output: what the stage writes.
        needs: folders of runs that must be finished first.
    """

    stage: Stage
    asked: SubmitConfig
    queue: Queue
    size: Size
    config: Config
    run_dir: Path
    output: Path
    needs: tuple[str, ...] = ()
    join_config: Config | None = None
    task_option: str = "task"


def read_words(words: list[str], model: type[BaseModel]) -> tuple[str | None, dict[str, Any]]:
    """The YAML file among the words after a stage, if there is one, and the fields, nested as in the model.

    The order of the words is free. A field that holds a list takes one value or several, and collects them
    when it is repeated: `a=x a=y` is `a=[x,y]`.

    Raises:
        ConfigError: an unknown field, a field that is set twice, or two files.
    """
    files: list[str] = []
    options: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if Path(word).is_file() or not equals:
            files.append(word)
        else:
            options.append(f"--{_known(name, word, model)}={_unquoted(value)}")
    if len(files) > 1:
        raise ConfigError(
            f"two config files: {files[0]} and {files[1]}",
            where=WHERE,
            remedy="name one file, and the other fields as NAME=VALUE",
        )
    if files and files[0] in {option.name for option in options_of(model)}:
        raise ConfigError(
            f"the field '{files[0]}' has no value", where=WHERE, remedy=f"write {files[0]}=VALUE"
        )
    try:
        fields = read_command_line(model, options).values
    except ConfigError as error:
        raise ConfigError(error.what.replace("--", ""), where=WHERE, remedy=error.remedy) from error
    return next(iter(files), None), fields


def _known(name: str, word: str, model: type[BaseModel]) -> str:
    """The name of a field in the spelling of the model."""
    name = name.replace("-", "_")
    if not name.replace(".", "_").isidentifier():
        raise ConfigError(f"'{word}' is not NAME=VALUE", where=WHERE, remedy="write FIELD=VALUE")
    names = {option.name: option for option in options_of(model)}
    parent = name.rpartition(".")[0]
    if name in names or (parent in names and names[parent].kind == "mapping"):
        return name
    if present := retired_options(model).get(name):
        raise ConfigError(
            f"the field '{name}' is now called '{present}'", where=WHERE, remedy="use the new name"
        )
    moved = [known for known in names if known.rpartition(".")[2] == name.rpartition(".")[2]]
    remedy = f"did you mean '{moved[0]}'?" if moved else nearest(name, list(names))
    raise ConfigError(f"unknown config key '{name}'", where=WHERE, remedy=remedy)


def _unquoted(value: str) -> str:
    """A value without the quotes around it, which the shell leaves in `'name="a, b"'`."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value


def request_of(
    asked: SubmitConfig, site: Site, file_name: str | None, overrides: dict[str, Any], needs: tuple[str, ...]
) -> Request:
    """The requested stage with a complete config, checked now and not after hours in the queue.

    Args:
        asked: the options of `submit`; the words after the stage are not read here.
        site: where the stage runs.
        file_name: YAML file of the stage's fields.
        overrides: fields on top of the file, nested as in the file or with dotted names.
        needs: folders of runs that must be finished first.

    Raises:
        ConfigError: something does not fit; the message names it.
        MissingRequirement: no such file.
    """
    stage = stage_called(asked.stage)
    path = find_config(file_name) if file_name else None
    fields = _Fields(stage.config_model, read_yaml(path) if path else {}, as_tree(overrides))
    queue = site.queue(_needs(stage, site, asked, fields))
    size = _size(stage, queue, asked, fields)
    for name, number in zip(stage.world or (), (size.nodes, size.tasks_per_node), strict=False):
        if fields.path(name):
            fields.set(name, number)
    if asked.num_tasks is not None:
        _check_shares(stage)
        fields.set("num_tasks", asked.num_tasks)
        # The command line of each task sets its own number.
        fields.set("task", 0)
    where = str(path) if path else f"iconoclip submit {stage.verb}"
    run_dir = _run_dir(stage, asked, fields) or _default_run_dir(stage, fields, path, where)
    _set_output(stage, fields, run_dir)
    config = fields.build(where)
    join_config = None
    if stage.joins and asked.num_tasks is not None:
        fields.set("task", None)
        join_config = fields.build(where)
    return Request(
        stage=stage,
        asked=asked,
        queue=queue,
        size=size,
        config=config,
        run_dir=run_dir.absolute(),
        output=Path.cwd() / str(fields.value(stage.out)),
        needs=needs,
        join_config=join_config,
        task_option=fields.path("task") or "task",
    )


def _needs(stage: Stage, site: Site, asked: SubmitConfig, fields: _Fields) -> QueueName:
    """The kind of queue for a job: hosts outside if a field asks for them, a shared GPU node if it needs
    less than a whole one.
    """
    for name, pattern in stage.internet_fields.items():
        if re.search(pattern, str(fields.value(name) or "")):
            return "internet"
    gpus = asked.gpus_per_node
    is_part = gpus is not None and 0 < gpus < site.queue("gpu").gpus_per_node and (asked.nodes or 1) == 1
    return "gpu_part" if stage.queue == "gpu" and is_part else stage.queue


def missing_inputs(request: Request) -> list[str]:
    """The paths that the stage is to read and that are not there now."""
    missing: list[str] = []
    for name in request.stage.inputs:
        value = getattr(request.config, name)
        for one in value if isinstance(value, list | tuple) else [value]:
            is_path = one is not None and "/" in str(one) and not _NO_PATH.search(str(one))
            missing += [str(one)] if is_path and not Path(one).exists() else []
    return missing


class _Fields:
    """The fields of a stage while its config is built: those of the file, overridden by those set by hand.

    A field is found by its own name, at the top of the model or in one of its groups.
    """

    def __init__(self, model: type[Config], of_file: dict[str, Any], by_hand: dict[str, Any]) -> None:
        self._model = model
        self._names = [option.name for option in options_of(model)]
        self._written = laid_over(of_file, by_hand)
        self._by_hand = by_hand
        self._set: dict[str, Any] = {}

    def path(self, name: str) -> str | None:
        """The dotted name of a field, or None when the model has none of that name."""
        if name in self._names:
            return name
        return next((path for path in self._names if path.rpartition(".")[2] == name), None)

    def value(self, name: str) -> Any:
        """The value of a field so far."""
        path = self.path(name) or name
        return self._set[path] if path in self._set else _value_at(self._written, path)

    def by_hand(self, name: str) -> Any:
        """The value of a field that was set by hand, not by the file."""
        return _value_at(self._by_hand, self.path(name) or name)

    def set(self, name: str, value: Any) -> None:
        """Give a field its value."""
        self._set[self.path(name) or name] = value

    def copy(self) -> _Fields:
        """The same fields, to set others in."""
        copied = copy.copy(self)
        copied._set = dict(self._set)
        return copied

    def build(self, where: str) -> Config:
        """The config, complete and checked.

        Raises:
            ConfigError: a value does not fit its field.
        """
        return build(self._model, laid_over(self._written, as_tree(self._set)), where)


def _value_at(tree: Mapping[str, Any], path: str) -> Any:
    value: Any = tree
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _run_dir(stage: Stage, asked: SubmitConfig, fields: _Fields) -> Path | None:
    """The folder of the run, if one was named: with --run_dir, or in a training's own config."""
    if stage.out != "run_dir":
        return asked.run_dir
    by_hand = fields.by_hand("run_dir")
    if by_hand and asked.run_dir and Path(by_hand) != asked.run_dir:
        raise ConfigError(
            f"two folders for the run: run_dir={by_hand} and --run_dir {asked.run_dir}",
            where=f"iconoclip submit {stage.verb}",
            remedy="leave one of them out",
        )
    named = by_hand or asked.run_dir or fields.value("run_dir")
    return Path(named) if named else None


def _default_run_dir(stage: Stage, fields: _Fields, path: Path | None, where: str) -> Path:
    """A folder for a run that names none: equal fields give the same folder, other fields another one.

    The digest covers the fields that differ from their defaults, so that a version with more fields finds the
    same folder. A counter instead of a digest would give two submissions at the same time the same folder.
    """
    name = f"{stage.verb}-{path.stem}" if path else stage.verb
    draft = fields.copy()
    _set_output(stage, draft, Path("runs") / name)
    values = draft.build(where).model_dump(mode="json", exclude_defaults=True)
    if not fields.value(stage.out):
        values.pop(stage.out, None)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return Path("runs") / f"{name}-{digest[:NUM_DIGITS]}"


def _set_output(stage: Stage, fields: _Fields, run_dir: Path) -> None:
    """Tell the stage where to write."""
    if stage.out == "run_dir":
        fields.set("run_dir", str(run_dir))
    elif stage.evidence and fields.value(stage.out) is None:
        fields.set(stage.out, str(run_dir / "out"))


def _size(stage: Stage, queue: Queue, asked: SubmitConfig, fields: _Fields) -> Size:
    """The size of the job: from the options, otherwise from the stage's own fields,
    otherwise the site's default.

    Raises:
        ConfigError: option and field contradict each other, or the stage cannot run in this size.
    """
    names = stage.world or (None, None)
    nodes = _agreed(stage, fields, names[0], "--nodes", asked.nodes) or 1
    tasks_per_node = _agreed(stage, fields, names[1], "--tasks_per_node", asked.tasks_per_node)
    if nodes > 1 and not stage.multi_node:
        raise ConfigError(f"`{stage.verb}` runs on one node", where="--nodes", remedy="leave it out")
    return size_in(queue, stage, asked, nodes, tasks_per_node)


def _agreed(stage: Stage, fields: _Fields, name: str | None, option: str, asked: int | None) -> int | None:
    """The number that an option of `submit` and the corresponding field agree on;
    None if neither sets one.
    """
    if name is None:
        return asked
    by_hand = _whole_number(fields.by_hand(name))
    if asked is not None and by_hand not in (None, asked):
        raise ConfigError(
            f"{fields.path(name)}={by_hand} does not match the job: {option} {asked}",
            where=f"iconoclip submit {stage.verb}",
            remedy=f"leave one of them out: {fields.path(name)} follows from {option}",
        )
    return asked if asked is not None else _whole_number(fields.value(name))


def _whole_number(value: Any) -> int | None:
    """The number that a field sets; None for `auto` and other words."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def size_in(queue: Queue, stage: Stage, asked: Placement, nodes: int, tasks_per_node: int | None) -> Size:
    """The size of a job in a queue. Without `tasks_per_node`, a multi-node stage runs one process per GPU,
    or one if there is no GPU.

    Raises:
        ConfigError: a node has fewer GPUs, or the number of processes is not that of GPUs; each process uses
            one GPU.
    """
    gpus = queue.gpus_per_node if asked.gpus_per_node is None else asked.gpus_per_node
    # Another partition than the site's may have other nodes.
    if asked.partition is None and 0 < queue.gpus_per_node < gpus:
        raise ConfigError(
            f"a node of this queue has {queue.gpus_per_node} GPUs, not {gpus}",
            where="--gpus_per_node",
            remedy="ask for more --nodes, or name the --partition whose nodes have as many",
        )
    if not stage.multi_node:
        return Size(nodes, tasks_per_node or 1, min(gpus, 1) if stage.uses_gpu else 0)
    if gpus and tasks_per_node not in (None, gpus):
        raise ConfigError(
            f"{tasks_per_node} processes on a node with {gpus} GPUs: each process drives one GPU",
            where="--tasks_per_node",
            remedy=f"leave it out, or ask for --gpus_per_node {tasks_per_node}",
        )
    return Size(nodes, tasks_per_node or max(1, gpus), gpus)


def _check_shares(stage: Stage) -> None:
    if not stage.shares:
        raise ConfigError(
            f"`{stage.verb}` cannot be shared by a job array", where="--num_tasks", remedy="leave it out"
        )
