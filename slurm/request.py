"""What is asked for: a stage with its config resolved and checked, alone or shared by the tasks of an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconoclip.config import Config, find_config
from iconoclip.errors import ConfigError
from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.plan import plan_of, tasks_on_a_node
from slurm.render import Plan
from slurm.site import load_site
from slurm.stages import Stage, resolve_config, stage_called


@dataclass(frozen=True)
class Request:
    """A stage with its config resolved, and where it is to run."""

    stage: Stage
    config: Config
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
    path = find_config(file_name) if file_name else None
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
        join_config=resolved.model_copy(update={"task": None}) if plan.join_command else None,
        plan=plan,
        job_dir=JobDir(plan.run_dir),
        needs=needs,
        output=output,
    )


def _shares(stage: Stage, config: SubmitConfig) -> dict[str, object]:
    if config.num_tasks is None:
        return {}
    if not stage.shares:
        raise ConfigError(
            f"`{stage.verb}` cannot be shared by a job array", where="--num_tasks", remedy="leave it out"
        )
    # `task` is filled in on each task's command line.
    return {"num_tasks": config.num_tasks, "task": 0}


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
