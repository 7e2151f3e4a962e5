"""An index that changes while it is read: additions, replacements, withdrawals, compaction, and death at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from iconoclip.errors import BadInput, DamagedData, TryAgainLater
from retrieval.answers import Filters, Query
from retrieval.build import index
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.encode import encode
from retrieval.generation.manifest import current_generation, read_manifest
from retrieval.live.changes import only_writer, withdraw
from retrieval.live.view import View
from retrieval.live.views import Views
from retrieval.search import SearchEngine

from .conftest import draw, record_of, samples_of, write_model, write_shardset

Samples = list[tuple[object, bytes]]


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.live.views.SECONDS_BETWEEN_LOOKS", 0.0)


def store_of(folder: Path, samples: Samples, model: Path, name: str = "museum") -> Path:
    write_shardset(folder / "set", samples, name)  # type: ignore[arg-type]
    encode(EncodeConfig(model=str(model), shardset=str(folder / "set"), out=str(folder / "store")))
    return folder / "store"


def add(folder: Path, store: Path) -> None:
    index(IndexConfig(stores=[str(store)], out=str(folder), add=True))


def compact(folder: Path) -> None:
    index(IndexConfig(out=str(folder), compact=True))


def everything(engine: SearchEngine, **query: object) -> set[str]:
    return {hit.key for hit in engine.search(Query(k=200, fold=False, **query)).hits}  # type: ignore[arg-type]


def test_an_addition_is_found_in_every_way_at_once(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    old, new = samples_of(range(20)), samples_of(range(200, 205), "archive")
    folder = make_index(old)
    with SearchEngine.open(folder) as engine:
        assert len(everything(engine)) == 20
        add(folder, store_of(tmp_path / "new", new, model, "archive"))
        added = {record.key for record, _ in new}
        record, jpeg = new[3]
        assert everything(engine) == added | {record.key for record, _ in old}
        assert everything(engine, filters=Filters(institution=("archive",))) == added
        assert engine.search(Query(image=jpeg, k=1)).hits[0].key == record.key
        assert engine.search(Query(text=record.title, mode="keyword")).hits[0].key == record.key
        assert engine.search(Query(text=record.title)).hits[0].key == record.key
        assert engine.image(record.key) == jpeg
        assert {value.value: value.count for value in engine.facets(Filters()).institution} == {
            "museum": 20,
            "archive": 5,
        }
        assert engine.status().num_added == 5


def test_adding_the_same_again_adds_nothing(
    make_index: Callable[..., Path], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_index(samples_of(range(12)))
    add(folder, tmp_path / "store")
    assert "0 items added" in capsys.readouterr().err
    assert not (folder / "live.sqlite").exists() or len(list(folder.glob("gen-*"))) == 1


def test_a_replacement_takes_the_place_of_what_it_replaces(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    samples = samples_of(range(12))
    folder = make_index(samples)
    jpeg = draw("green", "cross", 77)
    changed = record_of(3, jpeg, object_type="seal")
    assert changed.key == samples[3][0].key
    with SearchEngine.open(folder) as engine:
        add(folder, store_of(tmp_path / "new", [(changed, jpeg)], model))
        assert len(everything(engine)) == 12
        assert engine.item(changed.key).record == changed
        assert engine.image(changed.key) == jpeg
        assert everything(engine, filters=Filters(object_type="seal")) == {changed.key}
        assert sum(value.count for value in engine.facets(Filters()).object_type) == 12
        compact(folder)
        engine.refresh()
        assert engine.status().generation == "gen-000002"
        assert engine.item(changed.key).record == changed
        assert len(everything(engine)) == 12


def test_a_withdrawal_outlives_compaction_and_rebuild(
    make_index: Callable[..., Path], tmp_path: Path
) -> None:
    samples = samples_of(range(12))
    folder, gone = make_index(samples), samples[5][0].key
    with SearchEngine.open(folder) as engine:
        withdraw(folder, [gone])
        assert gone not in everything(engine)
        with pytest.raises(BadInput):
            engine.item(gone)
        compact(folder)
        engine.refresh()
        assert gone not in everything(engine)
        assert read_manifest(current_generation(folder)).num_vectors == 11
        index(IndexConfig(stores=[str(tmp_path / "store")], out=str(folder), target_recall=0.9))
        engine.refresh()
        assert (engine.status().generation, gone in everything(engine)) == ("gen-000003", False)
        add(folder, tmp_path / "store")
        assert gone in everything(engine)


def test_a_withdrawal_that_was_compacted_before_the_next_query_is_not_shown_by_it(
    make_index: Callable[..., Path],
) -> None:
    samples = samples_of(range(12))
    folder, gone = make_index(samples), samples[5][0].key
    with SearchEngine.open(folder) as engine:
        assert gone in everything(engine)
        withdraw(folder, [gone])
        compact(folder)
        assert gone not in everything(engine)


class _PausedOpening:
    """Holds what is opened in the background back between its being open and its being shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_open, self.may_show = threading.Event(), threading.Event()
        really_open = Views._open

        def paused(views: Views) -> View:
            view = really_open(views)
            if threading.current_thread().name == "open-generation":
                self.is_open.set()
                assert self.may_show.wait(30)
            return view

        monkeypatch.setattr(Views, "_open", paused)


def test_a_generation_opened_slowly_does_not_replace_a_newer_one(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(range(12))
    folder, first, second = make_index(samples), samples[5][0].key, samples[6][0].key
    opening = _PausedOpening(monkeypatch)
    with SearchEngine.open(folder) as engine:
        withdraw(folder, [first])
        assert first not in everything(engine)
        compact(folder)
        assert first not in everything(engine)
        assert opening.is_open.wait(30)
        withdraw(folder, [second])
        compact(folder)
        assert everything(engine).isdisjoint({first, second}), "opened while the query waited"
        monkeypatch.setattr("retrieval.live.views.SECONDS_BETWEEN_LOOKS", 3600.0)
        opening.may_show.set()
        assert engine._views._opening is not None
        engine._views._opening.join(30)
        assert engine.status().generation == "gen-000003"
        assert everything(engine).isdisjoint({first, second})


def test_a_generation_that_was_replaced_before_it_is_shown_is_not_shown(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(range(12))
    folder, first, second = make_index(samples), samples[5][0].key, samples[6][0].key
    opening = _PausedOpening(monkeypatch)
    with SearchEngine.open(folder) as engine:
        withdraw(folder, [first])
        assert first not in everything(engine)
        compact(folder)
        assert first not in everything(engine)
        assert opening.is_open.wait(30)
        withdraw(folder, [second])
        assert second not in everything(engine), "the old generation has seen it"
        monkeypatch.setattr("retrieval.live.views.SECONDS_BETWEEN_LOOKS", 3600.0)
        compact(folder)
        opening.may_show.set()
        assert engine._views._opening is not None
        engine._views._opening.join(30)
        assert everything(engine).isdisjoint({first, second})
        engine.refresh()
        assert engine.status().generation == "gen-000003"
        assert everything(engine).isdisjoint({first, second})


def test_a_disk_that_fails_while_a_generation_is_opened_leaves_the_old_one_served(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    samples = samples_of(range(12))
    folder, gone = make_index(samples), samples[5][0].key
    with SearchEngine.open(folder) as engine:
        withdraw(folder, [gone])
        assert gone not in everything(engine)
        compact(folder)
        with monkeypatch.context() as failing:
            failing.setattr(Views, "_open", _fail_to_read)
            engine.refresh()
        assert "the old one is served on: [Errno 5] no such luck" in caplog.text
        assert len(everything(engine)) == 11
        engine.refresh()
        assert engine.status().generation == "gen-000002"


def _fail_to_read(_: Views) -> View:
    raise OSError(errno.EIO, "no such luck")


def test_filters_are_remembered_by_many_threads_at_once(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.live.view.MAX_CACHED_MASKS", 1)
    with SearchEngine.open(make_index(samples_of(range(12)))) as engine:
        view = engine._views.current()
        wanted = [Filters(earliest=year) for year in range(1400, 1404)]
        truth = {filters: view.sealed.columns.mask(filters).tolist() for filters in wanted}

        def ask(number: int) -> bool:
            filters = wanted[number % len(wanted)]
            mask_N = view.mask(filters)
            return mask_N is not None and mask_N.tolist() == truth[filters]

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                assert all(pool.map(ask, range(4000)))
        finally:
            sys.setswitchinterval(interval)


def test_answers_are_the_same_before_and_after_compaction(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    folder = make_index(samples_of(range(30)))
    add(folder, store_of(tmp_path / "new", samples_of(range(300, 320)), model))
    withdraw(folder, [record.key for record, _ in samples_of(range(4))])
    with SearchEngine.open(folder) as engine:
        query = Query(text="a red circle", mode="semantic", k=200, fold=False)
        before = engine.search(query)
        compact(folder)
        engine.refresh()
        after = engine.search(query)
        assert [hit.key for hit in after.hits] == [hit.key for hit in before.hits]
        assert np.allclose([h.cosine for h in after.hits], [h.cosine for h in before.hits], atol=1e-3)  # type: ignore[misc]
        assert (before.total, after.total) == (46, 46)
        assert engine.status().num_added == 0


def test_a_page_turned_after_an_addition_shows_nothing_twice(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    folder = make_index(samples_of(range(30)))
    with SearchEngine.open(folder) as engine:
        query = Query(text="a red circle", mode="semantic", k=10, fold=False)
        whole = [hit.key for hit in engine.search(query.model_copy(update={"k": 200})).hits]
        first = engine.search(query)
        add(folder, store_of(tmp_path / "new", samples_of(range(300, 320)), model))
        rest = engine.search(query.model_copy(update={"cursor": first.next_cursor, "k": 200}))
        assert [hit.key for hit in rest.hits] == whole[10:]
        assert len(everything(engine)) == 50


def test_a_store_of_another_model_is_refused(make_index: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_index(samples_of(range(12)))
    other = store_of(tmp_path / "new", samples_of(range(3)), write_model(tmp_path / "other", seed=5))
    with pytest.raises(BadInput, match="another model"):
        add(folder, other)


def test_two_writers_do_not_meet(make_index: Callable[..., Path]) -> None:
    folder = make_index(samples_of(range(12)))
    withdraw(folder, [samples_of([0])[0][0].key])
    with only_writer(folder), pytest.raises(TryAgainLater, match="another process"):
        compact(folder)


def test_a_damaged_log_is_said_to_be_one(make_index: Callable[..., Path]) -> None:
    folder = make_index(samples_of(range(12)))
    (folder / "live.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(DamagedData, match="log of changes"):
        SearchEngine.open(folder)


@pytest.mark.parametrize("text", ["", "{}", "gen"])
def test_building_again_mends_a_damaged_index(
    make_index: Callable[..., Path], tmp_path: Path, text: str
) -> None:
    folder = make_index(samples_of(range(12)))
    (folder / "gen-000001" / "manifest.json").write_text(text)
    with pytest.raises(DamagedData, match="manifest"):
        SearchEngine.open(folder)
    index(IndexConfig(stores=[str(tmp_path / "store")], out=str(folder)))
    with SearchEngine.open(folder) as engine:
        assert len(everything(engine)) == 12


def test_load_with_changes_and_swaps_shows_no_error_and_no_withdrawn_item(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    samples = samples_of(range(60))
    folder = make_index(samples)
    new = store_of(tmp_path / "new", samples_of(range(300, 330)), model)
    problems: list[object] = []
    gone: set[str] = set()
    stop = threading.Event()

    def ask(engine: SearchEngine, number: int) -> None:
        while not stop.is_set():
            known_gone = set(gone)
            try:
                results = engine.search(Query(text=f"a red circle number {number}", k=100, fold=False))
                shown = [hit.key for hit in results.hits]
                if known_gone & set(shown) or len(shown) != len(set(shown)):
                    problems.append(known_gone & set(shown))
                engine.facets(Filters())
            except Exception as error:
                problems.append(error)

    with SearchEngine.open(folder) as engine:
        engine.warm_up()
        askers = [threading.Thread(target=ask, args=(engine, number)) for number in range(3)]
        for asker in askers:
            asker.start()
        for number in range(2):
            withdraw(folder, [samples[number][0].key])
            engine.refresh()
            gone.add(samples[number][0].key)
            if number == 0:
                add(folder, new)
            compact(folder)
            engine.refresh()
        time.sleep(0.5)
        stop.set()
        for asker in askers:
            asker.join()
        assert problems == []
        assert engine.status().generation == "gen-000003"
        assert len(everything(engine)) == 88


WRITER = """
    import sys
    from pathlib import Path
    from retrieval.build import index
    from retrieval.live.changes import withdraw
    from retrieval.config import IndexConfig
    folder, keys = Path(sys.argv[1]), sys.argv[2:]
    print("ready", flush=True)
    for key in keys:
        withdraw(folder, [key])
        print("withdrawn", key, flush=True)
        index(IndexConfig(out=str(folder), compact=True))
"""


@pytest.mark.parametrize("delay_seconds", [0.05, 0.15, 0.4])
def test_a_writer_killed_at_any_moment_leaves_a_good_index(
    make_index: Callable[..., Path], delay_seconds: float
) -> None:
    samples = samples_of(range(40))
    keys = [record.key for record, _ in samples]
    folder = make_index(samples)
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), *keys[:30]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(delay_seconds)
        os.kill(writer.pid, signal.SIGKILL)
        gone = {line.split()[1] for line in writer.stdout if line.count("-") and line.endswith("\n")}
    with SearchEngine.open(folder) as engine:
        shown = everything(engine)
    assert gone.isdisjoint(shown)
    # The kill may have come between a withdrawal and its being said.
    assert len(keys) - len(gone) - 1 <= len(shown) <= len(keys) - len(gone)
    compact(folder)
    assert not list(folder.glob(".gen-*"))
