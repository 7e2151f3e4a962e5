"""Shard sets for benchmarks: synthetic images with the detail of photographs, and
one English caption each.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from iconoclip import record as rec
from iconoclip.rights import judge
from iconoclip.shardset import ShardSetWriter

WORDS = [
    "azure",
    "gules",
    "sable",
    "vert",
    "argent",
    "or",
    "a",
    "lion",
    "eagle",
    "tower",
    "between",
    "three",
    "mullets",
    "on",
    "bend",
]
# Draws the JPEG of one sample from a generator and the pixels of its longer side.
Draw = Callable[[np.random.Generator, int], bytes]


def picture_set(
    folder: Path, *, num_samples: int, side: int, draw: Draw | None = None, max_shard_bytes: int = 20_000_000
) -> Path:
    """A shard set of `num_samples` images, `side` pixels on the longer side.

    Args:
        draw: the function that draws an image; default: `picture`.
        max_shard_bytes: the default holds about 1,000 images of 100 pixels, or 150 of 512.
    """
    generator = np.random.default_rng(0)
    with ShardSetWriter(
        folder,
        name="bench",
        policy="open@1",
        created_at="2026-01-01T00:00:00Z",
        created_by="a benchmark",
        max_shard_bytes=max_shard_bytes,
    ) as writer:
        for number in range(num_samples):
            data = (draw or picture)(generator, side)
            text = " ".join(generator.choice(WORDS, size=int(generator.integers(6, 14))))
            writer.add(_record(number, data, text), data)
    return folder


def picture(generator: np.random.Generator, side: int) -> bytes:
    """Noise at three scales: about as hard to decode as a scan of the same size."""
    layers = [
        Image.fromarray(generator.integers(0, 255, (n, n, 3), dtype=np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        for n in (4, 16, side // 4)
    ]
    blended = Image.blend(Image.blend(layers[0], layers[1], 0.4), layers[2], 0.25)
    buffer = io.BytesIO()
    blended.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _record(number: int, data: bytes, text: str) -> rec.Record:
    width, height = Image.open(io.BytesIO(data)).size
    return rec.Record(
        key=rec.sample_key("bench", str(number)),
        institution=rec.Institution(slug="bench", name="Bench"),
        source=rec.Source(id=str(number)),
        captions=(rec.Caption(text=text, language="en", field="title"),),
        rights=judge("http://creativecommons.org/publicdomain/zero/1.0/"),
        image=rec.Image(width=width, height=height, sha256=hashlib.sha256(data).hexdigest()),
        group=str(number),
        harvested_at="2026-01-01T00:00:00Z",
        harvested_by="a benchmark",
    )
