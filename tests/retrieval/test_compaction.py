"""Changes are compacted automatically."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.generation.manifest import current_generation, read_manifest
from retrieval.index import index
from retrieval.live.changes import only_writer, withdraw
from retrieval.live.compaction import Compactor
from retrieval.questions import Query

from .conftest import samples_of, write_shardset


@pytest.fixture
def soon_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.live.compaction.MIN_CHANGES", 3)


def new_store(folder: Path, model: Path, numbers: range) -> str:
    shards = write_shardset(folder / "set", samples_of(numbers), name="more")
    encode(EncodeConfig(model=str(model), shardset=str(shards), out=str(folder / "store")))
    return str(folder / "store")


@pytest.mark.usefixtures("soon_due")
def test_many_additions_are_compacted_at_once_with_the_settings_of_the_index(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    folder = make_index(samples_of(range(40)), kind="ivf-sq8", target_recall=0.9)
    few, many = (
        new_store(tmp_path / f"{numbers.start}", model, numbers)
        for numbers in (range(200, 202), range(300, 310))
    )
    index(IndexConfig(stores=[few], out=str(folder), add=True))
    assert current_generation(folder).name == "gen-000001"
    index(IndexConfig(stores=[many], out=str(folder), add=True))
    manifest = read_manifest(current_generation(folder))
    assert (manifest.generation, manifest.num_vectors) == ("gen-000002", 52)
    assert (manifest.kind, manifest.settings.target_recall) == ("ivf-sq8", 0.9)


@pytest.mark.usefixtures("soon_due")
def test_a_server_compacts_changes_while_it_answers(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 0.05)
    samples = samples_of(range(40))
    folder = make_index(samples)
    gone = {record.key for record, _ in samples[:5]}
    with SearchEngine.open(folder, compacts=True) as engine:
        withdraw(folder, gone)
        deadline = time.monotonic() + 60
        while engine.status().generation == "gen-000001" and time.monotonic() < deadline:
            shown = {hit.key for hit in engine.search(Query(k=200, fold=False)).hits}
            time.sleep(0.1)
        assert engine.status().generation == "gen-000002"
        shown = {hit.key for hit in engine.search(Query(k=200, fold=False)).hits}
        assert shown == {record.key for record, _ in samples} - gone
        assert engine.status().num_withdrawn == 0


@pytest.mark.usefixtures("soon_due")
def test_a_failed_compaction_is_reported_and_not_retried_at_once(
    make_index: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    samples = samples_of(range(12))
    folder = make_index(samples)
    with SearchEngine.open(folder) as engine, only_writer(folder):
        withdraw(folder, [record.key for record, _ in samples[:4]])
        engine.refresh()
        compactor = Compactor(folder)
        compactor.consider(engine._refresher.current())
        assert compactor._process is not None
        assert compactor._process.wait(60) == 75, "another process is writing"
        compactor.consider(engine._refresher.current())
        assert compactor._process is None
    assert f"iconoclip index --out {folder} --compact true" in caplog.text
    assert "exit code 75" in caplog.text
