"""A small shard set of coloured squares and discs: quick to write, and learnable in a few steps."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from iconoclip import record as rec
from iconoclip.config import as_tree, build
from iconoclip.rights import judge
from iconoclip.shardset import ShardSetWriter
from training.config import TrainConfig
from training.train import train

PUBLIC_DOMAIN = "http://creativecommons.org/publicdomain/mark/1.0/"
COLOURS = {
    "red": "rouge",
    "green": "vert",
    "blue": "bleu",
    "black": "noir",
    "white": "blanc",
    "orange": "orange",
}
SHAPES = {"disc": "disque", "square": "carré"}
SMALL_MODEL = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small work is quickest on one thread; nothing uses a network."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    torch.set_num_threads(before)


def jpeg(ground: str, colour: str, shape: str, size: tuple[int, int] = (48, 56)) -> bytes:
    """A JPEG of a shape on a ground."""
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    box = (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4)
    (draw.ellipse if shape == "disc" else draw.rectangle)(box, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def make_record(number: int, data: bytes, texts: dict[str, str], **changes: Any) -> rec.Record:
    """The record of a sample."""
    institution = changes.pop("institution", "north")
    width, height = Image.open(io.BytesIO(data)).size
    values: dict[str, Any] = {
        "key": rec.sample_key(institution, str(number)),
        "institution": rec.Institution(slug=institution, name=institution.title()),
        "source": rec.Source(id=str(number)),
        "captions": tuple(
            rec.Caption(text=text, language=language, field="blazon") for language, text in texts.items()
        ),
        "rights": judge(PUBLIC_DOMAIN),
        "image": rec.Image(width=width, height=height, sha256=hashlib.sha256(data).hexdigest()),
        "group": f"{institution}-{number}",
        "harvested_at": "2026-01-01T00:00:00Z",
        "harvested_by": "a test",
    }
    return rec.Record(**(values | changes))


def write_set(
    folder: Path,
    samples: list[tuple[rec.Record, bytes]],
    *,
    name: str = "north",
    max_shard_bytes: int = 40_000,
) -> Path:
    """A shard set of several small shards."""
    with ShardSetWriter(
        folder,
        name=name,
        policy="open@1",
        created_at="2026-01-01T00:00:00Z",
        created_by="a test",
        max_shard_bytes=max_shard_bytes,
    ) as writer:
        for one, data in samples:
            writer.add(one, data)
    return folder


def shapes(
    split: Callable[[int], str] = lambda number: "val" if number % 6 == 0 else "train",
) -> list[tuple[rec.Record, bytes]]:
    """Each of 60 pictures once: two colours, one of them of a shape."""
    pictures = [c for c in itertools.product(COLOURS, COLOURS, SHAPES) if c[0] != c[1]]
    found = []
    for number, (ground, colour, shape) in enumerate(pictures):
        data = jpeg(ground, colour, shape)
        texts = {
            "en": f"{ground}, a {shape} {colour}",
            "fr": f"{COLOURS[ground]}, un {SHAPES[shape]} {COLOURS[colour]}",
        }
        found.append((make_record(number, data, texts, split=split(number)), data))
    return found


@pytest.fixture(scope="session")
def shapes_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 60 samples in several shards: 50 to train on, 10 to validate on."""
    return write_set(tmp_path_factory.mktemp("shapes"), shapes())


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of a model that trains in milliseconds."""
    path = tmp_path_factory.mktemp("models") / "small.json"
    path.write_text(json.dumps(SMALL_MODEL))
    return path


# The tests name a field by a word that no other group has.
SHORT = {
    "model": "model.name",
    "loss": "loss.function",
    "device": "hardware.device",
    "validation_split": "validation.split",
    "validate_every": "validation.every",
    "validation_samples": "validation.max_samples",
    "checkpoint_every": "checkpoint.every",
    "log_every": "log.every",
}


def dotted(changes: dict[str, Any]) -> dict[str, Any]:
    """Fields by their dotted names, in place of the short ones that the tests use."""
    return {SHORT.get(name, TrainConfig.renamed.get(name, name)): value for name, value in changes.items()}


def config_of(**values: Any) -> TrainConfig:
    """A config from values by their short names."""
    return build(TrainConfig, as_tree(dotted(values)), "a test")


def changed(config: TrainConfig, **changes: Any) -> TrainConfig:
    """A config with other values of some fields."""
    values = config.model_dump()
    for name, value in dotted(changes).items():
        *groups, leaf = name.split(".")
        (values[groups[0]] if groups else values)[leaf] = value
    return build(TrainConfig, values, "a test")


def trained_run(shardset: Path, model: Path, run_dir: Path, **values: Any) -> TrainConfig:
    """Train a small model for some steps; returns the config of the finished run."""
    config = config_of(
        shardsets=[str(shardset)],
        run_dir=run_dir,
        model=str(model),
        batch_size=10,
        num_workers=0,
        precision="float32",
        wandb=False,
        device="cpu",
        num_threads=1,
        **values,
    )
    train(config)
    return config


@pytest.fixture
def make_config(shapes_set: Path, small_model: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """A training config for the small set and model."""

    def make(**changes: Any) -> TrainConfig:
        values: dict[str, Any] = {
            "shardsets": [str(shapes_set)],
            "run_dir": tmp_path / "run",
            "model": str(small_model),
            "batch_size": 8,
            "epochs": 2,
            "num_workers": 0,
            "precision": "float32",
            "wandb": False,
            "checkpoint_every": 4,
            "log_every": 1,
            "num_threads": 1,
            "device": "cpu",
            "learning_rate": 1e-3,
            "min_crop_area": 0.7,
            "captions_per_image": 2,
        }
        return config_of(**(values | changes))

    return make
