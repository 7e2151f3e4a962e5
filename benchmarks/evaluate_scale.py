"""Claim: `iconoclip evaluate` ranks a hundred thousand images within the memory of a laptop.

    python benchmarks/evaluate_scale.py [--pictures 10000 100000]

Generates small images with one caption each, evaluates a tiny model with random weights on them (the
cost of ranking does not depend on the weights), and prints time and peak memory of the process,
embeddings of width 512 included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from training.model import load_model

MODEL = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
}


def main() -> None:
    """Evaluate sets of growing size and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=[10_000, 100_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        model.mkdir()
        (model / "open_clip_config.json").write_text(json.dumps(MODEL))
        torch.manual_seed(0)
        state = load_model(str(model), load_weights=False).model.state_dict()
        save_file(state, model / "open_clip_model.safetensors")
        for number in options.pictures:
            shards = picture_set(Path(scratch) / f"set-{number}", num_samples=number, side=32)
            out = Path(scratch) / f"out-{number}"
            words = [
                "evaluate",
                str(model),
                str(shards),
                "--split",
                "all",
                "--device",
                "cpu",
                "--batch_size",
                "512",
                "--out",
                str(out),
            ]
            started = time.monotonic()
            subprocess.run([sys.executable, "-m", "iconoclip.cli", *words], check=True, capture_output=True)
            seconds = time.monotonic() - started
            # Of the largest child so far: sizes grow.
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
            print(f"{number:>8,} pictures  {seconds:6.0f} s  {peak:5.2f} GB at most", flush=True)


if __name__ == "__main__":
    main()
