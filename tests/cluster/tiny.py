"""A shard set of coloured squares and a model of a few thousand weights: enough to train on in seconds."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw

from iconoclip.record import Caption, Image, Institution, Record, Rights, Source, sample_key
from iconoclip.shardset import ShardSetWriter

SIDE = 40
BATCH_SIZE = 16
# A run must last longer than it takes to stop it in the middle. A fast machine does 25 steps per second.
NUM_STEPS = 200
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


def write_shardset(folder: Path, num_samples: int) -> None:
    """Squares in the colours and at the places that their numbers give."""
    with ShardSetWriter(
        folder, name="tiny", policy="open@1", created_at="2026-01-01T00:00:00Z", created_by="tests",
        max_shard_bytes=100_000,
    ) as writer:  # fmt: skip
        for number in range(num_samples):
            data = draw(number)
            writer.add(record_of(number, data), data)


def draw(number: int) -> bytes:
    image = PIL.Image.new("RGB", (SIDE, SIDE), (number * 37 % 256, number * 91 % 256, number * 53 % 256))
    left, top = number % 20, number % 13
    fill = (number * 11 % 256, number * 7 % 256, number * 3 % 256)
    PIL.ImageDraw.Draw(image).rectangle((left, top, left + 12, top + 15), fill=fill)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def record_of(number: int, data: bytes) -> Record:
    source = f"square-{number}"
    return Record(
        key=sample_key("tiny", source),
        institution=Institution(slug="tiny", name="Tiny"),
        source=Source(id=source),
        captions=(Caption(text=f"square number {number}", language="en", field="title"),),
        rights=Rights(
            policy="open@1", uri="http://creativecommons.org/publicdomain/zero/1.0/", train="yes",
            redistribute="yes", display="yes",
        ),
        image=Image(width=SIDE, height=SIDE, sha256=hashlib.sha256(data).hexdigest()),
        group=source,
        harvested_at="2026-01-01T00:00:00Z",
        harvested_by="tests",
    )  # fmt: skip


def train_fields(folder: Path, *, max_steps: int | None = None) -> dict[str, Any]:
    """The fields of a run over all of it: writes shard set and model below `folder`."""
    write_shardset(folder / "squares", (max_steps or NUM_STEPS) * BATCH_SIZE)
    (folder / "tiny.json").write_text(json.dumps(MODEL))
    return {
        "shardsets": [str(folder / "squares")],
        "data": {"num_workers": 1},
        "model": {"name": str(folder / "tiny.json")},
        "schedule": {"batch_size": BATCH_SIZE, "epochs": 1, "max_steps": max_steps},
        "hardware": {"device": "cpu", "precision": "float32", "num_threads": 1},
        "validation": {"split": "none"},
        "log": {"every": 1, "wandb": False},
    }
