"""What passes a filter, and what is counted of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.record import Region
from retrieval.engine import SearchEngine
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
