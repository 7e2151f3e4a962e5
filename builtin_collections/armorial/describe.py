"""The description of an item for all protocols: title, blazons, notations, metadata pairs."""

from __future__ import annotations

from collections.abc import Iterator

from builtin_collections.armorial.archives import Archive
from builtin_collections.armorial.blazon.languages import LANGUAGES, blazon
from builtin_collections.armorial.collection import Item

# Iconclass 46A122 "armorial bearing, heraldry"; the bracketed name is the charge.
_NOTATION = "46A122"


def title(archive: Archive, item: Item) -> str:
    """The catalogue's title, which names the family and does not describe the picture."""
    return archive.title.format(family=item.family, place=item.place)


def blazons(item: Item) -> dict[str, str]:
    """Language tag to blazon."""
    return {language: blazon(item.arms, language) for language in LANGUAGES}


def notations(item: Item) -> list[str]:
    """Iconclass notations: 46A122 with each kind of charge, as 46A122(LION)."""
    return [f"{_NOTATION}({group.charge.value.upper()})" for group in item.arms.groups()]


def shelfmark(archive: Archive, item: Item) -> str:
    """The item's shelfmark: roll number and folio."""
    return f"{archive.prefix.upper()} {item.roll}, fol. {item.folio}"


def plain_pairs(archive: Archive, item: Item) -> Iterator[tuple[str, list[str]]]:
    """Metadata of one language: (label, values), without the blazon and the notations."""
    labels = archive.labels
    yield labels["date"], [item.date]
    if item.painter is not None:
        yield labels["painter"], [item.painter]
    yield labels["family"], [item.family]
    yield labels["place"], [item.place]
    yield labels["type"], [archive.object_type]
    yield labels["technique"], [archive.technique]
    yield labels["shelfmark"], [shelfmark(archive, item)]


def attribution(archive: Archive) -> str:
    """The statement that must be shown with every item."""
    return f"{archive.name}. {archive.notice}"
