"""The words of a query as they are searched: words that no item has are replaced by words of this index.

A word that is replaced is replaced everywhere: in the word index, in what an item may be called, and in the
text that pictures are compared with. So `rampent` finds, orders and counts what `rampant` does. Words that
only items have that this user may not see are no replacement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retrieval import iconography
from retrieval.generation.evidence import WordEvidence, evidence
from retrieval.generation.word_index import digest_of_name
from retrieval.live.view import IndexView
from retrieval.query.spelling import as_shown, rewritten
from retrieval.questions import Filters, Query
from retrieval.words import folded, words_in


@dataclass(frozen=True)
class Wording:
    """A text as it is searched, and what its words say; `words` may include items that no filter allows."""

    text: str | None
    words: WordEvidence


def asks_for_words(query: Query) -> bool:
    """Whether the words of a query count, and not only its meaning."""
    return bool(query.text) and query.mode != "semantic"


def worded(view: IndexView, query: Query) -> Wording:
    """How the text of a query is searched."""
    text = query.text or ""
    if not asks_for_words(query):
        return Wording(query.text, WordEvidence.none())
    if iconography.is_notation(text):
        return Wording(text, _in_branch(view, text))
    found = _evidence(view, query, text, None)
    if not found.corrected:
        return Wording(text, found)
    written = as_shown(view, found.corrected, query.filters.without_institution)
    instead = {typed: words[0] for typed, words in written.items() if words}
    searched = rewritten(text, instead)
    spelled = {folded(word): found.corrected[typed] for typed, word in instead.items()}
    again = _evidence(view, query, searched, spelled)
    return Wording(searched, replace(again, corrected=found.corrected, unknown=found.unknown))


def _evidence(
    view: IndexView, query: Query, text: str, spelled: dict[str, tuple[str, ...]] | None
) -> WordEvidence:
    return evidence(
        view.words,
        words_in(text),
        digest=digest_of_name(text),
        years=view.made_in,
        with_titles=query.mode == "keyword",
        literal=query.literal,
        spelled=spelled,
    )


def _in_branch(view: IndexView, notation: str) -> WordEvidence:
    """Rows of an Iconclass notation: a query that is a notation means it and everything below it."""
    mask_N = view.mask(Filters(iconclass=notation))
    assert mask_N is not None
    return WordEvidence.of_all(np.flatnonzero(mask_N))
