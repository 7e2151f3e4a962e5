"""How many match, facets over those, sorting, and dates: all compared with the hits and the records."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from iconoclip.errors import MissingRequirement
from iconoclip.files import sha256_of
from iconoclip.record import Record
from retrieval.answers import FacetValue
from retrieval.engine import SearchEngine
from retrieval.live.sort_keys import sort_keys
from retrieval.questions import Filters, Query
from retrieval.words import folded

from .conftest import all_pages


def as_counts(values: tuple[FacetValue, ...]) -> dict[str, int]:
    return {value.value: value.count for value in values}


@pytest.mark.parametrize(
    "text", ["red", "a red circle", "circle OR square", '"red circle"', "Dürer", "xylophone"]
)
@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
@pytest.mark.parametrize("filters", [Filters(), Filters(object_type="print", earliest=1550)])
def test_totals_facets_and_exports_are_about_the_hits_that_match(  # type: ignore[no-untyped-def]
    engine: SearchEngine, records, text: str, mode: str, filters: Filters
) -> None:
    query = Query(text=text, mode=mode, filters=filters, k=200, fold=False)  # type: ignore[arg-type]
    results = engine.search(query)
    matching = [hit.key for hit in results.hits if hit.score >= 0.5]
    assert results.total == len(matching)
    assert [hit.key for hit in results.hits][: len(matching)] == matching
    assert results.num_by_words <= results.total
    facets = engine.facets(query)
    assert facets.total == len(matching)
    for name in ("institution", "object_type", "creator"):
        counts = Counter(hit_value(records[key], name) for key in matching)
        assert as_counts(getattr(facets, name)) == counts
    whole = engine.whole_set(query, 200)
    assert [hit.key for hit in whole.hits()] == matching


def hit_value(record: Record, name: str) -> str | None:
    if name == "institution":
        return record.institution.slug
    return record.creators[0] if name == "creator" else record.object_type


def test_what_matches_by_words_alone_is_counted_exactly(engine: SearchEngine, records) -> None:  # type: ignore[no-untyped-def]
    results = engine.search(Query(text="yellow square"))
    having = [r for r in records.values() if "yellow square" in r.title]
    assert (results.total, results.num_by_words, results.total_is_exact) == (len(having), len(having), True)
    nothing = engine.search(Query(text="xylophone"))
    assert (nothing.total, nothing.matches_well) == (0, False)
    assert engine.facets(Query(text="xylophone")).total == 0


def test_matches_come_before_the_rest_however_few_are_judged_together(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Query(text="red", k=200, fold=False)
    total = engine.search(query).total
    assert total == 30
    monkeypatch.setattr("retrieval.query.order.MAX_JUDGED", 4)
    monkeypatch.setattr("retrieval.query.order.WINDOW", 3)
    monkeypatch.setattr("retrieval.query.matching.FIRST_DEPTH", 5)
    results = engine.search(query)
    assert results.total == total
    assert len(results.hits) == 120
    assert all("red" in hit.title for hit in results.hits[:total])
    scores = [hit.score for hit in results.hits]
    assert scores == sorted(scores, reverse=True)


class TestFacets:
    def test_the_values_of_a_filter_are_counted_as_if_it_were_not_set(self, engine: SearchEngine) -> None:
        free = engine.search(Query(text="red"), counts=True).facets
        chosen = Query(text="red", filters=Filters(institution=("library",)))
        narrowed = engine.search(chosen, counts=True).facets
        assert free is not None
        assert narrowed is not None
        assert as_counts(narrowed.institution) == as_counts(free.institution)
        assert sum(as_counts(narrowed.object_type).values()) == as_counts(free.institution)["library"]
        both = Query(text="red", filters=Filters(institution=("library", "museum")))
        assert engine.search(both).total == engine.search(Query(text="red")).total

    @pytest.mark.parametrize(
        "filters",
        [
            Filters(institution="library"),
            Filters(creator=("Master 2", "Albrecht Dürer")),
            Filters(earliest=1580, latest=1600),
            Filters(iconclass="46A", object_type="drawing"),
        ],
    )
    def test_no_filter_changes_the_order_of_values(self, engine: SearchEngine, filters: Filters) -> None:
        free = engine.search(Query(), counts=True).facets
        narrowed = engine.search(Query(filters=filters), counts=True).facets
        assert free is not None
        assert narrowed is not None
        for name in ("institution", "rights", "language", "object_type", "creator"):
            left = [value.value for value in getattr(narrowed, name)]
            assert left == [value.value for value in getattr(free, name) if value.value in left]

    def test_a_value_that_is_chosen_stays_even_if_nothing_has_it(self, engine: SearchEngine) -> None:
        facets = engine.search(Query(filters=Filters(creator="Nobody at All")), counts=True).facets
        assert facets is not None
        assert as_counts(facets.creator)["Nobody at All"] == 0

    def test_each_notation_of_the_tree_counts_what_its_filter_finds(self, engine: SearchEngine) -> None:
        tree = engine.facets(Query(text="circle OR square OR cross")).iconclass_tree
        assert {"2", "25F", "25F23(LION)", "4", "46A122"} <= {node.value for node in tree}
        places = {node.value: place for place, node in enumerate(tree)}
        for node in tree:
            query = Query(text="circle OR square OR cross", filters=Filters(iconclass=node.value))
            assert node.count == engine.search(query).total
            assert node.broader is None or places[node.broader] < places[node.value]

    def test_each_century_counts_what_its_period_finds(self, engine: SearchEngine) -> None:
        for value in engine.facets(Query()).century:
            first = int(value.value)
            query = Query(filters=Filters(earliest=first, latest=first + 99))
            assert value.count == engine.search(query).total


FAMILY_FIRST = {"Albrecht Dürer": "durer", **{f"Master {number}": f"master {number}" for number in range(3)}}


class TestSorting:
    @pytest.mark.parametrize("text", [None, "red"])
    @pytest.mark.parametrize(
        ("sort", "key"),
        [
            ("oldest", lambda r: (r.date is None, r.date and (r.date.earliest, r.date.latest))),
            ("newest", lambda r: (r.date is None, r.date and (-r.date.latest, -r.date.earliest))),
            ("title", lambda r: folded(r.title)),
            ("maker", lambda r: FAMILY_FIRST[r.creators[0]]),
        ],
    )
    def test_all_matches_come_in_the_order_of_the_field(self, engine, records, text, sort, key) -> None:  # type: ignore[no-untyped-def]
        query = Query(text=text, sort=sort, k=200, fold=False)
        found = [hit.key for hit in engine.search(query).hits]
        assert len(found) == engine.search(query.model_copy(update={"sort": "relevance"})).total
        keys = [key(records[each]) for each in found]
        assert keys == sorted(keys)
        assert all_pages(engine, query.model_copy(update={"k": 7})) == found
        assert [hit.key for hit in engine.whole_set(query, 200).hits()] == found

    def test_a_cursor_belongs_to_its_order(self, engine: SearchEngine) -> None:
        from iconoclip.errors import BadInput

        cursor = engine.search(Query(text="red", sort="oldest", k=3)).next_cursor
        with pytest.raises(BadInput, match="another query"):
            engine.search(Query(text="red", sort="newest", k=3, cursor=cursor))


def test_two_spellings_of_a_maker_are_sorted_as_one() -> None:
    names = ["Albrecht Dürer", "Dürer, Albrecht", "Federico García Lorca", "García Lorca, Federico", "Ärzte"]
    keys = sort_keys(names)
    assert [keys[name] for name in names] == [
        *["durer, albrecht"] * 2, *["garcia lorca, federico"] * 2, "arzte",
    ]  # fmt: skip


class TestDates:
    """Of the records, number n was made between 1500 + n and 1510 + n; every fourth has no date."""

    @pytest.mark.parametrize("by_text", [False, True])
    @pytest.mark.parametrize(("first", "last"), [(None, 1520), (1520, 1530), (1600, None), (1512, 1513)])
    def test_a_date_is_possibly_or_certainly_in_a_period(  # type: ignore[no-untyped-def]
        self, engine, records, first, last, by_text
    ) -> None:
        def query(dates: str) -> Query:
            text = f"year:{first or ''}..{last or ''}" if by_text else None
            period = {} if by_text else {"earliest": first, "latest": last}
            return Query(text=text, filters=Filters(**period, dates=dates), k=200, fold=False)

        dated = [r for r in records.values() if r.date]
        low, high = first or -9_999, last or 9_999
        possibly = {r.key for r in dated if r.date.latest >= low and r.date.earliest <= high}
        certainly = {r.key for r in dated if r.date.earliest >= low and r.date.latest <= high}
        found = engine.search(query("possibly"))
        assert {hit.key for hit in found.hits} == possibly
        assert {hit.key for hit in found.hits if hit.in_period == "certainly"} == certainly
        assert found.num_possibly == len(possibly - certainly)
        sure = engine.search(query("certainly"))
        assert {hit.key for hit in sure.hits} == certainly
        assert sure.num_possibly == 0

    def test_without_a_period_nothing_is_said(self, engine: SearchEngine) -> None:
        found = engine.search(Query())
        assert found.num_possibly is None
        assert {hit.in_period for hit in found.hits} == {None}


def resealed(folder: Path) -> None:
    """Write the checksums of changed files into the manifest."""
    (generation,) = folder.glob("gen-*")
    path = generation / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: sha256_of(generation / name) for name in manifest["files"]}
    path.write_text(json.dumps(manifest))


class TestOlderIndexes:
    @pytest.fixture
    def copied(self, index_folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(index_folder, tmp_path / "index"))

    def test_one_without_word_forms_is_refused_with_the_remedy(self, copied: Path) -> None:
        with sqlite3.connect(copied / "gen-000001" / "catalog.sqlite") as catalogue:
            catalogue.execute("DROP TABLE settings")
        resealed(copied)
        with pytest.raises(MissingRequirement, match="made by iconoclip") as refused:
            SearchEngine.open(copied)
        assert "iconoclip index" in (refused.value.remedy or "")

    def test_one_with_another_manifest_is_refused_with_the_remedy(self, copied: Path) -> None:
        path = copied / "gen-000001" / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"from_the_future": 1}))
        with pytest.raises(MissingRequirement, match="another form"):
            SearchEngine.open(copied)

    def test_one_without_borders_between_texts_says_so_where_it_matters(self, copied: Path) -> None:
        with sqlite3.connect(copied / "gen-000001" / "catalog.sqlite") as catalogue:
            catalogue.execute("DELETE FROM settings WHERE name='texts_apart'")
        resealed(copied)
        with SearchEngine.open(copied) as engine:
            assert engine.search(Query(text="red circle")).hints == ()
            for text in ('"red circle"', "title:red"):
                (hint,) = engine.search(Query(text=text)).hints
                assert (hint.code, "iconoclip index" in hint.text) == ("old_index", True)
