"""`iconoclip status FOLDER`: the state of a harvest, or a table of runs, depending on the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from iconoclip.config import Config, positional
from iconoclip.verbs import resolve
from iconoclip.watching import watch

LEDGER_NAME = "ledger.sqlite"
# The config model and the function of each, as text: iconoclip imports no stage.
HARVEST_STATUS = ("data_prep.harvest.config:StatusConfig", "data_prep.harvest.status:status")
RUN_STATUS = ("slurm.config:StatusConfig", "slurm.status:status")


class StatusConfig(Config):
    """Show the state of a harvest or of runs."""

    folder: Path = Field(
        Path("runs"),
        description="folder of a harvest, of a run, or one that holds runs",
        json_schema_extra=positional(),
    )
    json: bool = Field(False, description="print JSON: one object per harvest or run")  # type: ignore[assignment]
    watch: bool = Field(
        False, description="keep showing it until Ctrl-C; where there is no terminal, as text"
    )
    every_seconds: float = Field(5, description="seconds between two looks of `watch`", gt=0)


def status(config: StatusConfig) -> int:
    """Call the status function of the package that wrote the folder, once or until Ctrl-C."""
    model, function = HARVEST_STATUS if is_harvest(config.folder) else RUN_STATUS
    show: Any = resolve(function)
    once = resolve(model).model_validate(config.model_dump(include={"folder", "json"}))
    if config.watch:
        return watch(lambda: show(once), config.every_seconds)
    return show(once) or 0


def is_harvest(folder: Path) -> bool:
    """Whether the folder holds a harvest: its ledger, or those of its tasks. A run has a job.json."""
    if _is_near(folder, "job.json"):
        return False
    return _is_near(folder, LEDGER_NAME)


def _is_near(folder: Path, name: str) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in (name, f"*/{name}", f"*/*/{name}"))
