"""What readers are told about words of a query that no item has."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from iconoclip.files import sha256_of
from iconoclip.record import Caption, RawPair
from retrieval.answers import Filters, Query, Spelling
from retrieval.engine import SearchEngine
from retrieval.search import show

from .conftest import samples_of

TITLES = {
    1: ("Melencolia, ein Kupferstich", "de"), 2: ("Azure, a lion rampant or", "en"),
    3: ("Ein Löwe am Brunnen", "de"),
    4: ("Портрет художника", "ru"), 5: ("Ἀλέξανδρος ὁ Μέγας", "el"), 6: ("冨嶽三十六景神奈川沖浪裏", "ja"),
    7: ("two lions rampant", "en"),
}  # fmt: skip
MAKERS = {1: "Albrecht Dürer", 2: "Grünenberg, Konrad"}
# What is typed, and the word of the records that it stands for.
CORRECTED = [
    ("Melancholia", "Melencolia"), ("rampent", "rampant"), ("Loewe", "Löwe"), ("lyon", "lion"),
    ("Duerer", "Dürer"),
    ("Albrehct", "Albrecht"), ("Gruenenberg", "Grünenberg"),
    ("Портред", "Портрет"), ("Αλεξανδρως", "Ἀλέξανδρος"),
    ("Nuernberg", "Nürnberg"), ("ｒａｍｐｅｎｔ", "rampant"),
]  # fmt: skip


@pytest.fixture(scope="module")
def index_of_titles(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    from retrieval.config import EncodeConfig, IndexConfig
    from retrieval.encode.verb import encode
    from retrieval.index import index

    from .conftest import write_shardset

    folder = tmp_path_factory.mktemp("spelling")
    samples = []
    for number, (record, jpeg) in enumerate(samples_of(range(12))):
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
def test_it_says_what_was_searched_instead(engine: SearchEngine, typed: str, meant: str) -> None:
    spelling = told(engine, typed)
    assert spelling is not None
    assert [(each.typed, each.searched[0]) for each in spelling.corrections] == [(typed, meant)]
    assert spelling.suggested == meant
    found = engine.search(Query(text=typed, mode="keyword")).hits
    assert found
    assert {hit.key for hit in found} == {
        hit.key for hit in engine.search(Query(text=meant, mode="keyword")).hits
    }


@pytest.mark.parametrize(
    "text", ["Melencolia", "melencolia", "rampant", "Löwen", "lions", "神奈川", "Портрет", "1505"]
)
def test_nothing_is_said_of_words_that_records_have(engine: SearchEngine, text: str) -> None:
    assert told(engine, text) is None


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
    folder = make_index(samples_of(range(12)))
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


def test_the_terminal_says_it_too(engine: SearchEngine) -> None:
    written = io.StringIO()
    results = engine.search(Query(text="rampent [bold]xyzzyplugh", mode="keyword"))
    show(results, Console(file=written, width=160))
    assert "No record has “rampent”; searched “rampant” instead" in written.getvalue()
    assert "No record has “xyzzyplugh”." in written.getvalue()
