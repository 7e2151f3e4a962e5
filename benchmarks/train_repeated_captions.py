"""Claim: if captions repeat, models learn more when equal captions are not negatives of each other.

    python benchmarks/train_repeated_captions.py SHARDSET [--steps 120] [--seeds 3] [--languages en fr de]
    [--loss siglip]

Reads a shard set of the armorial (`iconoclip demo` makes one) and shortens each blazon to its field ("Azure",
"Per pale gules and vert"): dozens of images then share a caption, as with "Portrait" and "View of the town"
in catalogues; in a batch of 128 an image finds its own caption nine times more. Trains the demo's model on
it, from random weights, with related pairs as negatives, ignored, and as positives, and prints mean average
precision of text-to-image on the test side, where every image with the caption is relevant. With several
languages an image has its field in each of them and one is chosen; the others then occur in the batch as
captions of other images. Nine runs of 120 steps take five minutes on two idle cores.
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
    """Train with each setting and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shardset")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--loss", choices=LOSSES, default="clip")
    parser.add_argument("--languages", nargs="+", default=["en"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        shards = shortened(Path(options.shardset), Path(scratch) / "set", options.languages)
        print(f"loss {options.loss}, {options.steps} steps; mAP of text-to-image on the test side")
        for repeated in CHOICES:
            found = [
                score(shards, Path(scratch), repeated, seed, options.loss, options.steps)
                for seed in range(options.seeds)
            ]
            singly = ", ".join(f"{one:.3f}" for one in found)
            print(f"{repeated:9s} {statistics.mean(found):.3f}  ({singly})", flush=True)


def shortened(source: Path, target: Path, languages: list[str]) -> Path:
    """Write the set again, with the field of each blazon as its only caption in a language."""
    old = ShardSet(source)
    facts: dict[str, Any] = {"policy": old.manifest.policy, "created_at": old.manifest.created_at}
    num_images, texts = 0, []
    with ShardSetWriter(target, name="fields", created_by="a benchmark", **facts) as writer:
        for record, image in old.samples():
            blazons = {one.language: one for one in record.captions if one.field == "blazon"}
            captions = tuple(
                blazons[name].model_copy(update={"text": blazons[name].text.split(",")[0]})
                for name in languages
                if name in blazons
            )
            if captions:
                texts += [caption.text for caption in captions]
                num_images += 1
                writer.add(record.model_copy(update={"captions": captions}), image)
    print(f"{num_images:,} images, {len(set(texts))} captions")
    return target


def score(shards: Path, folder: Path, repeated: str, seed: int, loss: str, steps: int) -> float:
    """The mean average precision of one run."""
    name = f"{loss}-{repeated}-{seed}"
    run, model, out = folder / f"run-{name}", folder / f"model-{name}", folder / f"evaluation-{name}"
    num_samples = ShardSet(shards).manifest.totals.by_split["train"]
    config = load(TrainConfig, shipped_config("train/demo.yaml"), shardsets=[str(shards)], run_dir=run)
    values = config.model_dump()
    values["seed"] = seed
    for group, changes in {
        "data": {"captions_per_image": 1, "field_weights": {}},
        "loss": {"function": loss, "repeated": repeated, "related_by": []},
        "schedule": {"max_steps": steps, "epochs": steps * config.schedule.batch_size / num_samples},
        "hardware": {"device": "cpu"},
        "validation": {"split": "none"},
        "checkpoint": {"every": 10**6},
        "log": {"wandb": False},
    }.items():
        values[group] |= changes
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(TrainConfig.model_validate(values))
        export(ExportConfig(run_dir=run, out=model))
        evaluate(
            EvaluateConfig(model=str(model), shardsets=[str(shards)], split="test", out=out, num_examples=0)
        )
    found = json.loads((out / "evaluation.json").read_text())
    return statistics.mean(float(one["text_to_image"]["map"]["value"]) for one in found["languages"].values())


if __name__ == "__main__":
    main()
