"""Invented families and places, put together from syllables of their country."""

from __future__ import annotations

import random
from collections.abc import Mapping

_FAMILIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("Ash", "Brock", "Car", "Dun", "Ell", "Fen", "Gar", "Hal",
         "Kel", "Lang", "Mar", "Os", "Pen", "Thorn", "Wick"),
        ("combe", "hurst", "bury", "worth", "ridge", "stead", "mere", "croft", "den", "low", "sett", "wold"),
    ),
    "de": (
        ("Alt", "Birk", "Dorn", "Eber", "Falk", "Grün", "Hag",
         "Krähen", "Linden", "Rab", "Stein", "Wolfs", "Zell"),
        ("ach", "au", "bronn", "eck", "fels", "hofen", "ingen", "moos", "rode", "stett", "wang", "weil"),
    ),
    "fr": (
        ("Aigre", "Beau", "Chante", "Clair", "Font", "Gri", "Haute",
         "Mal", "Mont", "Ner", "Pré", "Roche", "Val"),
        ("bois", "court", "faye", "lieu", "mesnil", "mort", "nay", "pierre", "rive", "roc", "ville", "vigne"),
    ),
}  # fmt: skip
_PLACES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("Nor", "Sut", "Wes", "Oxen", "Stoke", "Lamb", "Crow", "Hey"),
        ("wellow", "thwaite", "minster", "leigh"),
    ),
    "de": (
        ("Ober", "Nieder", "Alt", "Neu", "Groß", "Klein"),
        ("lauterau", "marbeck", "siebenried", "tannhorst"),
    ),
    "fr": (
        ("Saint-", "Bourg-", "Val-", "Pont-"),
        ("Aubrin", "Cernay-le-Vieux", "Ormelle", "Thévrac", "Lussigny"),
    ),
}  # fmt: skip


def family_and_place(language: str, rng: random.Random) -> tuple[str, str]:
    """A family's name and its seat, for a country of `language` ("en", "de" or "fr")."""
    return _compound(_FAMILIES[language], rng), _compound(_PLACES[language], rng)


def _compound(parts: tuple[tuple[str, ...], tuple[str, ...]], rng: random.Random) -> str:
    return rng.choice(parts[0]) + rng.choice(parts[1])
