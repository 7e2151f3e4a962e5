"""A small drawn collection, a small real open_clip model, and an index of both, each made once for all tests
here."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from iconoclip.record import Caption, Date, Institution, Record, Source, sample_key
from iconoclip.record import Image as StoredImage
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, ShardSetWriter
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.index import index
from retrieval.questions import Query

CREATED = "2026-01-01T00:00:00Z"
COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 140, 30), "yellow": (220, 200, 30)}
SHAPES = ("circle", "square", "cross")
RIGHTS = (
    "http://creativecommons.org/publicdomain/mark/1.0/",
    "http://creativecommons.org/licenses/by-sa/4.0/",
    "http://rightsstatements.org/vocab/InC/1.0/",
    None,
)
MODEL_CFG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def draw(colour: str, shape: str, number: int, size: int = 48) -> bytes:
    """A JPEG of a coloured shape on a light ground that differs with `number`."""
    generator = np.random.default_rng(number)
    ground = tuple(int(v) for v in generator.integers(200, 255, 3))
    image = Image.new("RGB", (size, size + number % 7), ground)
    pen, inset = ImageDraw.Draw(image), 6 + number % 5
    box = (inset, inset, size - inset, size - inset)
    if shape == "circle":
        pen.ellipse(box, fill=COLOURS[colour])
    elif shape == "square":
        pen.rectangle(box, fill=COLOURS[colour])
    else:
        pen.line(box, fill=COLOURS[colour], width=8)
        pen.line((box[2], box[1], box[0], box[3]), fill=COLOURS[colour], width=8)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def record_of(number: int, jpeg: bytes, institution: str = "museum", **changes: Any) -> Record:
    """A record that differs in every filterable field with `number`."""
    colour, shape = list(COLOURS)[number % 4], SHAPES[number % 3]
    source_id = f"{institution}/item/{number}"
    with Image.open(io.BytesIO(jpeg)) as image:
        width, height = image.size
    values: dict[str, Any] = {
        "key": sample_key(institution, source_id),
        "institution": Institution(slug=institution, name=f"The {institution.title()}"),
        "source": Source(id=source_id, manifest=f"https://example.org/{institution}/{number // 2}/manifest"),
        "captions": (
            Caption(text=f"a {colour} {shape} number {number}", language="en", field="title"),
            Caption(text=f"ein Bild, Nr. {number}", language="de-AT" if number % 2 else "de", field="title"),
        ),
        "iconclass": ("25F23(LION)",) if number % 5 == 0 else ("46A122", "48A98"),
        "creators": ("Albrecht Dürer",) if number % 6 == 0 else (f"Master {number % 3}",),
        "date": Date(earliest=1500 + number, latest=1510 + number) if number % 4 else None,
        "object_type": "print" if number % 2 else "drawing",
        "rights": judge(RIGHTS[number % 4]),
        "image": StoredImage(width=width, height=height, sha256=hashlib.sha256(jpeg).hexdigest()),
        "group": f"{institution}-{number}",
        "split": "test" if number % 10 == 0 else "train",
        "harvested_at": CREATED,
        "harvested_by": "test",
    }
    return Record.model_validate({**values, **changes})


def write_shardset(
    folder: Path, samples: Iterable[tuple[Record, bytes]], name: str = "museum", **options: Any
) -> Path:
    """A shard set of samples, in small shards."""
    options.setdefault("max_shard_bytes", 100_000)
    with ShardSetWriter(
        folder, name=name, policy="open@1", created_at=CREATED, created_by="test", **options
    ) as writer:
        for record, image in samples:
            writer.add(record, image)
    return folder


def samples_of(numbers: Iterable[int], institution: str = "museum") -> list[tuple[Record, bytes]]:
    """Drawn samples, one per number."""
    drawn = ((n, draw(list(COLOURS)[n % 4], SHAPES[n % 3], n)) for n in numbers)
    return [(record_of(n, jpeg, institution), jpeg) for n, jpeg in drawn]


def write_model(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A small open_clip model with random weights, as `local-dir:` loads it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {**MODEL_CFG, **changes}
    name = f"iconoclip-test-{seed}-{hashlib.sha256(json.dumps(config).encode()).hexdigest()[:8]}"
    folder.mkdir(parents=True)
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    torch.manual_seed(seed)
    model = open_clip.create_model(name)
    (folder / f"{name}.json").unlink()
    size = config["vision_cfg"]["image_size"]
    preprocess = {"size": size, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    written = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, with random weights."""
    return write_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="session")
def shardset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 drawn items of two institutions in several shards. Read only: copy it to change it."""
    samples = samples_of(range(80)) + samples_of(range(80, 120), "library")
    return write_shardset(tmp_path_factory.mktemp("shards") / "set", samples)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, model: Path, shardset: Path) -> Path:
    """The shard set through the model."""
    out = tmp_path_factory.mktemp("store") / "store"
    encode(EncodeConfig(model=str(model), shardset=str(shardset), out=str(out)))
    return out


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """An index of the store. Read only."""
    out = tmp_path_factory.mktemp("index") / "index"
    index(IndexConfig(stores=[str(store)], out=str(out)))
    return out


@pytest.fixture(scope="session")
def engine(index_folder: Path) -> Iterator[SearchEngine]:
    """The index, opened by the engine."""
    with SearchEngine.open(index_folder) as engine:
        yield engine


@pytest.fixture(scope="session")
def records(shardset: Path) -> dict[str, Record]:
    """The shard set's records by key."""
    return {record.key: record for record, _ in ShardSet(shardset).samples()}


@pytest.fixture
def make_index(tmp_path: Path, model: Path) -> Callable[..., Path]:
    """Shard set, store and index of given samples, in a folder of the test's own."""

    def make(samples: list[tuple[Record, bytes]], **settings: Any) -> Path:
        shards = write_shardset(tmp_path / "set", samples)
        encode(EncodeConfig(model=str(model), shardset=str(shards), out=str(tmp_path / "store")))
        index(IndexConfig(stores=[str(tmp_path / "store")], out=str(tmp_path / "index"), **settings))
        return tmp_path / "index"

    return make


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has learned the drawn shapes: a few seconds of contrastive training."""
    import open_clip
    import torch
    from safetensors.torch import save_file
    from torch.nn import functional

    from retrieval.encode.modeldir import ModelDirectory
    from retrieval.encode.pixels import prepare

    folder = write_model(tmp_path_factory.mktemp("trained") / "model", seed=1)
    net = open_clip.create_model(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    preprocess = ModelDirectory(folder).preprocess
    classes = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    tokens = tokenize([f"a {colour} {shape}" for colour, shape in classes])
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    drawn = np.stack(
        [[prepare(draw(*each, 100 * n + v), preprocess) for v in range(10)] for n, each in enumerate(classes)]
    )
    pixels = (torch.from_numpy(drawn).permute(0, 1, 4, 2, 3).float() / 255 - 0.5) / 0.25
    torch.manual_seed(0)
    for step in range(90):
        images = functional.normalize(net.encode_image(pixels[:, step % 10]), dim=-1)
        texts = functional.normalize(net.encode_text(tokens), dim=-1)
        logits, target = 15 * images @ texts.T, torch.arange(len(classes))
        loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = {key: value.contiguous() for key, value in net.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def keys(engine: SearchEngine, query: Query) -> list[str]:
    """The keys of a page of hits, in their order."""
    return [hit.key for hit in engine.search(query).hits]


def all_pages(engine: SearchEngine, query: Query) -> list[str]:
    """The keys of every page, whose ranks continue from page to page."""
    found: list[str] = []
    while True:
        results = engine.search(query)
        assert [hit.rank for hit in results.hits] == list(
            range(len(found) + 1, len(found) + len(results.hits) + 1)
        )
        found += [hit.key for hit in results.hits]
        if results.next_cursor is None:
            return found
        query = query.model_copy(update={"cursor": results.next_cursor})
