"""The language of a book is understood as catalogues state it, and told in the language of the caption."""

from __future__ import annotations

import pytest

from data_prep.composition import Composition, composition
from data_prep.description.raw import Describer, raw_pair
from data_prep.description.text_languages import languages_in, names_of
from data_prep.sources import registry
from iconoclip.errors import ConfigError
from tests.data_prep.describing import ANY


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("English", "en"),
        ("Mittelhochdeutsch", "gmh"),
        ("German, Middle High (ca.1050-1500)", "gmh"),
        ("Middle High German", "gmh"),
        ("Greek, Ancient (to 1453)", "grc"),
        ("Old French", "fro"),
        ("fre", "fr"),
        ("ger", "de"),
        ("LATIN", "la"),
        ("Latein", "la"),
        ("anglais ; français", "en fr"),
        ("Latin and Greek", "la el"),
        ("French, English", "fr en"),
        ("中古高地德语", "gmh"),
        # What is no language, none, or not known for certain.
        ("mul", ""),
        ("zxx", ""),
        ("Undetermined", ""),
        ("No linguistic content", ""),
        ("Keine Sprachinhalte", ""),
        ("Mostly English, but some French and occasional Latin", ""),
        ("Several hands", ""),
        ("", ""),
        ("n/a", ""),
        # Too many to say anything about one page.
        ("English; French; Latin; Greek", ""),
    ],
)
def test_values_of_catalogues(stated: str, expected: str) -> None:
    assert " ".join(languages_in([(stated, None)])) == expected


def test_the_same_language_in_several_words_is_one() -> None:
    assert languages_in([("Mittelhochdeutsch", "de"), ("Middle High German", "en"), ("gmh", None)]) == (
        "gmh",
    )


def test_names_are_those_of_the_language_of_the_caption() -> None:
    assert names_of(("la", "fr"), "de") == "Latein und Französisch"
    assert names_of(("la", "fr"), "cs") == "latina a francouzština"
    assert names_of(("la",), "und") == ""
    # Tharu has no name in French there: nothing is told, not half of it.
    assert names_of(("la", "the"), "fr") == ""


def page_of(language: str, *more: tuple[str, str], title: str = "Von Reihern", spoken: str = "de") -> str:
    pairs = [
        raw_pair("label", "12r", None, "canvas", "canvas-label"),
        raw_pair("label", title, spoken, "manifest", "manifest-label"),
        raw_pair("Sprache", language, None, "manifest"),
        *(raw_pair(label, value, spoken, "manifest") for label, value in more),
    ]
    return Describer(ANY).describe(pairs, 30).captions[0].text


def test_a_page_says_in_which_language_its_book_is() -> None:
    assert page_of("lat") == "Seite aus „Von Reihern“. Auf Latein"
    made = (("Type", "Handschrift"), ("Date", "1342"))
    assert page_of("lat", *made) == "Seite aus „Von Reihern“. Handschrift, auf Latein, 1342"
    assert page_of("lat", title="O čápech", spoken="cs") == "Strana z „O čápech“. Jazyk: latina"
    assert page_of("mul") == "Seite aus „Von Reihern“"


def test_words_that_number_pages_may_begin_the_title_of_a_book() -> None:
    for title in ("On herons", "Two voyages", "Images of Flanders", "Vers la mer"):
        assert page_of("lat", title=title, spoken="en").startswith(f"A page from “{title}”. In Latin")
    # A part of a book is none.
    assert page_of("lat", title="Binding of a psalter", spoken="en") == "Binding of a psalter"


def test_nothing_is_told_twice_and_no_binding_has_a_language() -> None:
    assert page_of("lat", title="Von Reihern, auf Latein") == "Seite aus „Von Reihern, auf Latein“"
    cover = [
        raw_pair("label", "Front cover", "en", "canvas", "canvas-label"),
        raw_pair("label", "On herons", "en", "manifest", "manifest-label"),
        raw_pair("Type", "Manuscript", "en", "manifest"),
        raw_pair("Language", "Latin", None, "manifest"),
    ]
    assert Describer(ANY).describe(cover, 30).captions[0].text == "Front cover of “On herons”. Manuscript"


MODS = """<mods xmlns="http://www.loc.gov/mods/v3"><titleInfo><title>Von Reihern</title></titleInfo>
    <language><languageTerm type="code" authority="iso639-2b">lat</languageTerm></language>
    <location><url>https://books.invalid/a.jpg</url></location></mods>"""
DUBLIN_CORE = """<dc xmlns="http://purl.org/dc/elements/1.1/"><title>Von Reihern</title>
    <language>lat</language>    <identifier>https://books.invalid/a.jpg</identifier></dc>"""


@pytest.mark.parametrize("metadata", [MODS, DUBLIN_CORE])
def test_catalogue_records_keep_the_language_of_the_text(metadata: str) -> None:
    answer = f"""<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><header>
        <identifier>a</identifier></header><metadata>{metadata}</metadata></record></ListRecords></OAI-PMH>"""
    (candidate,) = registry.read("oai-pmh", answer.encode(), "https://books.invalid/oai", ANY, {}).candidates
    assert ("text_language", "lat") in [(pair.field, pair.value) for pair in candidate.raw]


def test_a_phrase_without_the_language_is_refused() -> None:
    assert isinstance(composition({"languages": {"en": "in {language}"}}), Composition)
    with pytest.raises(ConfigError, match="has to hold"):
        composition({"languages": {"en": "in Latin"}})
