"""Samples of a shard set, read and decoded ahead of the model by threads, in shard order across shards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from iconoclip.errors import IconoclipError
from iconoclip.shardset import Shard, ShardSet

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """Where one sample's image stands, and what its captions say."""

    key: str
    image_offset: int
    image_size: int
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Prepared(Generic[T]):
    """A sample ready for the model, or why it is not."""

    shard: Shard
    key: str
    value: T | None
    problem: str = ""


def rows_by_shard(shardset: ShardSet) -> dict[str, list[Row]]:
    """The rows of every shard in the order of their bytes, withdrawn samples left out."""
    table = shardset.table(["key", "shard", "image_offset", "image_size", "captions"])
    rows: dict[str, list[Row]] = {shard.name: [] for shard in shardset.manifest.shards}
    for shard, key, offset, size, captions in zip(
        *(table[name].to_pylist() for name in ("shard", "key", "image_offset", "image_size", "captions")),
        strict=True,
    ):
        texts = tuple(caption["text"] for caption in captions or ())
        rows.setdefault(shard, []).append(Row(key, offset, size, texts))
    return rows


def prepared(
    shardset: ShardSet,
    shards: Iterable[tuple[Shard, list[Row]]],
    prepare: Callable[[ShardSet, Shard, Row], T],
    *,
    num_workers: int,
    ahead: int,
) -> Iterator[Prepared[T]]:
    """Every row of `shards`, in order, through `prepare`, with at most `ahead` samples waiting in memory.

    A sample that `prepare` refuses comes out with its problem instead of a value.
    """
    waiting: deque[tuple[Shard, Row, Future[T]]] = deque()
    with ThreadPoolExecutor(num_workers, thread_name_prefix="prepare") as pool:
        try:
            for shard, rows in shards:
                for row in rows:
                    waiting.append((shard, row, pool.submit(prepare, shardset, shard, row)))
                    if len(waiting) >= ahead:
                        yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, _, future in waiting:
                future.cancel()


def _result(shard: Shard, row: Row, future: Future[T]) -> Prepared[T]:
    try:
        return Prepared(shard, row.key, future.result())
    except IconoclipError as error:
        return Prepared(shard, row.key, None, error.what)


def batches(samples: Iterator[Prepared[Any]], size: int) -> Iterator[list[Prepared[Any]]]:
    """Samples in lists of `size`; the last may be shorter."""
    batch: list[Prepared[Any]] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
