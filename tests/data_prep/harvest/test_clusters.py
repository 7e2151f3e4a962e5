"""Copies are put into one group, other pictures are not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.near_duplicates import MIN_BITS_SET, Clusters, near_pairs

GREY = (90,) * 12
PHASH = "00ff00ff00ff00ff"


def names(clusters: Clusters, *groups: str) -> list[str]:
    clusters.join()
    return [clusters.name(group) for group in groups]


def test_equal_hashes_join():
    clusters = Clusters(0)
    for group, phash in (("b", PHASH), ("a", PHASH), ("c", "00ff00ff00ff00fe")):
        clusters.add(group, phash, GREY)
    assert names(clusters, "a", "b", "c", "unknown") == ["a", "a", "c", "unknown"]


AZURE = (30, 60, 200) * 2 + (240, 240, 240) * 2


@pytest.mark.parametrize(
    ("colours", "is_copy"),
    [
        ((200, 30, 40) * 2 + (240, 240, 240) * 2, False),  # the same drawing in another tincture
        ((20, 20, 20) * 2 + (240, 240, 240) * 2, False),  # and in black, which is darker than a grey copy
        (tuple(min(255, value + 30) for value in AZURE), True),  # brighter
        (tuple(round(0.7 * value + 30) for value in AZURE), True),  # less contrast, and so less saturation
        (tuple(value + shift for value, shift in zip(AZURE, (15, 8, -8) * 4, strict=True)), True),  # a cast
        # Grey, by the weights of ITU-R BT.601: 0.299 * 30 + 0.587 * 60 + 0.114 * 200 = 67.
        ((67,) * 6 + (240,) * 6, True),
    ],
)
def test_colours_tell_copies_from_other_tinctures(colours, is_copy):
    clusters = Clusters(0)
    clusters.add("a", PHASH, AZURE)
    clusters.add("b", PHASH, colours)
    assert (names(clusters, "b") == ["a"]) == is_copy


def test_blank_pages_chain_nothing():
    clusters = Clusters(0)
    for number in range(9):
        clusters.add(f"book {number}", "8000000000000000", GREY)
    assert len(set(names(clusters, *(f"book {n}" for n in range(9))))) == 9


def test_many_copies_of_a_picture_are_one_cluster_whatever_they_show():
    clusters = Clusters(0)
    for number in range(40):
        clusters.add(f"coin {number}", PHASH, GREY)
        clusters.add(f"blank {number}", "8000000000000000", GREY, "the same file")
    assert len(set(names(clusters, *(f"coin {n}" for n in range(40))))) == 1
    assert len(set(names(clusters, *(f"blank {n}" for n in range(40))))) == 1


def test_off():
    clusters = Clusters(-1)
    clusters.add("a", PHASH, GREY, "file")
    clusters.add("b", PHASH, GREY, "file")
    assert names(clusters, "a", "b") == ["a", "b"]


@given(
    st.integers(0, 8),
    st.lists(st.integers(0, 2**64 - 1), max_size=25),
    st.lists(st.tuples(st.integers(0, 24), st.sets(st.integers(0, 63), max_size=10)), max_size=25),
)
@settings(max_examples=100, deadline=None)
def test_against_all_pairs(bits, values, flips):
    """Bands find every pair that comparing all pairs finds, and no other."""
    values = [*values]
    for index, positions in flips:
        if index < len(values):
            values.append(values[index] ^ sum(1 << position for position in positions))
    hashes = sorted(set(values))
    wanted = [
        (one, other)
        for one, other in combinations(range(len(hashes)), 2)
        if (hashes[one] ^ hashes[other]).bit_count() <= bits
    ]
    assert near_pairs(np.array(hashes, np.uint64), bits) == wanted
    clusters = Clusters(bits)
    for number, phash in enumerate(values):
        clusters.add(str(number), f"{phash:016x}", GREY)
    clusters.join()
    told = [phash for phash in hashes if phash.bit_count() >= MIN_BITS_SET]
    parent = {phash: phash for phash in told}

    def root(phash: int) -> int:
        return phash if parent[phash] == phash else root(parent[phash])

    for one, other in wanted:
        if hashes[one] in parent and hashes[other] in parent:
            parent[root(hashes[one])] = root(hashes[other])
    joined = {phash: clusters.name(str(values.index(phash))) for phash in told}
    for one, other in combinations(told, 2):
        assert (joined[one] == joined[other]) == (root(one) == root(other))
