"""What is requested, and what is refused, when an index is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.errors import DamagedData, MissingRequirement
from retrieval.engine import SearchEngine
from retrieval.questions import Query

from .conftest import samples_of


def test_a_moved_shard_set_is_an_error_with_a_remedy(make_index: Callable[..., Path]) -> None:
    folder = make_index(samples_of(range(12)))
    moved = folder.parent / "elsewhere"
    (folder.parent / "set").rename(moved)
    with pytest.raises(MissingRequirement, match="not there") as caught:
        SearchEngine.open(folder)
    assert "--shardset" in str(caught.value)
    with SearchEngine.open(folder, shardsets=[moved]) as engine:
        assert len(engine.search(Query(text="red")).hits) == 12


def test_another_shard_set_in_its_place_is_refused(make_index: Callable[..., Path], shardset: Path) -> None:
    folder = make_index(samples_of(range(12)))
    with pytest.raises(DamagedData, match="not the shard set"):
        SearchEngine.open(folder, shardsets=[shardset])


def test_a_moved_model_is_an_error_when_it_is_needed(index_folder: Path, model: Path, tmp_path: Path) -> None:
    with SearchEngine.open(index_folder, model=tmp_path / "nowhere") as engine:
        assert engine.search(Query(text="red", mode="keyword")).hits
        with pytest.raises(MissingRequirement) as caught:
            engine.search(Query(text="red"))
        assert "--model" in str(caught.value)


def test_a_damaged_index_is_refused(index_folder: Path, tmp_path: Path) -> None:
    for name in ("vectors.faiss", "catalog.sqlite", "columns.npz", "clusters.npy"):
        copy = tmp_path / name
        shutil.copytree(index_folder, copy)
        target = copy / "gen-000001" / name
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)
        with pytest.raises(DamagedData, match="differs"):
            SearchEngine.open(copy)


def test_a_folder_without_an_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no index"):
        SearchEngine.open(tmp_path)
    (tmp_path / "CURRENT").write_text("../../etc")
    with pytest.raises(DamagedData, match="no generation"):
        SearchEngine.open(tmp_path)
