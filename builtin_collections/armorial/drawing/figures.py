"""Which figure is drawn for which charge."""

from __future__ import annotations

from functools import cache

from builtin_collections.armorial.arms import Charge
from builtin_collections.armorial.drawing import beasts, emblems
from builtin_collections.armorial.drawing.outline import Figure


@cache
def figure(charge: Charge) -> Figure:
    """The figure of `charge` in the box [-1, 1]²."""
    return _MAKERS[charge]()


_MAKERS = {
    Charge.MULLET: emblems.mullet,
    Charge.CRESCENT: emblems.crescent,
    Charge.ROUNDEL: emblems.roundel,
    Charge.LOZENGE: emblems.lozenge,
    Charge.ANNULET: emblems.annulet,
    Charge.BILLET: emblems.billet,
    Charge.FLEUR_DE_LIS: emblems.fleur_de_lis,
    Charge.LION: beasts.lion,
    Charge.EAGLE: beasts.eagle,
    Charge.ESCALLOP: emblems.escallop,
    Charge.TOWER: emblems.tower,
    Charge.CROSS_PATTY: emblems.cross_patty,
    Charge.ROSE: emblems.rose,
    Charge.HEART: emblems.heart,
    Charge.MARTLET: beasts.martlet,
    Charge.TREFOIL: emblems.trefoil,
    Charge.CROWN: emblems.crown,
    Charge.BELL: emblems.bell,
    Charge.ANCHOR: emblems.anchor,
    Charge.WHEEL: emblems.wheel,
}
