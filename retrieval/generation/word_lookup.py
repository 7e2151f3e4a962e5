"""Looks up the words of a query in a word index: each as it is, in other forms, or by what it may stand for.

Shapes: N items of the index, M items that have a word of the query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from retrieval.generation.row_lists import Mask, Rows, among, united
from retrieval.generation.word_forms import modern

Years = Callable[[str], "Mask | None"]

# Reading the number of an item that has a word takes a fraction of a microsecond. The rarest word is read up
# to the first limit, others as long as all together stay below the second; more frequent words are looked up
# only in the items that have one of those.
MAX_ROWS_OF_RAREST, MAX_ROWS_READ = 200_000, 10_000
# An old spelling may stand for several words of today.
MAX_SPELLINGS = 8


class WordSource(Protocol):
    """The word index of a generation, alone or with the additions since."""

    num_items: int

    def num_with(self, word: str) -> int:
        """About how many items have a word."""

    def rows_with(self, terms: Sequence[str], column: str | None = None, limit: int = -1) -> Rows:
        """The rows that have any of the words, in a column or anywhere, in row order."""

    def rows_with_both(self, left: Sequence[str], right: Sequence[str], of_left: Rows | None = None) -> Rows:
        """The rows that have a word of both groups; `of_left` are those of the first group, if known."""

    def most_named(self, terms: Sequence[str]) -> int | None:
        """How many items have one of the words in a maker's name, at most; None if that is not known."""

    def texts(self, rows: Sequence[int]) -> list[str]:
        """The words of the captions of some rows, in their order."""

    def expanded(self, word: str) -> tuple[str, ...]:
        """A word with its other forms, and with the compounds that contain it."""

    def second_chance(self, word: str) -> tuple[str, ...]:
        """The words that an old or a phonetic spelling may mean."""

    def spelled_like(self, word: str) -> str | None:
        """The known word that is closest to a misspelt one."""


@dataclass
class Word:
    """A word of the query: the terms that count as it, those of them that are no other form of it, the rows
    that have one, how many these are, whether `rows` are all of them, and the rows that have one of `exact`,
    as far as they were read.
    """

    terms: tuple[str, ...]
    exact: tuple[str, ...]
    num: int
    rows: Rows | None = None
    mask_N: Mask | None = None
    is_complete: bool = True
    exact_rows: Rows | None = None

    def holds(self, rows: Rows) -> Mask:
        """Which of the rows have the word, bool [M]; `rows` ascend."""
        held_M = among(rows, _no_rows() if self.rows is None else self.rows)
        return held_M if self.mask_N is None else held_M | self.mask_N[rows]


@dataclass(frozen=True)
class Lookup:
    """Looks up words of a query.

    Args:
        source: the word index.
        years: gives the items made in a year, for words that are a year.
        literal: search the words as they are, without other forms, spellings or the closest word.
        spelled: words of the query and the words of this index that they stand for; if given, no other word
            is searched instead of one that no item has.
        corrected: filled with the words that no item has, and what was searched instead.
    """

    source: WordSource
    years: Years | None = None
    literal: bool = False
    spelled: Mapping[str, tuple[str, ...]] | None = None
    corrected: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, word: str) -> Word:
        """What the word counts as here."""
        if self.spelled and word in self.spelled:
            return self._in_place_of(self.spelled[word]) or Word((word,), (word,), 0, _no_rows())
        source = self.source
        terms = (word,) if self.literal else source.expanded(word)
        num = sum(source.num_with(term) for term in terms)
        mask_N = self.years(word) if self.years else None
        if num >= MAX_ROWS_READ:
            return Word(terms, (word,), min(num, source.num_items), mask_N=mask_N)
        exact_rows = source.rows_with((word,))
        rows = exact_rows
        if others := terms[1:]:
            rows = united([exact_rows, source.rows_with(others)], source.num_items)
        if len(rows) or (mask_N is not None and mask_N.any()):
            if self.spelled is None and not len(exact_rows):
                self._note_other_spelling(word, others)
            num = len(rows) if mask_N is None else int(mask_N.sum() + (~mask_N[rows]).sum())
            return Word(terms, (word,), num, rows, mask_N, exact_rows=exact_rows)
        return self._instead_of(word) or Word(terms, (word,), 0, rows)

    def _note_other_spelling(self, word: str, others: tuple[str, ...]) -> None:
        """Stemmers join some old spellings to today's (loewe, lowe): another spelling, not another form."""
        if same := tuple(term for term in others if modern(term) == modern(word)):
            self.corrected[word] = same

    def _instead_of(self, word: str) -> Word | None:
        if self.literal or self.spelled is not None:
            return None
        spelled = self.source.second_chance(word)[:MAX_SPELLINGS]
        if not spelled:
            closest = self.source.spelled_like(word)
            spelled = (closest,) if closest else ()
        found = self._in_place_of(spelled)
        if found is not None:
            self.corrected[word] = spelled
        return found

    def _in_place_of(self, spelled: Iterable[str]) -> Word | None:
        """A word that stands for others, or None if no item has one of them."""
        exact = tuple(spelled)
        terms = tuple(dict.fromkeys(term for each in exact for term in self.source.expanded(each)))
        rows = self.source.rows_with(terms) if terms else _no_rows()
        return Word(terms, exact, len(rows), rows) if len(rows) else None


def read_rows(source: WordSource, words: Iterable[Word]) -> None:
    """Read the rows of frequent words: completely, or among the rows of the rarer ones."""
    num_read, terms_read, rows_read = 0, list[str](), list[Rows]()
    known: Rows | None = None
    is_complete = True
    for word in sorted(words, key=lambda word: word.num):
        if word.rows is None:
            if not terms_read:
                word.rows = source.rows_with(word.terms, limit=MAX_ROWS_OF_RAREST)
                word.is_complete = len(word.rows) < MAX_ROWS_OF_RAREST
            elif num_read + word.num <= MAX_ROWS_READ:
                word.rows = source.rows_with(word.terms)
            else:
                if known is None and is_complete:
                    known = united(rows_read, source.num_items)
                word.rows = source.rows_with_both(terms_read, word.terms, known)
                word.is_complete = False
                continue
        is_complete &= word.is_complete
        if len(word.rows):
            num_read += len(word.rows)
            terms_read += word.terms
            rows_read.append(word.rows)
            known = None


def _no_rows() -> Rows:
    return np.zeros(0, np.int64)
