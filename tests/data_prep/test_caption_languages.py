"""The language of a caption: where it is known from, and that a caption has the words of one language."""

from __future__ import annotations

import pytest

from data_prep.composition import composition
from data_prep.description import kinds, languages
from data_prep.description.captions import Statement
from data_prep.description.describe import describe
from data_prep.description.raw import Describer, raw_pair
from iconoclip.config import read_yaml, shipped_config
from tests.data_prep.describing import ANY


@pytest.mark.parametrize(
    ("text", "given", "default", "siblings", "expected"),
    [
        ("Herbarium", None, "de", "de", ("und", None)),
        ("Sermones", None, "fr", None, ("und", None)),
        ("Herbarium", "la", "de", "de", ("la", "source")),
        ("Hirtin", None, None, "de", ("de", "siblings")),
        ("Poupée", None, "fr", None, ("fr", "profile")),
        ("Poupée", None, None, None, ("und", None)),
        ("CALENDRIER", None, "en", None, ("und", None)),
        ("Le marin", None, "en", None, ("und", None)),
        ("Le marin", None, "fr", None, ("fr", "profile")),
        ("Bois de H. Roux", None, "en", None, ("und", None)),
        ("Lectio 2, De fide", None, "en", None, ("la", "detected")),
        ("Scroll view (stitched digital image)", None, None, "fr", ("und", None)),
        ("Miniatur: Jesus vor Kaiphas. D", None, "de", None, ("de", "detected")),
        ("The Railway", None, None, None, ("en", "detected")),
        ("A shepherdess with her flock in the evening", None, "de", None, ("en", "detected")),
        ("A shepherdess with her flock in the evening", "fra", None, None, ("en", "detected")),
        ("La bergère du marais", "de", None, None, ("fr", "detected")),
        ("Francisco de Hoz", "en", None, None, ("en", "source")),
        ("Vom Hafen und der Stadt", "sv", None, None, ("de", "detected")),
        ("Descriptio portus et insularum", "nl", None, None, ("la", "detected")),
        ("Anna Fenn", "nl", None, None, ("nl", "source")),
        ("Yr afon", None, "en", None, ("cy", "detected")),
        ("Gömlekli çoban ve dağ köyü", None, None, None, ("tr", "detected")),
    ],
)
def test_the_source_of_a_language_is_recorded(
    text: str, given: str | None, default: str | None, siblings: str | None, expected: tuple[str, str | None]
) -> None:
    found = languages.spoken(text, given, default, siblings)
    assert (found.tag, found.source) == expected
    assert found.is_guess == (expected[1] not in ("source", None))


@pytest.mark.parametrize(
    ("text", "tag", "is_other"),
    [
        ("Avant l'heure", "en", True),
        ("Poème", "en", True),
        ("Le marin du port", "de", True),
        ("The Lady at the gate", "de", True),
        ("Der Kuss", "en", True),
        ("La pesca", "und", False),
        ("Woman feeding a heron", "de", True),
        ("The Lady at the gate", "en", False),
        ("Miniatur: Rankeninitiale U", "de", False),
        ("Elizabeth Fenn", "en", False),
        ("Baggetorp", "sv", False),
        ("No. 3, 1886", "en", False),
        ("Portrait de l'auteur", "fr", False),
    ],
)
def test_headings_in_another_language_than_their_sentence_are_known(
    text: str, tag: str, is_other: bool
) -> None:
    assert languages.may_be_in_another(text, tag) == is_other


def test_a_heading_in_another_language_is_quoted_whatever_its_tag() -> None:
    pairs = [
        raw_pair("label", "12r", "de", "canvas", "canvas-label"),
        raw_pair("structures", "Woman feeding a heron", "de", "canvas", "contents"),
        raw_pair("label", "Vögel des Sumpfes in Bildern", "de", "manifest", "manifest-label"),
    ]
    captions = [one.text for one in Describer(ANY).describe(pairs, 30).captions]
    assert "„Woman feeding a heron“. Seite aus „Vögel des Sumpfes in Bildern“" in captions


def test_a_title_before_a_term_in_another_language_is_quoted() -> None:
    statements = [Statement("title", "Wunder der Vererbung", "en"), Statement("subject", "Genetics", "en")]
    captions = [one.text for one in describe(statements, ANY).captions]
    assert "“Wunder der Vererbung”. Genetics" in captions


@pytest.mark.parametrize(
    ("text", "given", "language"),
    [
        ("唐糸草紙", None, "ja"),
        ("夕暮れの鷺", "en", "ja"),
        ("江畔垂釣圖", None, "zh"),
        ("江畔垂釣圖", "zh-Hant", "zh-Hant"),
        ("Seirō ehon nenjū gyōji : 青楼絵本年中行事", "en", "ja"),
        ("The seal of the emperor, inscribed 大, on the back", "en", "en"),
    ],
)
def test_a_script_determines_a_language(text: str, given: str | None, language: str) -> None:
    assert languages.spoken(text, given).tag == language


def test_three_words_of_another_language_do_not_take_that_of_the_other_texts() -> None:
    assert languages.spoken("La Surprise", None, siblings="en").tag != "en"
    assert languages.spoken("Surprise attack", None, siblings="en").tag == "en"


def test_words_alone_are_in_the_language_that_the_title_is_detected_in() -> None:
    said = [Statement("title", "The herons of the northern fens"), Statement("subject", "Herons; Fens")]
    title, terms = describe(said, ANY).captions
    assert (title.language, title.language_source) == ("en", "detected")
    assert (terms.language, terms.language_source) == ("en", "siblings")


TAGS = sorted({*composition({}).pages, *composition({}).templates} - {"default"})


@pytest.mark.parametrize("tag", TAGS)
def test_a_caption_has_the_words_of_one_language(tag: str) -> None:
    """Whatever the catalogue says, in whatever languages: here two for each kind, one of them without a
    tag.
    """
    wrong = []
    date = "um 1650" if tag != "de" else "vers 1650"
    spoken = "no" if tag in ("nb", "nn") else tag
    for number, (concept, words) in enumerate(kinds.words().items()):
        others = [language for language, word in words.items() if spoken not in kinds.known_in(word)]
        others = [language for language in others if language != kinds.ANY]
        if not others or number % 3 != TAGS.index(tag) % 3:
            continue  # a third of the kinds is enough for each language
        tagged, untagged = others[number % len(others)], others[(number + 1) % len(others)]
        pairs = [
            raw_pair("label", "Ebb 1", tag, "manifest", "manifest-label"),
            raw_pair("Type", words[tagged], tagged, "manifest"),
            raw_pair("Medium", words[untagged], None, "manifest"),
            raw_pair("Date", date, None, "manifest"),
        ]
        (caption,) = Describer(ANY).describe(pairs, 1).captions
        template = composition({}).template(tag)
        own = [words[spoken]] if spoken in words else []
        # A word that means two things without its language is left out.
        possible = [
            template.render({"title": ["Ebb 1"], "date": ["1650"], **more}, is_title=True)
            for more in ({"type": own}, {"technique": own}, {})
        ]
        if caption.language != tag or caption.text.casefold() not in map(str.casefold, possible):
            wrong.append((concept, tagged, untagged, caption.text))
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "given", "tag", "expected"),
    [
        ("Livre imprimé", "fr", "en", "A collection of emblems. Book"),
        ("Livre imprimé", None, "en", "A collection of emblems. Book"),
        ("manuscrits", "fre", "en", "A collection of emblems. Manuscript"),
        ("http://schema.org/Painting", None, "en", "A collection of emblems"),
        ("Estampes", None, "sv", "A collection of emblems. Grafik"),
        # No word of the table: it stays in its own language only.
        ("Ingekleurde centsprent", "nl", "en", "A collection of emblems"),
        ("Ingekleurde centsprent", "nl", "nl", "A collection of emblems. Ingekleurde centsprent"),
        # A newspaper in French, a periodical in English.
        ("Journal", "fr", "en", "A collection of emblems. Newspaper"),
        ("Journal", "en", "en", "A collection of emblems. Journal"),
    ],
)
def test_a_kind_is_named_in_the_language_of_the_caption(
    kind: str, given: str | None, tag: str, expected: str
) -> None:
    pairs = [
        raw_pair("label", "A collection of emblems", tag, "manifest", "manifest-label"),
        raw_pair("Type", kind, given, "manifest"),
    ]
    (caption,) = Describer(ANY).describe(pairs, 1).captions
    assert (caption.text, caption.language) == (expected, tag)


def test_a_word_for_a_kind_means_one_thing_in_its_language() -> None:
    """Otherwise nobody could say which of the two a catalogue means."""
    listed = [
        (language, form.strip().casefold())
        for by_language in read_yaml(shipped_config(kinds.WORDS_FILE)).values()
        for language, forms in by_language.items()
        for form in forms.split(",")
    ]
    assert len(listed) > 900
    assert [pair for pair in listed if listed.count(pair) > 1] == []
