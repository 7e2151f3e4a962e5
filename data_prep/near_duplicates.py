"""Joins groups that have copies of a picture, so that one picture is never in two splits.

Three kinds of evidence join two groups:

- the same bytes, whatever they show and however many groups have them;
- perceptual hashes that differ in at most `bits` of 64 bits, if the colours agree as well. The hash depends
  only on brightness, so two coats of arms that differ only in tincture have the same hash. The colours of a
  copy may be brighter or duller, have a cast, or be grey: see `are_alike`;
- nothing else. The hash of a flat picture (a blank page, a placeholder) is no evidence and joins nothing.

Nothing is deleted, because reused woodblocks are legitimate duplicates.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

HASH_BITS: Final = 64
# Half of the bits of a hash are set, as it compares with a median. Of a flat picture most values are equal.
MIN_BITS_SET: Final = 20
# Tolerances of mean colours, 0 to 255: of chroma, of luma where one picture is grey, and of a cast.
CHROMA_TOLERANCE: Final = 12.0
LUMA_TOLERANCE: Final = 10.0
CAST_TOLERANCE: Final = 25.0
GREY: Final = 6.0
_BAND_BITS: Final = 16
_PAIRS_AT_ONCE: Final = 4_000_000
_ENTRIES_AT_ONCE: Final = 1_000

Hashes = npt.NDArray[np.uint64]
Colours = npt.NDArray[np.float64]


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
        self._files: dict[str, int] = {}
        self._images: dict[int, set[tuple[int, tuple[int, ...]]]] = defaultdict(set)

    def add(self, group: str, phash: str | None, colours: tuple[int, ...], sha256: str = "") -> None:
        """Add an image of a group: its perceptual hash, its colours, and the checksum of its file."""
        number = self._number(group)
        if self._bits < 0:
            return
        if sha256:
            self._union(number, self._files.setdefault(sha256, number))
        if phash is not None and not is_flat(int(phash, 16)):
            self._images[int(phash, 16)].add((number, colours))

    def _number(self, group: str) -> int:
        number = self._index.setdefault(group, len(self._names))
        if number == len(self._names):
            self._names.append(group)
            self._parent.append(number)
        return number

    def name(self, group: str) -> str:
        """The name of a group's cluster: the first of its groups' names in alphabetical order."""
        number = self._index.get(group)
        return group if number is None else self._names[self._root(number)]

    def join(self) -> None:
        """Join groups with near-duplicate images. The time grows with the number of images, not of pairs."""
        if self._bits < 0:
            return
        hashes = np.array(sorted(self._images), np.uint64)
        entries = [sorted(self._images[int(one)]) for one in hashes]
        for same in entries:
            self._join(same, same)
        for one, other in near_pairs(hashes, self._bits):
            self._join(entries[one], entries[other])

    def _join(
        self, some: Sequence[tuple[int, tuple[int, ...]]], others: Sequence[tuple[int, tuple[int, ...]]]
    ) -> None:
        if len(some) == 1 and some is others:
            return
        for start in range(0, len(some), _ENTRIES_AT_ONCE):
            part = some[start : start + _ENTRIES_AT_ONCE]
            alike = are_alike(_colours(part), _colours(others))
            for one, other in zip(*np.nonzero(alike), strict=True):
                self._union(part[one][0], others[other][0])

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


def _colours(entries: Sequence[tuple[int, tuple[int, ...]]]) -> Colours:
    return np.array([colours for _, colours in entries], np.float64)


def is_flat(phash: int) -> bool:
    """Whether a perceptual hash is that of a picture without structure."""
    return phash.bit_count() < MIN_BITS_SET


def are_alike(some: Colours, others: Colours) -> npt.NDArray[np.bool_]:
    """Whether pictures of one hash may be copies, by the mean colours of their quarters.

    Args:
        some, others: pictures x 12 values, RGB of the four quarters, 0 to 255.

    Returns:
        Pictures x pictures. Copies keep the colours but for brightness (luma does not count), for saturation
        (chroma in one proportion), for a cast (all quarters shifted alike), or are grey with the same luma.
    """
    luma_some, chroma_some = _luma_and_chroma(some)
    luma_others, chroma_others = _luma_and_chroma(others)
    difference = chroma_some[:, None] - chroma_others[None]
    same = _rms(difference) <= CHROMA_TOLERANCE
    size_some, size_others = _rms(chroma_some), _rms(chroma_others)
    is_grey = (size_some[:, None] < GREY) | (size_others[None] < GREY)
    same_luma = np.abs(luma_some[:, None] - luma_others[None]).max(-1) <= LUMA_TOLERANCE
    product = np.einsum("ik,jk->ij", chroma_some, chroma_others) / chroma_some.shape[1]
    in_proportion = product >= 0.97 * np.maximum(size_some[:, None] * size_others[None], 1e-9)
    quarters = difference.reshape(*difference.shape[:2], 4, 2)
    shift = quarters.mean(2)
    has_cast = (np.abs(quarters - shift[:, :, None]).max((2, 3)) <= CHROMA_TOLERANCE / 2) & (
        np.abs(shift).max(-1) <= CAST_TOLERANCE
    )
    alike: npt.NDArray[np.bool_] = same | (is_grey & same_luma) | (in_proportion & ~is_grey) | has_cast
    return alike


def _luma_and_chroma(colours: Colours) -> tuple[Colours, Colours]:
    """Luma (ITU-R BT.601) of the quarters, and 8 values of chroma: red against green, yellow against blue."""
    quarters = colours.reshape(-1, 4, 3)
    luma = quarters @ np.array([0.299, 0.587, 0.114])
    chroma = quarters @ np.array([[1.0, 0.5], [-1.0, 0.5], [0.0, -1.0]])
    return luma, chroma.reshape(len(colours), -1)


def _rms(values: Colours) -> Colours:
    root: Colours = np.sqrt(np.square(values).mean(-1))
    return root


def near_pairs(hashes: Hashes, bits: int) -> list[tuple[int, int]]:
    """The pairs of different hashes that differ in at most `bits` bits, by their places in `hashes`.

    Hashes within k bits agree within k // 4 bits in at least one of four bands of 16 bits. Each band is
    looked up with so few bits changed, and only those pairs are compared (multi-index hashing, arXiv
    1307.2982).

    Args:
        hashes: distinct, in ascending order.
    """
    if bits < 1 or len(hashes) < 2:
        return []
    found: list[npt.NDArray[np.int64]] = []
    for band in range(HASH_BITS // _BAND_BITS):
        keys = ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64((1 << _BAND_BITS) - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        for mask in _masks(bits // 4):
            found += list(_pairs_in_band(hashes, keys, order, mask, bits))
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return [(int(pair // len(hashes)), int(pair % len(hashes))) for pair in pairs]


def _masks(num_bits: int) -> list[int]:
    places = range(_BAND_BITS)
    chosen = (itertools.combinations(places, count) for count in range(num_bits + 1))
    return [sum(1 << place for place in one) for one in itertools.chain.from_iterable(chosen)]


def _pairs_in_band(
    hashes: Hashes, keys: npt.NDArray[np.int64], order: npt.NDArray[np.int64], mask: int, bits: int
) -> Any:
    ordered = keys[order]
    first = np.searchsorted(ordered, keys ^ mask, "left")
    counts = np.searchsorted(ordered, keys ^ mask, "right") - first
    ends = np.cumsum(counts)
    start = 0
    while start < len(keys):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, "right")))
        number = counts[start:stop]
        one = np.repeat(np.arange(start, stop), number)
        within = np.arange(len(one)) - np.repeat(np.cumsum(number) - number, number)
        other = order[np.repeat(first[start:stop], number) + within]
        one, other = one[one < other], other[one < other]
        near = _num_bits(hashes[one] ^ hashes[other]) <= bits
        if near.any():
            yield one[near].astype(np.int64) * len(hashes) + other[near]
        start = stop


_BITS_OF_A_BYTE: Final = np.array([number.bit_count() for number in range(256)], np.uint8)


def _num_bits(values: Hashes) -> npt.NDArray[np.int64]:
    counted: npt.NDArray[np.int64] = (
        _BITS_OF_A_BYTE[np.ascontiguousarray(values).view(np.uint8)].reshape(-1, 8).sum(1, dtype=np.int64)
    )
    return counted
