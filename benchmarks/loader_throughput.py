"""Claim: on one core our loader produces batches at least twice as fast as webdataset with
open_clip's own transform.

    python benchmarks/loader_throughput.py [--shardset SET] [--samples 1500]

Both read and decode 512-pixel JPEGs, augment them to 224 pixels and make batches, from the same shards on the
same core, in turn, twice each. The better of the two rates is printed. Neither tokenizes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import webdataset
from open_clip.transform import PreprocessCfg, image_transform_v2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from training.data.captions import CaptionSampler, caption_weights
from training.data.images import Crop
from training.data.loader import TrainingSamples
from training.data.order import EpochOrder, Schedule
from training.data.samples import load

BATCH = 64


def ours(folder: Path, num_batches: int) -> Iterator[torch.Tensor]:
    """Our batches: uint8 pixels, normalised later on the device."""
    samples = load([str(folder)], split="all", policy="open")
    weights = caption_weights(samples.captions, language_temperature=1, field_weights={}, origin_weights={})
    sampler = CaptionSampler(samples.captions, weights, num_captions=1, seed=0)
    tokenize = lambda texts: torch.zeros(len(texts), 1, dtype=torch.long)  # noqa: E731
    dataset = TrainingSamples(samples, sampler, Crop(224, "shortest", min_area=0.9), tokenize, seed=0)
    schedule = Schedule(EpochOrder(samples.shard_lengths, 0), BATCH)
    for step in range(num_batches):
        # Normalising is part of the peer's transform, so it is part of ours here.
        pixels = dataset.__getitems__(schedule.batch(step)).images_BSS3
        yield pixels.permute(0, 3, 1, 2).float().sub_(127).div_(68)


def theirs(folder: Path, num_batches: int) -> Iterator[torch.Tensor]:
    """webdataset's batches, with the transform and the pipeline of open_clip_train."""
    transform = image_transform_v2(PreprocessCfg(size=224), is_train=True)
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    pipeline = (
        webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)
        .shuffle(1000, initial=100)
        .decode("pilrgb")
        .rename(image="jpg", text="txt")
    )
    batches = pipeline.map_dict(image=transform).to_tuple("image", "text").batched(BATCH)
    for _, (images, _texts) in zip(range(num_batches), batches, strict=False):
        yield images


def rate(make: Callable[[Path, int], Iterator[torch.Tensor]], folder: Path, num_batches: int) -> float:
    """Samples per second, without the first batch."""
    batches = make(folder, num_batches)
    next(batches)
    started = time.process_time()
    num = sum(len(batch) for batch in batches)
    return num / (time.process_time() - started)


def main() -> None:
    """Run both loaders and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shardset", default="")
    parser.add_argument("--samples", type=int, default=1500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        folder = (
            Path(options.shardset)
            if options.shardset
            else picture_set(Path(scratch) / "set", num_samples=options.samples, side=512)
        )
        num_batches = options.samples // BATCH
        best = {
            make.__name__: max(rate(make, folder, num_batches) for _ in range(2)) for make in (ours, theirs)
        }
    print("samples per second of CPU time, one core:")
    print(f"iconoclip                                   {best['ours']:7.1f}")
    print(
        f"webdataset {webdataset.__version__} with open_clip's transform {best['theirs']:7.1f}   iconoclip is"
        f" {best['ours'] / best['theirs']:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
