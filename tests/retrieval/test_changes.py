"""An index that changes while it is read: additions, replacements, withdrawals, compaction, and kills at any
moment."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iconoclip.errors import BadInput, DamagedData, TryAgainLater
from iconoclip.record import Caption
from retrieval.config import IndexConfig
from retrieval.engine import SearchEngine
from retrieval.generation.manifest import current_generation, read_manifest
from retrieval.index import index
from retrieval.live.changes import only_writer, withdraw
from retrieval.live.log import LIVE_NAME
from retrieval.questions import Filters, Query
from tests import without_locks

from .changing import add, compact, everything, store_of
from .conftest import draw, record_of, samples_of, write_model


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 0.0)


def test_the_words_of_an_addition_are_completed_and_suggested(
    make_index: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    caption = Caption(text="Zwei Fasanen im Wappenschild", language="de", field="title", role="title")
    jpeg = draw("red", "circle", 300)
    changes = {"captions": (caption,), "creators": ("Grünenberg, Konrad",), "iconclass": ("25F34",)}
    new = record_of(300, jpeg, "archive", **changes)
    folder = make_index(samples_of(range(12)))

    def suggested(engine: SearchEngine, typed: str) -> str | None:
        spelling = engine.search(Query(text=typed, mode="keyword")).spelling
        return spelling.suggested if spelling else typed

    with SearchEngine.open(folder) as engine:
        assert engine.complete("fasa") == engine.complete("grunenb") == ()
        add(folder, store_of(tmp_path / "new", [(new, jpeg)], model, "archive"))
        (title,) = engine.complete("fasa", language="de")
        assert (title.text, title.kind, title.language) == (caption.text, "title", "de")
        assert [each.text for each in engine.complete("grunenb")] == ["Konrad Grünenberg"]
        assert {each.kind for each in engine.complete("the arch")} == {"institution"}
        assert "Archive" not in {each.text for each in engine.complete("a", k=50)}
        assert engine.complete("fasa", without_institution=("archive",)) == ()
        # Misspelt, spelt as of old, in another form, and a maker's name with its umlaut written out.
        for typed, meant in (
            ("Fassanen", "Fasanen"), ("Vasanen", "Fasanen"), ("Gruenenberg", "Grünenberg"),
            ("Fasan", "Fasan"), ("Fasanen", "Fasanen"),
        ):  # fmt: skip
            assert suggested(engine, typed) == meant
            assert [hit.key for hit in engine.search(Query(text=typed, mode="keyword")).hits] == [new.key]
        assert engine.search(Query(text="creator:Konrad Fasanen")).total == 1
        withdraw(folder, [new.key])
        assert engine.complete("fasa", language="de") == ()


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
        assert after.total == before.total
        assert engine.search(Query()).total == 46
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


def test_an_index_is_built_and_changed_where_there_are_no_file_locks(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    built = without_locks.run_forked(tmp_path / "patch", "index", store, "--out", out)
    assert (built.returncode, (out / "CURRENT").exists()) == (0, True), built.stderr
    compacted = without_locks.run_forked(tmp_path / "patch", "index", "--out", out, "--compact", "true")
    assert compacted.returncode == 0, compacted.stderr
    assert not list(out.glob("*.marker"))


def test_a_damaged_log_is_reported(make_index: Callable[..., Path]) -> None:
    folder = make_index(samples_of(range(12)))
    (folder / "live.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(DamagedData, match="log of changes"):
        SearchEngine.open(folder)


def test_a_log_that_another_process_writes_is_a_temporary_error(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_index(samples_of(range(12)))
    first, second = (record.key for record, _ in samples_of(range(2)))
    withdraw(folder, [first])
    monkeypatch.setattr("retrieval.live.log.BUSY_TIMEOUT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(folder / LIVE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryAgainLater, match="cannot be written now"):
            withdraw(folder, [second])
    withdraw(folder, [second])
    with SearchEngine.open(folder) as engine:
        assert everything(engine).isdisjoint({first, second})


@pytest.mark.parametrize("text", ["", "{}", "gen"])
def test_building_again_replaces_a_damaged_index(
    make_index: Callable[..., Path], tmp_path: Path, text: str
) -> None:
    folder = make_index(samples_of(range(12)))
    (folder / "gen-000001" / "manifest.json").write_text(text)
    with pytest.raises(DamagedData, match="manifest"):
        SearchEngine.open(folder)
    index(IndexConfig(stores=[str(tmp_path / "store")], out=str(folder)))
    with SearchEngine.open(folder) as engine:
        assert len(everything(engine)) == 12


@pytest.mark.long
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
    from retrieval.index import index
    from retrieval.live.changes import withdraw
    from retrieval.config import IndexConfig
    folder, keys = Path(sys.argv[1]), sys.argv[2:]
    print("ready", flush=True)
    for key in keys:
        withdraw(folder, [key])
        print("withdrawn", key, flush=True)
        index(IndexConfig(out=str(folder), compact=True))
"""


@pytest.mark.parametrize(
    "delay_seconds", [0.15, *(pytest.param(delay, marks=pytest.mark.long) for delay in (0.05, 0.4))]
)
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
    # The kill may have come between a withdrawal and its message.
    assert len(keys) - len(gone) - 1 <= len(shown) <= len(keys) - len(gone)
    compact(folder)
    assert not list(folder.glob(".gen-*"))
