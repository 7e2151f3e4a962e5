"""Claim: writing checkpoints in the background does not slow the steps down.

    python benchmarks/checkpoint_pause.py [--steps 400] [--every 20] [--width 256] [--threads 1]

Trains a transformer of which each checkpoint has 194 MB, with checkpoints in the background, and with
checkpoints that a step waits for. The steps of one run are compared with each other, so other work on the
machine affects both sides alike: those next to a checkpoint (in which it is copied, or during which it is
written) and those away from any. It prints medians with 95 % intervals (of order statistics), and how much
longer all steps next to a checkpoint took together than as many steps away from it, per checkpoint, with the
95 % interval of a bootstrap over checkpoints.

With `--threads 1` on a machine with two cores, the thread that writes has one of its own; with `--threads 2`
it takes its time from the training.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from iconoclip.config import as_tree, build
from training.checkpoint.background import BackgroundCheckpointIO
from training.config import TrainConfig
from training.module import ContrastiveModule
from training.train import train

Spans = list[tuple[float, float]]
# The first steps of a process are slower: memory is allocated, and the loader begins.
FIRST_STEPS = 5


class Times(NamedTuple):
    """When things happened in a run, in seconds of the same clock."""

    begun: list[float]
    """each step"""
    saved: Spans
    """what the training waited for, of each checkpoint"""
    written: Spans


@contextlib.contextmanager
def timed() -> Iterator[Times]:
    """Note the times of the run in the block."""
    times = Times([], [], [])
    plain = ContrastiveModule.training_step
    plain_save, plain_write = BackgroundCheckpointIO.save_checkpoint, BackgroundCheckpointIO.write

    def step(self: ContrastiveModule, *args: Any) -> None:
        times.begun.append(time.perf_counter())
        plain(self, *args)

    def save(self: BackgroundCheckpointIO, *args: Any, **kwargs: Any) -> None:
        started = time.perf_counter()
        plain_save(self, *args, **kwargs)
        times.saved.append((started, time.perf_counter()))

    def write(self: BackgroundCheckpointIO, *args: Any) -> None:
        started = time.perf_counter()
        plain_write(self, *args)
        times.written.append((started, time.perf_counter()))

    ContrastiveModule.training_step = step  # type: ignore[method-assign]
    BackgroundCheckpointIO.save_checkpoint = save  # type: ignore[method-assign]
    BackgroundCheckpointIO.write = write  # type: ignore[method-assign]
    try:
        yield times
    finally:
        ContrastiveModule.training_step = plain  # type: ignore[method-assign]
        BackgroundCheckpointIO.save_checkpoint = plain_save  # type: ignore[method-assign]
        BackgroundCheckpointIO.write = plain_write  # type: ignore[method-assign]


class Steps(NamedTuple):
    """The seconds of steps, from the beginning of each to that of the next."""

    away: npt.NDArray[np.float64]
    copying: npt.NDArray[np.float64]
    """those after which a checkpoint was copied, or written if the step waits for it"""
    writing: npt.NDArray[np.float64]
    """those during which a thread wrote"""
    extra: npt.NDArray[np.float64]
    """for each checkpoint: how much longer the steps next to it took than as many steps away from any"""


def sorted_out(times: Times) -> Steps:
    """The steps by what happened during each."""
    spans = list(zip(times.begun, times.begun[1:], strict=False))[FIRST_STEPS:]
    seconds = np.array([end - start for start, end in spans])
    copying = np.array([_meets(span, times.saved) for span in spans])
    writing = np.array([_meets(span, times.written) for span in spans]) & ~copying
    away = seconds[~copying & ~writing]
    firsts = np.flatnonzero(copying)
    near = np.where(copying | writing, seconds - np.median(away), 0.0)
    # The last checkpoint is written after the last step.
    extra = np.add.reduceat(near, firsts) if len(firsts) else np.zeros(0)
    return Steps(away, seconds[copying], seconds[writing], extra)


def _meets(span: tuple[float, float], others: Spans) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)


def median(values: npt.NDArray[np.float64]) -> str:
    """The median in milliseconds, with its 95 % interval: the order statistics at n / 2 -+ 0.98 sqrt(n)."""
    if not len(values):
        return "none"
    ordered, reach = np.sort(1000 * values), 0.98 * np.sqrt(len(values))
    low = ordered[max(0, int(np.floor(len(values) / 2 - reach)))]
    high = ordered[min(len(values) - 1, int(np.ceil(len(values) / 2 + reach)) - 1)]
    return f"{np.median(ordered):.0f} ({low:.0f} to {high:.0f}), {len(values)} steps"


def mean_extra(extra: npt.NDArray[np.float64]) -> str:
    """The mean in milliseconds, with the 95 % interval of a bootstrap."""
    draws = np.random.default_rng(0).choice(1000 * extra, (2000, len(extra))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{1000 * extra.mean():.0f} ({low:.0f} to {high:.0f})"


def main() -> None:
    """Train in both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    tower = {"layers": 2, "width": options.width}
    model = {
        "embed_dim": options.width,
        "vision_cfg": {"image_size": 48, "head_width": 64, "patch_size": 16, **tower},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "heads": 4, **tower},
    }
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}, cores: {len(os.sched_getaffinity(0))}")
    print("| checkpoints | away, ms | copied in, ms | written during, ms | a checkpoint costs, ms | size |")
    print("|---|---|---|---|---|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shards = picture_set(folder / "set", num_samples=256, side=48)
        (folder / "model.json").write_text(json.dumps(model))
        for name, in_background in (("in the background", True), ("each step waits", False)):
            fields: dict[str, Any] = {
                "shardsets": [str(shards)], "run_dir": folder / name,
                "model.name": str(folder / "model.json"),
                "schedule.batch_size": 16, "schedule.epochs": 1000, "schedule.max_steps": options.steps,
                "hardware.device": "cpu", "hardware.precision": "float32",
                "hardware.num_threads": options.threads,
                "data.num_workers": 0, "log.wandb": False, "validation.split": "none",
                "checkpoint.every": options.every, "checkpoint.in_background": in_background,
            }  # fmt: skip
            with timed() as times:
                train(build(TrainConfig, as_tree(fields), "a benchmark"))
            found = sorted_out(times)
            size = max(path.stat().st_size for path in (folder / name / "checkpoints").glob("*.ckpt"))
            print(
                f"| {name} | {median(found.away)} | {median(found.copying)} | {median(found.writing)} | "
                f"{mean_extra(found.extra)} | {size / 1e6:.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
