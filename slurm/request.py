"""What is asked for: a stage with its config resolved and checked, alone or shared by the tasks of an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconoclip.config import Config, build
from iconoclip.errors import ConfigError
from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.plan import plan_of, tasks_on_a_node
from slurm.render import Plan
from slurm.sharing import shares_of
from slurm.site import load_site
from slurm.stages import STAGES, Stage, config_path, resolve_config, stage_called


@dataclass(frozen=True)
class Request:
    """A stage with its config resolved, and where it is to run."""

    stage: Stage
    config: Config
    task_configs: tuple[Config, ...]
    join_config: Config | None
    plan: Plan
    job_dir: JobDir
    needs: tuple[str, ...]
    output: Path


def request_of(
    config: SubmitConfig, file_name: str | None, fields: dict[str, Any], needs: tuple[str, ...]
) -> Request:
    """What is asked for, checked against the stage and the site.

    Args:
        config: where the stage runs and with how many nodes or tasks; its own file and overrides are not read.
        file_name: YAML file of the stage's fields.
        fields: fields on top of the file.
        needs: folders of runs that must be finished first.

    Raises:
        ConfigError: something does not fit; the message says what.
    """
    stage = stage_called(config.stage)
    site = load_site(config.site)
    path = config_path(file_name) if file_name else None
    overrides = dict(fields)
    if stage.out == "run_dir" and config.run_dir is None and overrides.get("run_dir"):
        run_dir = Path(str(overrides["run_dir"]))
    else:
        run_dir = config.run_dir or Path("runs") / (f"{stage.verb}-{path.stem}" if path else stage.verb)
    tasks_per_node = tasks_on_a_node(stage, site.queue(stage.queue), config)
    overrides |= _shares(stage, config) | _world(stage, overrides, config.nodes, tasks_per_node)
    resolved = resolve_config(stage, path, overrides, run_dir)
    if stage.out == "run_dir":
        run_dir = Path(str(resolved.run_dir))  # type: ignore[attr-defined]
    plan = plan_of(stage, site, config, run_dir.absolute(), tasks_per_node)
    output = Path(plan.work_dir) / str(getattr(resolved, stage.out))
    return Request(
        stage=stage,
        config=resolved,
        task_configs=_task_configs(stage, resolved, config.num_tasks),
        join_config=_join_config(stage, resolved, config.num_tasks),
        plan=plan,
        job_dir=JobDir(plan.run_dir),
        needs=needs,
        output=output,
    )


def _shares(stage: Stage, config: SubmitConfig) -> dict[str, object]:
    if config.num_tasks is None:
        return {}
    if stage.splits:
        return {}
    if not stage.shares:
        raise ConfigError(
            f"`{stage.verb}` cannot be shared by a job array", where="--num_tasks", remedy="leave it out"
        )
    # `task` is filled in on each task's command line.
    return {"num_tasks": config.num_tasks, "task": 0}


def _join_config(stage: Stage, resolved: Config, num_tasks: int | None) -> Config | None:
    """The config of the verb that puts the tasks' parts together."""
    if num_tasks is None or not stage.joined_by:
        return None
    if not stage.splits:
        return resolved.model_copy(update={"task": None})
    values = resolved.model_dump()
    fields = {
        "shardsets": [str(part_of(values["out"], task)) for task in range(num_tasks)],
        "out": values["out"],
    }
    # Names like `policy` mean the same to both verbs.
    model = STAGES[stage.joined_by].config_model
    shared = {
        name: values[name]
        for name in model.model_fields
        if values.get(name) is not None and name not in fields
    }
    return build(model, {**shared, **fields}, f"iconoclip {stage.joined_by}")


def _task_configs(stage: Stage, resolved: Config, num_tasks: int | None) -> tuple[Config, ...]:
    """Each task's own config, where the tasks share a list."""
    if num_tasks is None or not stage.splits:
        return ()
    values = resolved.model_dump()
    return tuple(
        resolved.model_copy(update={stage.splits: share, stage.out: part_of(values[stage.out], task)})
        for task, share in enumerate(shares_of(values[stage.splits], num_tasks))
    )


def part_of(out: Path | str, task: int) -> Path:
    """Where a task of a job array writes, when each writes an output of its own."""
    return Path(out) / "parts" / f"{task:05d}"


def _world(stage: Stage, overrides: dict[str, Any], nodes: int, tasks_per_node: int) -> dict[str, Any]:
    """The stage's own fields for nodes and processes, which must agree with what SLURM is asked for."""
    if nodes > 1 and not stage.multi_node:
        raise ConfigError(f"`{stage.verb}` runs on one node", where="--nodes", remedy="leave it out")
    if stage.world is None:
        return {}
    wanted = dict(zip(stage.world, (nodes, tasks_per_node), strict=True))
    fields = {name: value for name, value in wanted.items() if name in stage.config_model.model_fields}
    for name, value in fields.items():
        if overrides.get(name, value) not in (value, "auto"):
            raise ConfigError(
                f"{name}={overrides[name]} does not match the job: {nodes} node(s) with {tasks_per_node} process(es) each",
                where=f"iconoclip submit {stage.verb}",
                remedy=f"leave {name} out, or give --nodes and --tasks_per_node that match",
            )
    return fields
