"""The words of a generation and of the additions since, as one word index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrieval.generation.word_index import WordIndex

Rows = npt.NDArray[np.int64]


class ViewWords:
    """The word index of a view: additions follow the rows of the generation.

    Args:
        sealed: the word index of the generation.
        added: the words of each addition, each between spaces (retrieval.generation.word_index).
        num_sealed: the number of rows of the generation.
    """

    def __init__(self, sealed: WordIndex, added: Sequence[str], num_sealed: int) -> None:
        self._sealed, self._added, self._num_sealed = sealed, added, num_sealed
        self.num_items = num_sealed + len(added)

    def num_with(self, word: str) -> int:
        """About how many items have a word."""
        return self._sealed.num_with(word)

    def rows_with(self, terms: Sequence[str], column: str | None = None, limit: int = -1) -> Rows:
        """The rows that have any of the words. The words of additions are not told apart by column."""
        return self._joined(self._sealed.rows_with(terms, column, limit), [terms])

    def rows_with_all(self, groups: Sequence[Sequence[str]], limit: int = -1) -> Rows:
        """The rows that have a word of every group."""
        return self._joined(self._sealed.rows_with_all(groups, limit), groups)

    def texts(self, rows: Sequence[int]) -> list[str]:
        """The words of the captions of some rows in their order."""
        sealed = [row for row in rows if row < self._num_sealed]
        found = dict(zip(sealed, self._sealed.texts(sealed), strict=True))
        # The texts of additions are kept apart by bars, not by clause.
        return [found[row] if row in found else self._added[row - self._num_sealed] for row in rows]

    def expanded(self, word: str) -> tuple[str, ...]:
        """A word with its other forms, and with the compounds that contain it."""
        return self._sealed.expanded(word)

    def second_chance(self, word: str) -> tuple[str, ...]:
        """The words that an old spelling of this one may stand for."""
        return self._sealed.second_chance(word)

    def spelled_like(self, word: str) -> str | None:
        """The known word that is closest to a misspelt one."""
        return self._sealed.spelled_like(word)

    def _joined(self, sealed: Rows, groups: Sequence[Sequence[str]]) -> Rows:
        found = [
            self._num_sealed + position
            for position, text in enumerate(self._added)
            if all(any(f" {term} " in text for term in terms) for terms in groups)
        ]
        return np.concatenate([sealed, np.array(found, np.int64)]) if found else sealed
