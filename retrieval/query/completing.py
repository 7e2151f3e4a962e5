"""Completes what a reader has typed so far, from what visible items are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from retrieval.answers import Completed
from retrieval.generation.completions import NO_LANGUAGE, Completion, key_of
from retrieval.live.view import IndexView
from retrieval.questions import Filters

# Twice as many are looked at, because some may be hidden, or called the same.
NUM_SPARE = 2


def complete(
    view: IndexView, text: str, language: str, k: int, without_institution: tuple[str, ...]
) -> tuple[Completed, ...]:
    """At most k completions: names and texts in the reader's language first, the most frequent first; then
    texts in other languages. A notation is given in one language.
    """
    prefix = key_of(text)
    if not prefix:
        return ()
    found: dict[str, Completed] = {}
    language_of: dict[tuple[int, tuple[int, ...]], str] = {}
    for each in _candidates(view, prefix, language, NUM_SPARE * k):
        if len(found) == k:
            break
        if each.kind == "iconclass":
            # The texts of one notation are known by their items: a name in it, as (FLEUR-DE-LIS), is in all.
            items = (each.num_items, each.seen_in)
            if language_of.setdefault(items, each.language) != each.language:
                continue
        if _is_visible(view, each, without_institution):
            found.setdefault(
                key_of(each.text).rstrip(),
                Completed(text=each.text, kind=each.kind, language=each.language or None),
            )
    return tuple(found.values())


def _candidates(view: IndexView, prefix: str, language: str, limit: int) -> Iterator[Completion]:
    sealed, added = view.sealed.catalog.completions, view.added_completions
    first = (NO_LANGUAGE, language)
    others = tuple({*sealed.languages, *added.languages} - set(first))
    for languages in (first, others):
        found = sealed.starting_with(prefix, languages, limit)
        yield from _joined(found, added.starting_with(prefix, languages)[:limit])


def _joined(sealed: Sequence[Completion], added: Sequence[Completion]) -> list[Completion]:
    """The completions of both, the most frequent first; what is in both counts together."""
    joined: dict[tuple[str, str, str], Completion] = {}
    for each in (*sealed, *added):
        name = (each.kind, each.language, each.text)
        joined[name] = joined[name] + each if name in joined else each
    return sorted(joined.values(), key=lambda each: -each.num_items)


def _is_visible(view: IndexView, completion: Completion, without_institution: tuple[str, ...]) -> bool:
    mask_N = view.mask(Filters(without_institution=without_institution))
    return any(
        row not in view.withdrawn and (mask_N is None or bool(mask_N[row])) for row in completion.seen_in
    )
