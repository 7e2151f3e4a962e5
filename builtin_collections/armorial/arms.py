"""The model of a coat of arms: a field, at most one ordinary, and one to three charges.

The repertoire is closed: every `Arms` that passes `check` can be blazoned in three languages and drawn as
blazoned. Terms are those of English heraldry; sides are the bearer's (dexter is the viewer's left).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from builtin_collections.armorial.tinctures import Tincture, contrasts


class Division(StrEnum):
    """How a field of two tinctures is parted. The first tincture is in chief or to dexter."""

    PALE = "per pale"
    FESS = "per fess"
    BEND = "per bend"
    BEND_SINISTER = "per bend sinister"
    CHEVRON = "per chevron"
    SALTIRE = "per saltire"
    QUARTERLY = "quarterly"


class Ordinary(StrEnum):
    """The broad geometric bearings."""

    CHIEF = "chief"
    FESS = "fess"
    PALE = "pale"
    BEND = "bend"
    BEND_SINISTER = "bend sinister"
    CHEVRON = "chevron"
    CROSS = "cross"
    SALTIRE = "saltire"
    PILE = "pile"
    BORDURE = "bordure"


class Charge(StrEnum):
    """The figures that a coat may show."""

    MULLET = "mullet"
    CRESCENT = "crescent"
    ROUNDEL = "roundel"
    LOZENGE = "lozenge"
    ANNULET = "annulet"
    BILLET = "billet"
    FLEUR_DE_LIS = "fleur-de-lis"
    LION = "lion"
    EAGLE = "eagle"
    ESCALLOP = "escallop"
    TOWER = "tower"
    CROSS_PATTY = "cross patty"
    ROSE = "rose"
    HEART = "heart"
    MARTLET = "martlet"
    TREFOIL = "trefoil"
    CROWN = "crown"
    BELL = "bell"
    ANCHOR = "anchor"
    WHEEL = "wheel"


class ChargeRow(StrEnum):
    """The line along which two or three charges are set; without one, three are set two and one."""

    FESS = "fess"
    PALE = "pale"
    BEND = "bend"


@dataclass(frozen=True, slots=True)
class Field:
    """The ground: one tincture, or two with a division."""

    tinctures: tuple[Tincture, ...]
    division: Division | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """`number` charges of one kind. `tincture` None means counterchanged."""

    charge: Charge
    number: int
    tincture: Tincture | None
    row: ChargeRow | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """An ordinary, and the charges that lie on it."""

    ordinary: Ordinary
    tincture: Tincture
    on: Group | None = None


@dataclass(frozen=True, slots=True)
class Arms:
    """One coat. `charges` lie on the field: alone, below a chief, within a bordure, or about the band.

    Two groups about a chevron or a fess are one in chief and one in base.
    """

    field: Field
    band: Band | None = None
    charges: tuple[Group, ...] = ()

    def groups(self) -> Iterator[Group]:
        """Every group of charges, those on the field first."""
        yield from self.charges
        if self.band is not None and self.band.on is not None:
            yield self.band.on

    @property
    def num_charges(self) -> int:
        """How many figures the shield shows."""
        return sum(group.number for group in self.groups())


# Which numbers of like charges may be about, or on, each ordinary.
AROUND: dict[Ordinary, tuple[int, ...]] = {
    Ordinary.CHIEF: (1, 2, 3),
    Ordinary.BORDURE: (1, 3),
    Ordinary.FESS: (2, 3),
    Ordinary.CHEVRON: (3,),
    Ordinary.PALE: (2,),
    Ordinary.BEND: (2,),
    Ordinary.BEND_SINISTER: (2,),
    Ordinary.PILE: (2,),
    Ordinary.CROSS: (),
    Ordinary.SALTIRE: (),
}
ON: dict[Ordinary, tuple[int, ...]] = {
    Ordinary.CHIEF: (1, 2, 3),
    Ordinary.FESS: (1, 2, 3),
    Ordinary.PALE: (1, 2, 3),
    Ordinary.BEND: (1, 2, 3),
    Ordinary.BEND_SINISTER: (1, 2, 3),
    Ordinary.CHEVRON: (1, 3),
    Ordinary.CROSS: (1,),
    Ordinary.SALTIRE: (1,),
    Ordinary.PILE: (1,),
    Ordinary.BORDURE: (),
}
# Ordinaries about which one kind may be in chief and another in base.
PARTED_GROUPS = (Ordinary.CHEVRON, Ordinary.FESS)
# The ordinaries at the rim: what is on the field is the principal charge, named before them.
SUBORDINATE = (Ordinary.CHIEF, Ordinary.BORDURE)
# A counterchanged roundel has a name of its own in French (besant-tourteau); it is left out.
NOT_COUNTERCHANGED = (Charge.ROUNDEL,)


def check(arms: Arms) -> None:
    """Raise ValueError if `arms` breaks the rule of tincture or leaves the repertoire."""
    _check_field(arms.field)
    if not 1 <= arms.num_charges <= 3:
        raise ValueError(f"{arms.num_charges} charges: a coat here has one to three")
    if arms.band is None:
        _check_unbanded(arms)
    else:
        _check_band(arms, arms.band)
    for group in arms.charges:
        if group.tincture is not None and not contrasts(group.tincture, arms.field.tinctures):
            raise ValueError(f"{group.charge} {group.tincture} on {arms.field.tinctures} breaks the rule")


def _check_field(field: Field) -> None:
    wanted = 1 if field.division is None else 2
    if len(field.tinctures) != wanted or len(set(field.tinctures)) != wanted:
        raise ValueError(f"field {field.division} needs {wanted} distinct tinctures, has {field.tinctures}")


def _check_unbanded(arms: Arms) -> None:
    if len(arms.charges) != 1:
        raise ValueError("without an ordinary a coat here has one group of charges")
    (group,) = arms.charges
    if arms.field.division is not None and group.number != 1:
        raise ValueError("a parted field without an ordinary has one charge")
    if group.row is None and group.number == 2:
        raise ValueError("two charges alone need a row")
    if group.row is not None and group.number == 1:
        raise ValueError("a row needs two charges or three")
    if group.tincture is None:
        _check_counterchanged(arms.field, group)


def _check_counterchanged(field: Field, group: Group) -> None:
    if field.division is None or group.charge in NOT_COUNTERCHANGED:
        raise ValueError(f"{group.charge} cannot be counterchanged on {field.tinctures}")
    if not contrasts(field.tinctures[0], field.tinctures[1:]):
        raise ValueError("counterchanging needs a metal and a colour")


def _check_band(arms: Arms, band: Band) -> None:
    if not contrasts(band.tincture, arms.field.tinctures):
        raise ValueError(f"{band.ordinary} {band.tincture} on {arms.field.tinctures} breaks the rule")
    if arms.field.division is not None and band.ordinary in SUBORDINATE:
        raise ValueError(f"a {band.ordinary} on a parted field is not in the repertoire")
    if (band.on is None) == (not arms.charges):
        raise ValueError("an ordinary here either has charges on it or is between charges")
    if band.on is not None:
        _check_on(band, band.on)
    else:
        _check_around(arms, band.ordinary)


def _check_on(band: Band, group: Group) -> None:
    if group.number not in ON[band.ordinary] or group.row is not None:
        raise ValueError(f"{group.number} charges on a {band.ordinary} are not in the repertoire")
    if group.tincture is None or not contrasts(group.tincture, (band.tincture,)):
        raise ValueError(f"{group.charge} {group.tincture} on {band.tincture} breaks the rule")


def _check_around(arms: Arms, ordinary: Ordinary) -> None:
    if any(group.tincture is None for group in arms.charges):
        raise ValueError("counterchanged charges are alone")
    if len(arms.charges) == 2:
        upper, lower = arms.charges
        if ordinary not in PARTED_GROUPS or (upper.number, lower.number) != (2, 1):
            raise ValueError(f"two kinds about a {ordinary} are not in the repertoire")
        if upper.charge is lower.charge:
            raise ValueError("two groups of one kind: make it one group, or let the kinds differ")
    elif len(arms.charges) != 1 or arms.charges[0].number not in AROUND[ordinary]:
        raise ValueError(f"{arms.charges} about a {ordinary} are not in the repertoire")
    if any((group.row is not None) != _needs_row(ordinary, group) for group in arms.charges):
        raise ValueError("a row is named only for two charges below a chief")


def _needs_row(ordinary: Ordinary, group: Group) -> bool:
    return ordinary is Ordinary.CHIEF and group.number == 2
