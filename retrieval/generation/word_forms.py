"""Which words of a collection belong together: inflected forms, parts of compounds, old spellings.

The relations are between words, not between items, so they are small: a table `variants` of (key, term) in
the catalogue. A query word is replaced by all terms that share a key with it:

en:portrait     words of English captions with this stem (Snowball), or plurals of one with it
part:wappen     compounds of German, Dutch and Nordic captions with this part, if the collection has both
                parts as words; pairs of Chinese or Japanese characters with this one
old:lion        words whose modern spelling would be this; a second chance where a word is not known

Stems of different languages are kept apart: German Lowe and English low would otherwise meet.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache, lru_cache
from typing import Any

import snowballstemmer

from retrieval.generation.plurals import singulars_of
from retrieval.words import UNSPACED

# Languages with a Snowball stemmer, by their code.
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish",
    "hu": "hungarian", "hy": "armenian", "it": "italian", "lt": "lithuanian", "nb": "norwegian",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sr": "serbian", "sv": "swedish", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
COMPOUNDING = frozenset(("de", "nl", "da", "sv", "nb", "nn", "no", "fi"))
# Shorter parts are endings and prepositions more often than words.
MIN_PART_CHARS = 4
_LINKS = ("", "s", "es", "n", "en", "e", "er")
# A key with more terms than this joins words that have little to do with each other.
MAX_TERMS_OF_KEY = 40
# A Chinese or Japanese character is in as many pairs as it has neighbours, and all of them contain it.
MAX_PAIRS_OF_CHARACTER = 1_000

# Spellings of early printing and of umlauts written out, in the order they are applied.
_OLD = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"([aou])e", r"\1"), (r"y", "i"), (r"j", "i"), (r"v", "u"), (r"w", "u"), (r"ph", "f"), (r"th", "t"),
        (r"c?k", "c"), (r"tz", "z"), (r"([a-z])\1", r"\1"), (r"([aeiou])h(?=[^aeiou]|$)", r"\1"),
    )
)  # fmt: skip


def stem_keys(word: str, languages: Iterable[str]) -> Iterator[str]:
    """The keys of a word's stem in each of the languages, and of what it may be the plural of."""
    for language in languages:
        if language in STEMMERS and not word.isdigit():
            forms = (word, *singulars_of(word, language))
            yield from dict.fromkeys(f"{language}:{_stem(language, form)}" for form in forms)


def is_one_character(word: str) -> bool:
    """Whether a word is one Chinese or Japanese character; records have it in pairs with its neighbours."""
    return len(word) == 1 and UNSPACED.fullmatch(word) is not None


@lru_cache(maxsize=200_000)
def _stem(language: str, word: str) -> str:
    return str(_stemmer(STEMMERS[language]).stemWord(word))


@cache
def _stemmer(name: str) -> Any:
    return snowballstemmer.stemmer(name)


@lru_cache(maxsize=200_000)
def modern(word: str) -> str:
    """One spelling for words that early printers and typewriters spell in several ways."""
    for pattern, new in _OLD:
        word = pattern.sub(new, word)
    return word


def variants(
    words_by_language: Mapping[str, set[str]], names: Set[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """The (key, term) pairs of a collection's words, by the language of their captions; and of its names,
    which have no language.
    """
    yield from _stems(words_by_language)
    every = set().union(*words_by_language.values()) if words_by_language else set()
    for language, words in words_by_language.items():
        if language in COMPOUNDING:
            yield from _compounds(words, every)
    for word in every | names:
        if len(word) == 2 and UNSPACED.fullmatch(word):
            yield f"part:{word[0]}", word
            yield f"part:{word[1]}", word
        elif word.isalpha() and word.isascii() and len(word) >= MIN_PART_CHARS:
            yield f"old:{modern(word)}", word


def _stems(words_by_language: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    for language, words in words_by_language.items():
        terms: dict[str, list[str]] = defaultdict(list)
        for word in words:
            for key in stem_keys(word, (language,)):
                terms[key].append(word)
        for key, found in terms.items():
            # Of a word alone too: a query may have another form of it that no item has (portraits, portrait).
            for term in found:
                yield key, term


def _compounds(words: set[str], every: set[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if len(word) < 2 * MIN_PART_CHARS or not word.isalpha():
            continue
        for cut in range(MIN_PART_CHARS, len(word) - MIN_PART_CHARS + 1):
            head, tail = word[:cut], word[cut:]
            if tail not in every:
                continue
            for link in _LINKS:
                first = head.removesuffix(link) if head.endswith(link) else ""
                if len(first) >= MIN_PART_CHARS and first in every:
                    yield f"part:{first}", word
                    yield f"part:{tail}", word
                    break
