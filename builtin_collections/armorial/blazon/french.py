"""French blazon: "D'azur, au chevron d'or, accompagné de trois étoiles d'argent".

A tincture that repeats the one named last is "du même". What lies over the line of a parted field
is "brochant sur le tout".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builtin_collections.armorial.arms import (
    SUBORDINATE,
    Arms,
    Band,
    Charge,
    ChargeRow,
    Division,
    Field,
    Group,
    Ordinary,
)
from builtin_collections.armorial.tinctures import Tincture


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun with its gender; `elides` where the article before it loses its vowel."""

    singular: str
    plural: str
    feminine: bool
    elides: bool = False


# How each tincture follows a noun.
TINCTURES = {
    Tincture.OR: "d'or",
    Tincture.ARGENT: "d'argent",
    Tincture.GULES: "de gueules",
    Tincture.AZURE: "d'azur",
    Tincture.VERT: "de sinople",
    Tincture.SABLE: "de sable",
    Tincture.PURPURE: "de pourpre",
}
DIVISIONS = {
    Division.PALE: "parti",
    Division.FESS: "coupé",
    Division.BEND: "tranché",
    Division.BEND_SINISTER: "taillé",
    Division.CHEVRON: "divisé en chevron",
    Division.SALTIRE: "écartelé en sautoir",
    Division.QUARTERLY: "écartelé",
}
ORDINARIES = {
    Ordinary.CHIEF: Noun("chef", "chefs", feminine=False),
    Ordinary.FESS: Noun("fasce", "fasces", feminine=True),
    Ordinary.PALE: Noun("pal", "pals", feminine=False),
    Ordinary.BEND: Noun("bande", "bandes", feminine=True),
    Ordinary.BEND_SINISTER: Noun("barre", "barres", feminine=True),
    Ordinary.CHEVRON: Noun("chevron", "chevrons", feminine=False),
    Ordinary.CROSS: Noun("croix", "croix", feminine=True),
    Ordinary.SALTIRE: Noun("sautoir", "sautoirs", feminine=False),
    Ordinary.PILE: Noun("pile", "piles", feminine=True),
    Ordinary.BORDURE: Noun("bordure", "bordures", feminine=True),
}
CHARGES = {
    Charge.MULLET: Noun("étoile", "étoiles", feminine=True, elides=True),
    Charge.CRESCENT: Noun("croissant", "croissants", feminine=False),
    Charge.LOZENGE: Noun("losange", "losanges", feminine=False),
    Charge.ANNULET: Noun("annelet", "annelets", feminine=False, elides=True),
    Charge.BILLET: Noun("billette", "billettes", feminine=True),
    Charge.FLEUR_DE_LIS: Noun("fleur de lis", "fleurs de lis", feminine=True),
    Charge.LION: Noun("lion", "lions", feminine=False),
    Charge.EAGLE: Noun("aigle", "aigles", feminine=True, elides=True),
    Charge.ESCALLOP: Noun("coquille", "coquilles", feminine=True),
    Charge.TOWER: Noun("tour", "tours", feminine=True),
    Charge.CROSS_PATTY: Noun("croix pattée", "croix pattées", feminine=True),
    Charge.ROSE: Noun("rose", "roses", feminine=True),
    Charge.HEART: Noun("cœur", "cœurs", feminine=False),
    Charge.MARTLET: Noun("merlette", "merlettes", feminine=True),
    Charge.TREFOIL: Noun("trèfle", "trèfles", feminine=False),
    Charge.CROWN: Noun("couronne", "couronnes", feminine=True),
    Charge.BELL: Noun("cloche", "cloches", feminine=True),
    Charge.ANCHOR: Noun("ancre", "ancres", feminine=True, elides=True),
    Charge.WHEEL: Noun("roue", "roues", feminine=True),
}
# A roundel of metal is a besant, one of colour a tourteau.
BESANT = Noun("besant", "besants", feminine=False)
TOURTEAU = Noun("tourteau", "tourteaux", feminine=False)
NUMBERS = {2: "deux", 3: "trois"}
ROWS = {ChargeRow.FESS: "en fasce", ChargeRow.PALE: "en pal", ChargeRow.BEND: "en bande"}
# Charges at the two sides of an upright ordinary are at its flanks.
FLANKED = (Ordinary.PALE, Ordinary.PILE)
# One charge on these lies where the arms cross.
CROSSED = (Ordinary.CROSS, Ordinary.SALTIRE)


def blazon(arms: Arms) -> str:
    """The French blazon of `arms`."""
    words = _same(_field(arms.field), *_clauses(arms))
    return words[0].upper() + words[1:]


# A clause is its words with {} where its tinctures go, and these tinctures.
_Clause = tuple[str, tuple[Tincture, ...]]


def _same(*clauses: _Clause) -> str:
    """The clauses joined by commas, "du même" where a tincture repeats the one named last."""
    named: Tincture | None = None
    texts = []
    for words, tinctures in clauses:
        names = []
        for tincture in tinctures:
            names.append("du même" if tincture is named else TINCTURES[tincture])
            named = tincture
        texts.append(words.format(*names))
    return ", ".join(texts)


def _field(field: Field) -> _Clause:
    if field.division is None:
        return "{}", field.tinctures
    return f"{DIVISIONS[field.division]} {{}} et {{}}", field.tinctures


def _clauses(arms: Arms) -> Iterator[_Clause]:
    over = "" if arms.field.division is None else " brochant sur le tout"
    if arms.band is None or arms.band.ordinary in SUBORDINATE:
        yield from (_bearing(group, over) for group in arms.charges)
    if arms.band is not None:
        noun = ORDINARIES[arms.band.ordinary]
        yield f"{_to(noun)} {{}}{over}", (arms.band.tincture,)
        if arms.band.on is not None:
            yield _charged(noun, arms.band, arms.band.on)
        elif arms.band.ordinary not in SUBORDINATE:
            yield _accompanied(noun, arms.band, arms.charges)


def _bearing(group: Group, over: str) -> _Clause:
    noun = _noun(group)
    words = _to(noun) if group.number == 1 else f"à {NUMBERS[group.number]} {noun.plural}"
    if group.tincture is None:
        return f"{words} de l'un en l'autre", ()
    row = "" if group.row is None else f" rangé{_agree(noun)}s {ROWS[group.row]}"
    return f"{words} {{}}{row}{over}", (group.tincture,)


def _charged(noun: Noun, band: Band, group: Group) -> _Clause:
    place = " en cœur" if band.ordinary in CROSSED else ""
    words, tinctures = _of(group)
    return f"chargé{_agree(noun)}{place} {words}", tinctures


def _accompanied(noun: Noun, band: Band, groups: tuple[Group, ...]) -> _Clause:
    verb = "accosté" if band.ordinary in FLANKED else "accompagné"
    if len(groups) == 1:
        words, tinctures = _of(groups[0])
        return f"{verb}{_agree(noun)} {words}", tinctures
    (above, upper), (below, lower) = (_of(group) for group in groups)
    return f"{verb}{_agree(noun)} en chef {above} et en pointe {below}", upper + lower


def _of(group: Group) -> _Clause:
    noun = _noun(group)
    assert group.tincture is not None, "counterchanged charges are alone"
    if group.number == 1:
        return f"d'un{_agree(noun)} {noun.singular} {{}}", (group.tincture,)
    return f"de {NUMBERS[group.number]} {noun.plural} {{}}", (group.tincture,)


def _noun(group: Group) -> Noun:
    if group.charge is Charge.ROUNDEL:
        return BESANT if group.tincture is not None and group.tincture.is_metal else TOURTEAU
    return CHARGES[group.charge]


def _to(noun: Noun) -> str:
    """The preposition "à" contracted with the definite article."""
    if noun.elides:
        return f"à l'{noun.singular}"
    return f"à la {noun.singular}" if noun.feminine else f"au {noun.singular}"


def _agree(noun: Noun) -> str:
    return "e" if noun.feminine else ""
