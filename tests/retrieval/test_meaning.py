"""What needs a trained model: calibrated scores, explanation maps, suggestions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.record import Caption, Record
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.explain import occlusion_map
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.generation.calibration import BACKGROUND_TEXTS, Scores, Statistics, fit_curve, probabilities
from retrieval.generation.evidence import WordEvidence
from retrieval.index import index
from retrieval.query.order import Order
from retrieval.query.vector import LIKE_WEIGHT, QUERY_WEIGHT
from retrieval.questions import Query, Weighted

from .conftest import COLOURS, SHAPES, draw, samples_of, write_shardset

# Nothing like it is in the collection, nor among the background texts.
UNSEEN = (
    "a bus timetable", "wireless router", "eine Bohrmaschine", "television remote control", "vending machine",
    "a hotel lobby", "hair dryer", "un aspirateur", "stapler and paper clips", "a football referee",
    "Kühlschrank",
    "subway map", "an inflatable swimming pool", "tyre repair kit", "lawn mower", "une agrafeuse",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine(trained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    folder = tmp_path_factory.mktemp("meaning")
    samples = [(described(record, n), jpeg) for n, (record, jpeg) in enumerate(samples_of(range(144)))]
    shardset = write_shardset(folder / "set", samples)
    encode(EncodeConfig(model=str(trained_model), shardset=str(shardset), out=str(folder / "store")))
    index(IndexConfig(stores=[str(folder / "store")], out=str(folder / "index")))
    with SearchEngine.open(folder / "index") as engine:
        yield engine


def described(record: Record, number: int) -> Record:
    """The record with one caption, which says what is to be seen; every fifth is a shelfmark."""
    text = (
        f"a {list(COLOURS)[number % 4]} {SHAPES[number % 3]}"
        if number % 5
        else f"MS {number}, fol. {number}r"
    )
    return record.model_copy(update={"captions": (Caption(text=text, language="en", field="title"),)})


def test_a_description_finds_what_it_describes_with_a_high_score(engine: SearchEngine) -> None:
    texts = [f"a {colour} {shape}" for colour in COLOURS for shape in SHAPES]
    found = [engine.search(Query(text=text, mode="semantic", k=5, fold=False)) for text in texts]
    for text, results in zip(texts, found, strict=True):
        assert any(text in hit.title for hit in results.hits)
        assert results.matches_well == (results.hits[0].score >= 0.5)
    assert sum(results.matches_well is True for results in found) >= 10


def test_a_record_that_holds_every_word_is_taken_for_an_answer(engine: SearchEngine) -> None:
    results = engine.search(Query(text="MS 25, fol. 25r"))
    assert results.hits[0].title == "MS 25, fol. 25r"
    assert results.hits[0].score >= 0.89
    assert results.matches_well is True


def test_descriptions_of_absent_pictures_match_nothing(engine: SearchEngine) -> None:
    judged = [engine.search(Query(text=text, mode="semantic")).matches_well for text in BACKGROUND_TEXTS]
    assert np.mean([judgement is False for judgement in judged]) >= 0.8
    found = [engine.search(Query(text=text, mode="semantic")) for text in UNSEEN]
    assert sum(results.matches_well is False for results in found[:4]) >= 3
    assert np.mean([results.matches_well is False for results in found]) >= 0.75
    # They are shown all the same: the reader decides.
    assert all(results.hits for results in found)


def test_a_map_points_at_the_part_that_a_text_is_about(trained_model: Path) -> None:
    from retrieval.encode.encoder import Encoder

    pixels = np.full((32, 32, 3), 235, np.uint8)
    pixels[2:14, 18:30] = COLOURS["red"]
    explanation = occlusion_map(Encoder(trained_model), "x-0000000000000000", pixels, "a red square")
    heat = np.array(explanation.heat).reshape(explanation.height, explanation.width)
    assert heat[:4, 4:].sum() > heat.sum() / 2
    assert heat.max() == 1.0


def test_a_query_of_several_parts_is_scored_part_by_part(engine: SearchEngine) -> None:
    text = Query(text="a red circle", mode="semantic", k=200, fold=False)
    described = {hit.key: hit.score for hit in engine.search(text).hits}
    key = next(iter(described))
    alike = {hit.key: hit.score for hit in engine.search(Query(like=(key,), k=200, fold=False)).hits}
    both = engine.search(text.model_copy(update={"like": (key,)}))
    for hit in both.hits:
        expected = (QUERY_WEIGHT * described[hit.key] + LIKE_WEIGHT * alike[hit.key]) / 1.75
        assert hit.score == pytest.approx(expected, abs=1e-3)
    assert both.matches_well is True, "a red circle, and like another one"
    without = engine.search(text.model_copy(update={"terms": (Weighted(text="a blue square", weight=-1),)}))
    assert all(hit.score <= described[hit.key] + 1e-3 for hit in without.hits), (
        "what is unwanted adds nothing"
    )
    assert [hit.score for hit in without.hits] == sorted((hit.score for hit in without.hits), reverse=True)
    assert without.total == sum(hit.score >= 0.5 for hit in without.hits)
    assert [hit.key for hit in without.hits] != list(described), "what is not wanted moves the order"
    unlike = engine.search(Query(unlike=(key,), k=5))
    assert unlike.matches_well is None
    assert {hit.score for hit in unlike.hits} == {0.5}, "nothing to judge by"


def test_an_example_is_not_a_hit_for_itself(make_index: Callable[..., Path]) -> None:
    """Whether anything matches well depends on the best hit shown."""
    with SearchEngine.open(make_index(samples_of(range(12)))) as engine:
        view = engine._refresher.current()
        row_of = {record.key: row for row, (record, _) in enumerate(samples_of(range(12)))}
        (key, row), *_ = row_of.items()
        wanted = engine._query_vector(Query(like=(key,)), view)
        order = Order(view, Query(like=(key,)), WordEvidence.none(), lambda: wanted, None, None)
        assert order.best is not None
        assert order.best.row != row
        assert order.best.row == row_of[engine.search(Query(like=(key,), k=1)).hits[0].key]


def test_a_suggested_notation_is_as_sure_as_a_search_for_its_words(engine: SearchEngine) -> None:
    (hit,) = engine.search(Query(text="a red circle", mode="semantic", k=1, fold=False)).hits
    suggested = engine.suggest_notations(hit.key, "49D3", k=50)
    assert {"49D33", "49D36"} <= {each.notation for each in suggested}, "triangle and circle"
    for each in suggested[:3]:
        hits = engine.search(Query(text=each.label, mode="semantic", k=200, fold=False)).hits
        (same_hit,) = (other for other in hits if other.key == hit.key)
        assert each.score == pytest.approx(same_hit.score, abs=1e-3)


def test_suggestions_have_low_scores_where_the_picture_shows_nothing_of_the_branch(
    engine: SearchEngine,
) -> None:
    hits = engine.search(Query(k=40, fold=False)).hits
    best = [engine.suggest_notations(hit.key, "25F7", k=1)[0].score for hit in hits]
    assert np.mean(np.array(best) < 0.5) >= 0.75, "of circles, squares and crosses none is an insect"


def test_an_image_that_is_described_scores_higher_than_one_that_is_not(engine: SearchEngine) -> None:
    results = engine.search(Query(image=draw("red", "circle", 501), k=5, fold=False))
    assert results.matches_well
    assert any("red circle" in hit.title for hit in results.hits)


class TestCalibration:
    def test_z_is_what_the_whole_collection_says(self) -> None:
        generator = np.random.default_rng(0)
        vectors = generator.normal(size=(500, 12)).astype(np.float32)
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
        query_D = vectors[3].astype(np.float32)
        scores = vectors.astype(np.float32) @ query_D
        expected = (scores - scores.mean()) / scores.std(ddof=1)
        assert np.allclose(Statistics.of(vectors).z(query_D, scores), expected, atol=1e-3)

    @given(st.lists(st.floats(-5, 5), min_size=3, max_size=30), st.floats(0.5, 5))
    def test_the_curve_rises_and_is_even_between_mirrored_sets(
        self, background: list[float], shift: float
    ) -> None:
        numbers = np.array(background, np.float32)
        mirrored = 2 * shift - numbers[::-1] + 10
        curve = fit_curve(same(mirrored), same(numbers))
        assert not curve.is_flat
        assert probabilities(curve, same(np.array([shift + 5], np.float32)))[0] == pytest.approx(
            0.5, abs=0.02
        )
        rising = probabilities(curve, same(np.linspace(-20, 20, 50).astype(np.float32)))
        assert (np.diff(rising) >= 0).all()

    def test_where_matches_score_lower_the_model_claims_nothing(self) -> None:
        low, high = np.array([0.0, 0.1, 0.05], np.float32), np.array([1.0, 1.2, 1.1], np.float32)
        curve = fit_curve(same(low), same(high))
        assert curve.is_flat
        assert probabilities(curve, same(high)).tolist() == [0.5, 0.5, 0.5]

    def test_a_feature_that_points_the_wrong_way_is_left_out(self) -> None:
        low, high = np.array([0.0, 0.1, 0.05], np.float32), np.array([1.0, 1.2, 1.1], np.float32)
        curve = fit_curve(Scores(high, low), Scores(low, high))
        assert (curve.cosine > 0, curve.z) == (True, 0.0)


def same(numbers: np.ndarray) -> Scores:
    """The same numbers as cosines and as z."""
    return Scores(numbers, numbers)
