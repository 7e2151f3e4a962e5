"""Finds near-duplicates, which are shown as one hit with a count.

Two items are near-duplicates if their stored bytes are equal; or if they belong to one group, their
perceptual hashes differ in a few bits, and the model finds them similar. The model alone is not enough: a
weak one finds all pages of a manuscript similar. Items without a perceptual hash fold only with equal bytes.
Each item is compared with the first of its copies, so a series of small differences does not join its ends.
Reused woodblocks in different groups stay separate, because they are interesting results.

Shapes: N items, M members of a group, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

# Of 64 bits; new scans and new compressions of one picture rarely differ by more.
MAX_HASH_DISTANCE = 4
# Two nearly empty pages may have similar hashes; then the model must see the difference.
MIN_COSINE = 0.9
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
        alike_MM = _alike(vectors_ND[members_M].astype(np.float32), [phashes[row] for row in members_M])
        for first, copy in _first_alike(alike_MM):
            _join(parents, members_M[first], members_M[copy])
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
    hashes_M = np.array([int(text, 16) if text else 0 for text in phashes], np.uint64)
    has_hash_M = np.array([text is not None for text in phashes])
    distances_MM = np.bitwise_count(hashes_M[:, None] ^ hashes_M[None, :])
    both_MM = has_hash_M[:, None] & has_hash_M[None, :]
    return np.asarray(
        both_MM & (distances_MM <= MAX_HASH_DISTANCE) & (vectors_MD @ vectors_MD.T >= MIN_COSINE)
    )


def _first_alike(alike_MM: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Pairs of an item that is the first of its copies, and one of these copies."""
    is_first_M = np.zeros(len(alike_MM), bool)
    for member in range(len(alike_MM)):
        firsts = np.flatnonzero(alike_MM[member, :member] & is_first_M[:member])
        if len(firsts):
            yield int(firsts[0]), member
        else:
            is_first_M[member] = True


def _root(parents: Clusters, row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _join(parents: Clusters, one: int, other: int) -> None:
    a, b = _root(parents, int(one)), _root(parents, int(other))
    parents[max(a, b)] = min(a, b)
