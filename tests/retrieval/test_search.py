"""What the engine answers."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.files import write_json
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from retrieval.answers import Filters, Query, RegionOf, Weighted
from retrieval.search import SearchEngine

from .conftest import draw, record_of, samples_of


@pytest.fixture(scope="module")
def engine(index_folder: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(index_folder) as engine:
        yield engine


@pytest.fixture(scope="module")
def records(shardset: Path) -> dict[str, object]:
    return {record.key: record for record, _ in ShardSet(shardset).samples()}


def keys(engine: SearchEngine, query: Query) -> list[str]:
    return [hit.key for hit in engine.search(query).hits]


def all_pages(engine: SearchEngine, query: Query) -> list[str]:
    found: list[str] = []
    while True:
        results = engine.search(query)
        assert [hit.rank for hit in results.hits] == list(
            range(len(found) + 1, len(found) + len(results.hits) + 1)
        )
        found += [hit.key for hit in results.hits]
        if results.next_cursor is None:
            return found
        query = query.model_copy(update={"cursor": results.next_cursor})


def test_a_text_finds_what_exact_products_find(engine: SearchEngine, store: Path, model: Path) -> None:
    from retrieval.encode.encoder import Encoder

    vectors = EmbeddingStore(store)
    query_D = Encoder(model).encode_texts(["a red circle"])[0]
    scores_N = vectors.vectors_ND.astype(np.float32) @ query_D
    best = [vectors.keys[row] for row in np.argsort(-scores_N, kind="stable")[:10]]
    results = engine.search(Query(text="a red circle", mode="semantic", k=10, fold=False))
    assert [hit.key for hit in results.hits] == best
    assert results.hits[0].cosine == pytest.approx(float(scores_N.max()), abs=1e-4)
    assert results.total == 120


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

    def test_words_that_thousands_have_count_among_what_is_near_in_meaning(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("retrieval.generation.catalog.MAX_EVERY_BESIDE", 5)
        monkeypatch.setattr("retrieval.query.order.WINDOW", 20)
        near = keys(engine, Query(text="yellow square", mode="semantic", k=20, fold=False))
        hits = engine.search(Query(text="yellow square", k=20, fold=False)).hits
        assert {hit.key for hit in hits} == set(near)
        for hit in hits:
            assert ("words" in hit.matched) == ("yellow square" in hit.title)

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

    def test_words_nobody_wrote_match_nothing(self, engine: SearchEngine) -> None:
        results = engine.search(Query(text="xylophonist", mode="keyword"))
        assert results.hits == ()
        assert results.matches_well is False


class TestFilters:
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
            (
                Filters(earliest=1550, latest=1560),
                lambda r: r.date and r.date.latest >= 1550 and r.date.earliest <= 1560,
            ),
            (Filters(earliest=1600), lambda r: r.date and r.date.latest >= 1600),
        ],
    )
    def test_every_item_that_passes_is_found_and_no_other(
        self, engine: SearchEngine, records, filters, passes
    ) -> None:  # type: ignore[no-untyped-def]
        expected = {key for key, record in records.items() if passes(record)}
        for query in (Query(text="a red circle", fold=False), Query(fold=False)):
            query = query.model_copy(update={"filters": filters, "k": 200})
            results = engine.search(query)
            assert {hit.key for hit in results.hits} == expected
            assert results.total == len(expected)
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
    assert sum(value.count for value in facets.century) == sum(r.date is not None for r in chosen)
    assert {value.label for value in facets.institution} == {"The Library"}


class TestExamples:
    def test_more_like_this_leaves_out_the_item_itself(self, engine: SearchEngine, store: Path) -> None:
        vectors = EmbeddingStore(store)
        key = vectors.keys[5]
        scores_N = vectors.vectors_ND.astype(np.float32) @ vectors.vectors_ND[5].astype(np.float32)
        best = [vectors.keys[row] for row in np.argsort(-scores_N, kind="stable") if row != 5][:10]
        assert keys(engine, Query(like=(key,), k=10, fold=False)) == best

    def test_an_uploaded_copy_finds_its_original(self, engine: SearchEngine, shardset: Path) -> None:
        record, jpeg = next(iter(ShardSet(shardset).samples()))
        results = engine.search(Query(image=jpeg, k=3, fold=False))
        assert results.hits[0].key == record.key
        assert results.hits[0].cosine == pytest.approx(1.0, abs=2e-3)

    def test_the_whole_image_as_region_finds_the_image(self, engine: SearchEngine, shardset: Path) -> None:
        record, _ = next(iter(ShardSet(shardset).samples()))
        region = RegionOf(key=record.key, x=0, y=0, width=1, height=1)
        assert keys(engine, Query(region=region, k=3, fold=False))[0] == record.key

    def test_a_weighted_sum_is_the_sum(self, engine: SearchEngine, store: Path) -> None:
        vectors = EmbeddingStore(store)
        one, other = vectors.keys[3], vectors.keys[40]
        terms = (Weighted(key=one, weight=1.0), Weighted(key=other, weight=-0.5))
        matrix_ND = vectors.vectors_ND.astype(np.float32)
        centred_ND = matrix_ND - matrix_ND.mean(axis=0)
        spreads = [np.sqrt(np.sum((centred_ND @ matrix_ND[row]) ** 2) / 119) for row in (3, 40)]
        sum_D = matrix_ND[3] / spreads[0] - 0.5 * matrix_ND[40] / spreads[1]
        best = [vectors.keys[row] for row in np.argsort(-(matrix_ND @ sum_D), kind="stable")[:10]]
        assert keys(engine, Query(terms=terms, k=10, fold=False)) == best

    def test_what_is_unlike_moves_away(self, engine: SearchEngine, store: Path) -> None:
        like, unlike = EmbeddingStore(store).keys[3], EmbeddingStore(store).keys[40]
        whole = Query(like=(like,), k=200, fold=False)
        near = keys(engine, Query(like=(unlike,), k=5, fold=False))
        before = keys(engine, whole)
        after = keys(engine, whole.model_copy(update={"unlike": (unlike,)}))
        shared = [key for key in near if key in before and key in after]
        assert np.mean([after.index(k) for k in shared]) > np.mean([before.index(k) for k in shared])

    @pytest.mark.parametrize(
        "data", [b"", b"not an image", draw("red", "circle", 1)[:200], b"GIF89a\xff\xff\xff\xff"]
    )
    def test_what_is_no_image_is_refused(self, engine: SearchEngine, data: bytes) -> None:
        with pytest.raises(BadInput):
            engine.search(Query(image=data or b"x"))

    def test_an_image_of_a_gigapixel_is_refused_before_it_is_decoded(self, engine: SearchEngine) -> None:
        header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 30_000, 8, 2, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
        data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
        with pytest.raises(BadInput, match="100 million"):
            engine.search(Query(image=data))

    def test_an_unknown_key_is_refused(self, engine: SearchEngine) -> None:
        for query in (Query(like=("museum-0000000000000000",)), Query(unlike=("museum-0000000000000000",))):
            with pytest.raises(BadInput, match="withdrawn"):
                engine.search(query)


class TestPages:
    @pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
    @pytest.mark.parametrize("k", [7, 50])
    def test_pages_together_are_the_whole_order(self, engine: SearchEngine, mode: str, k: int) -> None:
        query = Query(text="a red circle", mode=mode, k=200)  # type: ignore[arg-type]
        assert all_pages(engine, query.model_copy(update={"k": k})) == keys(engine, query)

    def test_pages_reach_past_the_window(self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("retrieval.query.order.WINDOW", 10)
        found = all_pages(engine, Query(text="a red circle", k=9, fold=False))
        assert len(found) == len(set(found)) == 120

    def test_a_cursor_of_another_query_is_refused(self, engine: SearchEngine) -> None:
        cursor = engine.search(Query(text="a red circle", k=5)).next_cursor
        for bad in (cursor, "", "AAAA", "e30", "x" * 400):
            with pytest.raises(BadInput):
                engine.search(Query(text="a blue circle", k=5, cursor=bad or "!"))

    def test_without_a_question_everything_is_listed(self, engine: SearchEngine) -> None:
        assert len(all_pages(engine, Query(k=50, fold=False))) == 120


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


def test_a_hidden_institution_cannot_be_asked_about(engine: SearchEngine, records) -> None:  # type: ignore[no-untyped-def]
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


class TestWithdrawal:
    def withdraw(self, folder: Path, key: str) -> None:
        manifest = with_tombstones(
            ShardSet(folder).manifest, [Tombstone(key=key, reason="asked", at="2026-01-01")]
        )
        write_json(folder / "shardset.json", manifest.model_dump(mode="json"))

    def test_a_withdrawn_item_is_gone_everywhere(
        self, make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("retrieval.live.views.SECONDS_BETWEEN_LOOKS", 0.0)
        samples = samples_of(range(30))
        folder = make_index(samples)
        gone = samples[7][0].key
        with SearchEngine.open(folder) as engine:
            query = Query(text="a yellow square number 7", k=5, fold=False)
            first = engine.search(query)
            assert gone in [hit.key for hit in first.hits]
            last = first.hits[-1].key
            self.withdraw(folder.parent / "set", gone)
            self.withdraw(folder.parent / "set", last)
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
            assert engine.search(query).total == 28
            assert engine.status().num_withdrawn == 2

    def test_a_page_turned_after_a_withdrawal_repeats_and_skips_nothing(
        self, make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("retrieval.live.views.SECONDS_BETWEEN_LOOKS", 0.0)
        folder = make_index(samples_of(range(30)))
        with SearchEngine.open(folder) as engine:
            query = Query(text="a red circle", k=10, fold=False)
            whole = keys(engine, query.model_copy(update={"k": 200}))
            first = engine.search(query)
            for key in (whole[2], whole[15]):
                self.withdraw(folder.parent / "set", key)
            rest = query.model_copy(update={"cursor": first.next_cursor, "k": 200})
            assert keys(engine, rest) == [key for key in whole[10:] if key != whole[15]]


class TestMoved:
    def test_a_moved_shard_set_is_asked_for(self, make_index: Callable[..., Path]) -> None:
        folder = make_index(samples_of(range(12)))
        moved = folder.parent / "elsewhere"
        (folder.parent / "set").rename(moved)
        with pytest.raises(MissingRequirement, match="not there") as caught:
            SearchEngine.open(folder)
        assert "--shardset" in str(caught.value)
        with SearchEngine.open(folder, shardsets=[moved]) as engine:
            assert len(engine.search(Query(text="red")).hits) == 12

    def test_another_shard_set_in_its_place_is_refused(
        self, make_index: Callable[..., Path], shardset: Path
    ) -> None:
        folder = make_index(samples_of(range(12)))
        with pytest.raises(DamagedData, match="not the shard set"):
            SearchEngine.open(folder, shardsets=[shardset])

    def test_a_moved_model_is_asked_for_when_it_is_needed(
        self, index_folder: Path, model: Path, tmp_path: Path
    ) -> None:
        with SearchEngine.open(index_folder, model=tmp_path / "nowhere") as engine:
            assert engine.search(Query(text="red", mode="keyword")).hits
            with pytest.raises(MissingRequirement) as caught:
                engine.search(Query(text="red"))
            assert "--model" in str(caught.value)

    def test_a_damaged_index_is_refused(self, index_folder: Path, tmp_path: Path) -> None:
        for name in ("vectors.faiss", "catalog.sqlite", "columns.npz", "clusters.npy"):
            copy = tmp_path / name
            shutil.copytree(index_folder, copy)
            target = copy / "gen-000001" / name
            data = bytearray(target.read_bytes())
            data[len(data) // 2] ^= 1
            target.write_bytes(data)
            with pytest.raises(DamagedData, match="differs"):
                SearchEngine.open(copy)

    def test_no_index_is_said_to_be_none(self, tmp_path: Path) -> None:
        with pytest.raises(MissingRequirement, match="no index"):
            SearchEngine.open(tmp_path)
        (tmp_path / "CURRENT").write_text("../../etc")
        with pytest.raises(DamagedData, match="no generation"):
            SearchEngine.open(tmp_path)


def test_an_image_explains_itself(engine: SearchEngine, shardset: Path) -> None:
    record, _ = next(iter(ShardSet(shardset).samples()))
    explanation = engine.explain(record.key, "a red circle")
    assert len(explanation.heat) == explanation.width * explanation.height
    assert max(explanation.heat) in (0.0, 1.0)
    with pytest.raises(BadInput):
        engine.explain(record.key, "  ")


def test_notations_are_suggested_with_shares_of_the_branch(engine: SearchEngine, shardset: Path) -> None:
    record, _ = next(iter(ShardSet(shardset).samples()))
    found = engine.suggest_notations(record.key, "25F2", k=5, language="de")
    assert len(found) == 5
    assert all(each.notation.startswith(("25F2", "25FF2")) for each in found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    with pytest.raises(BadInput, match="no branch"):
        engine.suggest_notations(record.key, "nonsense")
