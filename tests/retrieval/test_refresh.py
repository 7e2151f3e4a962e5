"""What a server shows while the index folder changes, and when several threads query it."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.engine import SearchEngine
from retrieval.live.changes import withdraw
from retrieval.live.refresh import ViewRefresher
from retrieval.live.view import IndexView
from retrieval.questions import Filters

from .changing import compact, everything
from .conftest import samples_of


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 0.0)


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
    """Holds a generation that was opened in the background back before it is shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_open, self.may_show = threading.Event(), threading.Event()
        really_open = ViewRefresher._open

        def paused(views: ViewRefresher) -> IndexView:
            view = really_open(views)
            if threading.current_thread().name == "open-generation":
                self.is_open.set()
                assert self.may_show.wait(30)
            return view

        monkeypatch.setattr(ViewRefresher, "_open", paused)

    def begin(self, engine: SearchEngine, folder: Path, gone: str) -> None:
        """Withdraw an item and compact, and ask, so that the new generation is opened, and not yet shown."""
        withdraw(folder, [gone])
        assert gone not in everything(engine)
        compact(folder)
        assert gone not in everything(engine)
        assert self.is_open.wait(30)


def test_a_generation_opened_slowly_does_not_replace_a_newer_one(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(range(12))
    folder, first, second = make_index(samples), samples[5][0].key, samples[6][0].key
    opening = _PausedOpening(monkeypatch)
    with SearchEngine.open(folder) as engine:
        opening.begin(engine, folder, first)
        withdraw(folder, [second])
        compact(folder)
        assert everything(engine).isdisjoint({first, second}), "opened while the query waited"
        monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 3600.0)
        opening.may_show.set()
        assert engine._refresher._opening is not None
        engine._refresher._opening.join(30)
        assert engine.status().generation == "gen-000003"
        assert everything(engine).isdisjoint({first, second})


def test_a_generation_that_was_replaced_before_it_is_shown_is_not_shown(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(range(12))
    folder, first, second = make_index(samples), samples[5][0].key, samples[6][0].key
    opening = _PausedOpening(monkeypatch)
    with SearchEngine.open(folder) as engine:
        opening.begin(engine, folder, first)
        withdraw(folder, [second])
        assert second not in everything(engine), "the old generation has seen it"
        monkeypatch.setattr("retrieval.live.refresh.SECONDS_BETWEEN_LOOKS", 3600.0)
        compact(folder)
        opening.may_show.set()
        assert engine._refresher._opening is not None
        engine._refresher._opening.join(30)
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
            failing.setattr(ViewRefresher, "_open", _fail_to_read)
            engine.refresh()
        assert "the old one is still served: [Errno 5] no such luck" in caplog.text
        assert len(everything(engine)) == 11
        engine.refresh()
        assert engine.status().generation == "gen-000002"


def _fail_to_read(_: ViewRefresher) -> IndexView:
    raise OSError(errno.EIO, "no such luck")


def test_filters_are_remembered_by_many_threads_at_once(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.live.view.MAX_CACHED_MASKS", 1)
    with SearchEngine.open(make_index(samples_of(range(12)))) as engine:
        view = engine._refresher.current()
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
