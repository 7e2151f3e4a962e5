"""Joins groups that have near-duplicate images, so that one picture is never in two splits.

Two images are near-duplicates if their perceptual hashes differ in at most `bits` of 64 bits and the colours
of their four quarters are similar. The hash sees only brightness, so two coats of arms that differ only in
tincture have the same hash. Nothing is deleted, because reused woodblocks are legitimate duplicates.

A hash that many groups share (blank pages, colour targets) does not join them. Otherwise one blank page would
link every manuscript to every other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Final

# A hash that more groups than this share belongs to a blank page or a colour target, not to a picture.
MAX_GROUPS_OF_A_HASH: Final = 8
COLOUR_TOLERANCE: Final = 12
HASH_BITS: Final = 64

_Image = tuple[int, int, tuple[int, ...]]


class Clusters:
    """Collects images, then joins their groups.

    Args:
        bits: the largest Hamming distance of near-duplicates; negative joins nothing.
    """

    def __init__(self, bits: int) -> None:
        self.num_joined = 0
        self._bits = bits
        self._index: dict[str, int] = {}
        self._names: list[str] = []
        self._parent: list[int] = []
        self._images: set[_Image] = set()

    def add(self, group: str, phash: str, colours: tuple[int, ...]) -> None:
        """Add an image of a group, with its perceptual hash and colours."""
        number = self._index.setdefault(group, len(self._names))
        if number == len(self._names):
            self._names.append(group)
            self._parent.append(number)
        self._images.add((int(phash, 16), number, colours))

    def name(self, group: str) -> str:
        """The name of a group's cluster: the first of its groups' names in alphabetical order."""
        number = self._index.get(group)
        return group if number is None else self._names[self._root(number)]

    def join(self) -> None:
        """Join groups with near-duplicate images. The time grows with the number of images, not of pairs."""
        if self._bits < 0:
            return
        common = self._common_hashes()
        images = sorted(image for image in self._images if image[0] not in common)
        for bucket in self._buckets(images):
            for one, other in combinations(bucket, 2):
                if one[1] != other[1] and self._are_near(one, other):
                    self._union(one[1], other[1])

    def _common_hashes(self) -> set[int]:
        groups: dict[int, set[int]] = defaultdict(set)
        for phash, group, _ in self._images:
            groups[phash].add(group)
        return {phash for phash, members in groups.items() if len(members) > MAX_GROUPS_OF_A_HASH}

    def _buckets(self, images: Iterable[_Image]) -> Iterable[list[_Image]]:
        """Images that may be near-duplicates: hashes within k bits agree in at least one of k + 1 bands."""
        num_bands = self._bits + 1
        buckets: dict[tuple[int, int], list[_Image]] = defaultdict(list)
        for image in images:
            for band in range(num_bands):
                low, high = band * HASH_BITS // num_bands, (band + 1) * HASH_BITS // num_bands
                buckets[band, (image[0] >> low) & ((1 << (high - low)) - 1)].append(image)
        # A value of a band that thousands of images share distinguishes nothing, and comparing
        # their pairs would be slow.
        return [bucket for bucket in buckets.values() if 1 < len(bucket) <= 512]

    def _are_near(self, one: _Image, other: _Image) -> bool:
        return (one[0] ^ other[0]).bit_count() <= self._bits and all(
            abs(a - b) <= COLOUR_TOLERANCE for a, b in zip(one[2], other[2], strict=True)
        )

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def _union(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        if one == other:
            return
        first, second = sorted((one, other), key=lambda number: self._names[number])
        self._parent[second] = first
        self.num_joined += 1
