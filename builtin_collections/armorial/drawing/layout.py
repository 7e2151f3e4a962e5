"""Where each charge is: the blazon's "between", "on" and "in" as places on the shield.

Lengths are source pixels (a source picture is 512 x 600); the origin is the middle of the picture,
x to the right and y down. The shield spans x from -206 to 206 and y from -246 to 250.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from builtin_collections.armorial.arms import Arms, ChargeRow, Group, Ordinary
from builtin_collections.armorial.drawing.figures import figure
from builtin_collections.armorial.drawing.outline import Figure
from builtin_collections.armorial.tinctures import Tincture


class ChargePlace(NamedTuple):
    """A charge's centre, half its size, and its turn (clockwise as seen)."""

    x: float
    y: float
    size: float
    turn_degrees: float = 0.0


class Placed(NamedTuple):
    """A figure at its place; `tincture` None means counterchanged."""

    figure: Figure
    place: ChargePlace
    tincture: Tincture | None


_Places = tuple[ChargePlace, ...]

ALONE: dict[tuple[int, ChargeRow | None], _Places] = {
    (1, None): (ChargePlace(0, -18, 168),),
    (2, ChargeRow.FESS): (ChargePlace(-97, -35, 90), ChargePlace(97, -35, 90)),
    (2, ChargeRow.PALE): (ChargePlace(0, -138, 92), ChargePlace(0, 82, 92)),
    (2, ChargeRow.BEND): (ChargePlace(-92, -130, 88), ChargePlace(66, 74, 88)),
    (3, None): (ChargePlace(-100, -128, 88), ChargePlace(100, -128, 88), ChargePlace(0, 88, 92)),
    (3, ChargeRow.FESS): (ChargePlace(-134, -40, 62), ChargePlace(0, -40, 62), ChargePlace(134, -40, 62)),
    (3, ChargeRow.PALE): (ChargePlace(0, -172, 64), ChargePlace(0, -28, 64), ChargePlace(0, 118, 64)),
    (3, ChargeRow.BEND): (ChargePlace(-126, -164, 66), ChargePlace(-6, -36, 66), ChargePlace(104, 90, 66)),
}
AROUND: dict[tuple[Ordinary, int, ChargeRow | None], _Places] = {
    (Ordinary.CHIEF, 1, None): (ChargePlace(0, 58, 132),),
    (Ordinary.CHIEF, 2, ChargeRow.FESS): (ChargePlace(-92, 22, 82), ChargePlace(92, 22, 82)),
    (Ordinary.CHIEF, 2, ChargeRow.PALE): (ChargePlace(0, -30, 68), ChargePlace(0, 124, 68)),
    (Ordinary.CHIEF, 3, None): (ChargePlace(-92, -18, 74), ChargePlace(92, -18, 74), ChargePlace(0, 132, 70)),
    (Ordinary.BORDURE, 1, None): (ChargePlace(0, -18, 128),),
    (Ordinary.BORDURE, 3, None): (
        ChargePlace(-73, -110, 61),
        ChargePlace(73, -110, 61),
        ChargePlace(0, 66, 70),
    ),
    (Ordinary.FESS, 2, None): (ChargePlace(0, -160, 72), ChargePlace(0, 134, 76)),
    (Ordinary.FESS, 3, None): (
        ChargePlace(-105, -160, 72),
        ChargePlace(105, -160, 72),
        ChargePlace(0, 134, 76),
    ),
    (Ordinary.PALE, 2, None): (ChargePlace(-133, -40, 59), ChargePlace(133, -40, 59)),
    (Ordinary.BEND, 2, None): (ChargePlace(104, -150, 84), ChargePlace(-92, 82, 76)),
    (Ordinary.BEND_SINISTER, 2, None): (ChargePlace(-104, -150, 84), ChargePlace(92, 82, 76)),
    (Ordinary.CHEVRON, 3, None): (
        ChargePlace(-118, -150, 80),
        ChargePlace(118, -150, 80),
        ChargePlace(0, 146, 66),
    ),
    (Ordinary.PILE, 2, None): (ChargePlace(-126, -8, 59), ChargePlace(126, -8, 59)),
}
ON: dict[tuple[Ordinary, int], _Places] = {
    (Ordinary.CHIEF, 1): (ChargePlace(0, -166, 68),),
    (Ordinary.CHIEF, 2): (ChargePlace(-92, -166, 66), ChargePlace(92, -166, 66)),
    (Ordinary.CHIEF, 3): (ChargePlace(-132, -166, 60), ChargePlace(0, -166, 60), ChargePlace(132, -166, 60)),
    (Ordinary.FESS, 1): (ChargePlace(0, -22, 63),),
    (Ordinary.FESS, 2): (ChargePlace(-88, -22, 62), ChargePlace(88, -22, 62)),
    (Ordinary.FESS, 3): (ChargePlace(-130, -22, 62), ChargePlace(0, -22, 62), ChargePlace(130, -22, 62)),
    (Ordinary.PALE, 1): (ChargePlace(0, -22, 63),),
    (Ordinary.PALE, 2): (ChargePlace(0, -130, 62), ChargePlace(0, 64, 62)),
    (Ordinary.PALE, 3): (ChargePlace(0, -168, 64), ChargePlace(0, -26, 64), ChargePlace(0, 116, 64)),
    (Ordinary.BEND, 1): (ChargePlace(-2, -42, 57, -45),),
    (Ordinary.BEND, 2): (ChargePlace(-76, -116, 57, -45), ChargePlace(64, 24, 57, -45)),
    (Ordinary.BEND, 3): (
        ChargePlace(-116, -156, 57, -45),
        ChargePlace(-6, -46, 57, -45),
        ChargePlace(104, 64, 57, -45),
    ),
    (Ordinary.CHEVRON, 1): (ChargePlace(0, -44, 49),),
    (Ordinary.CHEVRON, 3): (ChargePlace(0, -44, 49), ChargePlace(-124, 58, 46), ChargePlace(124, 58, 46)),
    (Ordinary.CROSS, 1): (ChargePlace(0, -30, 66),),
    (Ordinary.SALTIRE, 1): (ChargePlace(0, -40, 70),),
    (Ordinary.PILE, 1): (ChargePlace(0, -132, 92),),
}
for _number in (1, 2, 3):
    ON[Ordinary.BEND_SINISTER, _number] = tuple(
        ChargePlace(-place.x, place.y, place.size, -place.turn_degrees)
        for place in ON[Ordinary.BEND, _number]
    )


def placed(arms: Arms) -> Iterator[Placed]:
    """Every charge of the arms at its place."""
    if arms.band is not None and arms.band.on is not None:
        yield from _at(arms.band.on, ON[arms.band.ordinary, arms.band.on.number])
    elif arms.band is None:
        yield from _at(arms.charges[0], ALONE[arms.charges[0].number, arms.charges[0].row])
    else:
        number = sum(group.number for group in arms.charges)
        places = AROUND[arms.band.ordinary, number, arms.charges[0].row]
        for group in arms.charges:
            yield from _at(group, places[: group.number])
            places = places[group.number :]


def _at(group: Group, places: _Places) -> Iterator[Placed]:
    return (Placed(figure(group.charge), place, group.tincture) for place in places)
