"""Claim: where captions repeat, not calling equal captions negatives of each other teaches more.

    python benchmarks/train_repeated_captions.py SHARDSET [--steps 120] [--seeds 3]

Takes a shard set of the armorial (`iconoclip demo` makes one) and shortens each English blazon to its field ("Azure", "Per
pale gules and vert"): dozens of images then share a caption, as "Portrait" and "View of the town" do in catalogues. Trains
the demo's model on it, from random weights, with related pairs as negatives, ignored, and as positives, and prints mean
average precision of text-to-image on the test side, where every image of the caption is a right answer. Nine runs of 120
steps take about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iconoclip.config import load, shipped_config
from iconoclip.shardset import ShardSet, ShardSetWriter
from training.config import EvaluateConfig, ExportConfig, TrainConfig
from training.evaluate import evaluate
from training.export import export
from training.train import train

CHOICES = ("negative", "ignore", "positive")
LOSSES = ("clip", "siglip")


def main() -> None:
    """Train and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shardset")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--loss", choices=LOSSES, default="clip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        shards = shortened(Path(options.shardset), Path(scratch) / "set")
        print(f"loss {options.loss}, {options.steps} steps; mAP of text-to-image on the test side")
        for repeated in CHOICES:
            found = [
                score(shards, Path(scratch), repeated, seed, options.loss, options.steps)
                for seed in range(options.seeds)
            ]
            singly = ", ".join(f"{one:.3f}" for one in found)
            print(f"{repeated:9s} {statistics.mean(found):.3f}  ({singly})", flush=True)


def shortened(source: Path, target: Path) -> Path:
    """The set again, with the field of each English blazon as its only caption."""
    old = ShardSet(source)
    facts: dict[str, Any] = {"policy": old.manifest.policy, "created_at": old.manifest.created_at}
    texts = []
    with ShardSetWriter(target, name="fields", created_by="a benchmark", **facts) as writer:
        for record, image in old.samples():
            blazons = [one for one in record.captions if one.language == "en" and one.field == "blazon"]
            if blazons:
                caption = blazons[0].model_copy(update={"text": blazons[0].text.split(",")[0]})
                texts.append(caption.text)
                writer.add(record.model_copy(update={"captions": (caption,)}), image)
    print(f"{len(texts):,} images, {len(set(texts))} captions")
    return target


def score(shards: Path, folder: Path, repeated: str, seed: int, loss: str, steps: int) -> float:
    """mAP of one run."""
    name = f"{loss}-{repeated}-{seed}"
    run, model, out = folder / f"run-{name}", folder / f"model-{name}", folder / f"evaluation-{name}"
    num_samples = ShardSet(shards).manifest.totals.by_split["train"]
    config = load(TrainConfig, shipped_config("train/demo.yaml"), shardsets=[str(shards)], run_dir=run)
    changes = {
        "repeated": repeated, "seed": seed, "loss": loss, "max_steps": steps, "epochs": steps * config.batch_size / num_samples,
        "captions_per_image": 1, "related_by": [], "field_weights": {}, "wandb": False, "validation_split": "none",
        "checkpoint_every": 10**6, "accelerator": "cpu",
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(TrainConfig.model_validate(config.model_dump() | changes))
        export(ExportConfig(run_dir=run, out=model))
        evaluate(
            EvaluateConfig(model=str(model), shardsets=[str(shards)], split="test", out=out, num_examples=0)
        )
    found = json.loads((out / "evaluation.json").read_text())
    return float(found["languages"]["en"]["text_to_image"]["map"]["value"])


if __name__ == "__main__":
    main()
