"""Finds near-duplicates, which are shown as one hit with a count.

Two items are near-duplicates if their stored bytes are equal, or if they belong to one group and are similar
to the model, or somewhat less similar to the model but also similar by perceptual hash. Reused woodblocks in
different groups stay separate, because they are interesting results.

Shapes: N items, M members of a group, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

MIN_COSINE = 0.985
MIN_COSINE_WITH_HASH, MAX_HASH_DISTANCE = 0.9, 4
# Up to two thousand pages of a codex are compared with each other; a larger group is
# compared in parts of that size.
MAX_COMPARED = 2_000

Clusters = npt.NDArray[np.int32]


def cluster(
    vectors_ND: npt.NDArray[np.float16],
    groups: npt.NDArray[np.int32],
    phashes: Sequence[str | None],
    checksums: Sequence[str],
) -> Clusters:
    """A number per item, equal for near-duplicates: the row of the cluster's first member.

    Args:
        vectors_ND: unit vectors.
        groups: a number for each item's group, int32 [N].
        phashes: 64-bit perceptual hashes in hexadecimal.
        checksums: the checksums of the stored bytes.
    """
    parents = np.arange(len(vectors_ND), dtype=np.int32)
    first_by_checksum: dict[str, int] = {}
    for row, checksum in enumerate(checksums):
        _join(parents, first_by_checksum.setdefault(checksum, row), row)
    for members_M in _members(groups):
        close_MM = _alike(vectors_ND[members_M].astype(np.float32), [phashes[row] for row in members_M])
        for one, other in np.argwhere(np.triu(close_MM, 1)):
            _join(parents, members_M[one], members_M[other])
    for row in range(len(parents)):
        parents[row] = _root(parents, row)
    return parents


def _members(groups: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.int64]]:
    order = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    for members in np.split(order, edges):
        for start in range(0, len(members), MAX_COMPARED):
            part = members[start : start + MAX_COMPARED]
            if len(part) > 1:
                yield part


def _alike(vectors_MD: npt.NDArray[np.float32], phashes: list[str | None]) -> npt.NDArray[np.bool_]:
    cosines_MM = vectors_MD @ vectors_MD.T
    hashes_M = np.array([int(text, 16) if text else 0 for text in phashes], np.uint64)
    has_hash_M = np.array([text is not None for text in phashes])
    distances_MM = np.bitwise_count(hashes_M[:, None] ^ hashes_M[None, :])
    both_MM = has_hash_M[:, None] & has_hash_M[None, :]
    by_hash_MM = both_MM & (distances_MM <= MAX_HASH_DISTANCE) & (cosines_MM >= MIN_COSINE_WITH_HASH)
    return np.asarray((cosines_MM >= MIN_COSINE) | by_hash_MM)


def _root(parents: Clusters, row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _join(parents: Clusters, one: int, other: int) -> None:
    a, b = _root(parents, int(one)), _root(parents, int(other))
    parents[max(a, b)] = min(a, b)
