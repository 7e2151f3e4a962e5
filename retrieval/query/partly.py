"""What has only some of the words of a query, where no item has all of them.

`Thornlow portrait` on a collection without portraits: two items have Thornlow. The words that most tell items
apart come first, by the weights of the evidence. A set of words that is a part of another set is left out.

Shapes: N rows, M items with words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.answers import PartlyMatched, Spelling
from retrieval.backends.interface import Mask
from retrieval.generation.evidence import WordEvidence
from retrieval.query.spelling import as_typed, rewritten
from retrieval.words import UNSPACED, folded

if TYPE_CHECKING:
    from retrieval.query.found import Found

MAX_SETS = 3


@dataclass(frozen=True)
class WordSet:
    """Some words of a query, the others, and the rows that have all of the former: bool [N]."""

    words: tuple[str, ...]
    missing: tuple[str, ...]
    weight: float
    rows_N: Mask


def word_sets(words: WordEvidence, shown_N: Mask) -> list[WordSet]:
    """The sets of words that shown items have, the most telling first, at most three. None if there is but
    one word, or if an item has all of them.
    """
    if len(words.asked) < 2:
        return []
    shown_M = shown_N[words.rows]
    chosen: list[int] = []
    distinct = [bits for bits in np.unique(words.held[shown_M]).tolist() if bits & words.complete]
    for bits in sorted(distinct, key=lambda bits: (-_weight(words, bits), bits)):
        if not any(bits & other == bits for other in chosen):
            chosen.append(bits)
    if chosen and chosen[0] == (1 << len(words.asked)) - 1:
        return []
    return [_word_set(words, shown_M, bits, len(shown_N)) for bits in chosen[:MAX_SETS]]


def _weight(words: WordEvidence, bits: int) -> float:
    return sum(weight for number, weight in enumerate(words.weights) if bits >> number & 1)


def _word_set(words: WordEvidence, shown_M: Mask, bits: int, num_rows: int) -> WordSet:
    has_M = shown_M & ((words.held & np.uint32(bits)) == bits)
    rows_N = np.zeros(num_rows, bool)
    rows_N[words.rows[has_M]] = True
    has = [bool(bits >> number & 1) for number in range(len(words.asked))]
    return WordSet(
        tuple(word for word, is_there in zip(words.asked, has, strict=True) if is_there),
        tuple(word for word, is_there in zip(words.asked, has, strict=True) if not is_there),
        _weight(words, bits),
        rows_N,
    )


def partly_matched(found: Found, spelling: Spelling | None) -> tuple[PartlyMatched, ...]:
    """What the answer states about these sets, with the text of a query for each."""
    text = found.query.text or ""
    searched = {folded(each.typed): each.searched[0] for each in spelling.corrections} if spelling else {}
    return tuple(
        PartlyMatched(
            words=_shown(found, each.words),
            missing=_shown(found, each.missing),
            text=_text_of(text, searched, each, _shown(found, each.words)),
            total=int(each.rows_N.sum()),
        )
        for each in found.word_sets
    )


def _shown(found: Found, words: Sequence[str]) -> tuple[str, ...]:
    """Words as they were typed, or as the records write what was searched instead."""
    texts = " ".join(order.text for order in found.orders)
    return tuple(dict.fromkeys(word if UNSPACED.match(word) else as_typed(texts, word) for word in words))


def _text_of(text: str, searched: dict[str, str], words: WordSet, shown: Sequence[str]) -> str:
    """The query without the words that are missing; operators and fields stay."""
    if any(UNSPACED.match(word) for word in (*words.words, *words.missing)):
        return " ".join(shown)
    instead = searched | dict.fromkeys(words.missing, "")
    instead |= {typed: "" for typed, word in searched.items() if folded(word) in words.missing}
    return " ".join(rewritten(text, instead).split())
