"""Facets: counts over a filtered set, for narrowing it further."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from retrieval import iconography
from retrieval.answers import Facets, FacetValue
from retrieval.generation.columns import NO_RIGHTS, UNKNOWN_EARLIEST, Columns, Mask
from retrieval.query.hits import rights_label

MAX_VALUES = 50
# Iconclass is counted at its second or third level: 25F (animals), 46A (social classes).
BRANCH_CHARS = 3


def facets_of(parts: Sequence[tuple[Columns, Mask]]) -> Facets:
    """The facets of the rows that are shown, over one or several sets of columns."""
    earliest_M = np.concatenate([columns.earliest[_dated(columns, shown)] for columns, shown in parts])
    latest_M = np.concatenate([columns.latest[_dated(columns, shown)] for columns, shown in parts])
    names = {slug: name for columns, _ in parts for slug, name in columns.institution_names.items()}
    return Facets(
        total=sum(int(shown.sum()) for _, shown in parts),
        institution=_values(parts, "institution", lambda slug: names.get(slug, slug)),
        language=_values(parts, "language"),
        rights=_values(parts, "rights", lambda name: rights_label(None if name == NO_RIGHTS else name)),
        object_type=_values(parts, "object_type"),
        creator=_values(parts, "creator"),
        iconclass=_top(
            sum((_branches(*part) for part in parts), Counter()), lambda n: iconography.shown(n) or n
        ),
        century=_centuries(earliest_M),
        num_reusable=sum(int((shown & columns.reusable).sum()) for columns, shown in parts),
        num_with_region=sum(int((shown & columns.has_region).sum()) for columns, shown in parts),
        earliest=int(earliest_M.min()) if len(earliest_M) else None,
        latest=int(latest_M.max()) if len(latest_M) else None,
    )


def notations_in_use(parts: Sequence[tuple[Columns, Mask]], branch: str) -> tuple[str, ...]:
    """The notations below a branch that visible rows have, most frequent first."""
    counts = _counts(parts, "iconclass")
    below = (notation for notation in counts if notation.startswith(branch))
    return tuple(sorted(below, key=lambda notation: (-counts[notation], notation)))


def _dated(columns: Columns, shown: Mask) -> Mask:
    return np.asarray(shown & (columns.earliest != UNKNOWN_EARLIEST))


def _values(
    parts: Sequence[tuple[Columns, Mask]], name: str, label: Callable[[str], str] = str
) -> tuple[FacetValue, ...]:
    return _top(_counts(parts, name), label)


def _counts(parts: Sequence[tuple[Columns, Mask]], name: str) -> Counter[str]:
    """How many rows have each value of a field."""
    counts: Counter[str] = Counter()
    for columns, shown_N in parts:
        column = columns.values[name]
        counts_V = column.counts(shown_N)
        for code in np.flatnonzero(counts_V):
            counts[column.values[code]] += int(counts_V[code])
    return counts


def _top(counts: Counter[str], label: Callable[[str], str]) -> tuple[FacetValue, ...]:
    """The values with the highest counts, most frequent first, ties in alphabetical order."""
    best = heapq.nsmallest(MAX_VALUES, counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FacetValue(value=value, label=label(value), count=count) for value, count in best)


def _branches(columns: Columns, shown_N: Mask) -> Counter[str]:
    """The number of items per branch; an item with two notations of one branch counts once."""
    column = columns.values["iconclass"]
    if not column.values:
        return Counter()
    branches = sorted({value[:BRANCH_CHARS] for value in column.values})
    numbers = {branch: number for number, branch in enumerate(branches)}
    branch_of_V = np.array([numbers[value[:BRANCH_CHARS]] for value in column.values])
    kept = shown_N[column.rows]
    pairs = np.unique(column.rows[kept].astype(np.int64) * len(branches) + branch_of_V[column.codes[kept]])
    counts = np.bincount(pairs % len(branches), minlength=len(branches))
    return Counter({branches[n]: int(counts[n]) for n in np.flatnonzero(counts)})


def _centuries(years_M: np.ndarray[tuple[int], np.dtype[np.int32]]) -> tuple[FacetValue, ...]:
    """The number of items per century of their first year: value 1500 means the years 1500 to 1599."""
    starts, counts = np.unique(years_M // 100 * 100, return_counts=True)
    return tuple(
        FacetValue(value=str(start), label=f"{start}–{start + 99}", count=int(count))
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
    )
