"""Cursors: the whole order, page by page, also with withdrawals between two pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.errors import BadInput
from iconoclip.files import write_json
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from retrieval.engine import SearchEngine
from retrieval.questions import Filters, Query

from .conftest import all_pages, keys, samples_of


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
@pytest.mark.parametrize("k", [7, 50])
def test_pages_together_are_the_whole_order(engine: SearchEngine, mode: str, k: int) -> None:
    query = Query(text="a red circle", mode=mode, k=200)  # type: ignore[arg-type]
    assert all_pages(engine, query.model_copy(update={"k": k})) == keys(engine, query)


def test_pages_reach_past_the_window(engine: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.query.order.WINDOW", 10)
    found = all_pages(engine, Query(text="a red circle", k=9, fold=False))
    assert len(found) == len(set(found)) == 120


def test_a_cursor_of_another_query_is_refused(engine: SearchEngine) -> None:
    cursor = engine.search(Query(text="a red circle", k=5)).next_cursor
    for bad in (cursor, "", "AAAA", "e30", "x" * 400):
        with pytest.raises(BadInput):
            engine.search(Query(text="a blue circle", k=5, cursor=bad or "!"))


def test_without_a_question_everything_is_listed(engine: SearchEngine) -> None:
    assert len(all_pages(engine, Query(k=50, fold=False))) == 120


def withdraw(folder: Path, key: str) -> None:
    manifest = with_tombstones(
        ShardSet(folder).manifest, [Tombstone(key=key, reason="asked", at="2026-01-01")]
    )
    write_json(folder / "shardset.json", manifest.model_dump(mode="json"))


def test_a_withdrawn_item_is_gone_everywhere(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 0.0)
    samples = samples_of(range(30))
    folder = make_index(samples)
    gone = samples[7][0].key
    with SearchEngine.open(folder) as engine:
        query = Query(text="a yellow square number 7", k=5, fold=False)
        first = engine.search(query)
        assert gone in [hit.key for hit in first.hits]
        last = first.hits[-1].key
        withdraw(folder.parent / "set", gone)
        withdraw(folder.parent / "set", last)
        assert {gone, last}.isdisjoint(all_pages(engine, query))
        rest = all_pages(engine, query.model_copy(update={"cursor": None, "k": 200}))
        assert len(rest) == 28
        for refused in (
            lambda: engine.item(gone),
            lambda: engine.image(gone),
            lambda: engine.search(Query(like=(gone,))),
        ):
            with pytest.raises(BadInput, match="withdrawn"):
                refused()
        assert engine.facets(Filters()).total == 28
        assert engine.search(Query()).total == 28
        assert engine.status().num_withdrawn == 2


def test_a_page_turned_after_a_withdrawal_repeats_and_skips_nothing(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 0.0)
    folder = make_index(samples_of(range(30)))
    with SearchEngine.open(folder) as engine:
        query = Query(text="a red circle", k=10, fold=False)
        whole = keys(engine, query.model_copy(update={"k": 200}))
        first = engine.search(query)
        for key in (whole[2], whole[15]):
            withdraw(folder.parent / "set", key)
        rest = query.model_copy(update={"cursor": first.next_cursor, "k": 200})
        assert keys(engine, rest) == [key for key in whole[10:] if key != whole[15]]


def test_unreadable_withdrawals_are_reported_once_and_known_ones_stay(
    make_index: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    samples = samples_of(range(12))
    folder = make_index(samples)
    manifest = folder.parent / "set" / "shardset.json"
    with SearchEngine.open(folder) as engine:
        withdraw(folder.parent / "set", samples[3][0].key)
        engine.refresh()
        whole = manifest.read_bytes()
        manifest.write_bytes(whole[: len(whole) // 2])
        for _ in range(3):
            engine.refresh()
        assert caplog.text.count("withdrawals since the last check are not known") == 1
        assert engine.search(Query()).total == 11
        manifest.write_bytes(whole)
        withdraw(folder.parent / "set", samples[4][0].key)
        engine.refresh()
        assert engine.search(Query()).total == 10
