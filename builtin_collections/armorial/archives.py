"""The three invented archives: names, languages, and the labels of their catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """One invented institution; its documents say that it does not exist."""

    slug: str
    name: str
    language: str
    prefix: str
    notice: str
    painters: tuple[str, ...]
    labels: Mapping[str, str]
    """Its labels for blazon, iconclass, date, painter, shelfmark, type, family, place and technique."""
    title: str
    """pattern of an item's title, with {family} and {place}"""
    roll: str
    """pattern of a roll's name, with {number}"""
    object_type: str
    technique: str


WEXCOMBE = Archive(
    slug="armorial-wexcombe",
    name="Wexcombe Armorial Rolls Office",
    language="en",
    prefix="wx",
    notice="An invented institution: its arms, families and painters are made up for demonstration.",
    painters=("Aldous Penhallow", "Master of the Wexcombe Roll", "Joan Tirrick", "Hamo Brasbridge"),
    labels={
        "blazon": "Blazon",
        "iconclass": "Iconclass",
        "date": "Date",
        "painter": "Artist",
        "shelfmark": "Shelfmark",
        "type": "Object type",
        "family": "Family",
        "place": "Place",
        "technique": "Technique",
    },
    title="Arms of the family {family} of {place}",
    roll="Wexcombe Roll {number}",
    object_type="Coat of arms",
    technique="Pen and body colour on parchment",
)
ALDERSHEIM = Archive(
    slug="armorial-aldersheim",
    name="Landesbibliothek Aldersheim",
    language="de",
    prefix="ald",
    notice="Eine erfundene Einrichtung: Wappen, Familien und Maler sind zur Vorführung ausgedacht.",
    painters=("Veit Aschenlohr", "Meister des Aldersheimer Wappenbuchs", "Kunz Rebmoser", "Barbara Silchin"),
    labels={
        "blazon": "Blasonierung",
        "iconclass": "Iconclass-Notation",
        "date": "Datierung",
        "painter": "Maler",
        "shelfmark": "Signatur",
        "type": "Objekttyp",
        "family": "Familie",
        "place": "Ort",
        "technique": "Technik",
    },
    title="Wappen der Familie {family} zu {place}",
    roll="Aldersheimer Wappenbuch, Band {number}",
    object_type="Wappen",
    technique="Feder und Deckfarben auf Pergament",
)
VALCENDRE = Archive(
    slug="armorial-valcendre",
    name="Bibliothèque municipale de Valcendre",
    language="fr",
    prefix="vc",
    notice="Établissement fictif : armes, familles et peintres sont inventés pour la démonstration.",
    painters=("Guyot Mirebel", "Maître de l'armorial de Valcendre", "Perrine Aulnoy", "Josse Tardival"),
    labels={
        "blazon": "Blasonnement",
        "iconclass": "Notation Iconclass",
        "date": "Date",
        "painter": "Peintre",
        "shelfmark": "Cote",
        "type": "Type de document",
        "family": "Famille",
        "place": "Lieu",
        "technique": "Technique",
    },
    title="Armes de la famille {family} de {place}",
    roll="Armorial de Valcendre, registre {number}",
    object_type="Armoiries",
    technique="Plume et gouache sur parchemin",
)
ARCHIVES = (WEXCOMBE, ALDERSHEIM, VALCENDRE)
