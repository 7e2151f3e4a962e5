"""What passes a filter, and what is counted of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.record import Date, Region
from retrieval.engine import SearchEngine
from retrieval.generation.columns import Columns
from retrieval.query.facets import facets_of
from retrieval.questions import Filters, Query

from .conftest import keys, samples_of


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(institution=("library",)), lambda r: r.institution.slug == "library"),
        (Filters(without_institution=("library",)), lambda r: r.institution.slug != "library"),
        (Filters(language="de"), lambda r: True),
        (Filters(language="de-at"), lambda r: any(c.language == "de-AT" for c in r.captions)),
        (
            Filters(rights=("PDM", "InC")),
            lambda r: (r.rights.display != "yes" and r.rights.uri) or "mark" in (r.rights.uri or ""),
        ),
        (Filters(reusable=True), lambda r: r.rights.redistribute in ("yes", "share-alike")),
        (Filters(reusable=False), lambda r: r.rights.redistribute not in ("yes", "share-alike")),
        (Filters(iconclass="25F"), lambda r: r.iconclass == ("25F23(LION)",)),
        (Filters(iconclass="predatory animals"), lambda r: r.iconclass == ("25F23(LION)",)),
        (Filters(iconclass="Raubtiere"), lambda r: r.iconclass == ("25F23(LION)",)),
        (Filters(iconclass="no such thing"), lambda r: False),
        (Filters(iconclass="48"), lambda r: "48A98" in r.iconclass),
        (Filters(object_type="PRINT"), lambda r: r.object_type == "print"),
        (Filters(creator="albrecht durer"), lambda r: r.creators == ("Albrecht Dürer",)),
        (Filters(split="test"), lambda r: r.split == "test"),
        (Filters(has_region=True), lambda r: False),
        (Filters(has_region=False), lambda r: True),
        (Filters(pictures_only=True), lambda r: True),
        (Filters(pictures_only=False), lambda r: False),
        (Filters(picture_kind="map"), lambda r: False),
        (
            Filters(earliest=1550, latest=1560),
            lambda r: r.date and r.date.latest >= 1550 and r.date.earliest <= 1560,
        ),
        (Filters(earliest=1600), lambda r: r.date and r.date.latest >= 1600),
    ],
)
def test_every_item_that_passes_is_found_and_no_other(engine: SearchEngine, records, filters, passes) -> None:  # type: ignore[no-untyped-def]
    expected = {key for key, record in records.items() if passes(record)}
    for query in (Query(text="a red circle", fold=False), Query(fold=False)):
        query = query.model_copy(update={"filters": filters, "k": 200})
        results = engine.search(query)
        assert {hit.key for hit in results.hits} == expected
        matches = expected if query.text is None else {h.key for h in results.hits if h.score >= 0.5}
        assert results.total == len(matches)
    assert engine.facets(filters).total == len(expected)


def test_facets_count_what_records_say(engine: SearchEngine, records) -> None:  # type: ignore[no-untyped-def]
    facets = engine.facets(Filters(institution=("library",)))
    chosen = [record for record in records.values() if record.institution.slug == "library"]
    by_type = {value.value: value.count for value in facets.object_type}
    assert by_type == {kind: sum(r.object_type == kind for r in chosen) for kind in ("print", "drawing")}
    assert {value.value: value.count for value in facets.iconclass}["46A"] == sum(
        "46A122" in r.iconclass for r in chosen
    )
    assert facets.num_reusable == sum(r.rights.redistribute in ("yes", "share-alike") for r in chosen)
    assert (facets.earliest, facets.latest) == (1581, 1629)
    for value in facets.century:
        first = int(value.value)
        overlapping = [
            r for r in chosen if r.date and r.date.earliest < first + 100 and r.date.latest >= first
        ]
        assert value.count == len(overlapping), "a date that spans two centuries counts in both"
    assert {value.label for value in facets.institution} == {"The Library"}


def test_records_about_a_part_of_an_image_are_told_from_those_about_the_whole(
    make_index: Callable[..., Path],
) -> None:
    samples = samples_of(range(12))
    part = Region(x=10, y=20, width=30, height=40)
    for n in (2, 5, 7):
        record, jpeg = samples[n]
        source = record.source.model_copy(update={"region": part})
        samples[n] = (record.model_copy(update={"source": source}), jpeg)
    parts = {samples[n][0].key for n in (2, 5, 7)}
    whole = {record.key for record, _ in samples} - parts
    with SearchEngine.open(make_index(samples)) as engine:
        for has_region, expected in ((True, parts), (False, whole)):
            query = Query(filters=Filters(has_region=has_region), k=200, fold=False)
            assert set(keys(engine, query)) == expected
        assert engine.facets(Filters()).num_with_region == 3
        assert {
            hit.region for hit in engine.search(Query(filters=Filters(has_region=True), fold=False)).hits
        } == {part}


@pytest.fixture(scope="module")
def open_dates() -> Columns:
    """Rows: after 1900, before 1500, 1480 to 1490, no date, before 1905 BC."""
    dates = [(1900, None), (None, 1500), (1480, 1490), None, (None, -1905)]
    first, _ = samples_of([0])[0]
    return Columns.of(
        first.model_copy(update={"date": each and Date(earliest=each[0], latest=each[1])}) for each in dates
    )


@pytest.mark.parametrize(
    ("period", "possibly", "certainly"),
    [
        ((1900, 1900), [0], []),
        ((1950, 1999), [0], []),
        ((1900, None), [0], [0]),
        ((1901, None), [0], []),
        ((None, 1899), [1, 2, 4], [1, 2, 4]),
        ((None, 1495), [1, 2, 4], [2, 4]),
        ((1485, 1500), [1, 2], []),
        ((1500, 1500), [1], []),
        ((1501, 1899), [], []),
        ((-3000, -1905), [1, 4], []),
        ((None, -1905), [1, 4], [4]),
    ],
)
def test_an_open_end_is_certain_only_as_far_as_it_says(
    open_dates: Columns, period: tuple[int | None, int | None], possibly: list[int], certainly: list[int]
) -> None:
    found = (open_dates.in_period(*period, certainly=sure).nonzero()[0].tolist() for sure in (False, True))
    assert tuple(found) == (possibly, certainly)


def test_centuries_with_open_ends_count_what_their_period_leaves(open_dates: Columns) -> None:
    facets = facets_of([(open_dates, open_dates.made_in(0) | True)])
    assert (facets.earliest, facets.latest) == (-1905, 1900)
    counts = {int(each.value): each.count for each in facets.century}
    assert counts[1400] == 2, "before 1500, and 1480 to 1490"
    assert counts[1900] == 1
    for start, count in counts.items():
        assert count == open_dates.in_period(start, start + 99, certainly=False).sum()
    assert max(counts) == 1900
