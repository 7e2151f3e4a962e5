"""Shard sets to publish: samples that differ in their fields, splits, rights and institutions."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from iconoclip.record import Caption, Date, Image, Institution, Record, Source, Split, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, ShardSetWriter

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
IN_COPYRIGHT = "http://rightsstatements.org/vocab/InC/1.0/"
NONCOMMERCIAL = "http://creativecommons.org/licenses/by-nc/4.0/"
NAMES = {"gallery": "Stadtmuseum Musterstadt", "maison": "Musée de l’Exemple"}


def picture(number: int) -> bytes:
    """A JPEG; each number gives another one."""
    buffer = io.BytesIO()
    image = PillowImage.radial_gradient("L").resize((48, 32)).convert("RGB")
    image.paste((number * 37 % 256, number * 91 % 256, 90), (number % 20, 4, number % 20 + 12, 20))
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def sample(
    number: int, *, split: Split = "train", rights: str = CC0, slug: str = "gallery"
) -> tuple[Record, bytes]:
    """A record and its picture. Even ones have neither date nor creators, and lie in no language."""
    jpeg = picture(number)
    is_rich = number % 2 == 1
    record = Record(
        key=sample_key(slug, str(number)),
        institution=Institution(slug=slug, name=NAMES[slug]),
        source=Source(id=str(number)),
        captions=(Caption(text=f"Kuh {number}", language="de", field="title"),) if is_rich else (),
        date=Date(text="um 1650", earliest=1645, latest=1655) if is_rich else None,
        creators=("Anna Muster",) if is_rich else (),
        rights=judge(rights),
        image=Image(width=48, height=32, sha256=hashlib.sha256(jpeg).hexdigest(), phash=f"{number:016x}"),
        group=f"{slug}/{number}",
        split=split,
        harvested_at="2026-01-02T03:04:05Z",
        harvested_by="a test",
    )
    return record, jpeg


def key(number: int, slug: str = "gallery") -> str:
    """The key of a sample by its number."""
    return sample_key(slug, str(number))


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., ShardSet]:
    """Writes a set of 12 samples in several shards; number 4 is in copyright, 5 non-commercial, and the last
    two are in the other splits and of another institution."""

    def make(folder: str = "gallery", **changes: str) -> ShardSet:
        writer = ShardSetWriter(
            tmp_path / folder, name="gallery", policy="open@1", created_at="2026-01-02T03:04:05Z",
            created_by="a test", max_shard_bytes=20_000,
        )  # fmt: skip
        with writer:
            for number in range(10):
                rights = {4: IN_COPYRIGHT, 5: NONCOMMERCIAL}.get(number, CC0)
                writer.add(*sample(number, rights=rights))
            writer.add(*sample(10, split="val", slug="maison"))
            writer.add(*sample(11, split="test", slug="maison"))
        return ShardSet(tmp_path / folder)

    return make
