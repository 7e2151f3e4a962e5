"""What the words of a query say about each item that has one of them.

Every word of a query counts by how much it distinguishes: ln((N + 1) / number of items that have it), its
inverse document frequency (Robertson 2004). A word that no item has counts as the rarest.

Shapes: N items of the index, M items that have a word of the query, W words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.generation.close_words import close_pairs
from retrieval.generation.function_words import ASKING, FUNCTION_WORDS, SPARED
from retrieval.generation.row_lists import Mask, Rows, among, united
from retrieval.generation.word_lookup import MAX_ROWS_READ, Lookup, Word, WordSource, Years, read_rows

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint32]

# Reading an item's words, and comparing their order, takes some microseconds.
MAX_ROWS_COMPARED = 150
# An item need not have a word that more than half of the items have, such as an article.
COMMON_SHARE = 0.5
# A word is taken for a name if it is in the makers' names at least as often as elsewhere.
NAME_SHARE = 0.5


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
        is_called: which items have exactly the name that was searched for [M].
        is_exact: which items have every word that they have in the very form that was typed [M].
        in_title: the number of the query's words that are in the title [M].
        held: which of the words in `asked` each item has, one bit per word, the first the lowest, uint32 [M].
        has_name: whether a word of the query is a maker's name.
        has_known_word: whether any item has any word of the query.
        has_called: whether any item has exactly the name that was searched for.
        corrected: words that no item has, and the words of this index that were searched instead: an old
            spelling, or the closest word.
        unknown: words that no item has, and that are like no word of this index.
        asked: the words that an item must have to have every word: all but very frequent ones.
        weights: how much each of `asked` distinguishes.
        complete: the words of `asked` of which every item is in `rows`, one bit per word.
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
    held: Bits
    has_name: bool = False
    has_known_word: bool = False
    has_called: bool = False
    corrected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    complete: int = 0

    @classmethod
    def none(cls) -> WordEvidence:
        """No words were searched for, or no item has any of them."""
        return cls._empty(np.zeros(0, np.int64))

    @classmethod
    def _empty(cls, rows: Rows) -> WordEvidence:
        floats, flags = np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
        bits = np.zeros(len(rows), np.uint32)
        return cls(rows, floats, floats, flags, floats, flags, flags, floats, flags, bits)

    @classmethod
    def of_all(cls, rows: Rows) -> WordEvidence:
        """Full evidence for each of the rows: they have what was searched for."""
        ones, yes = np.ones(len(rows), np.float32), np.ones(len(rows), bool)
        return replace(
            cls._empty(rows),
            coverage=ones,
            information=ones,
            is_full=yes,
            closeness=ones,
            in_title=ones,
            is_exact=yes,
            has_known_word=bool(len(rows)),
        )

    @cached_property
    def features(self) -> npt.NDArray[np.float64]:
        """The features that the likelihood is learned from, float64 [M, 4]."""
        columns = (self.coverage, self.information, self.is_full, self.closeness)
        return np.stack([np.asarray(each, np.float64) for each in columns], axis=1)

    def kept(self, chosen_M: Mask) -> WordEvidence:
        """The evidence about some of the items only."""
        if chosen_M.all():
            return self
        places = np.flatnonzero(chosen_M)
        arrays = {name: getattr(self, name)[places] for name in _PER_ITEM}
        return replace(self, **arrays, has_called=bool(arrays["is_called"].any()))

    def about(self, rows: Rows) -> tuple[WordEvidence, Mask]:
        """The evidence about given items, zeros for those without any word, and which have some."""
        nothing = self.nothing_about(rows)
        if not len(self.rows):
            return nothing, np.zeros(len(rows), bool)
        place_C = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        has_C = self.rows[place_C] == rows
        spread: dict[str, Any] = {
            name: np.where(has_C, getattr(self, name)[place_C], 0).astype(getattr(self, name).dtype)
            for name in _PER_ITEM
            if name != "rows"
        }
        if not self.has_known_word:
            spread["is_exact"] = np.ones(len(rows), bool)
        return replace(nothing, **spread), has_C

    def nothing_about(self, rows: Rows) -> WordEvidence:
        """The evidence about items that have no word of the same query."""
        empty = self._empty(rows)
        arrays = {name: getattr(empty, name) for name in _PER_ITEM}
        arrays["is_exact"] = np.full(len(rows), not self.has_known_word)
        return replace(self, **arrays)

    def among_called(self, has_called: bool) -> WordEvidence:
        """The same evidence, where further items may have exactly the name that was searched for."""
        return replace(self, has_called=has_called)


_PER_ITEM = (
    *("rows", "coverage", "information", "is_full", "closeness", "is_named", "is_called", "in_title"),
    *("is_exact", "held"),
)


def evidence(
    source: WordSource,
    words: Sequence[str],
    *,
    digest: str | None = None,
    years: Years | None = None,
    with_titles: bool = False,
    literal: bool = False,
    spelled: Mapping[str, tuple[str, ...]] | None = None,
) -> WordEvidence:
    """What the words of a query say.

    Args:
        source: the word index.
        words: the folded words in their order.
        digest: the digest of the whole text, to find what is called exactly so.
        years: gives the items made in a year, for words that are a year.
        with_titles: also count the words in titles.
        literal: search the words as they are, without other forms, spellings or the closest word.
        spelled: words that stand for others, and for which; then no other word is searched instead of one
            that no item has.
    """
    look_up = Lookup(source, years, literal, spelled)
    found = _found(look_up, words)
    words = [word for word in words if word in found]
    unknown = tuple(word for word, each in found.items() if not each.num)
    read_rows(source, found.values())
    called = source.rows_with((digest,), "identifiers") if digest else np.zeros(0, np.int64)
    rows = _rows_of(list(found.values()), called, source.num_items)
    if not len(rows):
        return replace(WordEvidence.none(), corrected=look_up.corrected, unknown=unknown)
    held_WM = np.stack([word.holds(rows) for word in found.values()])
    weights_W = np.array([_weight(word, source.num_items) for word in found.values()])
    total = max(weights_W.sum(), 1e-9)
    held_weight_M = weights_W @ held_WM
    needed_W, full_M = _needed(found, held_WM, source.num_items, literal)
    names = [word for word in found.values() if _is_name(source, word)]
    named_M = [word.holds(rows) for word in names]
    coverage_M = np.asarray(held_weight_M / total, np.float32)
    rarest = math.log(source.num_items + 1)
    return WordEvidence(
        rows=rows,
        coverage=coverage_M,
        information=np.asarray(np.minimum(1, held_weight_M / max(rarest, 1e-9)), np.float32),
        is_full=full_M,
        closeness=_closeness(source, found, words, held_WM, rows),
        is_named=np.all(named_M, axis=0) if names else np.zeros(len(rows), bool),
        is_called=among(rows, called),
        in_title=_in_title(source, list(found.values()) if with_titles else [], rows),
        is_exact=_exact(source, list(found.values()), rows),
        held=_bits(held_WM[needed_W]),
        has_name=bool(names),
        has_known_word=bool(held_WM.any()),
        has_called=bool(len(called)),
        corrected=look_up.corrected,
        unknown=unknown,
        asked=tuple(word for word, is_needed in zip(found, needed_W, strict=True) if is_needed),
        weights=tuple(weights_W[needed_W].tolist()),
        complete=_complete(list(found.values()), needed_W),
    )


def _found(look_up: Lookup, words: Sequence[str]) -> dict[str, Word]:
    """What each word counts as; without function words that no item has, if there are others."""
    distinct = list(dict.fromkeys(words))
    if look_up.literal or all(word in FUNCTION_WORDS for word in distinct):
        return {word: look_up(word) for word in distinct}
    # Forms of an article are other words, and nothing is searched instead of a word that may be left out.
    as_typed, in_forms = Lookup(look_up.source, literal=True), Lookup(look_up.source, spelled={})
    found = {
        word: (in_forms if word in ASKING else as_typed if word in FUNCTION_WORDS else look_up)(word)
        for word in distinct
    }
    return {word: each for word, each in found.items() if each.num or word not in FUNCTION_WORDS}


def _needed(found: Mapping[str, Word], held_WM: Mask, num_items: int, literal: bool) -> tuple[Mask, Mask]:
    """Which words an item must have to match fully, and which items do: those that few items have, and no
    function words; those that place one thing on another only if no item matches otherwise.
    """
    frequent_W = np.array([word.num > COMMON_SHARE * num_items for word in found.values()])
    full_M: Mask = np.zeros(held_WM.shape[1], bool)
    needed_W: Mask = np.ones(len(found), bool)
    for function_words in ((),) if literal else (SPARED, FUNCTION_WORDS):
        spared_W = frequent_W | np.array([word in function_words for word in found])
        needed_W = ~spared_W if not spared_W.all() else np.ones(len(found), bool)
        full_M = np.asarray((held_WM | ~needed_W[:, None]).all(axis=0))
        if full_M.any():
            break
    return needed_W, full_M


def _rows_of(words: Sequence[Word], called: Rows, num_items: int) -> Rows:
    """The rows that the words say anything about. Of a year alone these are all that were made in it."""
    rows = united([*(word.rows for word in words if word.rows is not None), called], num_items)
    if not len(rows) and len(words) == 1 and words[0].mask_N is not None:
        return np.flatnonzero(words[0].mask_N)
    return rows


def _bits(held_WM: Mask) -> Bits:
    """One bit per word; there are at most 32 words in a query."""
    bits_M = np.zeros(held_WM.shape[1], np.uint32)
    for number, held_M in enumerate(held_WM):
        bits_M |= held_M.astype(np.uint32) << np.uint32(number)
    return bits_M


def _num_bits(bits_M: Bits) -> Floats:
    """The number of bits that are set. numpy 1 has no function for it."""
    bytes_M4 = np.ascontiguousarray(bits_M).view(np.uint8).reshape(-1, 4)
    return np.asarray(np.unpackbits(bytes_M4, axis=1).sum(axis=1), np.float32)


def _complete(words: Sequence[Word], needed_W: Mask) -> int:
    needed = (word for word, is_needed in zip(words, needed_W, strict=True) if is_needed)
    return sum(1 << number for number, word in enumerate(needed) if word.is_complete)


def _weight(word: Word, num_items: int) -> float:
    return max(1e-3, math.log((num_items + 1) / max(1, word.num)))


def _is_name(source: WordSource, word: Word) -> bool:
    if not word.num or word.num > MAX_ROWS_READ or word.mask_N is not None:
        return False
    most = source.most_named(word.terms)
    if most is not None and most < NAME_SHARE * word.num:
        return False
    return len(source.rows_with(word.terms, "creators")) >= NAME_SHARE * word.num


def _closeness(
    source: WordSource, found: Mapping[str, Word], words: Sequence[str], held_WM: Mask, rows: Rows
) -> Floats:
    """The share of neighbouring words of the query that are close in the item; of the items that have most
    pairs of neighbours.
    """
    if len(words) < 2:
        return np.asarray(held_WM[0], np.float32)
    number_of = {word: number for number, word in enumerate(found)}
    pairs = [pair for pair in pairwise(words) if all(found[word].num for word in pair)]
    if not pairs:
        return np.zeros(len(rows), np.float32)
    held_PM = np.stack([held_WM[number_of[one]] & held_WM[number_of[other]] for one, other in pairs])
    num_M = held_PM.sum(axis=0, dtype=np.int8)
    best = np.flatnonzero(num_M)
    best = best[np.argsort(-num_M[best], kind="stable")[:MAX_ROWS_COMPARED]]
    terms = [(found[one].terms, found[other].terms) for one, other in pairs]
    close_C = close_pairs(source.texts(rows[best].tolist()), terms) & _bits(held_PM[:, best])
    close_M = np.zeros(len(rows), np.float32)
    close_M[best] = _num_bits(close_C) / (len(words) - 1)
    return close_M


def _exact(source: WordSource, words: Sequence[Word], rows: Rows) -> Mask:
    exact_M = np.ones(len(rows), bool)
    for word in words:
        if word.num <= MAX_ROWS_READ and word.terms != word.exact:
            exact_rows = source.rows_with(word.exact) if word.exact_rows is None else word.exact_rows
            exact_M &= among(rows, exact_rows) | ~word.holds(rows)
    return exact_M


def _in_title(source: WordSource, words: Sequence[Word], rows: Rows) -> Floats:
    num_M = np.zeros(len(rows), np.float32)
    for word in words:
        if word.num:
            num_M += among(rows, source.rows_with(word.terms, "title"))
    return num_M
