"""Captions searched by meaning: their vectors lead to the items they describe."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from iconoclip.errors import BadInput
from iconoclip.record import Caption, Record
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.generation.catalog import ImageLocation
from retrieval.generation.manifest import ShardSetReference
from retrieval.index import index
from retrieval.live.changes import withdraw
from retrieval.live.log import Addition, LiveLog
from retrieval.questions import Filters, Query

from .conftest import samples_of, write_shardset

THINGS = (
    "ships in a storm",
    "the burning of a library",
    "an astronomer at night",
    "market day",
    "two sisters",
)


def told(number: int, record: Record) -> Record:
    text = f"{THINGS[number % 5]}, {number} of them, seen from hill {number * 7}"
    return record.model_copy(update={"captions": (Caption(text=text, language="en", field="title"),)})


@pytest.fixture
def folder(make_index: Callable[..., Path], model: Path, tmp_path: Path) -> Path:
    make_index([(told(n, record), jpeg) for n, (record, jpeg) in enumerate(samples_of(range(60)))])
    encode(
        EncodeConfig(
            model=str(model), shardset=str(tmp_path / "set"), out=str(tmp_path / "captions"), side="text"
        )
    )
    stores = [str(tmp_path / "store"), str(tmp_path / "captions")]
    index(IndexConfig(stores=stores, out=str(tmp_path / "both")))
    return tmp_path / "both"


def rank_of(title: str, engine: SearchEngine) -> int:
    hits = engine.search(Query(text=title, mode="semantic", k=200, fold=False)).hits
    (found,) = (hit for hit in hits if hit.title == title)
    return found.rank


def test_a_text_finds_the_item_whose_caption_means_it(folder: Path, tmp_path: Path) -> None:
    with SearchEngine.open(folder) as engine, SearchEngine.open(tmp_path / "index") as of_images:
        view = engine._refresher.current()
        titles = [view.record(row).title for row in range(0, 60, 7)]
        assert [view.match_captions(engine._model.text(t), 1, None) for t in titles] == [
            [n] for n in range(0, 60, 7)
        ]
        # The model has learned nothing, so that the images alone place an item by chance.
        with_captions, by_chance = (
            np.mean([rank_of(t, each) for t in titles]) for each in (engine, of_images)
        )
        assert with_captions < by_chance / 2
        hit = engine.search(Query(text=titles[0], mode="semantic")).hits[0]
        assert "captions" in hit.matched


@pytest.mark.long
def test_filters_withdrawals_and_compaction_hold_for_captions(folder: Path) -> None:
    with SearchEngine.open(folder) as engine:
        view = engine._refresher.current()
        text_D = engine._model.text(view.record(7).title)
        assert view.match_captions(text_D, 1, None) == [7]
        prints = view.mask(Filters(object_type="print"))
        assert prints is not None
        rows = view.match_captions(text_D, 200, prints)
        assert sorted(rows) == np.flatnonzero(prints).tolist()
        gone, kept = view.record(7), view.record(8)
        withdraw(folder, [gone.key])
        index(IndexConfig(out=str(folder), compact=True))
        engine.refresh()
        after = engine._refresher.current()
        assert (after.generation, after.sealed.manifest.captions.num_vectors) == ("gen-000002", 59)  # type: ignore[union-attr]
        (row,) = after.match_captions(engine._model.text(kept.title), 1, None)
        assert after.record(row) == kept
        hits = engine.search(Query(text=gone.title, k=200, fold=False)).hits
        assert gone.key not in {hit.key for hit in hits}


def test_captions_alone_are_no_index(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="captions only"):
        index(IndexConfig(stores=[str(tmp_path / "captions")], out=str(tmp_path / "third")))


def added_stores(samples: list[tuple[Record, bytes]], model: Path, folder: Path) -> list[str]:
    shards = write_shardset(folder / "set", samples, name="more")
    for side in ("image", "text"):
        encode(
            EncodeConfig(model=str(model), shardset=str(shards), out=str(folder / side), side=side)  # type: ignore[arg-type]
        )
    return [str(folder / "image"), str(folder / "text")]


def test_captions_of_added_items_are_found_at_once_and_after_a_compaction(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    samples = [(told(n, record), jpeg) for n, (record, jpeg) in enumerate(samples_of(range(90, 96)), 90)]
    index(IndexConfig(stores=added_stores(samples, model, tmp_path / "more"), out=str(folder), add=True))
    with SearchEngine.open(folder) as engine:
        for _ in range(2):
            view = engine._refresher.current()
            for record in (samples[0][0], samples[5][0], view.record(7)):
                text_D = engine._model.text(record.title)
                assert [view.record(row) for row in view.match_captions(text_D, 1, None)] == [record]
                hits = engine.search(Query(text=record.title, mode="semantic", k=200, fold=False)).hits
                (hit,) = (hit for hit in hits if hit.key == record.key)
                assert "captions" in hit.matched
            prints = view.mask(Filters(object_type="print"))
            assert prints is not None
            assert sorted(view.match_captions(text_D, 200, prints)) == np.flatnonzero(prints).tolist()
            index(IndexConfig(out=str(folder), compact=True))
            engine.refresh()
        assert view.generation == "gen-000002"
        assert view.sealed.manifest.captions is not None
        assert view.sealed.manifest.captions.num_vectors == 66


def test_captions_can_be_added_to_an_index_that_has_none(
    make_index: Callable[..., Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = [(told(n, record), jpeg) for n, (record, jpeg) in enumerate(samples_of(range(12)))]
    folder = make_index(samples)
    out = tmp_path / "captions"
    encode(EncodeConfig(model=str(model), shardset=str(tmp_path / "set"), out=str(out), side="text"))
    both = IndexConfig(stores=[str(tmp_path / "store"), str(out)], out=str(folder), add=True)
    index(both)
    assert "12 items added" in capsys.readouterr().err
    index(both)
    assert "0 items added" in capsys.readouterr().err, "nothing is new the second time"
    index(both.model_copy(update={"stores": [str(tmp_path / "store")]}))
    assert "0 items added" in capsys.readouterr().err, "captions stay where a store says nothing of them"
    with SearchEngine.open(folder) as engine:
        view = engine._refresher.current()
        (row,) = view.match_captions(engine._model.text(samples[4][0].title), 1, None)
        assert view.record(row) == samples[4][0]
        assert engine.search(Query()).total == 12


def test_two_writers_bring_an_old_log_up_to_date_together(tmp_path: Path) -> None:
    log = LiveLog(tmp_path)
    log.withdraw(["museum-0000000000000001"])
    with (
        contextlib.closing(sqlite3.connect(log.path, isolation_level=None)) as held,
        ThreadPoolExecutor(2) as pool,
    ):
        held.execute("ALTER TABLE changes DROP COLUMN caption")
        held.execute("BEGIN IMMEDIATE")
        writing = [pool.submit(log.withdraw, [f"museum-000000000000000{n}"]) for n in (2, 3)]
        # Both wait at the lock after they read the same log.
        time.sleep(0.3)
        held.execute("ROLLBACK")
        for each in writing:
            each.result(30)
    assert log.withdrawn() == {f"museum-000000000000000{n}" for n in (1, 2, 3)}


def test_a_log_written_before_captions_were_logged_is_read_and_written_on(tmp_path: Path) -> None:
    log = LiveLog(tmp_path)
    log.withdraw(["museum-0000000000000001"])
    with contextlib.closing(sqlite3.connect(log.path)) as connection, connection:
        connection.execute("ALTER TABLE changes DROP COLUMN caption")
    assert [change.key for change in log.changes(0)] == ["museum-0000000000000001"]
    record, _ = samples_of(range(1))[0]
    vector, caption = np.ones(4, np.float16), np.full(4, 0.5, np.float16)
    reference = ShardSetReference(path="/set", name="set", records_sha256="0" * 64)
    log.add(reference, [Addition(record, vector, ImageLocation(1, "a.tar", 0, 9), caption)])
    (change,) = log.changes(1)
    assert change.addition is not None
    assert change.addition.caption is not None
    assert change.addition.caption.tolist() == caption.tolist()
    assert log.withdrawn() == {"museum-0000000000000001"}
