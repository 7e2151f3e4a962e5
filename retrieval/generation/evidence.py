"""What the words of a query say about each item that has one of them.

Every word of a query counts by how much it distinguishes: ln((N + 1) / number of items that have it), its
inverse document frequency (Robertson 2004). A word that no item has counts as the rarest.

Shapes: N items of the index, M items that have a word of the query, W words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from retrieval.generation.word_forms import modern
from retrieval.generation.word_index import close_pair, closeness_in

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Years = Callable[[str], "Mask | None"]

# Reading the number of an item that has a word takes a fraction of a microsecond. The rarest word is read up
# to the first limit, others as long as all together stay below the second; more frequent words are looked up
# only in the items that have one of those.
MAX_ROWS_OF_RAREST, MAX_ROWS_READ = 200_000, 30_000
# Comparing the order of the words of an item takes some microseconds.
MAX_ROWS_COMPARED = 1_000
# An item need not have a word that more than half of the items have, such as an article.
COMMON_SHARE = 0.5
# An old spelling may stand for several words of today.
MAX_SPELLINGS = 8
# A word is taken for a name if it is in the makers' names at least as often as elsewhere.
NAME_SHARE = 0.5


class WordSource(Protocol):
    """The word index of a generation, alone or with the additions since."""

    num_items: int

    def num_with(self, word: str) -> int: ...
    def rows_with(self, terms: Sequence[str], column: str | None = None, limit: int = -1) -> Rows: ...
    def rows_with_all(self, groups: Sequence[Sequence[str]], limit: int = -1) -> Rows: ...
    def texts(self, rows: Sequence[int]) -> list[str]: ...
    def expanded(self, word: str) -> tuple[str, ...]: ...
    def second_chance(self, word: str) -> tuple[str, ...]: ...
    def spelled_like(self, word: str) -> str | None: ...


@dataclass(frozen=True)
class WordEvidence:
    """What words say about the items that have any of them, in row order.

    Args:
        rows: the items, int64 [M].
        coverage: the share of the query's weight that an item's words have, 0 to 1 [M].
        information: the same in units of the rarest possible word, at most 1 [M].
        is_full: which items have every word [M].
        closeness: the share of the query's neighbouring words that are neighbours in the item [M].
        is_named: which items have every word of the query that is a maker's name [M].
        is_called: which items are called exactly what was asked for, as a whole [M].
        is_exact: which items have every word that they have in the very form that was typed [M].
        in_title: the number of the query's words that are in the title [M].
        has_name: whether a word of the query is a maker's name.
        has_known_word: whether any item has any word of the query.
        has_called: whether any item is called exactly what was asked for.
        corrected: words that no item has, and the words of this index that were searched instead: an old
            spelling, or the closest word.
        unknown: words that no item has, and that are like no word of this index.
    """

    rows: Rows
    coverage: Floats
    information: Floats
    is_full: Mask
    closeness: Floats
    is_named: Mask
    is_called: Mask
    in_title: Floats
    is_exact: Mask
    has_name: bool = False
    has_known_word: bool = False
    has_called: bool = False
    corrected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @classmethod
    def none(cls) -> WordEvidence:
        """No word was asked for, or no item has one."""
        floats, flags = np.zeros(0, np.float32), np.zeros(0, bool)
        return cls(np.zeros(0, np.int64), floats, floats, flags, floats, flags, flags, floats, flags)

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """The features that the likelihood is learned from, float64 [M, 4]."""
        columns = (self.coverage, self.information, self.is_full, self.closeness)
        return np.stack([np.asarray(each, np.float64) for each in columns], axis=1)

    def kept(self, chosen_M: Mask) -> WordEvidence:
        """The evidence about some of the items only."""
        arrays = {
            name: getattr(self, name)[chosen_M]
            for name in (
                *("rows", "coverage", "information", "is_full", "closeness"),
                *("is_named", "is_called", "in_title", "is_exact"),
            )
        }
        return WordEvidence(
            **arrays,
            has_name=self.has_name,
            has_known_word=self.has_known_word,
            has_called=bool(arrays["is_called"].any()),
            corrected=self.corrected,
            unknown=self.unknown,
        )

    def nothing_about(self, rows: Rows) -> WordEvidence:
        """The evidence about items that have no word of the same query."""
        floats, flags = np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
        exact = flags if self.has_known_word else ~flags
        return WordEvidence(
            *(rows, floats, floats, flags, floats, flags, flags, floats, exact),
            has_name=self.has_name,
            has_known_word=self.has_known_word,
            has_called=self.has_called,
        )

    def among_called(self, has_called: bool) -> WordEvidence:
        """The same evidence, where further items may be called exactly what was asked for."""
        return replace(self, has_called=has_called)


@dataclass
class _Word:
    """A word of the query: the terms that count as it, the rows that have one, and its weight."""

    terms: tuple[str, ...]
    num: int
    rows: Rows | None = None
    mask_N: Mask | None = None
    weight: float = 0.0
    is_corrected: bool = False


def evidence(
    source: WordSource,
    words: Sequence[str],
    *,
    digest: str | None = None,
    years: Years | None = None,
    with_titles: bool = False,
    literal: bool = False,
) -> WordEvidence:
    """What the words of a query say.

    Args:
        source: the word index.
        words: the folded words in their order.
        digest: the digest of the whole text, to find what is called exactly so.
        years: gives the items made in a year, for words that are a year.
        with_titles: also count the words in titles.
        literal: search the words as they are, without other forms, spellings or the closest word.
    """
    corrected: dict[str, tuple[str, ...]] = {}
    looked_up = _Lookup(source, years, corrected, literal)
    found = {word: looked_up(word) for word in dict.fromkeys(words)}
    unknown = tuple(word for word, each in found.items() if not each.num)
    _read(source, list(found.values()))
    called = source.rows_with((digest,), "identifiers") if digest else np.zeros(0, np.int64)
    read = [word.rows for word in found.values() if word.rows is not None]
    rows = np.unique(np.concatenate([*read, called])) if read or len(called) else called
    if not len(rows) and len(found) == 1:
        rows = _only_a_year(next(iter(found.values())))
    if not len(rows):
        return replace(WordEvidence.none(), corrected=corrected, unknown=unknown)
    held_WM = np.stack([_holds(word, rows) for word in found.values()])
    weights_W = np.array([_weight(word, source.num_items) for word in found.values()])
    total = max(weights_W.sum(), 1e-9)
    held_weight_M = weights_W @ held_WM
    needed_W = np.array([word.num <= COMMON_SHARE * source.num_items for word in found.values()])
    sure_W = np.array([not word.is_corrected for word in found.values()])
    needed_W = needed_W if needed_W.any() else np.ones(len(needed_W), bool)
    full_M = (held_WM | ~needed_W[:, None]).all(axis=0) & bool(sure_W.all())
    names = [word for word in found.values() if _is_name(source, word)]
    named_M = [_holds(word, rows) for word in names]
    titled_M = _in_title(source, list(found.values()), rows) if with_titles else None
    coverage_M = np.asarray(held_weight_M / total, np.float32)
    rarest = math.log(source.num_items + 1)
    return WordEvidence(
        rows=rows,
        coverage=coverage_M,
        information=np.asarray(np.minimum(1, held_weight_M / max(rarest, 1e-9)), np.float32),
        is_full=full_M,
        closeness=_closeness(source, [found[word] for word in words], rows, full_M, coverage_M),
        is_named=np.all(named_M, axis=0) if names else np.zeros(len(rows), bool),
        is_called=np.isin(rows, called),
        in_title=np.zeros(len(rows), np.float32) if titled_M is None else titled_M,
        is_exact=_exact(source, found, rows),
        has_name=bool(names),
        has_known_word=bool(held_WM.any()),
        has_called=bool(len(called)),
        corrected=corrected,
        unknown=unknown,
    )


@dataclass(frozen=True)
class _Lookup:
    """Looks up words of a query: each as it is, or else by what it may stand for."""

    source: WordSource
    years: Years | None
    corrected: dict[str, tuple[str, ...]]
    literal: bool

    def __call__(self, word: str) -> _Word:
        """What the word counts as here."""
        source = self.source
        terms = (word,) if self.literal else source.expanded(word)
        num = sum(source.num_with(term) for term in terms)
        mask_N = self.years(word) if self.years else None
        if num >= MAX_ROWS_READ:
            return _Word(terms, min(num, source.num_items), mask_N=mask_N)
        rows = source.rows_with(terms)
        if len(rows) or (mask_N is not None and mask_N.any()):
            self._note_other_spelling(word, terms)
            return _Word(terms, len(rows) if mask_N is None else int(mask_N.sum()), rows, mask_N)
        return self._instead_of(word) or _Word(terms, 0, rows)

    def _note_other_spelling(self, word: str, terms: tuple[str, ...]) -> None:
        """Stemmers join some old spellings to today's (loewe, lowe): another spelling, not another form."""
        same = tuple(term for term in terms[1:] if modern(term) == modern(word))
        if same and not len(self.source.rows_with((word,), limit=1)):
            self.corrected[word] = same

    def _instead_of(self, word: str) -> _Word | None:
        if self.literal:
            return None
        source = self.source
        spelled, is_guess = source.second_chance(word)[:MAX_SPELLINGS], False
        if not spelled:
            closest = source.spelled_like(word)
            spelled, is_guess = (closest,) if closest else (), True
        terms = tuple(dict.fromkeys(term for each in spelled for term in source.expanded(each)))
        rows = source.rows_with(terms) if terms else np.zeros(0, np.int64)
        if not len(rows):
            return None
        self.corrected[word] = spelled
        return _Word(terms, len(rows), rows, is_corrected=is_guess)


def _read(source: WordSource, words: list[_Word]) -> None:
    """Read the rows of frequent words: completely, or among the rows of the rarer ones."""
    num_read, terms_read = 0, list[str]()
    for word in sorted(words, key=lambda word: word.num):
        if word.rows is None:
            if not terms_read:
                word.rows = source.rows_with(word.terms, limit=MAX_ROWS_OF_RAREST)
            elif num_read + word.num <= MAX_ROWS_READ:
                word.rows = source.rows_with(word.terms)
            else:
                word.rows = source.rows_with_all([terms_read, word.terms])
                continue
        if len(word.rows):
            num_read += len(word.rows)
            terms_read += word.terms


def _holds(word: _Word, rows: Rows) -> Mask:
    held_M = np.isin(rows, word.rows if word.rows is not None else (), assume_unique=True)
    return held_M if word.mask_N is None else held_M | word.mask_N[rows]


def _only_a_year(word: _Word) -> Rows:
    return np.zeros(0, np.int64) if word.mask_N is None else np.flatnonzero(word.mask_N)


def _weight(word: _Word, num_items: int) -> float:
    return max(1e-3, math.log((num_items + 1) / max(1, word.num)))


def _is_name(source: WordSource, word: _Word) -> bool:
    if not word.num or word.num > MAX_ROWS_READ or word.mask_N is not None:
        return False
    return len(source.rows_with(word.terms, "creators")) >= NAME_SHARE * word.num


def _closeness(
    source: WordSource, words: list[_Word], rows: Rows, full_M: Mask, coverage_M: Floats
) -> Floats:
    """The share of neighbouring words of the query that are close in the item; for the best items only."""
    if len(words) < 2:
        return full_M.astype(np.float32)
    close_M = np.zeros(len(rows), np.float32)
    pairs = [
        close_pair(*(each.terms for each in pair)) for pair in pairwise(words) if all(w.num for w in pair)
    ]
    if not pairs:
        return close_M
    best = np.argsort(-(coverage_M + full_M), kind="stable")[:MAX_ROWS_COMPARED]
    texts = source.texts(rows[best].tolist())
    close_M[best] = [closeness_in(text, pairs) for text in texts]
    return np.asarray(close_M / (len(words) - 1), np.float32)


def _exact(source: WordSource, found: dict[str, _Word], rows: Rows) -> Mask:
    exact_M = np.ones(len(rows), bool)
    for typed, word in found.items():
        if word.num > MAX_ROWS_READ:
            continue
        if word.terms != (typed,):
            exact_M &= np.isin(rows, source.rows_with((typed,))) | ~_holds(word, rows)
    return exact_M


def _in_title(source: WordSource, words: Sequence[_Word], rows: Rows) -> Floats:
    num_M = np.zeros(len(rows), np.float32)
    for word in words:
        if word.num:
            num_M += np.isin(rows, source.rows_with(word.terms, "title"))
    return num_M
