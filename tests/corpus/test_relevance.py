"""Graded queries over the records of the 153 real images. The truth follows from the records by rule.

A stand-in for the model sees in each picture, with noise, what its title says
(tests/retrieval/test_relevance.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iconoclip.record import Record
from iconoclip.shardset import ShardSet
from retrieval.engine import SearchEngine
from tests.retrieval.test_relevance import StandIn, graded, indexed, measured

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def found(real_shards: Path) -> list[Record]:
    return [record for record, _ in ShardSet(real_shards).samples()]


@pytest.fixture(scope="module")
def engine(found: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    folder = tmp_path_factory.mktemp("relevance")
    indexed(folder, found)
    with SearchEngine.open(folder) as engine:
        engine._model = StandIn()  # type: ignore[assignment]
        yield engine


def test_real_records_are_found_by_names_titles_and_words(engine: SearchEngine, found: list[Record]) -> None:
    queries = graded.graded_real(found)
    answers: dict[str, Any] = measured.answers(engine, queries)
    means = measured.compare(answers, queries)
    assert len(queries) >= 60
    for kind in ("maker", "maker without accents", "whole title", "word of a title", "maker and word"):
        assert means[kind]["search"]["success@1"] >= 0.95, (kind, means[kind])
    assert means["maker, misspelt"]["search"]["success@1"] >= 0.9, means["maker, misspelt"]
    assert means["nothing there"]["search"]["says nothing matches"] >= 0.8, means["nothing there"]
    for kind, each in means.items():
        assert each["search"].get("order errors", 0) == 0, kind
        if kind != "nothing there":
            for other in ("rank fusion", "words alone", "pictures alone"):
                assert each["search"]["nDCG@10"] >= each[other]["nDCG@10"] - 0.02, (kind, other, each)
    for other in ("rank fusion", "pictures alone"):
        assert measured.difference(answers, queries, other)[1] > 0, other
