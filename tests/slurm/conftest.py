"""A machine without SLURM, a stage without dependencies, and plans that are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from iconoclip.config import Config
from slurm.config import SubmitConfig
from slurm.plan import Plan, plan_of
from slurm.request import Request, _Fields, _needs, size_in
from slurm.site import load_site
from slurm.stages import STAGES, Stage


class CountConfig(Config):
    """The config of the stage."""

    out: str
    num_steps: int = 3
    num_nodes: int = 1
    devices: int | str = "auto"
    num_tasks: int = 1
    task: int | None = None
    inputs: list[str] = Field([])


@pytest.fixture
def count_stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage called `count` that can do everything: nodes, arrays, GPUs."""
    stage = Stage(
        "count",
        "gpu",
        "done.json",
        multi_node=True,
        shares=True,
        joins=True,
        world=("num_nodes", "devices"),
        program=("count",),
        model=CountConfig,
    )
    monkeypatch.setitem(STAGES, "count", stage)
    return stage


@pytest.fixture
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH without SLURM's commands, and an empty folder to work in."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ICONOCLIP_SITE", raising=False)
    monkeypatch.chdir(tmp_path)


def plan_for(stage: Stage, site: str, run_dir: str = "/work dir/runs/x", **placement: object) -> Plan:
    """A plan whose paths are the same on every machine."""
    loaded = load_site(site)
    asked = SubmitConfig(stage=stage.verb, site=site, **placement)
    queue = loaded.queue(_needs(stage, loaded, asked, _Fields(Config, {}, {})))
    is_joined = stage.joins and asked.num_tasks is not None
    request = Request(
        stage=stage,
        asked=asked,
        queue=queue,
        size=size_in(queue, stage, asked, asked.nodes or 1, asked.tasks_per_node),
        config=Config(),
        join_config=Config() if is_joined else None,
        run_dir=Path(run_dir),
        output=Path(run_dir),
    )
    plan = plan_of(request, loaded)
    python = "/opt/my env/bin/python"
    update = {
        "version": "0.1.0",
        "work_dir": "/work dir",
        "python": python,
        "command": stage.command(python),
        "join_command": plan.join_command and (python, *plan.join_command[1:]),
    }
    return plan.model_copy(update=update)
