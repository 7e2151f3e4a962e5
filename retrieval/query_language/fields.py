"""The fields that a query can name, in the languages of the page, and the years that it can give."""

from __future__ import annotations

import re
from difflib import get_close_matches

from retrieval.query_language.parts import Period
from retrieval.words import folded

# The first name of each language is the one that the help page teaches.
NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "creator": {
        "en": ("creator", "maker", "artist", "author"),
        "de": ("künstler", "kuenstler", "urheber", "autor", "maler", "hand"),
        "fr": ("auteur", "créateur", "artiste", "peintre"),
    },
    "title": {"en": ("title",), "de": ("titel",), "fr": ("titre",)},
    "year": {
        "en": ("year", "years", "date"),
        "de": ("jahr", "jahre", "datum"),
        "fr": ("année", "années", "an", "date"),
    },
    "place": {"en": ("place",), "de": ("ort",), "fr": ("lieu",)},
    "type": {
        "en": ("type", "kind", "object_type"),
        "de": ("art", "typ", "objektart"),
        "fr": ("type", "genre"),
    },
    "institution": {
        "en": ("institution", "keeper", "holder"),
        "de": ("institution", "haus", "sammlung"),
        "fr": ("institution", "conservation", "établissement"),
    },
    "notation": {
        "en": ("notation", "iconclass"),
        "de": ("notation", "iconclass"),
        "fr": ("notation", "iconclass"),
    },
    "language": {"en": ("language", "lang"), "de": ("sprache",), "fr": ("langue",)},
    "rights": {
        "en": ("rights", "license", "licence"),
        "de": ("rechte", "lizenz"),
        "fr": ("droits", "licence"),
    },
    "reuse": {
        "en": ("reuse", "reusable"),
        "de": ("nachnutzung", "nutzbar"),
        "fr": ("réutilisation", "réutilisable"),
    },
    "picture": {"en": ("picture", "pictures"), "de": ("bild", "bilder"), "fr": ("image", "images")},
}
_FIELD_OF = {
    folded(name): field
    for field, languages in NAMES.items()
    for names in languages.values()
    for name in names
}
# What people call the kinds of pictures on pages (iconoclip.page_layout.kinds).
_PICTURE_KINDS = {
    "illustration": (
        "illustration",
        "abbildung",
        "miniature",
        "miniatur",
        "woodcut",
        "holzschnitt",
        "gravure",
    ),
    "initial": ("initial", "initiale", "lettrine", "drop capital"),
    "ornament": ("ornament", "ornement", "zierstück", "bandeau", "cul-de-lampe", "headpiece", "tailpiece"),
    "photograph": ("photograph", "photo", "fotografie", "foto", "photographie"),
    "map": ("map", "karte", "landkarte", "carte"),
    "stamp": ("stamp", "stempel", "cachet", "timbre"),
    "bookplate": ("bookplate", "exlibris", "ex libris", "ex-libris"),
}
_KIND_OF = {folded(name): kind for kind, names in _PICTURE_KINDS.items() for name in names}
YES = frozenset({"yes", "true", "ja", "oui", "1"})
NO = frozenset({"no", "false", "nein", "non", "0"})
_YEARS = re.compile(r"\s*(-?\d{1,4})?\s*(\.\.\.?|…|[-–—/])\s*(-?\d{1,4})?\s*")
_YEAR = re.compile(r"\s*(-?\d{1,4})\s*")


def field_of(name: str) -> str | None:
    """The English name of a field that is given in any language of the page, or None."""
    return _FIELD_OF.get(folded(name))


def nearest_fields(name: str) -> tuple[str, ...]:
    """The names of fields that look like an unknown one, nearest first, as their language writes them."""
    written = {folded(each): each for by in NAMES.values() for names in by.values() for each in names}
    return tuple(written[each] for each in get_close_matches(folded(name), list(written), 2, 0.7))


def period_of(value: str) -> Period | None:
    """First and last year of `1514`, `1480..1500`, `..1500`, `1480..` or `1480-1500`; otherwise None."""
    if single := _YEAR.fullmatch(value):
        return int(single[1]), int(single[1])
    span = _YEARS.fullmatch(value)
    if span is None or not (span[1] or span[3]):
        return None
    first, last = (None if year is None else int(year) for year in (span[1], span[3]))
    if first is not None and last is not None and first > last:
        first, last = last, first
    return first, last


def picture_kind(value: str) -> str:
    """The kind of picture that a value names in a language of the page, in the plural too; or the value."""
    word = folded(value.strip())
    singulars = (word.removesuffix(ending) for ending in ("", "s", "n", "en", "e"))
    return next((_KIND_OF[each] for each in singulars if each in _KIND_OF), value)


def is_yes(value: str) -> bool | None:
    """True for a yes and False for a no in a language of the page; None for another text."""
    word = folded(value.strip())
    return True if word in YES else False if word in NO else None
