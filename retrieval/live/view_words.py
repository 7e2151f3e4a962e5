"""The words of a generation and of the additions since, as one word index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from iconoclip.record import Record
from retrieval.generation.word_index import WordIndex
from retrieval.live.added_words import AddedWords

Rows = npt.NDArray[np.int64]


class ViewWords:
    """The word index of a view: additions follow the rows of the generation.

    Args:
        sealed: the word index of the generation.
        added: the words of each addition, each between spaces (retrieval.generation.word_index).
        num_sealed: the number of rows of the generation.
        records: the additions.
    """

    def __init__(
        self, sealed: WordIndex, added: Sequence[str], num_sealed: int, records: Sequence[Record] = ()
    ) -> None:
        self._sealed, self._num_sealed = sealed, num_sealed
        self._added = AddedWords(added, records) if added else None
        self.num_items = num_sealed + len(added)

    def num_with(self, word: str) -> int:
        """About how many items have a word."""
        return self._sealed.num_with(word)

    def rows_with(self, terms: Sequence[str], column: str | None = None, limit: int = -1) -> Rows:
        """The rows that have any of the words, in a column or anywhere."""
        return self._joined(self._sealed.rows_with(terms, column, limit), [terms], column)

    def rows_with_both(self, left: Sequence[str], right: Sequence[str], of_left: Rows | None = None) -> Rows:
        """The rows that have a word of both groups; `of_left` are those of the first group, if known."""
        known = None if of_left is None else of_left[of_left < self._num_sealed]
        return self._joined(self._sealed.rows_with_both(left, right, known), [left, right])

    def most_named(self, terms: Sequence[str]) -> int | None:
        """How many items have one of the words in a maker's name, at most; None if that is not known."""
        most = self._sealed.most_named(terms)
        return None if most is None else most + self.num_items - self._num_sealed

    def rows_with_phrase(self, words: Sequence[str]) -> Rows:
        """The rows that have the words one after the other in one of their texts."""
        return self._joined(self._sealed.rows_with_phrase(words), [[" ".join(words)]])

    def rows_called(self, groups: Sequence[Sequence[str]], *, in_order: bool = False) -> Rows:
        """The rows whose titles have a word of every group, or have the words one after the other."""
        if in_order:
            phrase = [terms[0] for terms in groups]
            sealed = self._sealed.rows_with_phrase(phrase, "title")
            groups = [[" ".join(phrase)]]
        else:
            sealed = self._sealed.rows_called(groups)
        return self._joined(sealed, groups, "title")

    @property
    def has_texts_apart(self) -> bool:
        """Whether phrases and titles are exact; in an index of an older version, they are not."""
        return self._sealed.has_texts_apart

    def first_words(self, num_chars: int) -> list[str]:
        """The first words of the first caption of each row, in row order."""
        found = self._sealed.first_words(num_chars)
        sealed = [found.get(row, "") for row in range(self._num_sealed)]
        return sealed + (self._added.first_words(num_chars) if self._added else [])

    def texts(self, rows: Sequence[int]) -> list[str]:
        """The words of the captions of some rows in their order."""
        sealed = [row for row in rows if row < self._num_sealed]
        found = dict(zip(sealed, self._sealed.texts(sealed), strict=True))
        # The texts of additions are kept apart by bars, not by clause.
        added = self._added.texts if self._added else ()
        return [found[row] if row in found else added[row - self._num_sealed] for row in rows]

    def expanded(self, word: str) -> tuple[str, ...]:
        """A word with its other forms, and with the compounds that contain it."""
        found = self._sealed.expanded(word)
        return tuple(dict.fromkeys([*found, *self._added.expanded(word)])) if self._added else found

    def second_chance(self, word: str) -> tuple[str, ...]:
        """The words that an old spelling of this one may stand for."""
        found = self._sealed.second_chance(word)
        return tuple(dict.fromkeys([*found, *self._added.second_chance(word)])) if self._added else found

    def spelled_like(self, word: str) -> str | None:
        """The known word that is closest to a misspelt one."""
        return self._sealed.spelled_like(word, self._added.spellings if self._added else None)

    def _joined(self, sealed: Rows, groups: Sequence[Sequence[str]], column: str | None = None) -> Rows:
        found = self._added.with_words(groups, column) if self._added else []
        return np.concatenate([sealed, self._num_sealed + np.array(found, np.int64)]) if found else sealed
