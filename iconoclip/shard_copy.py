"""Shards without some of their samples: the other samples are copied byte for byte.

A sample is three adjacent members of the tar (picture, record, first caption), each a header of 512 bytes and
its data, filled up to 512 bytes. A copy of them is the shard that a writer would have written without the
others, because shards are canonical (iconoclip.shardset).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from iconoclip.errors import DamagedData
from iconoclip.files import atomic_write, sha256_of
from iconoclip.shardset_manifest import Shard

BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class PlaceInShard:
    """Where a sample is in its shard: offsets and sizes in bytes, as in `records.parquet`."""

    key: str
    image_offset: int
    image_size: int
    record_offset: int
    record_size: int


def copy_samples(
    shard: Path, places: Iterable[PlaceInShard], target: Path
) -> tuple[Shard, list[PlaceInShard]]:
    """Write the samples at `places` of a shard into another file, in their order.

    Returns:
        The new shard's entry for the manifest, and where its samples are.

    Raises:
        DamagedData: the index does not fit the shard.
    """
    moved: list[PlaceInShard] = []
    with shard.open("rb") as source, atomic_write(target) as file:
        for place in places:
            start = file.tell()
            data = _sample(source, place, shard)
            file.write(data)
            shift = start - (place.image_offset - BLOCK)
            moved.append(
                PlaceInShard(
                    place.key, place.image_offset + shift, place.image_size,
                    place.record_offset + shift, place.record_size,
                )
            )  # fmt: skip
        end = file.tell() + 2 * BLOCK
        file.write(bytes(2 * BLOCK + -end % tarfile.RECORDSIZE))
    entry = Shard(
        name=target.name, sha256=sha256_of(target), num_bytes=target.stat().st_size, num_samples=len(moved)
    )
    return entry, moved


def _sample(source: IO[bytes], place: PlaceInShard, shard: Path) -> bytes:
    """The three members of a sample with their headers, after a look at their names."""
    after_record = _up(place.record_offset + place.record_size)
    caption_size = _header(source, after_record, f"{place.key}.txt", shard).size
    _header(source, place.image_offset - BLOCK, f"{place.key}.jpg", shard)
    _header(source, place.record_offset - BLOCK, f"{place.key}.json", shard)
    size = _up(after_record + BLOCK + caption_size) - (place.image_offset - BLOCK)
    source.seek(place.image_offset - BLOCK)
    data = source.read(size)
    if len(data) != size or place.record_offset - BLOCK != _up(place.image_offset + place.image_size):
        raise _damaged(shard)
    return data


def _header(source: IO[bytes], offset: int, name: str, shard: Path) -> tarfile.TarInfo:
    source.seek(offset)
    try:
        found = tarfile.TarInfo.frombuf(source.read(BLOCK), "utf-8", "strict")
    except (tarfile.TarError, ValueError):
        raise _damaged(shard) from None
    if found.name != name or not found.isreg():
        raise _damaged(shard)
    return found


def _up(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _damaged(shard: Path) -> DamagedData:
    return DamagedData(
        "the index does not fit this shard",
        where=shard,
        remedy="`iconoclip check` lists what differs; copy the set again from where it came",
    )
