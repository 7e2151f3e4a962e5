"""Claim: a run that is killed (SIGKILL) at random moments ends with the losses and weights of an
uninterrupted run.

    python benchmarks/train_kills.py [--kills 20]

Trains a small model without interruption, then again, killed at random moments from the start of the process
and restarted each time, until it is finished. Every checkpoint on disk must match its checksum after each
kill;
at the end losses and weights are compared bit by bit.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from training.checkpoint import folder as checkpoints
from training.checkpoint.file import read_checkpoint

NUM_STEPS = 640  # 40 epochs of 512 samples in batches of 32
MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def main() -> None:
    """Run once without and once with kills, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shards = picture_set(folder / "set", num_samples=512, side=48)
        (folder / "model.json").write_text(json.dumps(MODEL))
        subprocess.run(command(shards, folder, "whole"), check=True, stderr=subprocess.DEVNULL)
        words = command(shards, folder, "killed")
        for number in range(options.kills):
            process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
            # Every fourth kill comes during start-up; the others come at random moments of their share of the
            # run.
            share = NUM_STEPS / options.kills
            step = 0 if number % 4 == 3 else round((number + generator.random()) * share)
            wait_until(process, folder / "killed" / "metrics.jsonl", step)
            time.sleep(generator.uniform(0.0, 4.0 if step == 0 else 0.3))
            if process.poll() is not None:
                sys.exit("the run ended before it could be killed")
            process.kill()
            process.wait()
            found = checkpoints.checkpoints_in(folder / "killed" / "checkpoints")
            unsound = [path.name for path in found if not checkpoints.is_sound(path)]
            print(
                f"kill {number + 1}: at step {checkpoints.step_of(found[0]) if found else 0}, {len(unsound)}"
                " unsound checkpoints",
                flush=True,
            )
            if unsound:
                sys.exit(f"half-written: {unsound}")
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        compare(folder / "whole", folder / "killed")
        print(f"{options.kills} kills; losses and weights are bit-equal to the undisturbed run's")


def wait_until(process: subprocess.Popen[bytes], metrics: Path, step: int) -> None:
    """Return once the run has recorded a step, or is over."""
    while step and process.poll() is None:
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        if len(lines) >= step:
            return
        time.sleep(0.01)


def command(shards: Path, folder: Path, name: str) -> list[str]:
    """The command of one of the two runs."""
    options = {
        "run_dir": folder / name, "model.name": folder / "model.json", "schedule.batch_size": 32,
        "schedule.epochs": 40, "data.num_workers": 1, "hardware.precision": "float32",
        "hardware.device": "cpu", "hardware.num_threads": 1, "checkpoint.every": 7, "log.every": 1,
        "log.wandb": "false", "validation.split": "none",
    }  # fmt: skip
    flags = [part for field, value in options.items() for part in (f"--{field}", str(value))]
    return [sys.executable, "-m", "iconoclip.cli", "train", str(shards), *flags]


def compare(one: Path, other: Path) -> None:
    """Exit with a message if two runs differ in any loss or weight."""
    losses = [
        [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (one, other)
    ]
    if losses[0] != losses[1]:
        sys.exit("the losses differ")
    states = []
    for run in (one, other):
        path, _ = checkpoints.latest_sound(run / "checkpoints")
        assert path
        states.append(read_checkpoint(path)["state_dict"])
    if not all(torch.equal(states[0][name], states[1][name]) for name in states[0]):
        sys.exit("the weights differ")


if __name__ == "__main__":
    main()
