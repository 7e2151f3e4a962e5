"""Embedding stores: vectors and keys are read back in order, and changed files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.embeddings import KEYS_NAME, STORE_NAME, VECTORS_NAME, EmbeddingStore, write_store
from iconoclip.errors import BadInput, DamagedData, MissingRequirement

FACTS = {
    "model": "a model", "model_digest": "1" * 64, "shardset": "a set", "shardset_digest": "2" * 64,
    "created_at": "2026-01-01T00:00:00Z", "created_by": "iconoclip test",
}  # fmt: skip


def unit_vectors(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    vectors_ND = np.random.default_rng(seed).normal(size=(count, dimension))
    return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 40), dimension=st.integers(1, 64), seed=st.integers(0, 99))
def test_a_store_is_read_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, count: int, dimension: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    vectors_ND, keys = unit_vectors(count, dimension, seed), [f"bnf-{n:016x}" for n in range(count)]
    write_store(folder, vectors_ND, keys, **FACTS)
    store = EmbeddingStore(folder)
    assert store.keys == keys
    assert len(store) == count
    # float16 keeps 11 bits of significand: a relative error of at most 2**-11.
    np.testing.assert_allclose(store.vectors_ND, vectors_ND, atol=2**-11)


def test_vectors_that_are_not_unit_length_are_refused(tmp_path: Path) -> None:
    for wrong in (np.zeros((1, 4)), np.full((1, 4), np.nan), np.ones((1, 4))):
        with pytest.raises(BadInput, match="unit vectors"):
            write_store(tmp_path, wrong, ["k"], **FACTS)
    with pytest.raises(BadInput, match="distinct key"):
        write_store(tmp_path, unit_vectors(2, 4), ["k", "k"], **FACTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [VECTORS_NAME, KEYS_NAME])
def test_a_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    write_store(tmp_path, unit_vectors(3, 4), ["a", "b", "c"], **FACTS)
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DamagedData, match="does not match"):
        EmbeddingStore(tmp_path)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    write_store(tmp_path, unit_vectors(1, 4), ["a"], **FACTS)
    np.save(tmp_path / VECTORS_NAME, np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedData, match="not a plain array"):
        EmbeddingStore(tmp_path, verify=False)


def test_a_folder_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no embedding store"):
        EmbeddingStore(tmp_path)
    (tmp_path / STORE_NAME).write_text("{}")
    with pytest.raises(DamagedData, match=r"not a store\.json"):
        EmbeddingStore(tmp_path)
