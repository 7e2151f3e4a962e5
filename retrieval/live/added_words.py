"""The words of what was added since a generation was built, in memory, related by the rules of its word index
(retrieval.generation.word_forms).

Shapes: A additions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property

from iconoclip.record import Record
from retrieval import iconography
from retrieval.generation.word_forms import modern, stem_keys, variants
from retrieval.generation.word_index import (
    COLUMNS,
    MAX_SPELLED,
    MIN_SPELLED,
    clauses_of,
    digest_of_name,
    names_of,
    texts_of,
)
from retrieval.words import tokens


class AddedWords:
    """The words of additions.

    Args:
        texts: the words of each addition, each between spaces (retrieval.generation.word_index).
        records: the additions.
    """

    def __init__(self, texts: Sequence[str], records: Sequence[Record]) -> None:
        self.texts, self._records = texts, records

    def with_words(self, groups: Sequence[Sequence[str]], column: str | None = None) -> list[int]:
        """The positions of additions that have a word, or a phrase, of every group."""
        texts = self.texts if column is None else self._columns[COLUMNS.index(column)]
        return [
            position
            for position, text in enumerate(texts)
            if all(any(f" {term} " in text for term in terms) for terms in groups)
        ]

    @cached_property
    def _columns(self) -> list[list[str]]:
        """The words of each addition, column by column, the texts of a column kept apart."""
        columns: list[list[str]] = [[] for _ in COLUMNS]
        for record in self._records:
            subjects = iconography.words(record.iconclass)
            for held, text in zip(columns, texts_of(record, subjects), strict=True):
                held.append(_apart(text.split("\n")))
            names = filter(None, map(digest_of_name, names_of(record)))
            columns[COLUMNS.index("identifiers")][-1] += f"| {' '.join(names)} "
        return columns

    def first_words(self, num_chars: int) -> list[str]:
        """The first words of the first caption of each addition."""
        return [clauses_of(record)[3 : 3 + num_chars] for record in self._records]

    # --- other words
    # ----------------------------------------------------------------------------------------------

    @cached_property
    def counts(self) -> Counter[str]:
        """The words of the additions, and how many of these have each."""
        return Counter(word for text in self.texts for word in set(text.split()) - {"|"})

    @cached_property
    def _terms_of(self) -> dict[str, tuple[str, ...]]:
        """Words that belong together, by the keys of the table `variants`."""
        by_language: dict[str, set[str]] = defaultdict(set)
        names: set[str] = set()
        for position, record in enumerate(self._records):
            for caption in record.captions:
                by_language[caption.language.partition("-")[0]].update(tokens(caption.text))
            for column in ("creators", "facts"):
                names.update(self._columns[COLUMNS.index(column)][position].split())
        terms: dict[str, list[str]] = defaultdict(list)
        for key, term in variants(by_language, names - {"|"}):
            terms[key].append(term)
        return {key: tuple(dict.fromkeys(each)) for key, each in terms.items()}

    @cached_property
    def _languages(self) -> tuple[str, ...]:
        captions = (caption for record in self._records for caption in record.captions)
        return tuple({caption.language.partition("-")[0] for caption in captions})

    def expanded(self, word: str) -> tuple[str, ...]:
        """Other forms of a word that additions have, and their compounds that contain it."""
        keys = [*stem_keys(word, self._languages), f"part:{word}"]
        return tuple(term for key in keys for term in self._terms_of.get(key, ()))

    def second_chance(self, word: str) -> tuple[str, ...]:
        """The words of additions that an old or a phonetic spelling of this one may stand for."""
        same = modern(word)
        return self._terms_of.get(f"old:{same}", ()) or ((same,) if same in self.counts else ())

    @cached_property
    def spellings(self) -> dict[str, int]:
        """The words that may be suggested, with how many additions have them."""
        return {
            word: num
            for word, num in self.counts.items()
            if MIN_SPELLED <= len(word) <= MAX_SPELLED and not any(each.isdigit() for each in word)
        }


def _apart(texts: Sequence[str]) -> str:
    return " | ".join(f" {' '.join(tokens(text))} " for text in texts)
