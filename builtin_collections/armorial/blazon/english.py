"""English blazon: "Azure, a chevron or between three mullets argent".

Things that follow one another and share a tincture name it once, after the last of them:
"Azure, a chevron between three mullets or".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builtin_collections.armorial.arms import SUBORDINATE, Arms, Charge, ChargeRow, Field, Group, Ordinary
from builtin_collections.armorial.tinctures import Tincture


@dataclass(frozen=True, slots=True)
class Noun:
    """A charge: the singular with its article, and the plural."""

    singular: str
    plural: str


CHARGES = {
    Charge.MULLET: Noun("a mullet", "mullets"),
    Charge.CRESCENT: Noun("a crescent", "crescents"),
    Charge.ROUNDEL: Noun("a roundel", "roundels"),
    Charge.LOZENGE: Noun("a lozenge", "lozenges"),
    Charge.ANNULET: Noun("an annulet", "annulets"),
    Charge.BILLET: Noun("a billet", "billets"),
    Charge.FLEUR_DE_LIS: Noun("a fleur-de-lis", "fleurs-de-lis"),
    Charge.LION: Noun("a lion rampant", "lions rampant"),
    Charge.EAGLE: Noun("an eagle displayed", "eagles displayed"),
    Charge.ESCALLOP: Noun("an escallop", "escallops"),
    Charge.TOWER: Noun("a tower", "towers"),
    Charge.CROSS_PATTY: Noun("a cross patty", "crosses patty"),
    Charge.ROSE: Noun("a rose", "roses"),
    Charge.HEART: Noun("a heart", "hearts"),
    Charge.MARTLET: Noun("a martlet", "martlets"),
    Charge.TREFOIL: Noun("a trefoil slipped", "trefoils slipped"),
    Charge.CROWN: Noun("a crown", "crowns"),
    Charge.BELL: Noun("a bell", "bells"),
    Charge.ANCHOR: Noun("an anchor", "anchors"),
    Charge.WHEEL: Noun("a wheel", "wheels"),
}
NUMBERS = {2: "two", 3: "three"}
ROWS = {ChargeRow.FESS: "in fess", ChargeRow.PALE: "in pale", ChargeRow.BEND: "in bend"}

# A thing and its tincture; None for one that is counterchanged.
_Item = tuple[str, Tincture | None]


def blazon(arms: Arms) -> str:
    """The English blazon of `arms`."""
    return f"{_field(arms.field)}, {_bearings(arms)}"


def _field(field: Field) -> str:
    tinctures = " and ".join(field.tinctures)
    words = tinctures if field.division is None else f"{field.division} {tinctures}"
    return words[0].upper() + words[1:]


def _bearings(arms: Arms) -> str:
    groups = [(_group(group), group.tincture) for group in arms.charges]
    if arms.band is None:
        return _list(groups, ())
    item: _Item = (_ordinary(arms.band.ordinary), arms.band.tincture)
    if arms.band.on is not None:
        return f"on {_list([item], ())} {_group(arms.band.on)} {arms.band.on.tincture}"
    if arms.band.ordinary in SUBORDINATE:
        return _list([*groups, item], (" and " if arms.charges[0].tincture is arms.band.tincture else ", ",))
    if len(groups) == 2:
        (upper, above), (lower, below) = groups
        return _list(
            [item, (f"{upper} in chief", above), (f"{lower} in base", below)], (" between ", " and ")
        )
    return _list([item, *groups], (" between ",))


def _list(items: Sequence[_Item], joints: Sequence[str]) -> str:
    """The items joined, each tincture named once for the run of items that share it."""
    words = []
    for position, (phrase, tincture) in enumerate(items):
        shared = position + 1 < len(items) and items[position + 1][1] is tincture
        words.append(phrase if shared else f"{phrase} {tincture or 'counterchanged'}")
        words.append(joints[position] if position < len(joints) else "")
    return "".join(words)


def _ordinary(ordinary: Ordinary) -> str:
    return f"a {ordinary}"


def _group(group: Group) -> str:
    noun = CHARGES[group.charge]
    words = noun.singular if group.number == 1 else f"{NUMBERS[group.number]} {noun.plural}"
    return words if group.row is None else f"{words} {ROWS[group.row]}"
