"""Words as people type them and as records spell them."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.errors import MissingRequirement
from iconoclip.files import sha256_of
from iconoclip.record import Caption, RawPair
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.generation.word_forms import modern, stem_keys, variants
from retrieval.index import index
from retrieval.questions import Query
from retrieval.words import folded, tokens, words_in

from .conftest import samples_of, write_shardset

SAME = [
    ("Dürer", unicodedata.normalize("NFD", "Dürer")), ("Straßburg", "STRASSBURG"), ("cœur", "coeur"),
    ("Jørgen", "jorgen"), ("Łódź", "lodz"), ("Ἀλέξανδρος", "Αλέξανδρος"), ("שָׁלוֹם", "שלום"),
    ("Buch\u00admalerei", "Buchmalerei"), ("ｌｉｏｎ", "lion"), ("ISTANBUL", "ıstanbul"), ("İzmir", "izmir"),
    ("Ærø", "aero"), ("ﬁgure", "figure"),
    ("١٥٠٠", "1500"), ("۱۵۰۰", "1500"), ("१५००", "1500"), ("１５００", "1500"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equivalent_spellings_are_equal(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert list(tokens(one)) == list(tokens(other))


def test_marks_that_make_another_letter_stay() -> None:
    assert folded("が") != folded("か")
    assert folded("한국") == "한국"


def test_unspaced_scripts_are_split_into_pairs() -> None:
    assert words_in("神奈川 print") == ["神奈", "奈川", "print"]
    assert set(words_in("神奈川")) <= set(words_in("冨嶽三十六景神奈川沖浪裏"))


def test_stems_compounds_and_old_spellings_share_a_key() -> None:
    found = set(
        variants({"de": {"wappen", "familie", "familienwappen"}, "en": {"lion", "lions", "portraits"}})
    )
    assert {("part:wappen", "familienwappen"), ("part:familie", "familienwappen")} <= found
    assert {("en:lion", "lion"), ("en:lion", "lions"), ("en:portrait", "portraits")} <= found
    assert modern("lyon") == modern("lion")
    assert modern("loewe") == modern("lowe")


# Pairs that Snowball alone keeps apart.
PLURALS = {
    "en": "woman women, fisherman fishermen, child children, wolf wolves, knife knives, goose geese, ox oxen",
    "fr": "portrait portraits, roi rois, vitrail vitraux, œil yeux",
    "de": "Königin Königinnen, Museum Museen, Globus Globen",
    "nl": "schip schepen, stad steden, kind kinderen, paard paarden, graf graven, blad bladeren, ei eieren",
    "es": "mujer mujeres, cruz cruces, virgen vírgenes",
    "pt": "leão leões, animal animais, homem homens, capitão capitães",
    "it": "uomo uomini",
    "sv": "bok böcker, fågel fåglar",
    "da": "mand mænd, hånd hænder",
    "no": "mann menn, fot føtter",
}


@pytest.mark.parametrize("language", PLURALS)
def test_singular_and_plural_share_a_key(language: str) -> None:
    for pair in PLURALS[language].split(", "):
        singular, plural = (set(stem_keys(folded(word), [language])) for word in pair.split())
        assert singular & plural, pair
    assert not set(stem_keys("lion", ["en"])) & set(stem_keys("line", ["en"]))


TITLES = {
    1: ("Albrecht Dürer: Melencolia", "en"), 2: ("冨嶽三十六景神奈川沖浪裏", "ja"),
    3: ("Große Wappentafel von Straßburg", "de"), 4: ("Portraits of two sisters", "en"),
    5: ("Ein Löwe am Brunnen", "de"), 6: ("Le lyon et le rat", "fr"), 7: ("Wappen und Tafel", "de"),
    8: ("Three women, published 1888", "en"), 10: ("かわいい猫と虎", "ja"),
}  # fmt: skip
FOUND = [
    ("Melancholia", 1), ("神奈川", 2), ("strassburg", 3), ("portrait", 4), ("Löwen", 5), ("loewe", 5),
    ("Fontainebleau", 6), ("Inv. 7/b", 7), (unicodedata.normalize("NFD", "Dürer"), 1), ("Tafel Straßburg", 3),
    ("melencolia print", 1), ("woman", 8), ("1888", 8), ("猫", 10), ("虎", 10), ("か", 10), ("title:猫", 10),
    ("Große Wappentafel von Straßburg", 3),
]  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, model: Path) -> SearchEngine:
    folder = tmp_path_factory.mktemp("words")
    samples = []
    for number, (record, jpeg) in enumerate(samples_of(range(20)), 0):
        text, language = TITLES.get(number, (f"nothing {number}", "en"))
        raw = (
            RawPair(label="Place", value="Fontainebleau" if number == 6 else "nowhere", level="record"),
            RawPair(label="Shelfmark", value=f"Inv. {number}/b", level="record"),
        )
        captions = (Caption(text=text, language=language, field="title", role="title"),)
        changes = {"captions": captions, "raw": raw, "creators": (), "group": f"g{number}", "iconclass": ()}
        samples.append((record.model_copy(update=changes), jpeg))
    shards = write_shardset(folder / "set", samples)
    encode(EncodeConfig(model=str(model), shardset=str(shards), out=str(folder / "store")))
    index(IndexConfig(stores=[str(folder / "store")], out=str(folder / "index")))
    return SearchEngine.open(folder / "index")


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
@pytest.mark.parametrize(("text", "number"), FOUND)
def test_what_is_meant_comes_first(engine: SearchEngine, text: str, number: int, mode: str) -> None:
    hits = engine.search(Query(text=text, mode=mode, k=5)).hits  # type: ignore[arg-type]
    assert hits[0].title == TITLES[number][0]


def test_a_year_that_only_a_title_has_is_a_known_word(engine: SearchEngine) -> None:
    found = engine.search(Query(text="1888", mode="keyword"))
    assert found.total == found.num_by_words == 1
    assert found.spelling is None


def test_kinds_institutions_and_years_are_words_too(engine: SearchEngine) -> None:
    for text, right in (("print", 10), ("museum", 20)):
        found = engine.search(Query(text=text, mode="keyword", k=50, fold=False)).hits
        assert len(found) == right, text
    # Item 9 is of 1509 to 1519, as item 5 is of 1505 to 1515.
    dated = {hit.title for hit in engine.search(Query(text="1505", mode="keyword", k=50, fold=False)).hits}
    assert TITLES[5][0] in dated
    assert "nothing 9" not in dated


def test_an_index_of_an_older_version_is_refused_with_the_command_to_rebuild_it(
    make_index: Callable[..., Path],
) -> None:
    folder = make_index(samples_of(range(12)))
    (catalog,) = folder.glob("gen-*/catalog.sqlite")
    before = sha256_of(catalog)
    with sqlite3.connect(catalog) as connection:
        for table in ("settings", "variants", "texts"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    manifest = catalog.parent / "manifest.json"
    manifest.write_text(manifest.read_text().replace(before, sha256_of(catalog)))
    with pytest.raises(MissingRequirement, match="cannot search it") as refused:
        SearchEngine.open(folder)
    assert "iconoclip index" in str(refused.value.remedy)
