"""Claim: training is no slower than open_clip's own trainer; in float32 on two CPU cores at
least 1.15 times as fast.

    python benchmarks/train_throughput.py --peer /PEER/bin/python [--shardset SET] [--steps 40]

PEER is a Python with open_clip_torch 3.3.0 and webdataset 0.2.86 (later ones fail in its loader), and the
same torch. Both train the same model (ViT, 64 pixels, 9 M parameters, context of 77, as in open_clip) on the
same shards, with one caption per image, the same batch, precision and number of steps, one after the other.
The rate is all samples after the first step over wall-clock time, measured by this script from the lines that
each trainer writes after each step.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set

MODEL = {
    "embed_dim": 192,
    "vision_cfg": {"image_size": 64, "layers": 4, "width": 192, "head_width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 3},
}
PEER_MAIN = (
    "import sys, open_clip; open_clip.add_model_config(sys.argv[1]); from open_clip_train.main import main;"
    " main(sys.argv[2:])"
)


def main() -> None:
    """Run both trainers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peer", default="", help="Python that has open_clip_train; without one only ours is measured"
    )
    parser.add_argument("--shardset", default="", help="a shard set; one is drawn if not given")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=1, help="loading processes of each")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shards = (
            Path(options.shardset)
            if options.shardset
            else picture_set(folder / "set", num_samples=4096, side=96)
        )
        model = folder / "bench-vit.json"
        model.write_text(json.dumps(MODEL))
        ours, wait = run_ours(shards, model, folder, options)
        print(f"iconoclip        {ours:7.1f} samples/s   waiting for data {100 * wait:.1f} %")
        if options.peer:
            theirs = run_peer(shards, model, folder, options)
            print(
                f"open_clip_train  {theirs:7.1f} samples/s   iconoclip is {ours / theirs:.2f} times as fast"
            )


def run_ours(shards: Path, model: Path, folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Our rate, and the share of the time spent waiting for data."""
    words = [
        sys.executable, "-m", "iconoclip.cli", "train", str(shards), "--run_dir", str(folder / "run"),
        "--model.name", str(model), "--schedule.batch_size", str(options.batch_size),
        "--schedule.max_steps", str(options.steps), "--schedule.epochs", "100",
        "--data.num_workers", str(options.workers), "--data.split", "all",
        "--loss.repeated", "negative",
        "--hardware.precision", options.precision, "--hardware.device", "cpu",
        "--validation.split", "none",
        "--checkpoint.every", "100000", "--log.every", "1", "--log.wandb", "false",
    ]  # fmt: skip
    metrics = folder / "run" / "metrics.jsonl"
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    started, ended, last = 0.0, 0.0, 0
    while process.poll() is None and last < options.steps:
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        if len(lines) > last:
            last, ended = len(lines), time.perf_counter()
            started = started or ended
            first = last if started == ended else first  # noqa: F821
        time.sleep(0.005)
    process.wait()
    wait = float(json.loads(metrics.read_text().splitlines()[-1])["data_wait_share"])
    return (last - first) * options.batch_size / (ended - started), wait


def run_peer(shards: Path, model: Path, folder: Path, options: argparse.Namespace) -> float:
    """open_clip_train's rate."""
    tars = sorted(path.name for path in shards.glob("*.tar"))
    pattern = str(shards / tars[0]) if len(tars) == 1 else "::".join(str(shards / name) for name in tars)
    num = options.steps * options.batch_size
    words = [
        options.peer, "-u", "-c", PEER_MAIN, str(model), "--model", model.stem, "--train-data", pattern,
        "--train-num-samples", str(num), "--dataset-type", "webdataset", "--dataset-resampled",
        "--batch-size", str(options.batch_size), "--workers", str(options.workers), "--precision",
        "fp32" if options.precision == "float32" else "amp_bf16", "--epochs", "1", "--warmup", "10",
        "--log-every-n-steps", "1", "--logs", str(folder / "logs"), "--grad-clip-norm", "1.0", "--lr", "5e-4",
        "--wd", "0.1",
    ]  # fmt: skip
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "WANDB_MODE": "disabled"}
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    times = []
    said = []
    assert process.stdout
    for line in process.stdout:
        said.append(line)
        if re.search(r"Train Epoch: \d+ \[", line):
            times.append(time.perf_counter())
    process.wait()
    if len(times) < 3:
        sys.exit("the peer did not train:\n" + "".join(said[-15:]))
    return (len(times) - 1) * options.batch_size / (times[-1] - times[0])


if __name__ == "__main__":
    main()
