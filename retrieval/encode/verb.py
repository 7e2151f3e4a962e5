"""`iconoclip encode`: encodes a shard set into an embedding store, shard by shard, so that it can resume.

STORE/parts/SHA-DIGEST.npz   vectors, keys and refusals of one finished shard, named by the checksums of
                             the shard and of the model
STORE/vectors.npy ...        the store (iconoclip.embeddings), assembled when every shard has its part
STORE/encoded.json           which shards are in it, and what was refused

In a job array each task encodes its share of the shards (`--task 3 --num_tasks 8`). A call without a task
encodes the missing shards and assembles the store.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from iconoclip import clock
from iconoclip.embeddings import STORE_NAME, EmbeddingStore, write_store
from iconoclip.errors import BadInput, ConfigError, IconoclipError, SomeRefused
from iconoclip.files import atomic_write, write_json
from iconoclip.machine import num_cores
from iconoclip.progress import progress
from iconoclip.shardset import Shard, ShardSet
from iconoclip.side_by_side import side_by_side
from retrieval.config import EncodeConfig
from retrieval.encode.modeldir import ModelDirectory
from retrieval.encode.pixels import prepare
from retrieval.encode.shardfeed import ShardSample, batches, rows_by_shard

if TYPE_CHECKING:
    from retrieval.encode.encoder import Encoder

ENCODED_NAME, PARTS = "encoded.json", "parts"

Work = list[tuple[Shard, list[ShardSample]]]


def encode(config: EncodeConfig) -> int | None:
    """Run the verb.

    Raises:
        MissingRequirement: the model or the shard set does not exist.
        BadInput: the store was made by another model.
        SomeRefused: finished, but some images could not be read; `encoded.json` lists them.
    """
    model, shardset, out = ModelDirectory(config.model), ShardSet(config.shardset), Path(config.out)
    digest = model.digest
    _refuse_foreign_store(out, digest, config.side)
    if _is_finished(out, digest, shardset):
        _say_finished(out)
        return None
    rows = rows_by_shard(shardset)
    todo = [
        (shard, rows[shard.name])
        for shard in _share(shardset.manifest.shards, config)
        if not _part_path(out, shard, digest).is_file()
    ]
    num_samples = sum(len(samples) for _, samples in todo)
    if config.dry_run:
        print(f"would encode {num_samples} samples of {len(todo)} shards into {out}")
        return None
    if todo:
        _encode_shards(config, shardset, todo, digest, num_samples)
    if config.task is None:
        _assemble(config, shardset, rows, digest)
        return None
    print(f"task {config.task} of {config.num_tasks} has encoded its shards; a call without --task assembles")
    return None


def _share(shards: tuple[Shard, ...], config: EncodeConfig) -> list[Shard]:
    if config.task is None:
        return list(shards)
    if config.task >= config.num_tasks:
        raise ConfigError(
            f"task {config.task} of {config.num_tasks}", where="--task", remedy="tasks are numbered from 0"
        )
    return list(shards[config.task :: config.num_tasks])


def _refuse_foreign_store(out: Path, digest: str, side: str) -> None:
    if not (out / STORE_NAME).is_file():
        return
    manifest = EmbeddingStore(out, verify=False).manifest
    if manifest.model_digest != digest or manifest.side != side:
        raise BadInput(
            f"this store was made by another model, or for another side ({manifest.model}, {manifest.side})",
            where=out,
            remedy="give another folder with --out; several stores may be in one parent folder",
        )


def _is_finished(out: Path, digest: str, shardset: ShardSet) -> bool:
    """Whether the store contains every shard of the set in its present state. Later withdrawals do not
    matter: the index applies them itself.
    """
    path = out / ENCODED_NAME
    if not (out / STORE_NAME).is_file() or not path.is_file():
        return False
    encoded = json.loads(path.read_text())
    return bool(
        encoded["model_digest"] == digest
        and encoded["shards"] == [shard.sha256 for shard in shardset.manifest.shards]
    )


def _say_finished(out: Path) -> None:
    store = EmbeddingStore(out, verify=False).manifest
    print(f"{out} already holds the {store.num_vectors} vectors of this shard set and model", file=sys.stderr)


def _part_path(out: Path, shard: Shard, digest: str) -> Path:
    return out / PARTS / f"{shard.sha256[:32]}-{digest[:16]}.npz"


def _encode_shards(
    config: EncodeConfig, shardset: ShardSet, todo: Work, digest: str, num_samples: int
) -> None:
    # Imported here: torch takes seconds to import, and finished work does not need it.
    from retrieval.encode.encoder import Encoder, multiplies_bfloat16

    encoder = Encoder(
        config.model,
        precision=config.precision,
        num_threads=config.num_threads,
        device=config.device,
        side_by_side=True,
    )
    if encoder.precision == "bfloat16" and encoder.device.type == "cpu" and not multiplies_bfloat16():
        print(
            "iconoclip: this processor has no bfloat16 products; torch emulates them, several times"
            " slower than"
            " float32 (--precision auto chooses the faster one)",
            file=sys.stderr,
        )
    checked = _verified(shardset, todo) if config.verify_shards else todo
    encode_batch = partial(_encode_batch, shardset, *_functions(config.side, encoder))
    with progress("encode", total=num_samples, unit="images" if config.side == "image" else "items") as meter:
        meter.note(encoder.precision)
        writer = _PartWriter(Path(config.out), digest, todo)
        num_workers = num_cores() if config.num_workers is None else config.num_workers
        for encoded in side_by_side(batches(checked, config.batch_size), encode_batch, num_workers):
            writer.add(encoded)
            meter.advance(len(encoded.keys) + len(encoded.refused))
            if writer.num_refused:
                meter.note(f"{writer.num_refused} refused")
        writer.close()


def _verified(shardset: ShardSet, todo: Work) -> Iterator[tuple[Shard, list[ShardSample]]]:
    for shard, rows in todo:
        shardset.verify_shard(shard)
        yield shard, rows


Read = Callable[[ShardSet, Shard, ShardSample], Any]
Embed = Callable[[list[Any]], npt.NDArray[np.float32]]


def _functions(side: str, encoder: Encoder) -> tuple[Read, Embed]:
    if side == "image":
        return partial(_read_image, encoder), encoder.encode_images
    return _read_captions, partial(_embed_captions, encoder)


def _read_image(encoder: Encoder, shardset: ShardSet, shard: Shard, row: ShardSample) -> Any:
    return prepare(shardset.read_bytes(shard.name, row.image_offset, row.image_size), encoder.preprocess)


def _read_captions(shardset: ShardSet, shard: Shard, row: ShardSample) -> tuple[str, ...]:
    if not row.captions:
        raise BadInput("no caption")
    return row.captions


def _embed_captions(encoder: Encoder, captions: list[tuple[str, ...]]) -> npt.NDArray[np.float32]:
    """The mean direction of each item's captions."""
    vectors_BD = encoder.encode_texts([text for texts in captions for text in texts])
    starts = np.cumsum([0, *(len(texts) for texts in captions)])[:-1]
    sums_BD = np.add.reduceat(vectors_BD, starts, axis=0)
    return np.asarray(sums_BD / np.linalg.norm(sums_BD, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class _Encoded:
    """The result of a batch: shard, key and vector of each good sample; shard, key and
    reason for each of the others.
    """

    keys: list[tuple[Shard, str]]
    vectors: list[npt.NDArray[np.float16]]
    refused: list[tuple[Shard, str, str]]


def _encode_batch(
    shardset: ShardSet, read: Read, embed: Embed, batch: list[tuple[Shard, ShardSample]]
) -> _Encoded:
    values, encoded = [], _Encoded([], [], [])
    for shard, row in batch:
        try:
            values.append(read(shardset, shard, row))
            encoded.keys.append((shard, row.key))
        except IconoclipError as error:
            encoded.refused.append((shard, row.key, error.what))
    if values:
        encoded.vectors.extend(embed(values).astype(np.float16))
    return encoded


class _PartWriter:
    """Collects vectors by shard, and writes the part of a shard when its last sample is done."""

    def __init__(self, out: Path, digest: str, todo: Work) -> None:
        self._out, self._digest = out, digest
        self._left = {shard.name: len(rows) for shard, rows in todo}
        self._vectors: dict[str, list[npt.NDArray[np.float16]]] = {}
        self._keys: dict[str, list[str]] = {}
        self._refused: dict[str, list[dict[str, str]]] = {}
        self.num_refused = 0
        for shard, rows in todo:
            if not rows:
                self._write(shard)

    def add(self, encoded: _Encoded) -> None:
        """Take the vectors of a batch; a shard is written once its last sample is encoded or refused."""
        for (shard, key), vector_D in zip(encoded.keys, encoded.vectors, strict=True):
            self._vectors.setdefault(shard.name, []).append(vector_D)
            self._keys.setdefault(shard.name, []).append(key)
        for shard, key, reason in encoded.refused:
            self.num_refused += 1
            self._refused.setdefault(shard.name, []).append({"key": key, "reason": reason})
        for shard, _ in (*encoded.keys, *((shard, key) for shard, key, _ in encoded.refused)):
            self._left[shard.name] -= 1
            if not self._left[shard.name]:
                self._write(shard)

    def _write(self, shard: Shard) -> None:
        vectors = self._vectors.pop(shard.name, [])
        refused = self._refused.pop(shard.name, [])
        with atomic_write(_part_path(self._out, shard, self._digest)) as file:
            np.savez(
                file,
                vectors=np.stack(vectors) if vectors else np.zeros((0, 0), np.float16),
                keys=np.array(self._keys.pop(shard.name, []), dtype=np.str_),
                refused=np.array(json.dumps(refused)),
            )

    def close(self) -> None:
        assert not any(self._left.values()), "every sample has come through"


def _assemble(
    config: EncodeConfig, shardset: ShardSet, rows: dict[str, list[ShardSample]], digest: str
) -> None:
    """Join the parts into the store, in shard order."""
    out = Path(config.out)
    parts = [_part_path(out, shard, digest) for shard in shardset.manifest.shards]
    current = {row.key for samples in rows.values() for row in samples}
    vectors: list[npt.NDArray[np.float16]] = []
    keys: list[str] = []
    refused: list[dict[str, str]] = []
    for path in parts:
        with np.load(path, allow_pickle=False) as part:
            # A part may be older than a withdrawal.
            kept = [n for n, key in enumerate(part["keys"].tolist()) if key in current]
            if kept:
                vectors.append(part["vectors"][kept])
                keys.extend(part["keys"][kept].tolist())
            refused.extend(r for r in json.loads(str(part["refused"])) if r["key"] in current)
    if not keys:
        raise BadInput(
            "no image of this set can be read", where=config.shardset, remedy="check the shard set"
        )
    write_store(
        out,
        np.concatenate(vectors),
        keys,
        model=str(Path(config.model).resolve()),
        model_digest=digest,
        side=config.side,
        shardset=str(Path(config.shardset).resolve()),
        shardset_digest=shardset.digest,
        created_at=clock.now(),
        created_by=f"iconoclip {version('iconoclip')}",
    )
    encoded = {
        "model_digest": digest,
        "shards": [shard.sha256 for shard in shardset.manifest.shards],
        "refused": refused,
    }
    write_json(out / ENCODED_NAME, encoded)
    print(f"{len(keys)} vectors in {out}", file=sys.stderr)
    if refused:
        raise SomeRefused(
            f"{len(refused)} samples could not be encoded",
            where=out / ENCODED_NAME,
            remedy="the rest is done",
        )
