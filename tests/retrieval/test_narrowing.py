"""Phrases, excluded words, fields and alternatives over an index, compared with what the records say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iconoclip.record import Caption, Date, RawPair, Record
from iconoclip.shardset import ShardSet
from retrieval.answers import Hit
from retrieval.engine import SearchEngine
from retrieval.questions import Filters, Query

from .changing import add, store_of
from .conftest import samples_of

# The first and last year of records 0 to 119: number n is dated 1500 + n to 1510 + n, if 4 does not divide n.
YEARS = "1501..1629"


def title(record: Record) -> str:
    return record.captions[0].text


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ('"red circle"', lambda r: "red circle" in title(r)),
        ('"circle red"', lambda r: False),
        ("„red circle“", lambda r: "red circle" in title(r)),
        # Over the border of two captions: "... number 7" and "ein Bild".
        ('"7 ein"', lambda r: False),
        ("-red", lambda r: "red" not in title(r)),
        ("-circles", lambda r: "circle" not in title(r)),
        ('-"red circle"', lambda r: "red circle" not in title(r)),
        ("-red -circle", lambda r: "red" not in title(r) and "circle" not in title(r)),
        ("-(red OR circle)", lambda r: "red" not in title(r) and "circle" not in title(r)),
        ("creator:Dürer", lambda r: r.creators == ("Albrecht Dürer",)),
        ("Urheber:durer", lambda r: r.creators == ("Albrecht Dürer",)),
        ('creator:"Dürer Albrecht"', lambda r: False),
        ("-creator:Dürer", lambda r: r.creators != ("Albrecht Dürer",)),
        ("maker:Dürer|type:drawing", lambda r: r.object_type == "drawing" or "Albrecht Dürer" in r.creators),
        ("title:circle", lambda r: "circle" in title(r)),
        # The German title is a title too.
        ('title:"ein Bild"', lambda r: True),
        ("type:PRINT", lambda r: r.object_type == "print"),
        ("keeper:library", lambda r: r.institution.slug == "library"),
        ("keeper:museum", lambda r: r.institution.slug == "museum"),
        ("notation:25F", lambda r: r.iconclass == ("25F23(LION)",)),
        ("language:de-AT", lambda r: any(c.language == "de-AT" for c in r.captions)),
        ("rights:pdm", lambda r: "mark" in (r.rights.uri or "")),
        ("reuse:ja", lambda r: r.rights.redistribute in ("yes", "share-alike")),
        ("year:1550..1560", lambda r: r.date and r.date.latest >= 1550 and r.date.earliest <= 1560),
        ("year:..1510", lambda r: r.date and r.date.earliest <= 1510),
        ("-year:..1510", lambda r: not (r.date and r.date.earliest <= 1510)),
        ("maker:Dürer year:1600..", lambda r: "Dürer" in r.creators[0] and r.date and r.date.latest > 1599),
        ("creator:Nobody", lambda r: False),
    ],
)  # fmt: skip
def test_a_query_allows_exactly_what_records_say(engine: SearchEngine, records, text, has) -> None:  # type: ignore[no-untyped-def]
    expected = {key for key, record in records.items() if has(record)}
    results = engine.search(Query(text=text, k=200, fold=False))
    assert {hit.key for hit in results.hits} == expected
    if not results.is_ranked:
        assert (results.total, results.total_is_exact) == (len(expected), True)


def matches(engine: SearchEngine, text: str) -> set[str]:
    results = engine.search(Query(text=text, k=200, fold=False))
    found = {hit.key for hit in results.hits if hit.score >= 0.5}
    assert len(found) == results.total
    return found


def test_alternatives_unite(engine: SearchEngine) -> None:
    red, circle = matches(engine, "red"), matches(engine, "circle")
    assert matches(engine, "red OR circle") == red | circle
    assert matches(engine, "red | circle") == red | circle
    narrowed = matches(engine, "(red OR circle) creator:Dürer") if red & circle else set()
    assert narrowed == (red | circle) & matches(engine, "creator:Dürer")


def test_of_alternatives_an_item_has_its_best_score_and_the_order_follows_it(engine: SearchEngine) -> None:
    one, other, both = (
        engine.search(Query(text=text, k=200, fold=False)).hits for text in ("red", "circle", "red OR circle")
    )
    best = {hit.key: hit.score for hit in one}
    best |= {hit.key: max(hit.score, best[hit.key]) for hit in other}
    assert [hit.score for hit in both] == sorted((hit.score for hit in both), reverse=True)
    assert {hit.key: hit.score for hit in both} == pytest.approx(best, abs=1e-4)


def test_words_with_a_condition_are_ranked_as_without_it(engine: SearchEngine) -> None:
    alone = {hit.key: hit.score for hit in engine.search(Query(text="red", k=200, fold=False)).hits}
    narrowed = engine.search(Query(text="red type:print -circle", k=200, fold=False))
    assert narrowed.query is not None
    assert narrowed.query.plain == "red"
    for hit in narrowed.hits:
        assert hit.score == pytest.approx(alone[hit.key], abs=1e-4)


def test_the_answer_states_how_a_query_was_read(engine: SearchEngine) -> None:
    read = engine.search(Query(text='red -"a b" creator:Dürer')).query
    assert read is not None
    assert [(part.kind, part.text, part.field, part.excluded) for part in read.parts] == [
        ("words", "red", None, False),
        ("phrase", "a b", None, True),
        ("field", "Dürer", "creator", False),
    ]
    assert [part.without for part in read.parts] == [
        '-"a b" creator:Dürer',
        "red creator:Dürer",
        'red -"a b"',
    ]
    as_words = engine.search(Query(text="red -circle", plain=True)).query
    assert as_words is not None
    assert as_words.plain == "red -circle"


@pytest.mark.parametrize(
    ("query", "code", "values"),
    [
        (Query(text="creator:Dürrer"), "unknown_value", ("Albrecht Dürer",)),
        (Query(text="institution:librry"), "unknown_value", ("library",)),
        (Query(text="circle -xylophone"), "nothing_excluded", ()),
        (Query(text=" OR ".join("abcdefghijk")), "too_many_alternatives", ()),
        (Query(filters=Filters(creator="Albrecht Dürrer")), "unknown_value", ("Albrecht Dürer",)),
        (Query(filters=Filters(object_type=("print", "drawning"))), "unknown_value", ("drawing",)),
        (Query(text="colour:red"), "unknown_field", ()),
        (Query(text="year:-500"), "no_date", (YEARS,)),
        (Query(filters=Filters(earliest=1900)), "no_date", (YEARS,)),
        # A small vocabulary is named as a whole.
        (Query(text="language:xx"), "unknown_value", ("de", "de-AT", "en")),
    ],
)
def test_parts_without_effect_are_reported(
    engine: SearchEngine, query: Query, code: str, values: object
) -> None:
    (hint,) = engine.search(query).hints
    assert (hint.code, hint.values) == (code, values)
    assert hint.what in hint.text


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("circle creator:Dürrer vase", 'circle creator:"Albrecht Dürer" vase'),
        ('-künstler:"Albrecht Dürrer"', '-creator:"Albrecht Dürer"'),
        ("circle year:1..2", f"circle year:{YEARS}"),
    ],
)
def test_the_text_with_the_nearest_value_is_proposed(engine: SearchEngine, text: str, instead: str) -> None:
    (hint,) = engine.search(Query(text=text)).hints
    assert hint.instead == instead


def test_values_that_only_a_hidden_institution_has_are_not_named(
    make_index: Callable[..., Path],
) -> None:
    samples = samples_of(range(6))
    record, jpeg = samples_of([6], "library")[0]
    samples.append((record.model_copy(update={"creators": ("Zacharias Wehme",)}), jpeg))
    with SearchEngine.open(make_index(samples)) as engine:
        query = Query(text="creator:Wehmer")
        assert engine.search(query).hints[0].values == ("Zacharias Wehme",)
        hidden = query.model_copy(update={"filters": Filters(without_institution=("library",))})
        assert engine.search(hidden).hints[0].values == ()


@pytest.fixture
def odd(make_index: Callable[..., Path], tmp_path: Path, model: Path) -> Iterator[SearchEngine]:
    """Titles that look like a query; the last four items were added to a built index."""
    texts = [
        "creator:unknown", "Rhine -Paris", "red OR gold", 'The "Great" wave', "lions of the north",
        "a place in Rome", "Basel: a view", "Wave great", "Löwe", "ein Stein",
    ]  # fmt: skip
    samples = []
    for (record, jpeg), text in zip(samples_of(range(len(texts))), texts, strict=True):
        captions = (Caption(text=text, language="en", field="title"),)
        place = (RawPair(label="Ort", value="Basel", level="manifest"),) if text == "ein Stein" else ()
        date = Date(earliest=1490, latest=1510) if text == "Löwe" else Date(earliest=1400, latest=1400)
        update = {"captions": captions, "creators": (), "iconclass": (), "raw": place, "date": date}
        samples.append((record.model_copy(update=update), jpeg))
    folder = make_index(samples[:6])
    add(folder, store_of(tmp_path / "more", samples[6:], model))
    with SearchEngine.open(folder) as engine:
        yield engine


def first(engine: SearchEngine, text: str) -> Hit | None:
    return next(iter(engine.search(Query(text=text)).hits), None)


def test_a_name_that_looks_like_operators_is_not_lost(odd: SearchEngine) -> None:
    for text in ("creator:unknown", "Rhine -Paris", "red OR gold", 'The "Great" wave', "Basel: a view"):
        hit = first(odd, text)
        assert hit is not None
        assert hit.title == text
        assert hit.score >= 0.99
    assert "exact_name" in {hint.code for hint in odd.search(Query(text="rhine  -paris")).hints}
    # In other texts, the operators are operators.
    assert odd.search(Query(text="Rhine -Par")).query.parts[1].excluded  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("title:lion", {"lions of the north"}),
        ('title:"lion"', set()),
        ('"of the north"', {"lions of the north"}),
        ("-lion year:1400", {"creator:unknown", "Rhine -Paris", "red OR gold", 'The "Great" wave',
                             "Basel: a view", "Wave great", "a place in Rome", "ein Stein"}),
        ("place:basel", {"ein Stein"}),
        ("year:1495..1500", {"Löwe"}),
        ("lieu:Rome", set()),
    ],
)  # fmt: skip
def test_items_that_were_added_are_narrowed_alike(odd: SearchEngine, text: str, titles: set[str]) -> None:
    assert {hit.title for hit in odd.search(Query(text=text, k=50)).hits} == titles


def test_the_shard_set_is_what_was_searched(shardset: Path, engine: SearchEngine) -> None:
    assert engine.search(Query()).total == sum(1 for _ in ShardSet(shardset).samples())
