"""Joins what is said of an image at several levels: of its page, its work, its collection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from data_prep.description.captions import MAX_CAPTIONS
from data_prep.description.describe import Description
from iconoclip.record import Caption, Date, RawPair

NAVIGATION_DATE: Final = "navigation-date"


def merged_captions(own: tuple[Caption, ...], shared: tuple[Caption, ...]) -> tuple[Caption, ...]:
    """Captions in this order: blazons, the captions of the part, the captions of the whole object."""
    if not own:
        return shared
    known = {caption.text.casefold() for caption in own}
    both = [*own, *(caption for caption in shared if caption.text.casefold() not in known)]
    return tuple(sorted(both, key=lambda caption: caption.field != "blazon"))[:MAX_CAPTIONS]


def is_contained(caption: Caption, texts: Iterable[str]) -> bool:
    """Whether a title is in another caption of its record, which says more."""
    title = caption.text.casefold().rstrip(" .,;:")
    return caption.role == "title" and any(title in text for text in texts)


def homepage_of(pairs: Sequence[RawPair], shared: Description) -> str | None:
    """The page about the object for people: the manifest's property, its metadata, or the record."""
    stated = {pair.level: pair.value for pair in reversed(pairs) if pair.field == "homepage"}
    return stated.get("manifest") or shared.homepage or stated.get("record")


def first_read(*dates: Date | None) -> Date | None:
    """The first date with years; without one, the first text."""
    known = [date for date in dates if date]
    return next(
        (one for one in known if (one.earliest, one.latest) != (None, None)), known[0] if known else None
    )


def with_navigation_date(told: Description, pairs: Sequence[RawPair]) -> Description:
    """A description whose titles may be followed by the date that viewers sort by, if there is no other."""
    date = None if told.around.date else navigation_date(pairs)
    return replace(told, around=replace(told.around, date=date)) if date else told


def navigation_date(pairs: Sequence[RawPair]) -> Date | None:
    """The date by which viewers sort the object, used if there is no other. January 1 mostly means a year."""
    value = next((pair.value for pair in pairs if pair.field == NAVIGATION_DATE), "")
    if len(value) >= 10 and value[:4].isdigit() and value[4:5] == "-" and value[:4] != "0000":
        year = int(value[:4])
        edtf = value[:4] if value[4:10] == "-01-01" else value[:10]
        return Date(edtf=edtf, text=value[:40], earliest=year, latest=year)
    return None
