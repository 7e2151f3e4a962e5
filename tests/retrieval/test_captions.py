"""Captions searched by meaning: their vectors lead to the items they describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iconoclip.errors import BadInput
from iconoclip.record import Caption, Record
from retrieval.answers import Filters, Query
from retrieval.build import index
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.encode import encode
from retrieval.live.changes import withdraw
from retrieval.search import SearchEngine

from .conftest import samples_of

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
        view = engine._views.current()
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


def test_filters_withdrawals_and_compaction_hold_for_captions(folder: Path) -> None:
    with SearchEngine.open(folder) as engine:
        view = engine._views.current()
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
        after = engine._views.current()
        assert (after.generation, after.sealed.manifest.captions.num_vectors) == ("gen-000002", 59)  # type: ignore[union-attr]
        (row,) = after.match_captions(engine._model.text(kept.title), 1, None)
        assert after.record(row) == kept
        hits = engine.search(Query(text=gone.title, k=200, fold=False)).hits
        assert gone.key not in {hit.key for hit in hits}


def test_captions_alone_are_no_index(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="captions only"):
        index(IndexConfig(stores=[str(tmp_path / "captions")], out=str(tmp_path / "third")))
