"""Images per second from shards to vectors, compared with clip-retrieval's inference:
same shards, model and cores.

    python benchmarks/retrieval_encode.py --work /tmp/encode --peer_python /path/to/peers/bin/python

The peer (clip-retrieval 2.45.0) needs an environment of its own: numpy 1.26, webdataset 0.2.111,
setuptools<81 and a torch whose torchvision imports. Its command line downloads models by name; the driver
below gives it the same model directory instead and changes nothing else. Start-up is excluded: each
program runs over a small and over a large shard set, and the rate comes from the difference. "bare" is the
model alone over tensors that are already in memory. The programs take turns, `--rounds` times, and the
best rate of each counts.

Images are synthetic: 512 pixels on the longer side, coloured noise smoothed at several scales, JPEG quality
90 (about 60 kB), which costs a decoder about as much as scanned pages.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from shards import picture_set

SMALL_VIT = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 224, "layers": 6, "width": 192, "patch_size": 32, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 192, "heads": 3, "layers": 4},
}

# Run in the peer's environment. Its logger starts processes that import this file again.
PEER = """
import sys
import all_clip.main, all_clip.open_clip, open_clip, torch

def load(clip_model, use_jit=True, device="cpu", clip_cache_path=None):
    # The open_clip that the peer pins knows no model directories: the same config and weights, by name and
    # file.
    name = "iconoclip-bench"
    open_clip.add_model_config(sys.argv[1] + "/iconoclip-bench.json")
    weights = sys.argv[1] + "/open_clip_model.safetensors"
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=weights, device=device)
    return all_clip.open_clip.OpenClipWrapper(model.eval(), device), preprocess, open_clip.get_tokenizer(name)

if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[4]))
    all_clip.main._CLIP_REGISTRY["open_clip:"] = load
    from clip_retrieval.clip_inference.main import main
    main(input_dataset=sys.argv[2], output_folder=sys.argv[3], input_format="webdataset", enable_text=False,
         batch_size=64, num_prepro_workers=int(sys.argv[5]), clip_model="open_clip:any/any",
         output_partition_count=1)
"""


def scanned_page(generator: np.random.Generator, side: int) -> bytes:
    """Coloured noise smoothed at several scales, a quarter less high than wide, as JPEG."""
    size = (side, side * 3 // 4)
    image = Image.new("RGB", size)
    for width in (8, 48, 384):
        noise = generator.integers(0, 255, (width * 3 // 4, width, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        image = Image.blend(image, layer, 0.5 if width < 384 else 0.2)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_model(folder: Path, name: str) -> Path:
    """A model directory with random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = SMALL_VIT if name == "small" else open_clip.get_model_config(name)
    folder.mkdir(parents=True)
    # In the same folder as the weights, for the peer.
    (folder / "iconoclip-bench.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "iconoclip-bench.json")
    torch.manual_seed(0)
    model = open_clip.create_model("iconoclip-bench")
    written = {"model_cfg": config, "preprocess_cfg": open_clip.get_model_preprocess_cfg(model)}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


class Cost(NamedTuple):
    """The cost of a run. On a shared machine, processor seconds are more reliable than wall-clock time."""

    seconds: float
    cpu_seconds: float

    def per_second(self, smaller: Cost, num_images: int) -> dict[str, float]:
        """Images per second between two runs, by wall-clock time and by the processor time of two cores."""
        by_cpu = options_threads() * num_images / (self.cpu_seconds - smaller.cpu_seconds)
        return {
            "by_clock": round(num_images / (self.seconds - smaller.seconds), 1),
            "by_cpu": round(by_cpu, 1),
        }


def options_threads() -> int:
    """The number of threads of every program."""
    return int(os.environ["OMP_NUM_THREADS"])


def timed(command: list[str], **settings: Any) -> Cost:
    """Run a command to its end."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, **settings)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def ours(model: Path, shards: Path, out: Path, precision: str, options: argparse.Namespace) -> Cost:
    """The cost of `iconoclip encode` in a process of its own, including its start."""
    command = [sys.executable, "-m", "iconoclip.cli", "encode", str(model), str(shards), "--out", str(out),
               "--precision", precision, "--num_workers", str(options.threads)]  # fmt: skip
    return timed(command, env=environment(options), stderr=subprocess.DEVNULL)


def theirs(model: Path, shards: Path, out: Path, options: argparse.Namespace) -> Cost:
    """The cost of clip-retrieval's inference, including its start."""
    # The peer expands braces itself; a list it was given would be expanded to nonsense.
    last = len(list(shards.glob("*.tar"))) - 1
    tars = f"{shards}/bench-{{000000..{last:06d}}}.tar"
    driver = options.work / "peer.py"
    driver.write_text(PEER)
    command = [
        options.peer_python,
        str(driver),
        str(model),
        tars,
        str(out),
        str(options.threads),
        str(options.workers),
    ]
    quiet = {**environment(options), "PYTHONWARNINGS": "ignore"}
    return timed(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bare(model: Path, precision: str, options: argparse.Namespace) -> dict[str, float]:
    """Images per second of the model alone."""
    code = f"""
import time, open_clip, torch
from retrieval.encode.modeldir import ModelDirectory
torch.set_num_threads({options.threads})
model = open_clip.create_model("local-dir:{model}", pretrained_text=False).eval().to(torch.{precision})
height, width = ModelDirectory({str(model)!r}).preprocess.height_width
batch = torch.randn(64, 3, height, width).to(torch.{precision})
with torch.inference_mode():
    model.encode_image(batch)
    started, cpu, num = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - started < 8:
        model.encode_image(batch); num += 64
print(num / (time.perf_counter() - started), {options.threads} * num / (time.process_time() - cpu))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment(options), stdout=subprocess.PIPE, text=True
    )
    by_clock, by_cpu = map(float, result.stdout.split())
    return {"by_clock": round(by_clock, 1), "by_cpu": round(by_cpu, 1)}


def environment(options: argparse.Namespace) -> dict[str, str]:
    """The environment that sets the same number of threads for every program."""
    root = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": root}


def vectors_of_peer(out: Path) -> dict[str, np.ndarray]:
    """The peer's vectors by sample key, because its workers mix the order."""
    import pyarrow.parquet as pq

    vectors = np.concatenate([np.load(path) for path in sorted((out / "img_emb").glob("*.npy"))])
    paths = [path for part in sorted((out / "metadata").glob("*.parquet"))
             for path in pq.read_table(part)["image_path"].to_pylist()]  # fmt: skip
    return {Path(path).name: vector for path, vector in zip(paths, vectors.astype(np.float32), strict=True)}


def cosines(store: Path, expected: dict[str, np.ndarray]) -> list[float]:
    """The lowest and the mean cosine between our vectors and the peer's."""
    from iconoclip.embeddings import EmbeddingStore

    opened = EmbeddingStore(store)
    peers = np.stack([expected[key] for key in opened.keys])
    found = np.sum(opened.vectors_ND.astype(np.float32) * peers, axis=1)
    return [round(float(found.min()), 5), round(float(found.mean()), 5)]


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one model with every program in turn; returns the best of the rounds."""
    model = options.work / f"model-{name}"
    if not model.exists():
        write_model(model, name)
    row: dict[str, Any] = {}
    for number in range(options.rounds):
        for who, rate in one_round(name, model, number, options):
            print(name, who, rate, file=sys.stderr, flush=True)
            row[who] = max(rate, row.get(who, rate), key=lambda each: each["by_clock"])
    if options.peer_python:
        expected = vectors_of_peer(options.work / f"peer-{name}-0-many")
        for precision in ("float32", "bfloat16"):
            row[f"cosine_{precision}"] = cosines(options.work / f"store-{name}-{precision}-0-many", expected)
            row[f"times_the_peer_{precision}"] = ratio(row[f"ours_{precision}"], row["clip_retrieval"])
    for precision in ("float32", "bfloat16"):
        row[f"share_of_bare_{precision}"] = ratio(row[f"ours_{precision}"], row[f"bare_{precision}"])
    return row


def ratio(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    """The ratio of two rates; None if either is missing."""
    return {by: round(ours[by] / theirs[by], 3) for by in ours}


def one_round(
    name: str, model: Path, number: int, options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure every program once; returns name and rate."""
    sets = [options.work / "few", options.work / "many"]
    num = options.images - options.images // 5
    for precision in ("float32", "bfloat16"):
        stores = [options.work / f"store-{name}-{precision}-{number}-{each.name}" for each in sets]
        costs = [ours(model, *pair, precision, options) for pair in zip(sets, stores, strict=True)]
        yield f"ours_{precision}", costs[1].per_second(costs[0], num)
        yield f"bare_{precision}", bare(model, precision, options)
    if options.peer_python:
        costs = [
            theirs(model, each, options.work / f"peer-{name}-{number}-{each.name}", options) for each in sets
        ]
        yield "clip_retrieval", costs[1].per_second(costs[0], num)


def main() -> None:
    """Measure each model in turn; print one JSON object at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    parser.add_argument(
        "--peer_python", default=None, help="python of the environment that has clip-retrieval"
    )
    parser.add_argument("--models", nargs="+", default=["small", "ViT-B-32"])
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    for folder, num in (("few", options.images // 5), ("many", options.images)):
        if not (options.work / folder / "shardset.json").exists():
            # The peer divides shards among its workers, and needs at least one for each.
            picture_set(
                options.work / folder, num_samples=num, side=512, draw=scanned_page, max_shard_bytes=3_000_000
            )
    rows: dict[str, Any] = {name: compare(name, options) for name in options.models}
    rows["machine"] = {"cores": os.cpu_count(), "load_average": os.getloadavg()}
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
