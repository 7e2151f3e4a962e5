"""`iconoclip chain`: submits several stages from one file; each job waits for those that it needs.

    folder: runs/armorial            # the runs of the steps are in it, under the steps' names
    site: local
    steps:
      harvest:                       # a step has the name of its stage, or sets `stage:`
        num_tasks: 4
        fields: {sources: [https://example.org/collection.json]}
      train:
        config: configs/train/demo.yaml
        fields: {shardsets: ["{harvest}"]}      # {step} is what that step writes; this one waits for it

If it is run again, it submits only the steps that are neither finished nor in the queue.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import Field

from iconoclip.config import Config, build, find_config, nearest, read_yaml
from iconoclip.errors import ConfigError, IconoclipError, TryAgainLater
from slurm import scheduler
from slurm.config import ChainConfig, MailTypes, Placement, SubmitConfig
from slurm.plan import in_words
from slurm.submit import Submission, WillNotRunError, place, prepare

REFERENCE = re.compile(r"\{([a-z0-9][a-z0-9_-]*)\}")


class Step(Placement):
    """One step of a chain: a stage with its fields."""

    stage: str | None = Field(None, description="which stage; default: the step's name")
    config: str | None = Field(None, description="YAML file of the stage's fields")
    fields: dict[str, Any] = Field(
        {}, description="fields on top of the file; {step} is what that step writes"
    )
    after: tuple[str, ...] = Field((), description="steps to wait for, in addition to those the fields name")
    nodes: int | None = Field(None, ge=1)
    num_tasks: int | None = Field(None, ge=1)
    max_running: int | None = Field(None, ge=1)


# A chain may set these for all of its steps; a step may set its own.
SHARED = ("site", "account", "reservation", "exclude", "mail_user", "mail_type")


class Chain(Config):
    """A chain as its file describes it."""

    folder: Path = Field(description="where the runs are kept")
    site: str | None = None
    account: str | None = None
    reservation: str | None = None
    exclude: str | None = None
    mail_user: str | None = None
    mail_type: MailTypes | None = None
    steps: dict[str, Step] = Field(description="the steps by name", min_length=1)


def chain(config: ChainConfig) -> int:
    """Submit every step of a chain that is neither finished nor in the queue.

    Raises:
        ConfigError: a step's fields do not fit, or the steps wait for each other in a circle.
        MissingRequirement: no SLURM on this machine (a dry run needs none).
        TryAgainLater: a step failed before all others were submitted.
    """
    path = find_config(config.chain)
    values = {key: value for key, value in (("site", config.site), ("account", config.account)) if value}
    if config.folder:
        values["folder"] = str(config.folder)
    described = build(Chain, {**read_yaml(path), **values}, str(path))
    # Every step is checked before the first is submitted.
    submissions = submissions_of(described, str(path))
    if config.dry_run:
        for name, submission in submissions.items():
            print(_line(name, submission))
        return 0
    scheduler.require("chain")
    if missing := _place_all(submissions, new_code=config.new_code):
        raise TryAgainLater(
            f"not submitted: {', '.join(missing)}, because a step that they need has failed meanwhile",
            where=str(path),
            remedy=f"`iconoclip status {described.folder}` names it; then run the chain again",
        )
    return 0


def _place_all(submissions: dict[str, Submission], *, new_code: bool) -> list[str]:
    """Submit the steps in their order. A step may fail while later ones are still being submitted: SLURM then
    drops those that wait for it, and no other can wait for these.

    Returns:
        the names of the steps that could not be submitted for this reason.
    """
    missing: dict[str, str] = {}
    for name, submission in submissions.items():
        try:
            if set(submission.request.needs).isdisjoint(missing):
                place(submission, new_code=new_code)
                continue
        except WillNotRunError:
            pass
        missing[submission.plan.run_dir] = name
    return list(missing.values())


def submissions_of(described: Chain, where: str) -> dict[str, Submission]:
    """The steps by name, ready to be submitted, each after those it needs.

    Raises:
        ConfigError: a step that does not fit, an unknown reference, or a circle.
    """
    ready: dict[str, Submission] = {}
    for name in in_order(described.steps, where):
        step = described.steps[name]
        outputs = {other: str(submission.request.output) for other, submission in ready.items()}
        needs = tuple(ready[other].plan.run_dir for other in needs_of(step))
        asked = SubmitConfig(
            stage=step.stage or name,
            run_dir=described.folder / name,
            nodes=step.nodes,
            num_tasks=step.num_tasks,
            max_running=step.max_running,
            **{
                **{field: getattr(step, field) for field in Placement.model_fields},
                **{field: getattr(step, field) or getattr(described, field) for field in SHARED},
            },
        )
        try:
            ready[name] = prepare(asked, step.config, filled_in(step.fields, outputs), needs)
        except IconoclipError as error:
            found = f"{where}, step '{name}'" + (f", {error.where}" if error.where else "")
            raise type(error)(error.what, where=found, remedy=error.remedy) from error
    return ready


def in_order(steps: dict[str, Step], where: str) -> list[str]:
    """The steps' names, each after those it needs.

    Raises:
        ConfigError: a name that is no step, or a circle.
    """
    for name, step in steps.items():
        for other in needs_of(step):
            if other not in steps:
                raise ConfigError(
                    f"step '{name}' names a step '{other}' that is not there",
                    where=where,
                    remedy=nearest(other, list(steps)),
                )
    try:
        return list(TopologicalSorter({name: needs_of(step) for name, step in steps.items()}).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigError(
            f"the steps wait for each other: {circle}", where=where, remedy="break the circle"
        ) from error


def needs_of(step: Step) -> list[str]:
    """The steps that must be finished first: those in `after`, and those its fields refer to."""
    return list(dict.fromkeys([*step.after, *_references(step.fields)]))


def _references(value: Any) -> list[str]:
    if isinstance(value, str):
        return REFERENCE.findall(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for part in parts for name in _references(part)]


def filled_in(value: Any, outputs: dict[str, str]) -> Any:
    """`value` with each {step} replaced by what that step writes."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: outputs[match.group(1)], value)
    if isinstance(value, dict):
        return {key: filled_in(part, outputs) for key, part in value.items()}
    return [filled_in(part, outputs) for part in value] if isinstance(value, list) else value


def _line(name: str, submission: Submission) -> str:
    plan, job_dir = submission.plan, submission.job_dir
    size = f"{plan.num_tasks} tasks"
    if plan.num_tasks is None:
        nodes = f"{plan.nodes} node{'s' if plan.nodes > 1 else ''}"
        size = f"{nodes} of {plan.tasks_per_node}" if plan.tasks_per_node > 1 else nodes
    state = "would be submitted"
    if job_dir.exists and job_dir.is_finished():
        state = "finished already"
    elif job_dir.exists and scheduler.is_here() and job_dir.queued():
        state = "in the queue already"
    names = ", ".join(Path(need).name for need in submission.request.needs)
    needs = f", after {names}" if names else ""
    where = plan.partition or "the default partition"
    return f"{name}: {state}: {plan.stage} on {where}, {size}, {in_words(plan.time)} per job{needs}"
