"""`iconoclip train`: shard sets -> a run directory. The same command again continues where the run stopped.

This module is light: a finished run is reported without loading torch.
"""

from __future__ import annotations

from iconoclip.rundir import RunDir
from training.config import TrainConfig
from training.resume import existing, is_finished
from training.world import Started, World, check_world


def train(config: TrainConfig) -> int:
    """Train, or continue training; report and stop if the run is finished.

    Returns:
        0.

    Raises:
        TryAgainLater: a signal stopped the run; it is saved.
        IconoclipError: data, rights, a model or a config that cannot be trained on or with.
    """
    asked = World(config.hardware.devices, config.hardware.num_nodes)
    # A dry run may be for another machine.
    now = Started("itself") if config.dry_run else check_world(asked)
    run = RunDir(config.run_dir)
    found = existing(run, config)
    if not config.dry_run and is_finished(run, config, found):
        return 0
    # Imported here: torch takes seconds, and the lines above need none of it.
    if config.dry_run:
        from training.dry_run import dry_run
        from training.fit import make_plan

        return dry_run(make_plan(config))
    from training.fit import fit

    return fit(config, run, found, now)
