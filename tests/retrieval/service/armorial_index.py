"""A small real index of drawn arms: real records, real shards, a real (untrained) model, the real engine's
files.

An untrained model orders pictures by their appearance; words are found in the records. The tests of the
service need every file of an index, not a good model.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import open_clip
import PIL.Image
import torch
from safetensors.torch import save_file

from builtin_collections.armorial import collection, describe
from builtin_collections.armorial.archives import Archive
from builtin_collections.armorial.drawing.picture import picture
from data_prep.images.hashing import Averaged
from iconoclip.record import Caption, Date, Image, Institution, RawPair, Record, Region, Source, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import ShardSetWriter
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.index import index

MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
# Width and height of the pages that some of the drawings are a part of.
PAGE_SIZE = (800, 1_100)
# The number of a drawing with another scan of the same state, which folds with it.
SCANNED_TWICE = 5
HARVESTED_AT = "2026-11-01T09:00:00Z"


def build_index(folder: Path, *, num_arms: int = 60, width: int = 160) -> Path:
    """Draw, pack, encode and index; returns the index's folder."""
    shardset, model = folder / "shards", folder / "model"
    write_shardset(shardset, num_arms, width)
    write_model(model)
    encode(EncodeConfig(model=str(model), shardset=str(shardset), out=str(folder / "store"), num_threads=1))
    index(
        IndexConfig(
            stores=[str(folder / "store")],
            shardsets=[str(shardset)],
            model=str(model),
            out=str(folder / "index"),
            num_threads=1,
        )
    )
    return folder / "index"


def write_model(folder: Path) -> None:
    """A model directory with random weights from a fixed seed."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = open_clip.CLIP(**MODEL)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL, "preprocess_cfg": {"size": 32}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def write_shardset(folder: Path, num_arms: int, width: int) -> None:
    """Arms of the three invented archives, with one item whose caption a machine wrote, one full of markup,
    and one that was scanned twice.
    """
    writer = ShardSetWriter(
        folder, name="armorial", policy="open@1", created_at=HARVESTED_AT, created_by="iconoclip tests"
    )
    with writer:
        for holdings in collection.build(num_arms=num_arms, seed=1):
            for item in holdings.items:
                for copy in range(item.num_copies):
                    drawn = picture(item.arms, seed=1, coat=item.number, copy=copy, width=width)
                    _add(writer, holdings.archive, item, copy, drawn, quality=90)
                if item.number == SCANNED_TWICE:
                    drawn = picture(item.arms, seed=1, coat=item.number, copy=0, width=width)
                    _add(writer, holdings.archive, item, item.num_copies, drawn, quality=60)


def _add(
    writer: ShardSetWriter,
    archive: Archive,
    item: collection.Item,
    copy: int,
    drawn: PIL.Image.Image,
    *,
    quality: int,
) -> None:
    data = io.BytesIO()
    drawn.save(data, "JPEG", quality=quality)
    record = _record(archive, item, copy, drawn.size, data.getvalue())
    # As the harvest hashes pictures.
    image = record.image.model_copy(update={"phash": Averaged.of(drawn.convert("RGB")).phash})
    writer.add(record.model_copy(update={"image": image}), data.getvalue())


def _record(archive: Archive, item: collection.Item, copy: int, size: tuple[int, int], data: bytes) -> Record:
    base = f"https://{archive.slug}.example/iiif/{item.identifier}"
    source_id = f"{base}/canvas/{copy + 1}"
    years = [int(year) for year in item.date.split("/")]
    # Some are a part of a page.
    region = Region(x=40, y=60, width=200, height=240) if item.number % 6 == 3 else None
    return Record(
        key=sample_key(archive.slug, source_id, region),
        institution=Institution(slug=archive.slug, name=archive.name),
        source=Source(
            id=source_id,
            canvas=source_id,
            manifest=f"{base}/manifest.json",
            image_service=f"{base}/image/{copy + 1}",
            homepage=f"https://{archive.slug}.example/{item.identifier}",
            region=region,
        ),
        captions=tuple(_captions(archive, item)),
        iconclass=tuple(describe.notations(item)),
        creators=(item.painter,) if item.painter else (),
        date=Date(edtf=item.date, text=item.date.replace("/", "–"), earliest=years[0], latest=years[-1]),
        object_type=archive.object_type,
        raw=(RawPair(label="Ort", value=item.place, level="record"),),
        rights=judge(item.rights, attribution=describe.attribution(archive)),
        image=Image(
            width=size[0],
            height=size[1],
            sha256=hashlib.sha256(data).hexdigest(),
            source_width=PAGE_SIZE[0] if region else None,
            source_height=PAGE_SIZE[1] if region else None,
        ),
        group=f"{base}/manifest.json",
        harvested_at=HARVESTED_AT,
        harvested_by="iconoclip tests",
    )


def _captions(archive: Archive, item: collection.Item) -> list[Caption]:
    captions = [
        Caption(text=text, language=tag, field="blazon") for tag, text in describe.blazons(item).items()
    ]
    captions.append(
        Caption(text=describe.title(archive, item), language=archive.language, field="title", level="work")
    )
    if item.number % 10 == 0:
        text = 'A shield <script>alert("x")</script> & "quotes"'
        captions.append(Caption(text=text, language="en", field="description", origin="machine:demo"))
    return captions
