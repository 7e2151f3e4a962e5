"""Finds copies and near-duplicates of pictures across shard sets, from their indexes.

An index has the perceptual hash of every picture. The colours that tell pictures of one hash apart are not in
it: they are measured, for the pictures whose hash occurs again or is near another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data_prep.images.store import colours_of
from data_prep.near_duplicates import Clusters, is_flat, near_pairs
from iconoclip.files import write_json
from iconoclip.pictures import ImageRefused
from iconoclip.progress import progress
from iconoclip.shardset import ShardSet

# Colours of a picture that cannot be decoded: like no other's.
UNKNOWN = (255, 0, 255) * 4
_COLUMNS = ["group", "phash", "image_sha256", "shard", "image_offset", "image_size"]
_Place = tuple[ShardSet, str, int, int]


class KnownColours:
    """The colours of pictures that an earlier merge measured, by the checksums of their files, in a file.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._used = path, dict[str, tuple[int, ...]]()
        try:
            found = json.loads(path.read_bytes())
            self._known = {str(sha256): _twelve(values) for sha256, values in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}

    def of(self, sha256: str, place: _Place) -> tuple[int, ...]:
        """The colours of a picture, measured if they are not known."""
        if sha256 not in self._used:
            self._used[sha256] = self._known.get(sha256) or _colours(place)
        return self._used[sha256]

    def save(self) -> None:
        """Keep what was requested, and nothing of pictures that no longer exist."""
        if self._used:
            write_json(self._path, self._used)


def _twelve(values: list[int]) -> tuple[int, ...]:
    colours = tuple(int(value) for value in values)
    if len(colours) != len(UNKNOWN):
        raise ValueError("not the colours of four quarters")
    return colours


def clusters_of(sets: Sequence[ShardSet], bits: int, known: KnownColours) -> Clusters:
    """The groups of all sets, joined where they hold the same picture.

    Args:
        bits: the largest Hamming distance of hashes; negative joins nothing.
        known: what was measured before.
    """
    clusters = Clusters(bits)
    if bits < 0:
        return clusters
    wanted = _hashes_to_compare(sets, bits)
    with progress("compare", unit="pictures") as meter:
        for group, phash, sha256, place in _pictures(sets):
            if phash is None or int(phash, 16) not in wanted:
                clusters.add(group, None, (), sha256)
                continue
            clusters.add(group, phash, known.of(sha256, place), sha256)
            meter.advance()
    clusters.join()
    return clusters


def _pictures(sets: Sequence[ShardSet]) -> Iterator[tuple[str, str | None, str, _Place]]:
    for one in sets:
        for batch in one.table(_COLUMNS).to_batches(max_chunksize=10_000):
            columns = (batch.column(name).to_pylist() for name in _COLUMNS)
            for group, phash, sha256, shard, offset, size in zip(*columns, strict=True):
                yield group, phash, sha256, (one, shard, offset, size)


def _hashes_to_compare(sets: Sequence[ShardSet], bits: int) -> set[int]:
    """The hashes that pictures with different bytes share, or that are near another one."""
    of_files: dict[str, int] = {}
    for _, phash, sha256, _ in _pictures(sets):
        if phash is not None and not is_flat(int(phash, 16)):
            of_files[sha256] = int(phash, 16)
    hashes, counts = np.unique(np.fromiter(of_files.values(), np.uint64, len(of_files)), return_counts=True)
    near = {place for pair in near_pairs(hashes, bits) for place in pair}
    return {int(hashes[place]) for place in near} | {int(one) for one in hashes[counts > 1]}


def _colours(place: _Place) -> tuple[int, ...]:
    shardset, shard, offset, size = place
    try:
        return colours_of(shardset.read_few_bytes(shard, offset, size))
    except ImageRefused:
        return UNKNOWN
