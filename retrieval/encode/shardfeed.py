"""Batches of samples across shards, processed by parallel threads; the results are in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from iconoclip.shardset import Shard, ShardSet

S = TypeVar("S")
T = TypeVar("T")


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


def side_by_side(inputs: Iterable[S], run: Callable[[S], T], num_workers: int) -> Iterator[T]:
    """The result of `run` for each input, in order, computed by threads, or by the calling
    thread if there are none.

    At most two inputs per worker are read in advance.
    """
    if num_workers == 0:
        yield from map(run, inputs)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(num_workers, thread_name_prefix="encode") as pool:
        try:
            for each in inputs:
                waiting.append(pool.submit(run, each))
                if len(waiting) > 2 * num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
