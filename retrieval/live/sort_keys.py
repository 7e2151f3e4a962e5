"""The places of all rows when they are sorted by title or by maker, for a view that never changes.

Shapes: N rows, V makers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from iconoclip.people import family_first
from retrieval.generation.columns import Columns
from retrieval.words import folded, tokens

Ranks = npt.NDArray[np.int32]


def title_ranks(texts: Sequence[str]) -> Ranks:
    """The place of each row by the first words of its first caption [N]; rows without one come last."""
    ranks_N = np.empty(len(texts), np.int32)
    ranks_N[sorted(range(len(texts)), key=lambda row: (not texts[row], texts[row]))] = np.arange(len(texts))
    return ranks_N


def maker_ranks(parts: Sequence[Columns]) -> Ranks:
    """The place of each row's first maker among all makers, by family name [N]; equal for two spellings of
    one name. Rows without a maker come last.
    """
    names = [columns.values["creator"].values for columns in parts]
    key_of = sort_keys({name for each in names for name in each})
    place_of = {key: place for place, key in enumerate(sorted(set(key_of.values())))}
    ranks = []
    for columns, values in zip(parts, names, strict=True):
        ranks_N = np.full(columns.num_rows, len(place_of), np.int32)
        rows, codes = columns.values["creator"].first_codes
        places_V = np.array([place_of[key_of[name]] for name in values], np.int32)
        if len(rows):
            ranks_N[rows] = places_V[codes]
        ranks.append(ranks_N)
    return np.concatenate(ranks)


def sort_keys(names: Iterable[str]) -> dict[str, str]:
    """What each name is sorted by: the family name first, without case and accents. Where a catalogue writes
    a name with its family name first (García Lorca, Federico), the same words in another order are that
    name: an authority file has this form.
    """
    family = {name: family_first(name) for name in names}
    authority: dict[tuple[str, ...], str] = {}
    for name in sorted(family):
        if "," in name:
            authority.setdefault(_words(family[name]), family[name])
    return {name: folded(authority.get(_words(each), each)) for name, each in family.items()}


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(tokens(name)))
