"""Claim: on a GPU, images per second, memory, model FLOPs utilisation and data wait of
ViT-B-32 and ViT-L-14 in bf16.

    python benchmarks/train_gpu.py [--models ViT-B-32 ViT-L-14] [--batch-size 1024] [--micro-batch-size 256]
    [--steps 60]

Trains each model from random weights on synthetic 512-pixel images, with the same code as any run, and prints
a table for the docs with date and device. Model FLOPs are those of one forward and one backward pass, as
torch counts them; what cached features or checkpointing compute twice does not count. `--models FILE.json
--device cpu` tries the script on any machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from iconoclip.rundir import RunDir
from training.config import TrainConfig
from training.model import load_model
from training.train import train

# Dense bf16 multiply-adds per second, times two, from the makers' data sheets; the first name that matches.
PEAK_FLOPS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
}


def main() -> None:
    """Train each model and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "ViT-L-14"])
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--micro-batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--samples", type=int, default=8192)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    if options.device == "gpu" and not torch.cuda.is_available():
        parser.error("it needs an NVIDIA GPU; --device cpu tries the script anywhere")
    device = torch.cuda.get_device_name() if options.device == "gpu" else "CPU"
    peak = next((flops for name, flops in PEAK_FLOPS.items() if name in device), None)
    print(
        f"{device}, torch {torch.__version__}, {datetime.now(UTC):%Y-%m-%d}, bf16, batch {options.batch_size}"
        f" in parts of {options.micro_batch_size}"
    )
    print("| model | images/s | memory GB | model FLOPs utilisation | data wait |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        shards = picture_set(Path(scratch) / "set", num_samples=options.samples, side=512)
        for model in options.models:
            rate, memory_mb, wait = measure(model, shards, Path(scratch), options)
            used = f"{100 * rate * flops_a_sample(model) / peak:.1f} %" if peak else "no peak known"
            row = f"| {Path(model).stem} | {rate:.1f} | {memory_mb / 1e3:.1f} | {used} | {100 * wait:.1f} % |"
            print(row, flush=True)


def measure(
    model: str, shards: Path, folder: Path, options: argparse.Namespace
) -> tuple[float, float, float]:
    """Samples per second of wall-clock time without the first step, peak memory in MB, the
    share of waiting for data.
    """
    values = {
        "shardsets": [str(shards)],
        "run_dir": folder / Path(model).stem,
        "data": {"split": "all", "num_workers": options.workers},
        "model": {"name": model},
        "schedule": {"batch_size": options.batch_size, "max_steps": options.steps, "epochs": 1000},
        "hardware": {
            "device": options.device,
            "precision": "bfloat16",
            "micro_batch_size": options.micro_batch_size,
            "compile": options.compile,
        },
        "validation": {"split": "none"},
        "checkpoint": {"every": 10**6},
        "log": {"every": 1, "wandb": False},
    }
    config = TrainConfig.model_validate(values)
    train(config)
    run = RunDir(config.run_dir)
    last = [line for line in run.metrics() if "memory_mb" in line][-1]
    return (
        run.job["samples_per_second"],
        last["memory_mb"],
        json.loads(run.job_path.read_text())["data_wait_share"],
    )


def flops_a_sample(name: str) -> int:
    """The FLOPs of one image with its caption, forward and backward."""
    loaded = load_model(name)
    side, tokens = loaded.image_size, loaded.tokenize(["a lion"])
    with FlopCounterMode(display=False) as counter:
        images = loaded.model.encode_image(torch.randn(1, 3, side, side))  # type: ignore[operator]
        texts = loaded.model.encode_text(tokens)  # type: ignore[operator]
        (images.sum() + texts.sum()).backward()
    return int(counter.get_total_flops())


if __name__ == "__main__":
    main()
