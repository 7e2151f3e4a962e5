"""What the answer states about words of a query that no item has."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from iconoclip.files import sha256_of
from iconoclip.record import Caption, RawPair
from retrieval.answers import Spelling
from retrieval.engine import SearchEngine
from retrieval.questions import Filters, Query
from retrieval.search import show

from .conftest import samples_of

TITLES = {
    1: ("Melencolia, ein Kupferstich", "de"), 2: ("Azure, a lion rampant or", "en"),
    3: ("Ein Löwe am Brunnen", "de"),
    4: ("Портрет художника", "ru"), 5: ("Ἀλέξανδρος ὁ Μέγας", "el"), 6: ("冨嶽三十六景神奈川沖浪裏", "ja"),
    7: ("two lions rampant", "en"), 8: ("Portraits of the Kupfer family", "en"),
    12: ("a bend in chief", "en"), 13: ("a bend on chief", "en"),
    9: ("drei Jakobsmuscheln", "de"), 10: ("a greyhound", "en"), 11: ("riddarsköldar", "sv"),
}  # fmt: skip
MAKERS = {1: "Albrecht Dürer", 2: "Grünenberg, Konrad"}
# What is typed, and the word of the records that it stands for.
CORRECTED = [
    ("Melancholia", "Melencolia"), ("rampent", "rampant"), ("Loewe", "Löwe"), ("lyon", "lion"),
    ("Duerer", "Dürer"),
    ("Albrehct", "Albrecht"), ("Gruenenberg", "Grünenberg"),
    ("Портред", "Портрет"), ("Αλεξανδρως", "Ἀλέξανδρος"),
    ("Nuernberg", "Nürnberg"), ("ｒａｍｐｅｎｔ", "rampant"),
    # The last part of a compound, in languages that have such compounds.
    ("Muschel", "Jakobsmuscheln"), ("Muscheln", "Jakobsmuscheln"), ("sköld", "riddarsköldar"),
    ("Lo\N{COMBINING DIAERESIS}ve", "Löwe"), ("ram\N{SOFT HYPHEN}pent", "rampant"),
]  # fmt: skip


@pytest.fixture(scope="module")
def index_of_titles(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    from retrieval.config import EncodeConfig, IndexConfig
    from retrieval.encode.verb import encode
    from retrieval.index import index

    from .conftest import write_shardset

    folder = tmp_path_factory.mktemp("spelling")
    samples = []
    for number, (record, jpeg) in enumerate(samples_of(range(14))):
        text, language = TITLES.get(number, (f"nothing {number}", "en"))
        changes = {
            "captions": (Caption(text=text, language=language, field="title", role="title"),),
            "creators": (MAKERS[number],) if number in MAKERS else (),
            "raw": (RawPair(label="Place", value="Nürnberg", level="record"),) if number == 1 else (),
            "iconclass": (),
            "group": f"g{number}",
        }
        samples.append((record.model_copy(update=changes), jpeg))
    shards = write_shardset(folder / "set", samples)
    encode(EncodeConfig(model=str(model), shardset=str(shards), out=str(folder / "store")))
    index(IndexConfig(stores=[str(folder / "store")], out=str(folder / "index")))
    return folder / "index"


@pytest.fixture(scope="module")
def engine(index_of_titles: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(index_of_titles) as engine:
        yield engine


def told(engine: SearchEngine, text: str, **settings: object) -> Spelling | None:
    return engine.search(Query(text=text, mode="keyword", **settings)).spelling  # type: ignore[arg-type]


@pytest.mark.parametrize(("typed", "meant"), CORRECTED)
def test_it_states_what_was_searched_instead(engine: SearchEngine, typed: str, meant: str) -> None:
    spelling = told(engine, typed)
    assert spelling is not None
    assert [(each.typed, each.searched[0]) for each in spelling.corrections] == [(typed, meant)]
    assert spelling.suggested == meant
    found = engine.search(Query(text=typed, mode="keyword")).hits
    assert found
    assert {hit.key for hit in found} == {
        hit.key for hit in engine.search(Query(text=meant, mode="keyword")).hits
    }


@pytest.mark.parametrize("typed", ["hound", "kobsmuscheln", "köld"])
def test_an_ending_that_is_no_last_part_finds_nothing(engine: SearchEngine, typed: str) -> None:
    """An English word, one before which two letters are no word, and one of four letters."""
    spelling = told(engine, typed)
    assert spelling is not None
    assert spelling.corrections == ()


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
@pytest.mark.parametrize(("typed", "meant"), [*CORRECTED, ("two lyons rampent", "two lions rampant")])
def test_counts_and_facets_are_those_of_the_word_that_was_searched(
    engine: SearchEngine, typed: str, meant: str, mode: Any
) -> None:
    found, right = (engine.search(Query(text=text, mode=mode, k=200), counts=True) for text in (typed, meant))
    assert found.num_by_words > 0
    for name in ("total", "total_is_exact", "num_by_words", "matches_well", "facets", "partly"):
        assert getattr(found, name) == getattr(right, name), name
    assert [(hit.key, hit.score) for hit in found.hits] == [(hit.key, hit.score) for hit in right.hits]
    exported = [hit.key for hit in engine.whole_set(Query(text=typed, mode=mode), 200).hits()]
    assert len(exported) == found.total


@pytest.mark.parametrize(
    ("form", "other"),
    [("lions", "lion"), ("portrait", "portraits"), ("Löwen", "Löwe"), ("Kupfer", "kupfer"), ("löwe", "LÖWE")],
)
def test_forms_of_a_word_match_alike(engine: SearchEngine, form: str, other: str) -> None:
    """Also where only one of them is in a record: there is a record with lion, and one with Portraits."""
    found, right = (engine.search(Query(text=text, mode="keyword"), counts=True) for text in (form, other))
    assert found.matches_well is True
    assert found.spelling is right.spelling is None
    assert (found.total, found.num_by_words, found.facets) == (right.total, right.num_by_words, right.facets)


PARTS = [
    ("Melencolia etching", [("Melencolia", "etching", 1)], "Melencolia"),
    ("etching Melencolia -lion", [("Melencolia", "etching", 1)], "Melencolia -lion"),
    # The rarer word is more specific.
    ("Löwe rampant", [("Löwe", "rampant", 1), ("rampant", "Löwe", 2)], "Löwe"),
    ("azure rampent etching", [("azure rampant", "etching", 1)], "azure rampant"),
    ("azure two rampant", [("azure rampant", "two", 1), ("two rampant", "azure", 1)], "azure rampant"),
    ("神奈川 etching", [("神奈 奈川", "etching", 1)], "神奈 奈川"),
    ("etching engraving", [], None), ("lion rampant", [], None), ("etching", [], None),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "parts", "text"), PARTS)
def test_words_that_are_partly_found_are_said_one_by_one(
    engine: SearchEngine, typed: str, parts: list[tuple[str, str, int]], text: str | None
) -> None:
    found = engine.search(Query(text=typed, mode="keyword"), counts=True)
    told = [(" ".join(each.words), " ".join(each.missing), each.total) for each in found.partly]
    assert told == parts
    if text is None:
        return
    assert found.num_by_words == 0
    assert found.matches_well is (found.total > 0)
    assert found.partly[0].text == text
    assert found.facets is not None
    assert found.facets.total == (found.total or parts[0][2])
    assert engine.search(Query(text=text, mode="keyword")).num_by_words == parts[0][2]


def test_parts_are_those_of_visible_items_within_the_filters(engine: SearchEngine) -> None:
    hidden = Filters(without_institution=("museum",))
    assert engine.search(Query(text="Melencolia etching", mode="keyword", filters=hidden)).partly == ()
    other = Query(text="Melencolia etching", mode="keyword", filters=Filters(object_type="drawing"))
    assert engine.search(other).partly == ()
    print_only = Query(text="Melencolia etching", mode="keyword", filters=Filters(object_type="print"))
    assert [each.total for each in engine.search(print_only, counts=True).partly] == [1]


@pytest.mark.parametrize(
    "text", ["Melencolia", "melencolia", "rampant", "Löwen", "lions", "神奈川", "Портрет", "1505"]
)
def test_words_that_records_have_are_not_mentioned(engine: SearchEngine, text: str) -> None:
    assert told(engine, text) is None


@pytest.mark.parametrize(
    ("text", "num_matching"),
    [
        ("the two lions", 1),
        ("two lions with a rampant", 1),
        ("ein Löwe mit einem Brunnen", 1),
        ("les portraits de family", 1),
        ("show me pictures of two lions", 1),
        ("Bilder von einem Löwen", 1),
        # Records distinguish these two.
        ("bend in chief", 1),
        ("the bend on the chief", 1),
        # None has this word, or it only joins the others.
        ("a bend upon chief", 2),
        ("a bend with chief", 2),
        ("bend of lions", 0),
        ("portraits of family", 1),
        ("portraits and family", 1),
        ("a bend with a rampant lion", 0),
    ],
)
def test_articles_and_joining_words_need_not_be_there(
    engine: SearchEngine, text: str, num_matching: int
) -> None:
    found = engine.search(Query(text=text, mode="keyword"))
    assert (found.num_by_words, found.spelling) == (num_matching, None)
    if "with" in text and num_matching == 2:
        literal = engine.search(Query(text=text, mode="keyword", literal=True))
        assert (literal.num_by_words, literal.spelling.unknown) == (0, ("with",))  # type: ignore[union-attr]


def test_only_the_words_that_no_record_has_are_replaced(engine: SearchEngine) -> None:
    spelling = told(engine, "Azure, a lion rampent: xyzzyplugh")
    assert spelling is not None
    assert spelling.suggested == "Azure, a lion rampant: xyzzyplugh"
    assert spelling.unknown == ("xyzzyplugh",)


def test_what_was_typed_can_be_searched_alone(engine: SearchEngine) -> None:
    found = engine.search(Query(text="rampent", mode="keyword", literal=True))
    assert found.hits == ()
    assert found.spelling == Spelling(unknown=("rampent",))


def test_words_of_items_that_a_reader_may_not_see_are_not_named(engine: SearchEngine) -> None:
    hidden = Filters(without_institution=("museum",))
    assert told(engine, "Melancholia", filters=hidden) == Spelling(unknown=("Melancholia",))


def test_an_index_without_a_table_of_spellings_knows_the_words_of_its_captions(
    make_index: Callable[..., Path],
) -> None:
    folder = make_index(samples_of(range(14)))
    (catalog,) = folder.glob("gen-*/catalog.sqlite")
    before = sha256_of(catalog)
    with sqlite3.connect(catalog) as connection:
        connection.execute("DROP TABLE spellings")
    connection.close()
    manifest = catalog.parent / "manifest.json"
    manifest.write_text(manifest.read_text().replace(before, sha256_of(catalog)))
    with SearchEngine.open(folder) as engine:
        spelling = told(engine, "cirlce")
    assert spelling is not None
    assert spelling.suggested == "circle"


@pytest.mark.parametrize("typed", ["Mu\N{COMBINING DIAERESIS}hlrad", "אַרְיֵה", "xyzzy\N{SOFT HYPHEN}plugh"])
def test_an_unknown_word_is_shown_with_its_accents_and_points(engine: SearchEngine, typed: str) -> None:
    spelling = told(engine, f"Löwe {typed}")
    assert spelling is not None
    assert spelling.unknown == (typed,)


def test_with_another_first_letter_a_word_has_no_second_slip(engine: SearchEngine) -> None:
    for typed, searched in (("Fortraits", "Portraits"), ("Portrairs", "Portraits"), ("Fortrairs", None)):
        spelling = told(engine, typed)
        assert spelling is not None
        assert spelling.suggested == searched


@pytest.mark.parametrize("typed", ["l'azure lion", "d’AZURE lion", "lion dell'azure"])
def test_an_elided_article_is_no_word_to_look_for(engine: SearchEngine, typed: str) -> None:
    plain, elided = (engine.search(Query(text=text, mode="keyword")) for text in ("azure lion", typed))
    assert [hit.key for hit in elided.hits] == [hit.key for hit in plain.hits] != []
    assert (elided.total, elided.spelling) == (plain.total, None)


def test_the_terminal_states_it_too(engine: SearchEngine) -> None:
    written = io.StringIO()
    results = engine.search(Query(text="rampent [bold]xyzzyplugh", mode="keyword"))
    show(results, Console(file=written, width=160))
    assert "No record has “rampent”; searched “rampant” instead" in written.getvalue()
    assert "No record has “xyzzyplugh”." in written.getvalue()
    results = engine.search(Query(text="Melencolia [bold]etching", mode="keyword"))
    show(results, Console(file=written, width=160))
    assert "1 record has “Melencolia”, but not “bold etching”." in written.getvalue()
