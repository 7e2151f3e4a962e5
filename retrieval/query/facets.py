"""Facets: counts over the items that match, for narrowing them further.

Shapes: N rows, V values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from retrieval import iconography
from retrieval.answers import Facets, FacetValue
from retrieval.generation.columns import NO_RIGHTS, UNKNOWN_EARLIEST, Columns, Mask
from retrieval.query.found import Found
from retrieval.query.hits import rights_label
from retrieval.query.iconclass_tree import tree_of
from retrieval.query.narrowing import FILTERS
from retrieval.questions import Filters

Parts = Sequence[tuple[Columns, Mask]]
Label = Callable[[str], str]
Numbers = npt.NDArray[np.int64]

MAX_VALUES = 50
# Iconclass is counted at its second or third level: 25F (animals), 46A (social classes).
BRANCH_CHARS = 3
# Years outside of these are slips of the pen in a catalogue.
FIRST_CENTURY, LAST_CENTURY = -1_000, 99


def facets_of(parts: Parts) -> Facets:
    """The facets of the rows that match, over one or several sets of columns."""
    values = {name: _most_frequent(_counts(parts, name), label) for name, label in _labels(parts).items()}
    return Facets(
        **values, **_totals(parts), iconclass=_branches(parts), iconclass_tree=tree_of(parts, parts, ())
    )


def loosened_facets(found: Found) -> Facets:
    """The facets of a search page. The values of a filter that is set are counted as if it were not, so that
    others can be chosen in addition. Their order is that of all matches without any filter: it stays the same
    whatever is chosen.
    """
    filters, view = found.query.filters, found.view
    others = ("earliest", "latest", "dates", "reusable", "has_region", "pictures_only")
    fixed = _without(filters, *FILTERS, *others)
    base_N = found.counted_without(fixed)

    def parts_without(*names: str) -> Parts:
        loose = _without(filters, *names)
        mask_N = None if loose == fixed else view.mask(loose)
        return view.parts(base_N if mask_N is None else base_N & mask_N)

    mask_N = view.mask(filters)
    within_N = base_N if mask_N is None else base_N & mask_N
    matching = view.parts(found.shown_N if found.shown_N.any() else within_N)
    base = view.parts(base_N)

    def loosened(*names: str) -> Parts:
        is_set = any(getattr(filters, name) != getattr(fixed, name) for name in names)
        return parts_without(*names) if is_set else matching

    values = {
        name: _in_order(_counts(base, name), _counts(loosened(name), name), getattr(filters, name), label)
        for name, label in _labels(base).items()
    }
    totals = _totals(matching)
    totals["century"] = _centuries(loosened("earliest", "latest", "dates"))
    totals["num_reusable"] = _totals(loosened("reusable"))["num_reusable"]
    pages = _totals(loosened("pictures_only"))
    totals |= {name: pages[name] for name in ("num_pictures", "num_whole_pages")}
    tree = tree_of(base, loosened("iconclass"), filters.iconclass)
    return Facets(**values, **totals, iconclass=_branches(matching), iconclass_tree=tree)


def notations_in_use(parts: Parts, branch: str) -> tuple[str, ...]:
    """The notations below a branch that visible rows have, most frequent first."""
    counts = _counts(parts, "iconclass")
    below = (notation for notation in counts if notation.startswith(branch))
    return tuple(sorted(below, key=lambda notation: (-counts[notation], notation)))


def _without(filters: Filters, *names: str) -> Filters:
    return filters.model_copy(update={name: Filters.model_fields[name].default for name in names})


def _labels(parts: Parts) -> dict[str, Label]:
    """The fields that are counted value by value, with what each value is called."""
    names = {slug: name for columns, _ in parts for slug, name in columns.institution_names.items()}
    return {
        "institution": lambda slug: names.get(slug, slug),
        "language": str,
        "rights": lambda name: rights_label(None if name == NO_RIGHTS else name),
        "object_type": str,
        "creator": str,
        "place": str,
        "picture_kind": str,
    }


def _totals(parts: Parts) -> dict[str, object]:
    years = _named_years(parts)
    return {
        "total": sum(int(shown.sum()) for _, shown in parts),
        "century": _centuries(parts),
        "num_reusable": sum(int((shown & columns.reusable).sum()) for columns, shown in parts),
        "num_with_region": sum(int((shown & columns.has_region).sum()) for columns, shown in parts),
        "num_pictures": sum(int((shown & ~columns.whole_page).sum()) for columns, shown in parts),
        "num_whole_pages": sum(int((shown & columns.whole_page).sum()) for columns, shown in parts),
        "earliest": years[0] if years else None,
        "latest": years[1] if years else None,
    }


def _named_years(parts: Parts) -> tuple[int, int] | None:
    """The first and the last year that a date names, or None if no row has a date."""
    first, last = [], []
    for columns, shown_N in parts:
        dated_N = shown_N & (columns.earliest != UNKNOWN_EARLIEST)
        if dated_N.any():
            earliest, latest = columns.named_years()
            first.append(int(earliest[dated_N].min()))
            last.append(int(latest[dated_N].max()))
    return (min(first), max(last)) if first else None


def _counts(parts: Parts, name: str) -> Counter[str]:
    """How many rows have each value of a field."""
    counts: Counter[str] = Counter()
    for columns, shown_N in parts:
        column = columns.values[name]
        counts_V = column.counts(shown_N)
        used = np.flatnonzero(counts_V)
        # One dictionary of all values at once; additions are few.
        found = dict(
            zip([column.values[code] for code in used.tolist()], counts_V[used].tolist(), strict=True)
        )
        counts = Counter(found) if not counts else counts + Counter(found)
    return counts


def _most_frequent(counts: Counter[str], label: Label) -> tuple[FacetValue, ...]:
    """The values with the highest counts, most frequent first, ties in alphabetical order."""
    return tuple(FacetValue(value=value, label=label(value), count=counts[value]) for value in _best(counts))


def _best(counts: Counter[str]) -> list[str]:
    if len(counts) > MAX_VALUES:
        least = sorted(counts.values(), reverse=True)[MAX_VALUES - 1]
        counts = Counter({value: count for value, count in counts.items() if count >= least})
    return sorted(counts, key=lambda value: (-counts[value], value))[:MAX_VALUES]


def _in_order(
    base: Counter[str], counts: Counter[str], chosen: Sequence[str], label: Label
) -> tuple[FacetValue, ...]:
    """The values in the order of the base, with their counts; those with none only if they are chosen."""
    order = _best(base)
    order += [value for value in chosen if value not in order]
    return tuple(
        FacetValue(value=value, label=label(value), count=counts[value])
        for value in order
        if counts[value] or value in chosen
    )


def _branches(parts: Parts) -> tuple[FacetValue, ...]:
    """The number of items per branch; an item with two notations of one branch counts once."""
    total: Counter[str] = Counter()
    for columns, shown_N in parts:
        column = columns.values["iconclass"]
        if not column.values:
            continue
        branches = sorted({value[:BRANCH_CHARS] for value in column.values})
        numbers = {branch: number for number, branch in enumerate(branches)}
        branch_of_V = np.array([numbers[value[:BRANCH_CHARS]] for value in column.values])
        kept = shown_N[column.rows]
        pairs = np.unique(
            column.rows[kept].astype(np.int64) * len(branches) + branch_of_V[column.codes[kept]]
        )
        counts = np.bincount(pairs % len(branches), minlength=len(branches))
        total.update({branches[n]: int(counts[n]) for n in np.flatnonzero(counts)})
    return _most_frequent(total, lambda notation: iconography.shown(notation) or notation)


def _centuries(parts: Parts) -> tuple[FacetValue, ...]:
    """The number of items per century that their date overlaps: 1500 means the years 1500 to 1599. So each is
    the number of items that a filter for these years leaves. Dates with an open end overlap every century up
    to the first or last that any date names.
    """
    years = _named_years(parts)
    if years is None:
        return ()
    size = LAST_CENTURY - FIRST_CENTURY + 2
    changes = np.zeros(size, np.int64)
    for columns, shown_N in parts:
        dated = np.flatnonzero(shown_N & (columns.earliest != UNKNOWN_EARLIEST))
        first, last = (_century(np.clip(each[dated], *years)) for each in (columns.earliest, columns.latest))
        changes += np.bincount(first, minlength=size)
        changes -= np.bincount(last + 1, minlength=size)
    counts = np.cumsum(changes)
    return tuple(
        FacetValue(value=str(start), label=f"{start}–{start + 99}", count=int(counts[place]))
        for place in np.flatnonzero(counts).tolist()
        for start in [100 * (place + FIRST_CENTURY)]
    )[-MAX_VALUES:]


def _century(years: npt.NDArray[np.int32]) -> Numbers:
    return np.clip(years // 100, FIRST_CENTURY, LAST_CENTURY).astype(np.int64) - FIRST_CENTURY
