"""Counts over a filtered set, for narrowing it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from retrieval import iconography
from retrieval.answers import Facets, FacetValue
from retrieval.columns import UNKNOWN_EARLIEST, Columns, Mask
from retrieval.hits import rights_label

MAX_VALUES = 50
# Iconclass is counted by its second or third level: 25F (animals), 46A (social classes).
BRANCH_CHARS = 3


def facets_of(columns: Columns, shown_N: Mask) -> Facets:
    """The facets of the rows in `shown_N`."""
    known_N = shown_N & (columns.earliest != UNKNOWN_EARLIEST)
    earliest_M, latest_M = columns.earliest[known_N], columns.latest[known_N]
    names = columns.institution_names
    return Facets(
        total=int(shown_N.sum()),
        institution=_values(columns, "institution", shown_N, lambda slug: names.get(slug, slug)),
        language=_values(columns, "language", shown_N),
        rights=_values(
            columns, "rights", shown_N, lambda name: rights_label(None if name == "none" else name)
        ),
        object_type=_values(columns, "object_type", shown_N),
        creator=_values(columns, "creator", shown_N),
        iconclass=_branches(columns, shown_N),
        century=_centuries(earliest_M),
        num_reusable=int((shown_N & columns.reusable).sum()),
        num_with_region=int((shown_N & columns.has_region).sum()),
        earliest=int(earliest_M.min()) if len(earliest_M) else None,
        latest=int(latest_M.max()) if len(latest_M) else None,
    )


def _values(
    columns: Columns, name: str, shown_N: Mask, label: Callable[[str], str] = str
) -> tuple[FacetValue, ...]:
    column = columns.values[name]
    counts_V = column.counts(shown_N)
    # Most frequent first; values are sorted, so a stable sort puts ties in alphabetical order.
    order = np.argsort(-counts_V, kind="stable")[:MAX_VALUES]
    return tuple(
        FacetValue(value=column.values[code], label=label(column.values[code]), count=int(counts_V[code]))
        for code in order
        if counts_V[code]
    )


def _branches(columns: Columns, shown_N: Mask) -> tuple[FacetValue, ...]:
    """Items by branch; an item with two notations of one branch counts once."""
    column = columns.values["iconclass"]
    if not column.values:
        return ()
    branches = sorted({value[:BRANCH_CHARS] for value in column.values})
    numbers = {branch: number for number, branch in enumerate(branches)}
    branch_of_V = np.array([numbers[value[:BRANCH_CHARS]] for value in column.values])
    kept = shown_N[column.rows]
    pairs = np.unique(column.rows[kept].astype(np.int64) * len(branches) + branch_of_V[column.codes[kept]])
    counts = np.bincount(pairs % len(branches), minlength=len(branches))
    order = np.argsort(-counts, kind="stable")[:MAX_VALUES]
    return tuple(
        FacetValue(value=branches[n], label=iconography.label(branches[n]), count=int(counts[n]))
        for n in order
        if counts[n]
    )


def _centuries(years_M: np.ndarray[tuple[int], np.dtype[np.int32]]) -> tuple[FacetValue, ...]:
    """Items by the century of their first year: value 1500 holds the years 1500 to 1599."""
    starts, counts = np.unique(years_M // 100 * 100, return_counts=True)
    return tuple(
        FacetValue(value=str(start), label=f"{start}–{start + 99}", count=int(count))
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
    )
