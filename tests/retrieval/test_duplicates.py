"""Which pictures fold as copies of each other: the hash must agree, whatever the model says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.generation.duplicates import MAX_HASH_DISTANCE, MIN_COSINE, cluster


def clusters_of(
    phashes: list[str | None], *, cosine: float = 1.0, groups: list[int] | None = None, same: bool = False
) -> list[int]:
    """The clusters of items whose vectors all have one cosine with each other, in one group by default."""
    num = len(phashes)
    # Unit vectors with equal pairwise cosines: a common part, and one direction for each item.
    vectors = np.hstack([np.full((num, 1), np.sqrt(cosine)), np.sqrt(1 - cosine) * np.eye(num)])
    checksums = ["0"] * num if same else [str(number) for number in range(num)]
    return cluster(
        vectors.astype(np.float16), np.array(groups or [0] * num, np.int32), phashes, checksums
    ).tolist()


def test_pages_that_a_weak_model_cannot_tell_apart_do_not_fold() -> None:
    """Twelve pages with one vector, whose hashes differ by half of their bits, as those of real pages do."""
    generator = np.random.default_rng(0)
    pages: list[str | None] = [f"{value:016x}" for value in generator.integers(0, 2**63, 12)]
    assert clusters_of(pages) == list(range(12))


@pytest.mark.parametrize(
    ("bits", "cosine", "folds"),
    [(0, 1.0, True), (4, 1.0, True), (5, 1.0, False), (4, 0.92, True), (4, 0.88, False), (0, 0.5, False)],
)
def test_hash_and_model_must_agree(bits: int, cosine: float, folds: bool) -> None:
    found = clusters_of(["0" * 16, f"{(1 << bits) - 1:016x}"], cosine=cosine)
    assert found == ([0, 0] if folds else [0, 1])


def test_without_a_hash_only_equal_bytes_fold() -> None:
    assert clusters_of([None, None]) == [0, 1]
    assert clusters_of([None, "0" * 16]) == [0, 1]
    assert clusters_of([None, None], same=True, groups=[0, 1]) == [0, 0]


def test_different_groups_stay_apart_unless_their_bytes_are_equal() -> None:
    assert clusters_of(["0" * 16, "0" * 16], groups=[0, 1]) == [0, 1]


def test_a_series_of_small_differences_does_not_join_its_ends() -> None:
    """Each hash differs from the next by three bits, and from the one after that by six."""
    assert clusters_of([f"{(1 << 3 * step) - 1:016x}" for step in range(5)]) == [0, 0, 2, 2, 4]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**12 - 1), st.integers(0, 2)), min_size=1, max_size=12))
def test_every_copy_agrees_with_the_first_of_its_cluster(items: list[tuple[int, int]]) -> None:
    found = clusters_of(
        [f"{value:016x}" for value, _ in items],
        cosine=MIN_COSINE + 0.05,
        groups=[group for _, group in items],
    )
    for row, first in enumerate(found):
        (value, group), (other, other_group) = items[row], items[first]
        assert group == other_group
        assert (value ^ other).bit_count() <= MAX_HASH_DISTANCE
        assert first <= row
        assert found[first] == first
