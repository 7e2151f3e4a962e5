"""The words for kinds of objects and techniques in the language of a caption.

"Livre imprimé" is a book, and an English caption says "Book". The words are data: configs/labels/kinds.yaml.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

from data_prep.description import languages
from data_prep.description.page_labels import fold
from data_prep.description.plain_text import plain_text
from iconoclip.config import read_yaml, shipped_config

WORDS_FILE: Final = "labels/kinds.yaml"
ANY: Final = "any"
MAX_CHARS: Final = 80


def known_in(text: str) -> frozenset[str]:
    """The languages in which a text is the word for a kind; empty for any other text."""
    return frozenset(language for language, _ in _concepts().get(_key(text), ()) if language != ANY)


def is_kind(value: str) -> bool:
    """Whether a value, with its markup, is nothing but the word for a kind."""
    return len(value) <= MAX_CHARS and _key(plain_text(value, MAX_CHARS)) in _concepts()


def translated(text: str, tag: str, given: str | None = None) -> str | None:
    """The word in the language `tag` for the kind that a text names; None if the table has none.

    A word that stays in its language is returned as it is, but in the singular: "Manuscripts" becomes
    "Manuscript". The word begins with a capital if the text does.

    Args:
        given: the language of the text, if known. Some words mean different kinds in different languages.
    """
    found = _concepts().get(_key(text), ())
    language, given = _primary(tag), _primary(given) if given else None
    concepts = dict.fromkeys(concept for _, concept in found)
    if len(concepts) > 1:
        mine = dict.fromkeys(concept for where, concept in found if where == (given or language))
        concepts = mine if len(mine) == 1 else {}
    if not concepts:
        return None
    (concept,) = concepts
    word = words().get(concept, {}).get(language)
    if word is None or ((language, concept) in found and not _is_form_of(text, word)):
        return word and text
    return f"{word[:1].upper()}{word[1:]}" if text[:1].isupper() else word


def _is_form_of(text: str, word: str) -> bool:
    """Whether a text is another number of a word, and not another word or spelling."""
    text, word = _key(text), _key(word)
    return text.startswith(word[:-1]) and len(text.split()) == len(word.split())


def in_language(texts: Iterable[tuple[str, str | None]], tag: str) -> list[str]:
    """The texts as a caption in the language `tag` can have them, each once: translated where the table has a
    word, left out where they are in another language.

    Args:
        texts: words with their language tags; None for a word whose language nobody knows.
        tag: `und` for a caption whose language nobody knows; it takes the words of the first language only.
    """
    texts = [(text, languages.canonical_tag(given)) for text, given in texts]
    if tag == languages.UNKNOWN:
        tag = next((given for _, given in texts if given), tag)
    shown = []
    for text, given in texts:
        word = translated(text, tag, given)
        # A word that is in the table, but not in this language, is in another language.
        is_other = bool(known_in(text)) and tag != languages.UNKNOWN
        if word is None and not is_other and (given is None or _primary(given) == _primary(tag)):
            word = text
        if word:
            shown.append(word)
    unique = {word.casefold(): word for word in reversed(shown)}
    return list(reversed(unique.values()))


def _primary(tag: str) -> str:
    primary = tag.split("-")[0]
    return "no" if primary in ("nb", "nn") else primary


def _key(text: str) -> str:
    return " ".join(fold(text).rpartition("://")[2].replace(",", " ").split()).strip(" .:")


@functools.cache
def words() -> dict[str, dict[str, str]]:
    """Concept -> language -> the word that captions use."""
    return {
        concept: {language: forms.split(",")[0].strip() for language, forms in by_language.items()}
        for concept, by_language in read_yaml(shipped_config(WORDS_FILE)).items()
    }


@functools.cache
def _concepts() -> dict[str, tuple[tuple[str, str], ...]]:
    """Folded word -> the languages that have it, each with the concept that it means there."""
    found: dict[str, list[tuple[str, str]]] = {}
    for concept, by_language in read_yaml(shipped_config(WORDS_FILE)).items():
        for language, forms in by_language.items():
            for form in forms.split(","):
                pair = (language, concept)
                if pair not in found.setdefault(_key(form), []):
                    found[_key(form)].append(pair)
    return {key: tuple(pairs) for key, pairs in found.items()}
