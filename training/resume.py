"""The state of a run's folder: the checkpoint to continue from, and whether the run is
finished. Does not import torch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from iconoclip.config import Config, load_stored
from iconoclip.errors import ConfigError
from iconoclip.rundir import RunDir
from training.checkpoint import folder as checkpoints
from training.config import TrainConfig
from training.config_groups import ScheduleConfig

# The fields that may differ between a run's first command and the one that resumes it: where and how it is
# computed. The name of a group includes all its fields.
FREE_TO_CHANGE = {
    "run_dir",
    "shardsets",
    "hardware",
    "validation",
    "checkpoint",
    "log",
    "dry_run",
    "json",
    "schedule.max_steps",
    "hard_negatives.stores",  # where they are; `check_same_stores` compares what is in them
    "data.num_workers",
    "data.cache_decoded_mb",
    "data.verify_shards",
    "data.max_damaged_samples",
    "optimizer.max_bad_steps",
}


def existing(run: RunDir, config: TrainConfig) -> Path | None:
    """The checkpoint to continue from, if the folder contains this run.

    Raises:
        ConfigError: the folder contains another run.
    """
    if not run.config_path.exists():
        return None
    before, now = _fields(load_stored(TrainConfig, run.config_path)), _fields(config)
    differing = [name for name in now if not _is_free(name) and now[name] != before[name]]
    if differing:
        name, others = differing[0], len(differing) - 1
        raise ConfigError(
            f"the run was started with {name} {before[name]!r}, not {now[name]!r}"
            + (f" (and {others} more differ)" if others else ""),
            where=run.config_path,
            remedy="choose another --run_dir for another run, or continue this one with "
            f"--{name} {before[name]}",
        )
    path, damaged = checkpoints.latest_sound(run.checkpoints)
    for bad in damaged:
        then = f"continuing from {path.name}" if path else "starting again"
        print(f"{bad} does not match its checksum; {then}", file=sys.stderr)
    return path


def _fields(config: TrainConfig) -> dict[str, Any]:
    """The fields by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in config.model_dump(mode="json").items():
        is_group = isinstance(getattr(config, name), Config)
        found |= {f"{name}.{leaf}": one for leaf, one in value.items()} if is_group else {name: value}
    # Where the files are may change, as for `shardsets`.
    found["data.sources"] = [
        {name: value for name, value in one.items() if name not in ("shards", "class_names")}
        for one in found["data.sources"]
    ]
    return found


def _is_free(name: str) -> bool:
    return name in FREE_TO_CHANGE or name.partition(".")[0] in FREE_TO_CHANGE


def is_finished(run: RunDir, schedule: ScheduleConfig, found: Path | None) -> bool:
    """Whether a run has done all its steps; if so, this is printed."""
    num_steps = run.job.get("num_steps")
    if found is None or num_steps is None:
        return False
    step = checkpoints.step_of(found)
    if step < min(int(num_steps), schedule.max_steps or int(num_steps)):
        return False
    print(f"finished already: {run.folder}, {step} steps", file=sys.stderr)
    return True
