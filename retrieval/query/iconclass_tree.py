"""Iconclass as a tree with counts: the main divisions, and as much below them as people can look through.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from retrieval import iconography
from retrieval.answers import NotationCount
from retrieval.generation.columns import Columns, Mask

# Further levels are shown as long as the tree has at most so many notations; and so many below one.
MAX_SHOWN, MAX_BELOW = 40, 12


def tree_of(
    base: Sequence[tuple[Columns, Mask]],
    counted: Sequence[tuple[Columns, Mask]],
    chosen: Sequence[str],
) -> tuple[NotationCount, ...]:
    """The tree with counts, each notation before those below it.

    Args:
        base: the rows that decide which notations are shown, and in which order.
        counted: the rows that are counted.
        chosen: the notations of a filter: what is directly below them is shown too.
    """
    sizes, counts, above = dict[str, int](), dict[str, int](), dict[str, str | None]()
    for (columns, base_N), (_, counted_N) in zip(base, counted, strict=True):
        tree = columns.iconclass_tree
        for found, mask_N in ((sizes, base_N), (counts, counted_N)):
            for notation, num in tree.counts(mask_N).items():
                found[notation] = found.get(notation, 0) + num
        for notation, parent in zip(tree.notations, tree.above, strict=True):
            above.setdefault(notation, tree.notations[parent] if parent >= 0 else None)
    below: dict[str | None, list[str]] = {}
    for notation in sorted(sizes, key=lambda each: (-sizes[each], each)):
        below.setdefault(above[notation], []).append(notation)
    shown = _shown(below, above, [value.replace(" ", "") for value in chosen])
    return tuple(
        NotationCount(
            value=notation,
            label=iconography.shown(notation) or notation,
            count=counts.get(notation, 0),
            broader=above[notation],
        )
        for notation in _down(None, below, shown)
        if counts.get(notation) or notation in chosen
    )


def _shown(
    below: dict[str | None, list[str]], above: dict[str, str | None], chosen: Sequence[str]
) -> set[str]:
    """Level by level as far as there is room; and the way down to what is chosen, with one level below it."""
    level = sorted(below.get(None, []))
    shown = set(level)
    while level:
        level = [child for each in level for child in below.get(each, [])[:MAX_BELOW]]
        if not level or len(shown) + len(level) > MAX_SHOWN:
            break
        shown.update(level)
    for notation in chosen:
        shown.update(below.get(notation, [])[:MAX_BELOW])
        step: str | None = notation if notation in above else None
        while step is not None:
            shown.add(step)
            step = above[step]
    return shown


def _down(notation: str | None, below: dict[str | None, list[str]], shown: set[str]) -> list[str]:
    """The shown notations below one, each before those below it; divisions in their own order."""
    children = [child for child in below.get(notation, []) if child in shown]
    ordered = sorted(children) if notation is None else children
    return [each for child in ordered for each in (child, *_down(child, below, shown))]
