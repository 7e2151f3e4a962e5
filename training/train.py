"""`iconoclip train`: shard sets -> a run directory. The same command again goes on where the run stopped.

This module is light: a run that is finished says so without loading torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

from iconoclip.config import load
from iconoclip.errors import ConfigError
from iconoclip.rundir import RunDir
from training.checkpoint import folder as checkpoints
from training.config import TrainConfig

# What may differ between a run's first command and the one that resumes it: where and how it is computed, not what.
FREE_TO_CHANGE = {
    "run_dir", "shardsets", "num_workers", "cache_decoded_mb", "verify_shards", "max_steps", "devices", "num_nodes",
    "accelerator", "strategy", "num_threads", "micro_batch_size", "gradient_checkpointing", "compile", "validate_every",
    "validation_split", "validation_samples", "checkpoint_every", "checkpoint_minutes", "keep_checkpoints", "log_every",
    "wandb", "wandb_project", "tensorboard", "grams_co2_per_kwh", "dry_run", "json",
}  # fmt: skip


def train(config: TrainConfig) -> int:
    """Train, or go on training; say so and stop if the run is finished.

    Returns:
        0.

    Raises:
        TryAgainLater: a signal stopped the run; it is saved.
        IconoclipError: data, rights, a model or a config that cannot be trained on or with.
    """
    run = RunDir(config.run_dir)
    found = existing(run, config)
    if found and not config.dry_run and _is_finished(run, config, found):
        print(f"finished already: {run.folder}, {checkpoints.step_of(found)} steps", file=sys.stderr)
        return 0
    # Imported here: torch takes seconds, and the lines above need none of it.
    if config.dry_run:
        from training.dry_run import dry_run
        from training.fit import make_plan

        return dry_run(make_plan(config))
    from training.fit import fit

    return fit(config, run, found)


def existing(run: RunDir, config: TrainConfig) -> Path | None:
    """The checkpoint to go on from, if the folder holds this run.

    Raises:
        ConfigError: it holds another run.
    """
    if not run.config_path.exists():
        return None
    before = load(TrainConfig, run.config_path).model_dump(mode="json")
    now = config.model_dump(mode="json")
    differing = [name for name in now if name not in FREE_TO_CHANGE and now[name] != before[name]]
    if differing:
        name, others = differing[0], len(differing) - 1
        raise ConfigError(
            f"the run was started with {name} {before[name]!r}, not {now[name]!r}"
            + (f" (and {others} more differ)" if others else ""),
            where=run.config_path,
            remedy="choose another --run_dir for another run, or give the first values again",
        )
    path, damaged = checkpoints.latest_sound(run.checkpoints)
    for bad in damaged:
        goes_on = f"going on from {path.name}" if path else "starting again"
        print(f"{bad} does not match its checksum; {goes_on}", file=sys.stderr)
    return path


def _is_finished(run: RunDir, config: TrainConfig, found: Path) -> bool:
    num_steps = run.job.get("num_steps")
    if num_steps is None:
        return False
    return checkpoints.step_of(found) >= min(int(num_steps), config.max_steps or int(num_steps))
