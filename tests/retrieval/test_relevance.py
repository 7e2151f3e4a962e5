"""Relevance over graded queries: the search against rank fusion, words alone and pictures alone.

The records are those of the built-in collection; a stand-in for the model gives a picture the noisy sum of
what its English blazon names, and a text that of its words. So pictures say something, in English, and are
often wrong, as those of a real small model are. benchmarks/search_relevance.py measures a trained one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builtin_collections.armorial import collection
from iconoclip.progress import Meter
from iconoclip.record import Record
from retrieval.config import IndexConfig
from retrieval.engine import SearchEngine
from retrieval.generation.assembly import IndexDescription, write_generation
from retrieval.generation.catalog import ImageLocation
from retrieval.questions import Query

from .service.armorial_index import _record

D, NOISE = 48, 0.5
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
graded = importlib.import_module("graded_queries")
measured = importlib.import_module("search_relevance")
MOTIFS: dict[str, tuple[str, ...]] = graded.MOTIFS


def word_vector(word: str) -> np.ndarray:
    seed = int(hashlib.sha256(word.lower().rstrip("s").encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).normal(size=D)


def text_vector(text: str) -> np.ndarray:
    words = [word for word in re.findall(r"\w+", text) if len(word) > 3] or [text]
    return unit(np.sum([word_vector(word) for word in words], axis=0))


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


class StandIn:
    """The text side of a model that knows English words, with noise in its pictures."""

    def text(self, text: str) -> np.ndarray:
        return text_vector(text)


class _Silent(Meter):
    def show(self, *, last: bool = False) -> None:
        pass


class Records:
    """Records with stand-in vectors, as the source of a generation."""

    def __init__(self, records: list[Record], seen: list[str]) -> None:
        self.records, self.seen = records, seen
        self.num_items, self.dimension = len(records), D

    def blocks(self) -> Iterator[np.ndarray]:
        generator = np.random.default_rng(1)
        noise = NOISE * generator.normal(size=(len(self.records), D)) / np.sqrt(D) * 2
        seen = np.stack([text_vector(text) for text in self.seen])
        yield np.stack([unit(vector) for vector in seen + noise]).astype(np.float16)

    def items(self) -> Iterator[tuple[Record, ImageLocation]]:
        for record in self.records:
            yield record, ImageLocation(0, "x.tar", 0, 1)

    def captions(self) -> None:
        return None


def records(num_arms: int) -> list[Record]:
    return [
        _record(holdings.archive, item, 0, (40, 40), f"{item.identifier}".encode())
        for holdings in collection.build(num_arms=num_arms, seed=3)
        for item in holdings.items
    ]


def indexed(folder: Path, items: list[Record], seen: list[str] | None = None) -> None:
    """Write an index of records. `seen`: what each picture shows, by default what its title says."""
    facts = IndexDescription(str(folder), "0" * 64, (), "0" * 64)
    meter = _Silent("index", 3 * len(items), "steps")

    def encode(texts: Any) -> np.ndarray:
        return np.stack([text_vector(text) for text in texts])

    source = Records(items, seen or [record.title for record in items])
    write_generation(folder, source, facts, IndexConfig(out=str(folder)), encode, meter)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return records(600)


@pytest.fixture(scope="module")
def engine(found: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    folder = tmp_path_factory.mktemp("relevance")
    indexed(folder, found)
    with SearchEngine.open(folder) as engine:
        engine._model = StandIn()  # type: ignore[assignment]
        yield engine


@pytest.fixture(scope="module")
def queries(found: list[Record]) -> list[Any]:
    return list(graded.graded_queries(found))


@pytest.fixture(scope="module")
def answers(engine: SearchEngine, queries: list[Any]) -> dict[str, Any]:
    return measured.answers(engine, queries)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def means(answers: dict[str, Any], queries: list[Any]) -> dict[str, dict[str, dict[str, float]]]:
    return measured.compare(answers, queries)  # type: ignore[no-any-return]


def test_there_are_enough_queries_of_every_class(queries: list[Any]) -> None:
    assert len(queries) >= 120
    assert len({query.kind for query in queries}) >= 11


def test_what_is_known_by_its_name_comes_first(means: dict[str, Any]) -> None:
    for kind in ("name", "whole title", "name and another word", "maker and year", "whole blazon"):
        assert means[kind]["search"]["success@1"] >= 0.95, (kind, means[kind])


def test_motifs_are_found_in_every_form(means: dict[str, Any]) -> None:
    for kind in ("motif, English", "motif, German", "motif, French", "plural", "other letters"):
        assert means[kind]["search"]["precision@24"] >= 0.95, (kind, means[kind])
    assert means["misspelt"]["search"]["nDCG@10"] >= 0.8
    assert means["charge and tincture"]["search"]["nDCG@10"] >= 0.9


def test_no_hit_with_a_low_score_comes_before_one_with_a_high_score(means: dict[str, Any]) -> None:
    assert {kind: each["search"].get("order errors", 0) for kind, each in means.items()} == dict.fromkeys(
        means, 0
    )


def test_descriptions_of_absent_pictures_match_nothing(means: dict[str, Any]) -> None:
    assert means["nothing there"]["search"]["says nothing matches"] >= 0.9


def test_no_class_is_answered_better_by_a_part_of_the_search(means: dict[str, Any]) -> None:
    for kind, each in means.items():
        if kind != "nothing there":
            for other in ("rank fusion", "words alone", "pictures alone"):
                assert each["search"]["nDCG@10"] >= each[other]["nDCG@10"] - 0.02, (kind, other, each)


def test_the_gain_over_pictures_and_over_rank_fusion_is_no_chance(
    answers: dict[str, Any], queries: list[Any]
) -> None:
    for other in ("rank fusion", "pictures alone"):
        _, low, _ = measured.difference(answers, queries, other)
        assert low > 0, other


def test_an_additional_word_does_not_lose_a_maker(engine: SearchEngine, found: list[Record]) -> None:
    maker = next(record.creators[0] for record in found if record.creators)
    for text in (f"{maker} lion", f"golden {maker}", f"{maker} zeppelin"):
        hits = engine.search(Query(text=text, k=3)).hits
        assert all(maker in hit.creators for hit in hits), text
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_measures_equal_the_textbook_formulas() -> None:
    query = graded.GradedQuery("x", "motif", frozenset("ab"))
    # DCG of ranks 1 and 3: 1 + 1/2; ideal 1 + 1/log2(3).
    expected = 1.5 / (1 + 1 / np.log2(3))
    given = measured.measures(query, (["a", "c", "b"], [0.05, 0.6, 0.0], True))
    assert given["nDCG@10"] == pytest.approx(expected)
    assert (given["success@1"], given["order errors"]) == (1.0, 1.0)
    assert dataclasses.is_dataclass(query)
