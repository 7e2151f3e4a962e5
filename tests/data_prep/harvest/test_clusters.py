"""Near-duplicates join their groups, and nothing else does."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.near_duplicates import COLOUR_TOLERANCE, MAX_GROUPS_OF_A_HASH, Clusters

GREY = (90,) * 12


def names(clusters: Clusters, *groups: str) -> list[str]:
    clusters.join()
    return [clusters.name(group) for group in groups]


def test_equal_hashes_join():
    clusters = Clusters(0)
    for group, phash in (("b", "00ff00ff00ff00ff"), ("a", "00ff00ff00ff00ff"), ("c", "00ff00ff00ff00fe")):
        clusters.add(group, phash, GREY)
    assert names(clusters, "a", "b", "c", "unknown") == ["a", "a", "c", "unknown"]


def test_same_drawing_in_other_colours_does_not_join():
    clusters = Clusters(0)
    clusters.add("azure", "00ff00ff00ff00ff", (30, 60, 200) * 4)
    clusters.add("gules", "00ff00ff00ff00ff", (200, 30, 40) * 4)
    assert names(clusters, "azure", "gules") == ["azure", "gules"]


def test_blank_pages_chain_nothing():
    clusters = Clusters(0)
    for number in range(MAX_GROUPS_OF_A_HASH + 1):
        clusters.add(f"book {number}", "8000000000000000", GREY)
    assert (
        len(set(names(clusters, *(f"book {n}" for n in range(MAX_GROUPS_OF_A_HASH + 1)))))
        == MAX_GROUPS_OF_A_HASH + 1
    )


def test_off():
    clusters = Clusters(-1)
    clusters.add("a", "0" * 16, GREY)
    clusters.add("b", "0" * 16, GREY)
    assert names(clusters, "a", "b") == ["a", "b"]


@given(
    st.integers(0, 8),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2**64 - 1), st.integers(80, 110)), max_size=25),
    st.lists(st.tuples(st.integers(0, 24), st.sets(st.integers(0, 63), max_size=10)), max_size=25),
)
@settings(max_examples=150, deadline=None)
def test_against_all_pairs(bits, images, flips):
    """Bands find every pair that comparing all pairs finds."""
    images = [*images]
    for index, positions in flips:
        if index < len(images):
            group, phash, colour = images[index]
            images.append((group + 31, phash ^ sum(1 << position for position in positions), colour))
    clusters = Clusters(bits)
    for group, phash, colour in images:
        clusters.add(str(group), f"{phash:016x}", (colour,) * 12)
    groups_of: dict[int, set[int]] = {}
    for group, phash, _ in images:
        groups_of.setdefault(phash, set()).add(group)
    parent = {group: group for group, _, _ in images}

    def root(group: int) -> int:
        return group if parent[group] == group else root(parent[group])

    for (a, hash_a, colour_a), (b, hash_b, colour_b) in combinations(images, 2):
        common = max(len(groups_of[hash_a]), len(groups_of[hash_b])) > MAX_GROUPS_OF_A_HASH
        if (
            not common
            and (hash_a ^ hash_b).bit_count() <= bits
            and abs(colour_a - colour_b) <= COLOUR_TOLERANCE
        ):
            parent[root(a)] = root(b)
    clusters.join()
    for a, b in combinations(parent, 2):
        assert (clusters.name(str(a)) == clusters.name(str(b))) == (root(a) == root(b))
