"""What hard negatives are worth: the same training with and without captions of similar pictures.

    python benchmarks/hard_negatives.py SHARDSET [--steps 120] [--seeds 3] [--captions 1 4] [--loss siglip]

Reads a shard set of the armorial (`iconoclip demo` makes one). A first model is trained with a seed of its
own, and encodes the pictures of the set; its embedding store is where neighbours are searched. Then the
demo's model is trained from random weights with the same steps, batches and seeds: without hard negatives,
and with so many captions of neighbours for each picture. All are measured on the groups of the test side,
which none was trained on: recall@1 of text-to-image, averaged over the languages, with the mean of their
intervals, and the difference from the run without hard negatives of the same seed.

A step with hard negatives reads more texts, so it costs more; the last column gives the seconds of a run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iconoclip.cli import main as iconoclip
from iconoclip.config import load, shipped_config
from iconoclip.shardset import ShardSet
from training.config import EvaluateConfig, ExportConfig, TrainConfig
from training.evaluate import evaluate
from training.export import export
from training.train import train

SEED_OF_FIRST = 1000


@dataclass(frozen=True)
class Run:
    """What one training reached."""

    recall: float
    low: float
    high: float
    seconds: float


def main() -> None:
    """Train with each setting and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shardset", type=Path)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--captions", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--loss", choices=("clip", "siglip"), default="clip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options.shardset, Path(scratch), options.steps, options.loss)
        store = bench.store()
        print(f"loss {options.loss}, {options.steps} steps; recall@1 of text-to-image on the test side\n")
        print("| seed | hard negatives | recall@1 | interval | difference | seconds |")
        print("|---|---|---|---|---|---|")
        gains: dict[int, list[float]] = {num: [] for num in options.captions}
        # All kinds of one seed, then the next: what is interrupted has compared pairs.
        for seed in range(options.seeds):
            without = bench.measured(f"0-{seed}", seed, None, 0)
            print(line(seed, 0, without, 0.0), flush=True)
            for num in options.captions:
                run = bench.measured(f"{num}-{seed}", seed, store, num)
                gains[num].append(run.recall - without.recall)
                print(line(seed, num, run, gains[num][-1]), flush=True)
        for num, found in gains.items():
            singly = ", ".join(f"{one:+.3f}" for one in found)
            print(f"\n{num} hard negatives: {statistics.mean(found):+.3f} on average ({singly})")


def line(seed: int, num: int, run: Run, gain: float) -> str:
    """One run as a line of the table; the difference has its sign."""
    return (
        f"| {seed} | {num} | {run.recall:.3f} | {run.low:.3f} to {run.high:.3f} | {gain:+.3f} | "
        f"{run.seconds:.0f} |"
    )


class Bench:
    """Trainings of one kind on one set.

    Args:
        shards: the set.
        folder: where runs, models and evaluations are written.
        steps: of each training.
        loss: `clip` or `siglip`.
    """

    def __init__(self, shards: Path, folder: Path, steps: int, loss: str) -> None:
        self._shards, self._folder, self._steps, self._loss = shards, folder, steps, loss

    def store(self) -> Path:
        """The embedding store of the pictures, by a model that was trained with another seed."""
        model, store = self._model("first", SEED_OF_FIRST, None, 0), self._folder / "store"
        words = ["encode", str(model), str(self._shards), "--out", str(store), "--device", "cpu"]
        with _quiet():
            code = iconoclip(words)
        if code:
            raise SystemExit(f"iconoclip {' '.join(words)}: exit code {code}")
        return store

    def measured(self, name: str, seed: int, store: Path | None, num: int) -> Run:
        """Train a model and measure it."""
        start = time.monotonic()
        model = self._model(name, seed, store, num)
        seconds, out = time.monotonic() - start, self._folder / f"evaluation-{name}"
        with _quiet():
            evaluate(
                EvaluateConfig(
                    model=str(model), shardsets=[str(self._shards)], split="test", out=out, num_examples=0
                )
            )
        found = json.loads((out / "evaluation.json").read_text())["languages"].values()
        recalls = [one["text_to_image"]["recall@1"] for one in found]
        value, low, high = (
            statistics.mean(float(one[at]) for one in recalls) for at in ("value", "low", "high")
        )
        return Run(value, low, high, seconds)

    def _model(self, name: str, seed: int, store: Path | None, num: int) -> Path:
        run, model = self._folder / f"run-{name}", self._folder / f"model-{name}"
        num_samples = ShardSet(self._shards).manifest.totals.by_split["train"]
        config = load(
            TrainConfig, shipped_config("train/demo.yaml"), shardsets=[str(self._shards)], run_dir=run
        )
        values: dict[str, Any] = config.model_dump()
        values["seed"] = seed
        for group, changes in {
            "loss": {"function": self._loss},
            "schedule": {
                "max_steps": self._steps,
                "epochs": self._steps * config.schedule.batch_size / num_samples,
            },
            "hardware": {"device": "cpu"},
            "validation": {"split": "none"},
            "checkpoint": {"every": 10**6},
            **({"hard_negatives": {"stores": [store], "captions": num}} if store else {}),
        }.items():
            values[group] |= changes
        with _quiet():
            train(TrainConfig.model_validate(values))
            export(ExportConfig(run_dir=run, out=model))
        return model


@contextlib.contextmanager
def _quiet() -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    main()
