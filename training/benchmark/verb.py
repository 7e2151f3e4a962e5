"""`iconoclip benchmark make` and `iconoclip benchmark run`."""

from __future__ import annotations

from training.benchmark.config import BenchmarkVerbConfig


def benchmark(config: BenchmarkVerbConfig) -> int:
    """Make a benchmark or run one.

    Returns:
        0.

    Raises:
        IconoclipError: as for `make` and `run`.
    """
    if config.action == "make":
        from training.benchmark.make import make

        return make(config)
    from training.benchmark.run import run

    return run(config)
