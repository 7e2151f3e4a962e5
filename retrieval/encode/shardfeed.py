"""The samples of a shard set by shard, and batches of them across shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from iconoclip.shardset import Shard, ShardSet


@dataclass(frozen=True)
class ShardSample:
    """The location of one sample's image, and the text of its captions."""

    key: str
    image_offset: int
    image_size: int
    captions: tuple[str, ...]


def rows_by_shard(shardset: ShardSet) -> dict[str, list[ShardSample]]:
    """The rows of every shard in the order of their bytes, withdrawn samples left out."""
    table = shardset.table(["key", "shard", "image_offset", "image_size", "captions"])
    rows: dict[str, list[ShardSample]] = {shard.name: [] for shard in shardset.manifest.shards}
    for shard, key, offset, size, captions in zip(
        *(table[name].to_pylist() for name in ("shard", "key", "image_offset", "image_size", "captions")),
        strict=True,
    ):
        texts = tuple(caption["text"] for caption in captions or ())
        rows.setdefault(shard, []).append(ShardSample(key, offset, size, texts))
    return rows


def batches(
    work: Iterable[tuple[Shard, list[ShardSample]]], size: int
) -> Iterator[list[tuple[Shard, ShardSample]]]:
    """The rows of several shards in lists of `size`, across shards; the last may be shorter."""
    batch: list[tuple[Shard, ShardSample]] = []
    for shard, rows in work:
        for row in rows:
            batch.append((shard, row))
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch
