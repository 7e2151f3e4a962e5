"""`iconoclip train`: trains a model on shard sets and writes a run directory. The same
command resumes a stopped run.

A finished run is reported without importing torch.
"""

from __future__ import annotations

from iconoclip.rundir import RunDir
from training.config import TrainConfig
from training.resume import existing, is_finished
from training.world import Started, asked_of, check_world


def train(config: TrainConfig) -> int:
    """Train, or continue training. If the run is finished, only report that.

    Returns:
        0.

    Raises:
        TryAgainLater: a signal stopped the run, which has been saved.
        IconoclipError: the data, rights, model or config do not allow training.
    """
    asked = asked_of(config.hardware)
    # A dry run may be for another machine.
    now = Started("itself") if config.dry_run else check_world(asked)
    run = RunDir(config.run_dir)
    found = existing(run, config)
    if not config.dry_run and is_finished(run, config.schedule, found):
        return 0
    # Imported here: torch takes seconds to import, and the lines above do not need it.
    if config.dry_run:
        from training.dry_run import dry_run
        from training.plan import make_plan

        return dry_run(make_plan(config))
    from training.fit import fit

    return fit(config, run, found, now)
