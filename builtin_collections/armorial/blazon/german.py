"""German blazon: "In Blau ein goldener Sparren, begleitet von drei silbernen Sternen".

Adjectives follow the mixed declension after "ein", the strong one after a number or no article.
Right and left are the bearer's, as in English.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from builtin_collections.armorial.arms import Arms, Band, Charge, ChargeRow, Division, Field, Group, Ordinary
from builtin_collections.armorial.tinctures import Tincture


class Gender(Enum):
    """Grammatical gender: (ein, einem, mixed nominative ending)."""

    M = ("ein", "einem", "er")
    F = ("eine", "einer", "e")
    N = ("ein", "einem", "es")


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun in the cases that blazon uses; `attributes` are adjective stems that always go with it."""

    gender: Gender
    nominative: str
    dative: str
    plural: str
    dative_plural: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hue:
    """A tincture as a noun (of a field) and as an adjective stem (of a thing)."""

    noun: str
    adjective: str


_M, _F, _N = Gender.M, Gender.F, Gender.N
TINCTURES = {
    Tincture.OR: Hue("Gold", "golden"),
    Tincture.ARGENT: Hue("Silber", "silbern"),
    Tincture.GULES: Hue("Rot", "rot"),
    Tincture.AZURE: Hue("Blau", "blau"),
    Tincture.VERT: Hue("Grün", "grün"),
    Tincture.SABLE: Hue("Schwarz", "schwarz"),
    Tincture.PURPURE: Hue("Purpur", "purpurn"),
}
DIVISIONS = {
    Division.PALE: "Gespalten",
    Division.FESS: "Geteilt",
    Division.BEND: "Schrägrechts geteilt",
    Division.BEND_SINISTER: "Schräglinks geteilt",
    Division.CHEVRON: "Im Sparrenschnitt geteilt",
    Division.SALTIRE: "Schräggeviert",
    Division.QUARTERLY: "Geviert",
}
ORDINARIES = {
    Ordinary.CHIEF: Noun(_N, "Schildhaupt", "Schildhaupt", "Schildhäupter", "Schildhäuptern"),
    Ordinary.FESS: Noun(_M, "Balken", "Balken", "Balken", "Balken"),
    Ordinary.PALE: Noun(_M, "Pfahl", "Pfahl", "Pfähle", "Pfählen"),
    Ordinary.BEND: Noun(
        _M, "Schrägrechtsbalken", "Schrägrechtsbalken", "Schrägrechtsbalken", "Schrägrechtsbalken"
    ),
    Ordinary.BEND_SINISTER: Noun(
        _M, "Schräglinksbalken", "Schräglinksbalken", "Schräglinksbalken", "Schräglinksbalken"
    ),
    Ordinary.CHEVRON: Noun(_M, "Sparren", "Sparren", "Sparren", "Sparren"),
    Ordinary.CROSS: Noun(_N, "Kreuz", "Kreuz", "Kreuze", "Kreuzen"),
    Ordinary.SALTIRE: Noun(_N, "Andreaskreuz", "Andreaskreuz", "Andreaskreuze", "Andreaskreuzen"),
    Ordinary.PILE: Noun(_F, "Spitze", "Spitze", "Spitzen", "Spitzen", attributes=("gestürzt",)),
    Ordinary.BORDURE: Noun(_M, "Bord", "Bord", "Borde", "Borden"),
}
CHARGES = {
    Charge.MULLET: Noun(_M, "Stern", "Stern", "Sterne", "Sternen"),
    Charge.CRESCENT: Noun(_M, "Halbmond", "Halbmond", "Halbmonde", "Halbmonden"),
    Charge.ROUNDEL: Noun(_F, "Kugel", "Kugel", "Kugeln", "Kugeln"),
    Charge.LOZENGE: Noun(_F, "Raute", "Raute", "Rauten", "Rauten"),
    Charge.ANNULET: Noun(_M, "Ring", "Ring", "Ringe", "Ringen"),
    Charge.BILLET: Noun(_F, "Schindel", "Schindel", "Schindeln", "Schindeln"),
    Charge.FLEUR_DE_LIS: Noun(_F, "Lilie", "Lilie", "Lilien", "Lilien"),
    Charge.LION: Noun(_M, "Löwe", "Löwen", "Löwen", "Löwen"),
    Charge.EAGLE: Noun(_M, "Adler", "Adler", "Adler", "Adlern"),
    Charge.ESCALLOP: Noun(_F, "Jakobsmuschel", "Jakobsmuschel", "Jakobsmuscheln", "Jakobsmuscheln"),
    Charge.TOWER: Noun(_M, "Turm", "Turm", "Türme", "Türmen"),
    Charge.CROSS_PATTY: Noun(_N, "Tatzenkreuz", "Tatzenkreuz", "Tatzenkreuze", "Tatzenkreuzen"),
    Charge.ROSE: Noun(_F, "Rose", "Rose", "Rosen", "Rosen"),
    Charge.HEART: Noun(_N, "Herz", "Herzen", "Herzen", "Herzen"),
    Charge.MARTLET: Noun(_F, "Merlette", "Merlette", "Merletten", "Merletten"),
    Charge.TREFOIL: Noun(_N, "Kleeblatt", "Kleeblatt", "Kleeblätter", "Kleeblättern"),
    Charge.CROWN: Noun(_F, "Krone", "Krone", "Kronen", "Kronen"),
    Charge.BELL: Noun(_F, "Glocke", "Glocke", "Glocken", "Glocken"),
    Charge.ANCHOR: Noun(_M, "Anker", "Anker", "Anker", "Ankern"),
    Charge.WHEEL: Noun(_N, "Rad", "Rad", "Räder", "Rädern"),
}
NUMBERS = {2: "zwei", 3: "drei"}
ROWS = {
    ChargeRow.FESS: "balkenweise gestellt",
    ChargeRow.PALE: "pfahlweise gestellt",
    ChargeRow.BEND: "schrägbalkenweise gestellt",
}
# Charges at the two sides of an upright ordinary are at its sides.
FLANKED = (Ordinary.PALE, Ordinary.PILE)


def blazon(arms: Arms) -> str:
    """The German blazon of `arms`."""
    return f"{_field(arms.field)} {_bearings(arms)}"


def _field(field: Field) -> str:
    hues = " und ".join(TINCTURES[tincture].noun for tincture in field.tinctures)
    return f"In {hues}" if field.division is None else f"{DIVISIONS[field.division]} von {hues}, darin"


def _bearings(arms: Arms) -> str:
    band = arms.band
    if band is None:
        return _nominative_group(arms.charges[0])
    noun, hue = ORDINARIES[band.ordinary], TINCTURES[band.tincture].adjective
    if band.on is not None:
        return f"{_nominative(noun, hue)}, belegt mit {_dative_group(band.on)}"
    if band.ordinary is Ordinary.CHIEF:
        return f"unter {hue}em {noun.dative} {_nominative_group(arms.charges[0])}"
    if band.ordinary is Ordinary.BORDURE:
        return f"innerhalb eines {hue}en {noun.nominative}es {_nominative_group(arms.charges[0])}"
    return f"{_nominative(noun, hue)}, {_accompanied(band, arms.charges)}"


def _accompanied(band: Band, groups: tuple[Group, ...]) -> str:
    verb = "beseitet" if band.ordinary in FLANKED else "begleitet"
    if len(groups) == 1:
        return f"{verb} von {_dative_group(groups[0])}"
    above, below = (_dative_group(group) for group in groups)
    return f"oben {verb} von {above} und unten von {below}"


def _nominative(noun: Noun, *stems: str) -> str:
    article, _, ending = noun.gender.value
    words = [article, *(stem + ending for stem in (*noun.attributes, *stems)), noun.nominative]
    return " ".join(words)


def _nominative_group(group: Group) -> str:
    noun, row = CHARGES[group.charge], [] if group.row is None else [ROWS[group.row]]
    if group.tincture is None:
        return f"{_nominative(noun)} in verwechselten Farben"
    hue = TINCTURES[group.tincture].adjective
    if group.number == 1:
        return _nominative(noun, hue)
    return " ".join([NUMBERS[group.number], *(f"{stem}e" for stem in (*row, hue)), noun.plural])


def _dative_group(group: Group) -> str:
    noun = CHARGES[group.charge]
    assert group.tincture is not None, "counterchanged charges are alone"
    hue = TINCTURES[group.tincture].adjective
    if group.number == 1:
        return f"{noun.gender.value[1]} {hue}en {noun.dative}"
    return f"{NUMBERS[group.number]} {hue}en {noun.dative_plural}"
