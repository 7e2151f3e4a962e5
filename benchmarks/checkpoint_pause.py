"""Claim: writing checkpoints in the background does not slow the steps down.

    python benchmarks/checkpoint_pause.py [--steps 80] [--every 20] [--width 256]

Trains a transformer on one thread, without checkpoints, with checkpoints in the background, and with
checkpoints that a step waits for. It prints the median and the mean time from the beginning of a step to that
of the next, checkpoints included, and the longest one. Run it on a machine with a core to spare: the thread
that writes computes checksums.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from iconoclip.config import as_tree, build
from training.config import TrainConfig
from training.module import ContrastiveModule
from training.train import train


def step_seconds(config: TrainConfig) -> list[float]:
    """The seconds from the beginning of each step to the beginning of the next."""
    begun: list[float] = []
    plain = ContrastiveModule.training_step

    def timed(self: ContrastiveModule, *args: Any) -> None:
        begun.append(time.perf_counter())
        plain(self, *args)

    ContrastiveModule.training_step = timed  # type: ignore[method-assign]
    try:
        train(config)
    finally:
        ContrastiveModule.training_step = plain  # type: ignore[method-assign]
    return np.diff(begun)[2:].tolist()


def main() -> None:
    """Train in the three ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--width", type=int, default=256)
    options = parser.parse_args()
    tower = {"layers": 2, "width": options.width}
    model = {
        "embed_dim": options.width,
        "vision_cfg": {"image_size": 48, "head_width": 64, "patch_size": 16, **tower},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "heads": 4, **tower},
    }
    ways = {
        "no checkpoint": {"checkpoint.every": 100_000},
        "in the background": {"checkpoint.every": options.every},
        "each step waits": {"checkpoint.every": options.every, "checkpoint.in_background": False},
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shards = picture_set(folder / "set", num_samples=256, side=48)
        (folder / "model.json").write_text(json.dumps(model))
        print("| checkpoints | median of a step | mean | longest | size |")
        print("|---|---:|---:|---:|---:|")
        for name, changes in ways.items():
            fields: dict[str, Any] = {
                "shardsets": [str(shards)], "run_dir": folder / name,
                "model.name": str(folder / "model.json"),
                "schedule.batch_size": 16, "schedule.epochs": 100, "schedule.max_steps": options.steps,
                "hardware.device": "cpu", "hardware.precision": "float32", "hardware.num_threads": 1,
                "data.num_workers": 0, "log.wandb": False, "validation.split": "none", **changes,
            }  # fmt: skip
            found = step_seconds(build(TrainConfig, as_tree(fields), "a benchmark"))
            sizes = [path.stat().st_size for path in (folder / name / "checkpoints").glob("*.ckpt")]
            print(
                f"| {name} | {1000 * np.median(found):.0f} ms | {1000 * np.mean(found):.0f} ms | "
                f"{1000 * max(found):.0f} ms | {max(sizes) / 1e6:.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
