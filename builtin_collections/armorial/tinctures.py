"""The seven tinctures and the rule that governs them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Tincture(StrEnum):
    """Two metals and five colours, named as English blazon names them."""

    OR = "or"
    ARGENT = "argent"
    GULES = "gules"
    AZURE = "azure"
    VERT = "vert"
    SABLE = "sable"
    PURPURE = "purpure"

    @property
    def is_metal(self) -> bool:
        """Whether the tincture is or (gold) or argent (silver)."""
        return self in METALS


METALS = (Tincture.OR, Tincture.ARGENT)
COLOURS = (Tincture.GULES, Tincture.AZURE, Tincture.VERT, Tincture.SABLE, Tincture.PURPURE)


def contrasts(upper: Tincture, lower: Iterable[Tincture]) -> bool:
    """Whether `upper` may lie on every tincture of `lower`: metal on colour, or colour on metal.

    Two tinctures that meet side by side in a divided field do not lie on one another,
    so the rule does not bind them.
    """
    return all(upper.is_metal is not below.is_metal for below in lower)
