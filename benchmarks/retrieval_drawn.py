"""Synthetic data for the retrieval benchmarks: vectors and records, a model of ViT-B-32's
size, and an index of them.

Vectors are unit vectors of 512 dimensions around 2,000 centres in a space of 96 dimensions, similar to
embeddings of images, with noise in the other dimensions. Records have an English and a German caption of
eight words each. The model has random weights: its speed is realistic, its results are not.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

D, RANK, CENTRES = 512, 96, 2_000
BLOCK = 20_000
WORDS_A_CAPTION = 8


def drawn_vectors(start: int, num: int) -> npt.NDArray[np.float16]:
    """Rows `start` to `start + num`, the same in whatever block they are generated (blocks are aligned)."""
    basis = np.random.default_rng(0).normal(size=(RANK, D)).astype(np.float32)
    centres = np.random.default_rng(1).normal(size=(CENTRES, RANK)).astype(np.float32)
    generator = np.random.default_rng([2, start])
    points = centres[generator.integers(0, CENTRES, num)] + 0.7 * generator.normal(size=(num, RANK)).astype(
        np.float32
    )
    vectors = points @ basis + 2.0 * generator.normal(size=(num, D)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


class Words:
    """Texts like those of catalogues and readers: parts of the labels of Iconclass, English or German."""

    def __init__(self, seed: int, language: str = "en") -> None:
        import iconclass

        system = iconclass.Iconclass()
        system.load(language)
        labels = system.texts[language].values()
        self._words = re.findall(r"\w[\w'-]*", " ".join(label for label in labels if "(" not in label))
        self._generator = np.random.default_rng(seed)

    def texts(self, num: int, num_words: int) -> list[str]:
        """`num` texts of so many consecutive words of the labels."""
        starts = self._generator.integers(0, len(self._words) - num_words, num)
        return [" ".join(self._words[start : start + num_words]) for start in starts.tolist()]

    def queries(self, num: int) -> list[str]:
        """`num` queries, no two alike, of 1 to 8 words."""
        found: dict[str, None] = {}
        while len(found) < num:
            found |= dict.fromkeys(self.texts(1, int(self._generator.integers(1, 9))))
        return list(found)


class DrawnSource:
    """A source of synthetic items that all share one stored image."""

    def __init__(self, num_items: int) -> None:
        self.num_items, self.dimension = num_items, D

    def blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        """Blocks of vectors in row order, each [rows, 512]."""
        for start in range(0, self.num_items, BLOCK):
            yield drawn_vectors(start, min(BLOCK, self.num_items - start))

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Records in row order, parsed from JSON as a build parses them from its shards."""
        from iconoclip.record import Record
        from retrieval.generation.catalog import ImageLocation

        place = ImageLocation(0, "drawn-000000.tar", 512, 700)
        for data in drawn_records(self.num_items):
            yield Record.model_validate_json(data), place

    def captions(self) -> None:
        """There are no captions with vectors of their own in this source."""


def drawn_records(num: int) -> Iterator[str]:
    """Records as JSON, in row order."""
    shape = sample_record().model_dump_json()
    words = (Words(3), Words(4, "de"))
    for start in range(0, num, BLOCK):
        rows = range(start, min(start + BLOCK, num))
        english, german = (each.texts(len(rows), WORDS_A_CAPTION) for each in words)
        for row, one, other in zip(rows, english, german, strict=True):
            yield _filled(shape, row, one, other)


def _filled(shape: str, row: int, english: str, german: str) -> str:
    earliest = 1200 + row % 700
    values = {
        "drawn-0000000000000000": f"drawn-{row:016x}",
        '"slug":"drawn"': f'"slug":"museum-{row % 40}"',
        "ITEM": str(row),
        "ENGLISH": english,
        "GERMAN": german,
        "MASTER": f"Master {row % 20_000:x}",
        "TYPE": f"type {row % 12}",
        '"earliest":1500': f'"earliest":{earliest}',
        '"latest":1510': f'"latest":{earliest + 5}',
        "MANIFEST": f"manifest {row // 20}",
        "0" * 64: f"{row:064x}",
    }
    for old, new in values.items():
        shape = shape.replace(old, new)
    return shape


def sample_record() -> Any:
    """The record of which all others are variations."""
    from iconoclip.record import Caption, Date, Image, Institution, Record, Source
    from iconoclip.rights import judge

    return Record(
        key="drawn-0000000000000000",
        institution=Institution(slug="drawn", name="Drawn"),
        source=Source(
            id="ITEM",
            canvas="https://example.org/ITEM/canvas",
            manifest="https://example.org/ITEM/manifest",
            homepage="https://example.org/ITEM",
        ),
        captions=(
            Caption(text="ENGLISH", language="en", field="title"),
            Caption(text="GERMAN", language="de", field="title"),
        ),
        iconclass=("46A122",),
        creators=("MASTER",),
        date=Date(earliest=1500, latest=1510),
        object_type="TYPE",
        rights=judge("http://creativecommons.org/publicdomain/mark/1.0/"),
        image=Image(width=512, height=400, sha256="0" * 64),
        group="MANIFEST",
        harvested_at="2026-01-01T00:00:00Z",
        harvested_by="benchmark",
    )


def write_fixture(work: Path) -> tuple[Path, Path]:
    """A shard set with one image and a model directory of ViT-B-32's size, written once."""
    from PIL import Image

    from iconoclip.shardset import ShardSetWriter

    shards, model = work / "shards", work / "model"
    if not (shards / "shardset.json").exists():
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), "white").save(buffer, "JPEG")
        with ShardSetWriter(
            shards, name="drawn", policy="open@1", created_at="2026", created_by="benchmark"
        ) as writer:
            writer.add(sample_record(), buffer.getvalue())
    if not (model / "open_clip_model.safetensors").exists():
        write_model(model, "ViT-B-32")
    return shards, model


def write_model(folder: Path, name: str) -> None:
    """An open_clip architecture with random weights as a model directory."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(name)
    config = {
        "model_cfg": open_clip.get_model_config(name),
        "preprocess_cfg": open_clip.get_model_preprocess_cfg(model),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")


def write_index(work: Path, num_items: int, kind: str, threads: int) -> Path:
    """Build an index of synthetic items and return its folder."""
    from iconoclip.progress import progress
    from iconoclip.shardset import ShardSet
    from retrieval.config import IndexConfig
    from retrieval.encode.modeldir import ModelDirectory
    from retrieval.generation.assembly import IndexDescription, write_generation
    from retrieval.generation.stores import reference

    shards, model = write_fixture(work)
    facts = IndexDescription(
        str(model), ModelDirectory(model).digest, (reference(ShardSet(shards)),), f"{num_items:064x}"
    )
    out = work / f"index-{num_items}"
    config = IndexConfig(out=str(out), kind=kind, num_threads=threads)  # type: ignore[arg-type]
    with progress("build", total=3 * num_items) as meter:
        write_generation(out, DrawnSource(num_items), facts, config, None, meter)
    return out


def environment(threads: int) -> dict[str, str]:
    """The environment of a process that imports this project and uses this number of threads."""
    root = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": root}


def memory_mb(pid: int) -> dict[str, int]:
    """Resident memory of a process in MB: in total, and without mapped files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {
        "resident_mb": int(fields["VmRSS"].split()[0]) // 1000,
        "own_mb": int(fields["RssAnon"].split()[0]) // 1000,
    }


if __name__ == "__main__":
    print(
        "nothing to measure here: retrieval_scale.py, retrieval_http.py and retrieval_load.py use this",
        file=sys.stderr,
    )
