"""Schematic pages: lines of text and hatched pictures at known places."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from iconoclip.record import Caption, Image, Institution, Record, Source, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, ShardSetWriter

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
WIDTH, HEIGHT = 560, 800
PICTURE = (140, 200, 420, 440)
"""left, top, right, bottom in pixels of a drawn page"""


def page(
    *pictures: tuple[int, int, int, int], size: tuple[int, int] = (WIDTH, HEIGHT), text: bool = True
) -> bytes:
    """A page of paper with lines of thin strokes, and hatched pictures."""
    random = np.random.default_rng(len(pictures))
    pixels = np.full((size[1], size[0]), 225, np.int16) + random.integers(-6, 6, (size[1], size[0]))
    if text:
        for top in range(60, size[1] - 60, 24):
            for left in range(70, size[0] - 70, 9):
                if random.random() < 0.8:
                    pixels[top : top + 10, left : left + 2] = 50
    for left, top, right, bottom in pictures:
        pixels[max(0, top - 14) : bottom + 14, max(0, left - 14) : right + 14] = 225
        pixels[top:bottom, left:right] = random.choice([20, 40, 60, 190], (bottom - top, right - left))
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def record_of(number: int, data: bytes, statement: str | None = PDM, **changes: object) -> Record:
    """The record of a page of one book, in the public domain."""
    identity = f"https://house.example/book/page/{number}"
    width, height = PillowImage.open(io.BytesIO(data)).size
    record = Record(
        key=sample_key("house", identity),
        institution=Institution(slug="house", name="The Library"),
        source=Source(id=identity, manifest="https://house.example/book"),
        captions=(Caption(text="A book of herbs", language="en", field="title", level="work"),),
        object_type="book",
        rights=judge(statement),
        image=Image(
            width=width,
            height=height,
            source_width=width * 3,
            source_height=height * 3,
            sha256=hashlib.sha256(data).hexdigest(),
        ),
        group="https://house.example/book",
        split="test",
        harvested_at="2026-01-02T03:04:05Z",
        harvested_by="a test",
    )
    return record.model_copy(update=changes)


@pytest.fixture
def pages_set(tmp_path) -> Callable[..., ShardSet]:
    """Writes a shard set of pages: their bytes, and changes to single records by number."""

    def make(
        pages: list[bytes], name: str = "book", max_shard_bytes: int = 10_000_000, **changes: object
    ) -> ShardSet:
        folder: Path = tmp_path / name
        with ShardSetWriter(
            folder,
            name=name,
            policy="open@1",
            created_at="2026-01-02T03:04:05Z",
            created_by="a test",
            max_shard_bytes=max_shard_bytes,
        ) as writer:
            for number, data in enumerate(pages):
                own = changes.get(f"page_{number}", {})
                writer.add(record_of(number, data, **own), data)  # type: ignore[arg-type]
        return ShardSet(folder)

    return make
