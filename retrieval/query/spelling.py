"""Tells what became of the words of a query that no item has: searched as another word, or not known at all.

The words of an index are folded. Readers see them as the records write them, so a record that has the word is
read. Words that only items have that this user may not see are treated as unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from iconoclip.record import Record
from retrieval.answers import Correction, Spelling
from retrieval.generation.evidence import WordEvidence
from retrieval.generation.word_index import facts_of
from retrieval.live.view import IndexView
from retrieval.questions import Filters, Query
from retrieval.words import AS_TYPED, folded, tokens

MAX_SHOWN = 3
# Records that are read to see how they write a word.
NUM_READ, MAX_ROWS_LOOKED_AT = 3, 1_000


def spelling_of(view: IndexView, query: Query, words: WordEvidence) -> Spelling | None:
    """What the answer states about the words of a query, or None if every word is known."""
    if not (query.text and (words.corrected or words.unknown)):
        return None
    searched = as_shown(view, words.corrected, query.filters.without_institution)
    known = {word: terms for word, terms in searched.items() if terms}
    unknown = [*words.unknown, *(word for word, terms in searched.items() if not terms)]
    return Spelling(
        corrections=tuple(Correction(typed=as_typed(query.text, w), searched=t) for w, t in known.items()),
        unknown=tuple(dict.fromkeys(as_typed(query.text, word) for word in unknown)),
        suggested=rewritten(query.text, {word: terms[0] for word, terms in known.items()}) if known else None,
    )


def as_typed(text: str, word: str) -> str:
    """A folded word as it was typed; of an unspaced script the whole run that it is a part of."""
    return next((run for run in AS_TYPED.findall(text) if word in tokens(run)), word)


def rewritten(text: str, instead: Mapping[str, str]) -> str:
    """A text with other words instead of some, which are given folded; an empty one removes a word."""

    def replaced(run: re.Match[str]) -> str:
        return instead.get(folded(run[0]), run[0])

    return AS_TYPED.sub(replaced, text)


def as_shown(
    view: IndexView, corrected: Mapping[str, Sequence[str]], concealed: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """What was searched instead of each word, as the records write it that this user may see; an empty tuple
    where none of them has it.
    """
    return {word: _shown(view, terms, concealed) for word, terms in corrected.items()}


def _shown(view: IndexView, terms: Sequence[str], concealed: tuple[str, ...]) -> tuple[str, ...]:
    """The words that visible items have, as their records write them, at most three."""
    mask_N = view.mask(Filters(without_institution=concealed))
    shown = []
    for term in terms:
        rows = view.words.rows_with((term,), limit=MAX_ROWS_LOOKED_AT).tolist()
        visible = (row for row in rows if row not in view.withdrawn and (mask_N is None or mask_N[row]))
        records = [view.record(row) for _, row in zip(range(NUM_READ), visible, strict=False)]
        if records:
            shown.append(_as_written(records, term))
        if len(shown) == MAX_SHOWN:
            break
    return tuple(shown)


def _as_written(records: Sequence[Record], term: str) -> str:
    """The most common way to write a word; without a capital letter if a record does so."""
    written = Counter(run for record in records for run in _runs(record) if folded(run) == term)
    return max(written, key=lambda run: (run.islower(), written[run]), default=term)


def _runs(record: Record) -> Iterator[str]:
    for text in (*(caption.text for caption in record.captions), *record.creators, *facts_of(record)):
        yield from AS_TYPED.findall(text)
