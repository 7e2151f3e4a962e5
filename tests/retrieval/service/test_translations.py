"""The page's languages: every sentence translated, every catalogue sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.checkers import checkers
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import retrieval.query_language
import retrieval.service
from retrieval.service.pages.translations import LANGUAGES, LOCALES, SOURCE_LANGUAGE, Translation, choose

SERVICE = Path(retrieval.service.__file__).parent
QUERY_LANGUAGE = Path(retrieval.query_language.__file__).parent
METHODS = [("pages/templates/**", "jinja2"), ("**.py", "python")]
TRANSLATED = [language for language in LANGUAGES if language != SOURCE_LANGUAGE]


def sentences() -> set[object]:
    folders = (SERVICE, QUERY_LANGUAGE)
    found = {message for folder in folders for _, _, message, _, _ in extract_from_dir(folder, METHODS)}
    assert len(found) > 80
    return found


def test_three_languages_at_least() -> None:
    assert set(LANGUAGES) >= {"en", "fr", "de"}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_sentence_of_the_pages_and_no_other(language: str) -> None:
    with (LOCALES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    assert {message.id for message in catalogue if message.id} == sentences()
    untranslated = [
        message.id for message in catalogue if message.id and not all([message.string, *message.string])
    ]
    assert untranslated == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_placeholders_survive_translation(language: str) -> None:
    with (LOCALES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    for message in catalogue:
        for check in checkers:
            check(catalogue, message)
        if not message.id:
            continue
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = set(re.findall(r"%\(\w+\)s", originals[-1]))
        assert all(set(re.findall(r"%\(\w+\)s", string)) == wanted for string in strings), message.id


@pytest.mark.parametrize(
    ("asked", "remembered", "header", "language"),
    [
        ("de", "fr", "en", "de"),
        (None, "fr", "de", "fr"),
        (None, None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, None, "nl, fr;q=0.3, de;q=0.7", "de"),
        (None, None, "nl", "en"),
        ("xx", "../../etc", "fr;q=zero", "en"),
        (None, None, "de;q=0, fr;q=0.1", "fr"),
        (None, None, None, "en"),
    ],
)
def test_the_reader_gets_the_language_asked_for(
    asked: str | None, remembered: str | None, header: str | None, language: str
) -> None:
    assert choose(asked, remembered, header).language == language


def test_languages_have_names_and_numbers_have_the_readers_form() -> None:
    assert Translation("fr").language_name("de") == "Allemand"
    assert Translation("de").language_name("la") == "Latein"
    assert Translation("en").language_name("und") == "language not stated"
    assert Translation("en").language_name("not a tag") == "not a tag"
    assert Translation("de").number(6000) == "6.000"
    assert Translation("fr").own_name() == "Français"
