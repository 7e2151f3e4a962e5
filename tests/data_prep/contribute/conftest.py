"""Shard sets to check, merge and take down from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from iconoclip.record import Caption, Image, Institution, Record, Source, sample_key, split_of
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, ShardSetWriter

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
Changes = dict[int, dict[str, object]]


def sample(slug: str, number: int, statement: str | None = PDM, **changes: object) -> tuple[Record, bytes]:
    """A record and its image."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (40, 30), (number * 40 % 256, 90, 160)).save(buffer, "JPEG")
    identity = f"https://{slug}.example/{number}"
    record = Record(
        key=sample_key(slug, identity),
        institution=Institution(slug=slug, name=slug.upper()),
        source=Source(id=identity, manifest=f"{identity}/manifest"),
        captions=(Caption(text=f"A red cow, {number}", language="en", field="title"),),
        rights=judge(statement),
        image=Image(
            width=40, height=30, sha256=hashlib.sha256(buffer.getvalue()).hexdigest(), phash="0" * 16
        ),
        group=f"{identity}/manifest",
        split=split_of(f"{identity}/manifest", val_share=0.1, test_share=0.2),
        harvested_at="2026-01-02T03:04:05Z",
        harvested_by="a test",
    )
    return record.model_copy(update=changes), buffer.getvalue()


@pytest.fixture
def make_set(tmp_path) -> Callable[..., ShardSet]:
    """Writes a shard set: slug, number of samples, changes to single records by their number."""

    def make(
        slug: str = "house", count: int = 6, changes: Changes | None = None, **rights: str | None
    ) -> ShardSet:
        folder: Path = tmp_path / slug
        writer = ShardSetWriter(
            folder,
            name=slug,
            policy="open@1",
            created_at="2026-01-02T03:04:05Z",
            created_by="a test",
            max_shard_bytes=20_000,
        )
        with writer:
            for number in range(count):
                writer.add(
                    *sample(
                        slug, number, rights.get(f"rights_{number}", PDM), **(changes or {}).get(number, {})
                    )
                )
        return ShardSet(folder)

    return make


@pytest.fixture
def museum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the profile of a small museum."""
    monkeypatch.chdir(tmp_path)
    profile = "slug: musterstadt\nname: Stadtmuseum Musterstadt\nlanguage: de\n"
    (tmp_path / "ours.profile.yaml").write_text(profile)
    return tmp_path
