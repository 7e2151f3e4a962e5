"""Claim: where captions repeat, not calling equal captions negatives of each other teaches more.

    python benchmarks/train_repeated_captions.py SHARDSET [--steps 150] [--seeds 3]

Takes a shard set of the armorial (blazons), and shortens each blazon to its field ("Azure", "Per pale gules and vert"): dozens
of images then share a caption, as "Portrait" and "View of the town" do in catalogues. Trains the demo's model on it with
related pairs as negatives, ignored, and as positives, and prints mean average precision of text-to-image on the test
side, where every image of the caption is a right answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iconoclip.config import shipped_config
from iconoclip.shardset import ShardSet, ShardSetWriter


def main() -> None:
    """Train and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shardset")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        shards = shortened(Path(options.shardset), Path(scratch) / "set")
        for repeated in ("negative", "ignore", "positive"):
            scores = [
                score(shards, Path(scratch), repeated, seed, options.steps) for seed in range(options.seeds)
            ]
            print(
                f"{repeated:9s} mAP {statistics.mean(scores):.3f}  ({', '.join(f'{one:.3f}' for one in scores)})",
                flush=True,
            )


def shortened(source: Path, target: Path) -> Path:
    """The set again, with the field of each English blazon as its only caption."""
    old = ShardSet(source)
    with ShardSetWriter(
        target,
        name="fields",
        policy=old.manifest.policy,
        created_at=old.manifest.created_at,
        created_by="a benchmark",
    ) as writer:
        for record, image in old.samples():
            blazons = [one for one in record.captions if one.language == "en" and one.field == "blazon"]
            if blazons:
                caption = blazons[0].model_copy(update={"text": blazons[0].text.split(",")[0]})
                writer.add(record.model_copy(update={"captions": (caption,)}), image)
    return target


def score(shards: Path, folder: Path, repeated: str, seed: int, steps: int) -> float:
    """mAP of one run."""
    name = f"{repeated}-{seed}"
    run, model, out = folder / f"run-{name}", folder / f"model-{name}", folder / f"evaluation-{name}"
    verb(
        "train", str(shards), "--config", str(shipped_config("train/demo.yaml")), "--run_dir", str(run), "--repeated", repeated, "--seed", str(seed),
        "--max_steps", str(steps), "--captions_per_image", "1", "--related_by", "[]", "--wandb", "false", "--validation_split", "none",
    )  # fmt: skip
    verb("export", str(run), "--out", str(model))
    verb("evaluate", str(model), str(shards), "--split", "test", "--out", str(out))
    found = json.loads((out / "evaluation.json").read_text())
    return float(found["languages"]["en"]["text_to_image"]["map"]["value"])


def verb(*words: str) -> None:
    """Run a verb quietly."""
    subprocess.run(
        [sys.executable, "-m", "iconoclip.cli", *words],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
