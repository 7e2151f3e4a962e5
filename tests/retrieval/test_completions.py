"""What a reader may complete a text to, while it is typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.record import Caption, RawPair
from retrieval.generation.catalog import Catalog, CatalogWriter, ImageLocation
from retrieval.generation.completions import key_of, starts

from .conftest import draw, record_of

JPEG = draw("red", "circle", 0)
# Title, language, maker, place, institution; one item each.
ITEMS = [
    ("Azure, a lion rampant or", "en", "Grünenberg, Konrad", "Nürnberg", "archive"),
    ("Azure, a lion passant", "en", "Grünenberg, Konrad", "Nürnberg", "archive"),
    ("In Blau ein Löwe", "de", "Grünenberg, Konrad", "Nürnberg", "archive"),
    ("La Ligne d'eau", "fr", "Lindenau, Anna", "Lübeck", "museum"),
    ("冨嶽三十六景神奈川沖浪裏", "ja", "Katsushika Hokusai", "Edo", "museum"),
    ("Дюрер и его время", "ru", "Лосев", "Łódź", "museum"),
    ("A very long title of " + "many words " * 20, "en", "", "", "museum"),
]
COMPLETED = [
    ("azure, a li", "en", ["Azure, a lion passant", "Azure, a lion rampant or"]),
    ("LION", "en", ["Azure, a lion passant", "Azure, a lion rampant or"]),
    ("lion r", "en", ["Azure, a lion rampant or"]),
    ("grunen", "en", ["Konrad Grünenberg"]),
    ("Konrad Gru", "en", ["Konrad Grünenberg"]),
    ("Grünenberg, K", "en", ["Konrad Grünenberg"]),
    (unicodedata.normalize("NFD", "Nür"), "en", ["Nürnberg"]),
    ("lodz", "en", ["Łódź"]),
    ("神奈川", "en", ["冨嶽三十六景神奈川沖浪裏"]),
    ("冨嶽", "ja", ["冨嶽三十六景神奈川沖浪裏"]),
    ("дюр", "ru", ["Дюрер и его время"]),
    ("the arch", "en", ["The Archive"]),
    ("archive", "en", ["The Archive"]),
    ("azure  a—LION ", "en", ["Azure, a lion passant", "Azure, a lion rampant or"]),
    ("", "en", []), ("?!", "en", []), ("zzzz", "en", []),
]  # fmt: skip


def write(path: Path, items: list[tuple[str, str, str, str, str]]) -> Catalog:
    writer = CatalogWriter(path)
    for row, (title, language, maker, place, slug) in enumerate(items):
        record = record_of(
            row,
            JPEG,
            slug,
            captions=(Caption(text=title, language=language, field="title", role="title"),),
            creators=(maker,) if maker else (),
            raw=(RawPair(label="Ort", value=place, level="record"),) if place else (),
            iconclass=("25F23(LION)",) if "lion" in title else (),
        )
        writer.add(row, record, ImageLocation(0, "x.tar", 0, 1), "")
    writer.close()
    return Catalog(path)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    opened = write(tmp_path_factory.mktemp("completions") / "catalog.sqlite", ITEMS)
    yield opened
    opened.close()


def test_a_family_s_name_late_in_a_title_begins_a_completion() -> None:
    found = list(starts("Arms of the family Thornlow of Oxenwellow", "title"))
    assert found[0].startswith("arms of the")
    assert [key.split()[0] for key in found] == ["arms", "family", "thornlow", "oxenwellow"]


def texts(catalog: Catalog, typed: str, language: str, limit: int = 8) -> list[str]:
    prefix = key_of(typed)
    languages = ("", language)
    found = catalog.completions.starting_with(prefix, languages, limit) if prefix else []
    return [each.text for each in found if each.kind != "iconclass"]


@pytest.mark.parametrize(("typed", "language", "right"), COMPLETED)
def test_a_text_is_completed_from_the_start_of_its_words(
    catalog: Catalog, typed: str, language: str, right: list[str]
) -> None:
    if language == "en" and "神奈川" in typed:
        language = "ja"
    assert texts(catalog, typed, language) == right


def test_the_most_frequent_come_first(catalog: Catalog) -> None:
    # Lübeck and "La Ligne" have one item each; "Lindenau" too. Nürnberg has three.
    assert texts(catalog, "n", "fr") == ["Nürnberg"]
    found = catalog.completions.starting_with("a", ("", "en"), 20)
    assert [each.num_items for each in found] == sorted((each.num_items for each in found), reverse=True)
    maker = catalog.completions.starting_with("grunen", ("",), 1)[0]
    assert (maker.num_items, maker.kind, set(maker.seen_in)) == (3, "maker", {0, 2})


def test_iconclass_completes_in_the_readers_language(catalog: Catalog) -> None:
    found = catalog.completions.starting_with("raubt", ("", "de"), 8)
    assert [(each.kind, each.language) for each in found] == [("iconclass", "de")]
    assert catalog.completions.starting_with("raubt", ("", "fr"), 8) == []


def test_a_long_title_ends_after_a_whole_word(catalog: Catalog) -> None:
    (text,) = texts(catalog, "a very long", "en")
    assert len(text) <= 100
    assert text.endswith(("many", "words"))


WORDS = st.lists(
    st.sampled_from(["lion", "lions", "eagle", "rose", "or", "azure", "löwe", "ÉTOILE"]),
    min_size=1,
    max_size=4,
)


@settings(max_examples=12, deadline=None)
@given(
    titles=st.lists(WORDS.map(" ".join), min_size=1, max_size=12),
    prefix=st.text("lionsearzuöwé ", min_size=1, max_size=4),
)
def test_it_finds_what_a_plain_comparison_finds(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str], prefix: str
) -> None:
    """The oracle compares every title, word by word."""
    catalog = write(
        tmp_path_factory.mktemp("compared") / "c.sqlite", [(title, "en", "", "", "m") for title in titles]
    )
    wanted = key_of(prefix)

    def begins(title: str) -> bool:
        words = key_of(title).split(" ")
        return any(" ".join(words[n:]).startswith(wanted) for n in range(len(words)))

    right = {title for title in titles if wanted and begins(title)}
    found = catalog.completions.starting_with(wanted, ("en",), 100) if wanted else []
    assert {each.text for each in found if each.kind == "title"} == right
    assert all(each.num_items == titles.count(each.text) for each in found if each.kind == "title")
    catalog.close()
