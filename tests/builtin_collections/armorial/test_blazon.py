"""Blazons against words written by hand from the rules of each language's heraldry."""

from __future__ import annotations

from itertools import islice

import pytest

from builtin_collections.armorial.arms import (
    Arms,
    Band,
    Charge,
    ChargeRow,
    Division,
    Field,
    Group,
    Ordinary,
    check,
)
from builtin_collections.armorial.blazon.languages import LANGUAGES, blazon
from builtin_collections.armorial.generate import generate, repertoire
from builtin_collections.armorial.tinctures import Tincture

OR, ARGENT, GULES = Tincture.OR, Tincture.ARGENT, Tincture.GULES
AZURE, VERT, SABLE, PURPURE = Tincture.AZURE, Tincture.VERT, Tincture.SABLE, Tincture.PURPURE


def alone(
    field: Field | Tincture,
    charge: Charge,
    number: int,
    tincture: Tincture | None,
    row: ChargeRow | None = None,
) -> Arms:
    ground = field if isinstance(field, Field) else Field((field,))
    return Arms(ground, None, (Group(charge, number, tincture, row),))


def charged(field: Tincture, ordinary: Ordinary, tincture: Tincture, group: Group) -> Arms:
    return Arms(Field((field,)), Band(ordinary, tincture, group))


def between(field: Tincture, ordinary: Ordinary, tincture: Tincture, *groups: Group) -> Arms:
    return Arms(Field((field,)), Band(ordinary, tincture), groups)


GOLDEN = [
    # The ordinaries, between charges or charged.
    (
        between(AZURE, Ordinary.CHEVRON, OR, Group(Charge.MULLET, 3, ARGENT)),
        "Azure, a chevron or between three mullets argent",
        "D'azur, au chevron d'or, accompagné de trois étoiles d'argent",
        "In Blau ein goldener Sparren, begleitet von drei silbernen Sternen",
    ),
    (
        between(GULES, Ordinary.FESS, ARGENT, Group(Charge.ESCALLOP, 2, OR)),
        "Gules, a fess argent between two escallops or",
        "De gueules, à la fasce d'argent, accompagnée de deux coquilles d'or",
        "In Rot ein silberner Balken, begleitet von zwei goldenen Jakobsmuscheln",
    ),
    (
        between(VERT, Ordinary.PALE, OR, Group(Charge.LION, 2, ARGENT)),
        "Vert, a pale or between two lions rampant argent",
        "De sinople, au pal d'or, accosté de deux lions d'argent",
        "In Grün ein goldener Pfahl, beseitet von zwei silbernen Löwen",
    ),
    (
        between(SABLE, Ordinary.BEND, ARGENT, Group(Charge.FLEUR_DE_LIS, 2, OR)),
        "Sable, a bend argent between two fleurs-de-lis or",
        "De sable, à la bande d'argent, accompagnée de deux fleurs de lis d'or",
        "In Schwarz ein silberner Schrägrechtsbalken, begleitet von zwei goldenen Lilien",
    ),
    (
        charged(OR, Ordinary.BEND_SINISTER, PURPURE, Group(Charge.TREFOIL, 3, ARGENT)),
        "Or, on a bend sinister purpure three trefoils slipped argent",
        "D'or, à la barre de pourpre, chargée de trois trèfles d'argent",
        "In Gold ein purpurner Schräglinksbalken, belegt mit drei silbernen Kleeblättern",
    ),
    (
        charged(ARGENT, Ordinary.CROSS, GULES, Group(Charge.ROSE, 1, OR)),
        "Argent, on a cross gules a rose or",
        "D'argent, à la croix de gueules, chargée en cœur d'une rose d'or",
        "In Silber ein rotes Kreuz, belegt mit einer goldenen Rose",
    ),
    (
        charged(AZURE, Ordinary.SALTIRE, ARGENT, Group(Charge.HEART, 1, GULES)),
        "Azure, on a saltire argent a heart gules",
        "D'azur, au sautoir d'argent, chargé en cœur d'un cœur de gueules",
        "In Blau ein silbernes Andreaskreuz, belegt mit einem roten Herzen",
    ),
    (
        between(ARGENT, Ordinary.PILE, SABLE, Group(Charge.ANCHOR, 2, AZURE)),
        "Argent, a pile sable between two anchors azure",
        "D'argent, à la pile de sable, accostée de deux ancres d'azur",
        "In Silber eine gestürzte schwarze Spitze, beseitet von zwei blauen Ankern",
    ),
    (
        charged(PURPURE, Ordinary.CHIEF, OR, Group(Charge.CROSS_PATTY, 3, VERT)),
        "Purpure, on a chief or three crosses patty vert",
        "De pourpre, au chef d'or, chargé de trois croix pattées de sinople",
        "In Purpur ein goldenes Schildhaupt, belegt mit drei grünen Tatzenkreuzen",
    ),
    (
        between(AZURE, Ordinary.CHIEF, ARGENT, Group(Charge.LION, 1, OR)),
        "Azure, a lion rampant or, a chief argent",
        "D'azur, au lion d'or, au chef d'argent",
        "In Blau unter silbernem Schildhaupt ein goldener Löwe",
    ),
    (
        between(OR, Ordinary.BORDURE, GULES, Group(Charge.MARTLET, 3, SABLE)),
        "Or, three martlets sable, a bordure gules",
        "D'or, à trois merlettes de sable, à la bordure de gueules",
        "In Gold innerhalb eines roten Bordes drei schwarze Merletten",
    ),
    # The divisions.
    (
        alone(Field((OR, GULES), Division.PALE), Charge.EAGLE, 1, None),
        "Per pale or and gules, an eagle displayed counterchanged",
        "Parti d'or et de gueules, à l'aigle de l'un en l'autre",
        "Gespalten von Gold und Rot, darin ein Adler in verwechselten Farben",
    ),
    (
        alone(Field((AZURE, VERT), Division.FESS), Charge.TOWER, 1, OR),
        "Per fess azure and vert, a tower or",
        "Coupé d'azur et de sinople, à la tour d'or brochant sur le tout",
        "Geteilt von Blau und Grün, darin ein goldener Turm",
    ),
    (
        alone(Field((ARGENT, OR), Division.BEND), Charge.BELL, 1, SABLE),
        "Per bend argent and or, a bell sable",
        "Tranché d'argent et d'or, à la cloche de sable brochant sur le tout",
        "Schrägrechts geteilt von Silber und Gold, darin eine schwarze Glocke",
    ),
    (
        alone(Field((GULES, ARGENT), Division.BEND_SINISTER), Charge.WHEEL, 1, None),
        "Per bend sinister gules and argent, a wheel counterchanged",
        "Taillé de gueules et d'argent, à la roue de l'un en l'autre",
        "Schräglinks geteilt von Rot und Silber, darin ein Rad in verwechselten Farben",
    ),
    (
        alone(Field((SABLE, PURPURE), Division.CHEVRON), Charge.CROWN, 1, OR),
        "Per chevron sable and purpure, a crown or",
        "Divisé en chevron de sable et de pourpre, à la couronne d'or brochant sur le tout",
        "Im Sparrenschnitt geteilt von Schwarz und Purpur, darin eine goldene Krone",
    ),
    (
        alone(Field((ARGENT, AZURE), Division.SALTIRE), Charge.CRESCENT, 1, None),
        "Per saltire argent and azure, a crescent counterchanged",
        "Écartelé en sautoir d'argent et d'azur, au croissant de l'un en l'autre",
        "Schräggeviert von Silber und Blau, darin ein Halbmond in verwechselten Farben",
    ),
    (
        Arms(
            Field((GULES, AZURE), Division.QUARTERLY),
            Band(Ordinary.FESS, ARGENT, Group(Charge.LOZENGE, 2, VERT)),
        ),
        "Quarterly gules and azure, on a fess argent two lozenges vert",
        "Écartelé de gueules et d'azur, à la fasce d'argent brochant sur le tout, "
        "chargée de deux losanges de sinople",
        "Geviert von Rot und Blau, darin ein silberner Balken, belegt mit zwei grünen Rauten",
    ),
    # Rows.
    (
        alone(AZURE, Charge.MULLET, 2, OR, ChargeRow.PALE),
        "Azure, two mullets in pale or",
        "D'azur, à deux étoiles d'or rangées en pal",
        "In Blau zwei pfahlweise gestellte goldene Sterne",
    ),
    (
        alone(SABLE, Charge.ANNULET, 3, ARGENT, ChargeRow.FESS),
        "Sable, three annulets in fess argent",
        "De sable, à trois annelets d'argent rangés en fasce",
        "In Schwarz drei balkenweise gestellte silberne Ringe",
    ),
    (
        alone(OR, Charge.BILLET, 3, AZURE, ChargeRow.BEND),
        "Or, three billets in bend azure",
        "D'or, à trois billettes d'azur rangées en bande",
        "In Gold drei schrägbalkenweise gestellte blaue Schindeln",
    ),
    (
        alone(GULES, Charge.LION, 3, OR),
        "Gules, three lions rampant or",
        "De gueules, à trois lions d'or",
        "In Rot drei goldene Löwen",
    ),
    # One tincture for neighbours; two kinds; besants and torteaux.
    (
        between(AZURE, Ordinary.CHEVRON, OR, Group(Charge.MULLET, 3, OR)),
        "Azure, a chevron between three mullets or",
        "D'azur, au chevron d'or, accompagné de trois étoiles du même",
        "In Blau ein goldener Sparren, begleitet von drei goldenen Sternen",
    ),
    (
        between(AZURE, Ordinary.CHIEF, OR, Group(Charge.LION, 1, OR)),
        "Azure, a lion rampant and a chief or",
        "D'azur, au lion d'or, au chef du même",
        "In Blau unter goldenem Schildhaupt ein goldener Löwe",
    ),
    (
        between(VERT, Ordinary.FESS, OR, Group(Charge.HEART, 2, ARGENT), Group(Charge.TOWER, 1, OR)),
        "Vert, a fess or between two hearts in chief argent and a tower in base or",
        "De sinople, à la fasce d'or, accompagnée en chef de deux cœurs "
        "d'argent et en pointe d'une tour d'or",
        "In Grün ein goldener Balken, oben begleitet von zwei silbernen Herzen "
        "und unten von einem goldenen Turm",
    ),
    (
        between(GULES, Ordinary.CHEVRON, OR, Group(Charge.BELL, 2, ARGENT), Group(Charge.EAGLE, 1, ARGENT)),
        "Gules, a chevron or between two bells in chief and an eagle displayed in base argent",
        "De gueules, au chevron d'or, accompagné en chef de deux cloches "
        "d'argent et en pointe d'une aigle du même",
        "In Rot ein goldener Sparren, oben begleitet von zwei silbernen Glocken "
        "und unten von einem silbernen Adler",
    ),
    (
        alone(SABLE, Charge.ROUNDEL, 3, OR),
        "Sable, three roundels or",
        "De sable, à trois besants d'or",
        "In Schwarz drei goldene Kugeln",
    ),
    (
        charged(SABLE, Ordinary.PALE, OR, Group(Charge.ROUNDEL, 2, GULES)),
        "Sable, on a pale or two roundels gules",
        "De sable, au pal d'or, chargé de deux tourteaux de gueules",
        "In Schwarz ein goldener Pfahl, belegt mit zwei roten Kugeln",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arms", "english", "french", "german"), GOLDEN, ids=[case[1] for case in GOLDEN])
def test_golden(arms: Arms, english: str, french: str, german: str) -> None:
    check(arms)
    assert [blazon(arms, language) for language in ("en", "fr", "de")] == [english, french, german]


def test_golden_covers_every_ordinary_division_and_tincture() -> None:
    coats = [case[0] for case in GOLDEN]
    assert {arms.band.ordinary for arms in coats if arms.band} == set(Ordinary)
    assert {arms.field.division for arms in coats} == {None, *Division}
    assert {tincture for arms in coats for tincture in arms.field.tinctures} == set(Tincture)


# Each charge once and three times: English; French after "à"; German after "ein" and after "mit".
CHARGES = {
    Charge.MULLET: ("a mullet", "mullets", "à l'étoile", "étoiles", "ein goldener Stern", "Sternen"),
    Charge.CRESCENT: (
        "a crescent", "crescents", "au croissant", "croissants",
        "ein goldener Halbmond", "Halbmonden",
    ),
    Charge.ROUNDEL: ("a roundel", "roundels", "au besant", "besants", "eine goldene Kugel", "Kugeln"),
    Charge.LOZENGE: ("a lozenge", "lozenges", "au losange", "losanges", "eine goldene Raute", "Rauten"),
    Charge.ANNULET: ("an annulet", "annulets", "à l'annelet", "annelets", "ein goldener Ring", "Ringen"),
    Charge.BILLET: (
        "a billet", "billets", "à la billette", "billettes",
        "eine goldene Schindel", "Schindeln",
    ),
    Charge.FLEUR_DE_LIS: (
        "a fleur-de-lis", "fleurs-de-lis", "à la fleur de lis", "fleurs de lis",
        "eine goldene Lilie", "Lilien",
    ),
    Charge.LION: ("a lion rampant", "lions rampant", "au lion", "lions", "ein goldener Löwe", "Löwen"),
    Charge.EAGLE: (
        "an eagle displayed", "eagles displayed", "à l'aigle", "aigles",
        "ein goldener Adler", "Adlern",
    ),
    Charge.ESCALLOP: (
        "an escallop", "escallops", "à la coquille", "coquilles", "eine goldene Jakobsmuschel",
        "Jakobsmuscheln",
    ),
    Charge.TOWER: ("a tower", "towers", "à la tour", "tours", "ein goldener Turm", "Türmen"),
    Charge.CROSS_PATTY: (
        "a cross patty", "crosses patty", "à la croix pattée", "croix pattées", "ein goldenes Tatzenkreuz",
        "Tatzenkreuzen",
    ),
    Charge.ROSE: ("a rose", "roses", "à la rose", "roses", "eine goldene Rose", "Rosen"),
    Charge.HEART: ("a heart", "hearts", "au cœur", "cœurs", "ein goldenes Herz", "Herzen"),
    Charge.MARTLET: (
        "a martlet", "martlets", "à la merlette", "merlettes",
        "eine goldene Merlette", "Merletten",
    ),
    Charge.TREFOIL: (
        "a trefoil slipped", "trefoils slipped", "au trèfle", "trèfles",
        "ein goldenes Kleeblatt", "Kleeblättern",
    ),
    Charge.CROWN: ("a crown", "crowns", "à la couronne", "couronnes", "eine goldene Krone", "Kronen"),
    Charge.BELL: ("a bell", "bells", "à la cloche", "cloches", "eine goldene Glocke", "Glocken"),
    Charge.ANCHOR: ("an anchor", "anchors", "à l'ancre", "ancres", "ein goldener Anker", "Ankern"),
    Charge.WHEEL: ("a wheel", "wheels", "à la roue", "roues", "ein goldenes Rad", "Rädern"),
}  # fmt: skip


@pytest.mark.parametrize("charge", list(Charge))
def test_every_charge_in_one_and_in_three(charge: Charge) -> None:
    one_en, many_en, to_fr, many_fr, ein_de, mit_de = CHARGES[charge]
    single = alone(AZURE, charge, 1, OR)
    assert blazon(single, "en") == f"Azure, {one_en} or"
    assert blazon(single, "fr") == f"D'azur, {to_fr} d'or"
    assert blazon(single, "de") == f"In Blau {ein_de}"
    three = between(AZURE, Ordinary.CHEVRON, ARGENT, Group(charge, 3, OR))
    assert blazon(three, "en") == f"Azure, a chevron argent between three {many_en} or"
    assert blazon(three, "fr") == f"D'azur, au chevron d'argent, accompagné de trois {many_fr} d'or"
    assert blazon(three, "de") == f"In Blau ein silberner Sparren, begleitet von drei goldenen {mit_de}"


@pytest.fixture(scope="module")
def many() -> set[Arms]:
    """Every 47th coat of the repertoire, and some with two kinds of charge."""
    return set(islice(repertoire(), 0, None, 47)) | set(generate(2_000, seed=8))


@pytest.mark.parametrize("language", LANGUAGES)
def test_distinct_arms_have_distinct_blazons(many: set[Arms], language: str) -> None:
    assert len({blazon(arms, language) for arms in many}) == len(many) > 15_000


def test_unknown_language_is_refused() -> None:
    with pytest.raises(KeyError):
        blazon(GOLDEN[0][0], "nl")
