"""Plurals that Snowball does not reduce to the stem of the singular: women, wolves, mujeres, schepen.

Snowball treats plurals by their ending alone, and some singulars lose an ending that their plural keeps
(French portrait becomes portr, portraits becomes portrait). Words are folded, as in the word index
(retrieval.words): Swedish and German umlauts do not count, æ is ae.
"""

from __future__ import annotations

from collections.abc import Iterator

# (ending of the plural, ending of the singular), by language. A rule that makes no word joins nothing.
ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "de": (("nen", ""), ("en", "um"), ("en", "us")),
    "en": (("ves", "f"), ("ves", "fe"), ("men", "man")),
    "es": (("s", ""), ("es", ""), ("ces", "z")),
    "fr": (("s", ""), ("x", ""), ("aux", "ail")),
    "nl": (("en", ""), ("eren", ""), ("ven", "f")),
    "pt": (("s", ""), ("es", ""), ("ns", "m"), ("ais", "al"), ("eis", "el"), ("oes", "ao"), ("aes", "ao")),
}

_NORWEGIAN = "mann menn, fot fotter, gas gjess, hand hender, tann tenner, ku kyr, tre traer"
_IRREGULAR = {
    "da": "mand maend, barn born, fod fodder, gas gaes, hand haender, ko koer, by byer, tand taender",
    "en": "child children, goose geese, foot feet, tooth teeth, mouse mice, louse lice, ox oxen, penny pence,"
    " die dice",
    "fr": "oeil yeux, ciel cieux, monsieur messieurs, madame mesdames",
    "it": "uomo uomini, bue buoi, dio dei, tempio templi",
    "nb": _NORWEGIAN,
    "nl": "stad steden, schip schepen, lid leden, glas glazen, gans ganzen, koe koeien, ei eieren",
    "nn": _NORWEGIAN,
    "no": _NORWEGIAN,
    "sv": "bok bocker, fot fotter, ko kor, mus moss, gas gass, fagel faglar, tand tander",
}


def _singulars() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for language, pairs in _IRREGULAR.items():
        for pair in pairs.split(", "):
            singular, plural = pair.split()
            found.setdefault(language, {}).setdefault(plural, []).append(singular)
    return found


_SINGULARS = _singulars()
# Shorter words are seldom plurals of others, and what is left of them may be anything.
_MIN_CHARS = 3


def singulars_of(word: str, language: str) -> Iterator[str]:
    """What a folded word may be the plural of, in one language, whether or not these are words."""
    yield from _SINGULARS.get(language, {}).get(word, ())
    for plural, singular in ENDINGS.get(language, ()):
        rest = word.removesuffix(plural)
        if rest != word and len(rest) + len(singular) >= _MIN_CHARS:
            yield rest + singular
