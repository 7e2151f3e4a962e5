"""What the engine answers."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput
from iconoclip.shardset import ShardSet
from retrieval.encode.modelloader import LazyModel
from retrieval.engine import SearchEngine
from retrieval.query.found import Found
from retrieval.query.order import Order
from retrieval.questions import Filters, Query, RegionOf, Weighted

from .conftest import draw, keys, record_of, samples_of


def test_a_text_finds_what_exact_dot_products_find(engine: SearchEngine, store: Path, model: Path) -> None:
    from retrieval.encode.encoder import Encoder

    vectors = EmbeddingStore(store)
    query_D = Encoder(model).encode_texts(["a red circle"])[0]
    scores_N = vectors.vectors_ND.astype(np.float32) @ query_D
    best = [vectors.keys[row] for row in np.argsort(-scores_N, kind="stable")[:10]]
    results = engine.search(Query(text="a red circle", mode="semantic", k=10, fold=False))
    assert [hit.key for hit in results.hits] == best
    assert results.hits[0].cosine == pytest.approx(float(scores_N.max()), abs=1e-4)
    assert results.total == sum(hit.score >= 0.5 for hit in results.hits)


class TestWords:
    def test_diacritics_and_case_do_not_count(self, engine: SearchEngine) -> None:
        for text in ("Dürer", "durer", "ALBRECHT DURER"):
            results = engine.search(Query(text=text, mode="keyword", k=200))
            assert {hit.creators for hit in results.hits} == {("Albrecht Dürer",)}
            assert len(results.hits) == 20  # 0, 6, 12, ..., 114

    def test_the_exact_phrase_comes_first(self, engine: SearchEngine) -> None:
        results = engine.search(Query(text="a blue square number 13", mode="keyword"))
        assert results.hits[0].title == "a blue square number 13"

    def test_hybrid_puts_the_item_that_is_named_first(self, engine: SearchEngine) -> None:
        results = engine.search(Query(text="a blue square number 13"))
        assert results.hits[0].title == "a blue square number 13"
        assert "words" in results.hits[0].matched
        assert results.matches_well is True

    def test_the_words_of_a_notation_find_it(self, engine: SearchEngine) -> None:
        for text in ("predatory animals", "Raubtiere", "25F23(LION)"):
            found = engine.search(Query(text=text, mode="keyword", k=200)).hits
            assert found, text
            assert all(hit.iconclass == ("25F23(LION)",) for hit in found), text

    def test_frequent_words_are_read_only_as_far_as_needed(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("retrieval.query.order.MAX_JUDGED", 5)
        monkeypatch.setattr("retrieval.query.order.WINDOW", 20)
        hits = engine.search(Query(text="yellow square", k=120, fold=False)).hits
        assert len({hit.key for hit in hits}) == 120
        for hit in hits:
            assert ("words" in hit.matched) == ("yellow" in hit.title or "square" in hit.title)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)

    def test_a_notation_finds_everything_below_it(self, engine: SearchEngine) -> None:
        for text, mode in (
            ("25F", "keyword"),
            ("25 F 2", "keyword"),
            ("46A1", "keyword"),
            ("25F23", "hybrid"),
        ):
            found = engine.search(Query(text=text, mode=mode, k=200, fold=False)).hits  # type: ignore[arg-type]
            below = [hit for hit in found if any(n.startswith(text.replace(" ", "")) for n in hit.iconclass)]
            assert len(below) == (96 if text == "46A1" else 24)
            assert all("words" in hit.matched for hit in below)
            assert found[: len(below)] == tuple(below)

    @pytest.mark.parametrize(
        "text", ['"', "a AND", "NEAR(", "title:x", "*", "-- '; DROP TABLE items", "\x00"]
    )
    def test_nothing_typed_is_read_as_a_query_language(self, engine: SearchEngine, text: str) -> None:
        assert engine.search(Query(text=text, mode="keyword")).took_ms >= 0

    @pytest.mark.parametrize(("text", "searched"), [("a red circle",) * 2, ("a red circel", "a red circle")])
    def test_the_text_that_is_searched_is_encoded(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, text: str, searched: str
    ) -> None:
        texts: list[str] = []
        text_of = LazyModel.text
        monkeypatch.setattr(
            LazyModel, "text", lambda self, text: (texts.append(text), text_of(self, text))[1]
        )
        found = engine.search(Query(text=text, k=5))
        # A misspelt text may be encoded too, in another thread.
        assert [each for each in texts if each == searched or text == searched] == [searched]
        assert found.hits == engine.search(Query(text=searched, k=5)).hits

    def test_unknown_words_match_nothing(self, engine: SearchEngine) -> None:
        results = engine.search(Query(text="xylophonist", mode="keyword"))
        assert results.hits == ()
        assert results.matches_well is False


def test_diversity_changes_the_order_and_loses_nothing(engine: SearchEngine) -> None:
    plain = Query(text="a red circle", k=200, fold=False)
    spread = keys(engine, plain.model_copy(update={"diversity": 0.9}))
    assert spread != keys(engine, plain)
    assert sorted(spread) == sorted(keys(engine, plain))


def test_an_item_comes_with_its_siblings(make_index: Callable[..., Path]) -> None:
    jpeg = [draw("red", "circle", n) for n in range(12)]
    samples = [(record_of(n, jpeg[n], group="codex" if n < 3 else f"g{n}"), jpeg[n]) for n in range(12)]
    with SearchEngine.open(make_index(samples)) as engine:
        item = engine.item(samples[0][0].key)
        assert {hit.key for hit in item.siblings} == {samples[1][0].key, samples[2][0].key}
        assert item.record == samples[0][0]
        assert samples[0][0].key not in {hit.key for hit in item.similar}
        assert engine.image(samples[4][0].key) == jpeg[4]
        with pytest.raises(BadInput):
            engine.item(samples[0][0].key, without_institution=("museum",))


def test_a_hidden_institution_cannot_be_queried(engine: SearchEngine, records) -> None:  # type: ignore[no-untyped-def]
    hidden = next(key for key, record in records.items() if record.institution.slug == "library")
    filters = Filters(without_institution=("library",))
    region = RegionOf(key=hidden, x=0, y=0, width=1, height=1)
    for query in (Query(like=(hidden,)), Query(region=region), Query(terms=(Weighted(key=hidden),))):
        assert engine.search(query).hits
        with pytest.raises(BadInput):
            engine.search(query.model_copy(update={"filters": filters}))
    assert engine.record(hidden) == records[hidden]
    with pytest.raises(BadInput):
        engine.record(hidden, without_institution=("library",))


def test_near_duplicates_fold_under_one_hit_with_a_count(make_index: Callable[..., Path]) -> None:
    samples = samples_of(range(20))
    jpeg = samples[1][1]
    samples += [(record_of(n, jpeg), jpeg) for n in range(100, 104)]
    copies = {record.key for record, _ in samples[20:]} | {samples[1][0].key}
    with SearchEngine.open(make_index(samples)) as engine:
        folded = engine.search(Query(image=jpeg, k=200)).hits
        assert len(folded) == 20
        assert [hit.num_near_duplicates for hit in folded if hit.key in copies] == [4]
        assert len(engine.search(Query(image=jpeg, k=200, fold=False)).hits) == 24


def test_an_image_explains_itself(engine: SearchEngine, shardset: Path) -> None:
    record, _ = next(iter(ShardSet(shardset).samples()))
    explanation = engine.explain(record.key, "a red circle")
    assert len(explanation.heat) == explanation.width * explanation.height
    assert max(explanation.heat) in (0.0, 1.0)
    with pytest.raises(BadInput):
        engine.explain(record.key, "  ")


def test_notations_of_the_branch_are_suggested_likeliest_first(engine: SearchEngine, shardset: Path) -> None:
    record, _ = next(iter(ShardSet(shardset).samples()))
    found = engine.suggest_notations(record.key, "25F2", k=5, language="de")
    assert len(found) == 5
    assert all(each.notation.startswith(("25F2", "25FF2")) for each in found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    with pytest.raises(BadInput, match="no branch"):
        engine.suggest_notations(record.key, "nonsense")


def test_names_that_items_here_carry_are_suggested_too_unless_their_institution_is_hidden(
    make_index: Callable[..., Path],
) -> None:
    samples = samples_of(range(10)) + samples_of(range(10, 12), "library")
    named = {2: "46A122(GRYPHON)", 10: "46A122(KEY)"}
    for n, notation in named.items():
        record, jpeg = samples[n]
        samples[n] = (record.model_copy(update={"iconclass": (notation,)}), jpeg)
    with SearchEngine.open(make_index(samples)) as engine:
        key = samples[0][0].key
        found = {each.notation: each.label for each in engine.suggest_notations(key, "46A12", k=100)}
        assert {"46A122", *named.values()} <= set(found)
        assert "GRYPHON" in found["46A122(GRYPHON)"]
        seen = engine.suggest_notations(key, "46A12", k=100, without_institution=("library",))
        assert set(found) - {each.notation for each in seen} == {"46A122(KEY)"}


@pytest.mark.parametrize(
    "query",
    [
        Query(text="a red circle"),
        Query(text="red OR blue", mode="keyword", sort="title"),
        Query(text="a red circle", mode="semantic", diversity=0.5, k=3),
        Query(k=2),
    ],
)
def test_what_a_query_found_is_freed_at_once(engine: SearchEngine, query: Query) -> None:
    """It has masks of all rows. In a cycle they would stay until Python looks for cycles."""
    gc.collect()
    gc.disable()
    try:
        engine.search(query, counts=True)
        left = [each for each in gc.get_objects() if isinstance(each, (Found, Order))]
    finally:
        gc.enable()
    assert not left
