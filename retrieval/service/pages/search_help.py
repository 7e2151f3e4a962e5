"""The page that explains how to search, and the names of fields in the user's language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.answers import Facets, SearchHint
from retrieval.query_language.fields import NAMES
from retrieval.query_language.hints import TEXTS
from retrieval.service.pages.facets import picture_kinds
from retrieval.service.pages.translations import Translation

# The field of the query language for each filter whose name is another.
FIELD_OF_FILTER = {"object_type": "type", "iconclass": "notation", "picture_kind": "picture"}


@dataclass(frozen=True)
class FieldHelp:
    """A field of the query language: its name in the user's language, what it is, and an example."""

    name: str
    what: str
    example: str


def field_labels(translation: Translation) -> dict[str, str]:
    """What each field of the query language is, in the user's language."""
    _ = translation.catalogue.gettext
    return {
        "creator": _("Maker"),
        "title": _("Title"),
        "year": _("Year"),
        "place": _("Place"),
        "type": _("Kind of object"),
        "institution": _("Institution"),
        "notation": _("Iconclass"),
        "language": _("Language of a caption"),
        "rights": _("Rights"),
        "reuse": _("Reuse"),
        "picture": _("Kind of picture"),
    }


def fields(translation: Translation, facets: Facets, titles: Sequence[str] = ()) -> tuple[FieldHelp, ...]:
    """The fields with examples, as the help page lists them: values that items here have, if there are any.

    Args:
        translation: the user's language.
        facets: counts of all that this user may see.
        titles: titles of some of it.
    """
    values = {
        "creator": "Dürer",
        "title": "Melencolia",
        "year": "1480..1500",
        "place": "Paris",
        "type": "print",
        "institution": "bnf",
        "notation": "25F",
        "language": "de",
        "rights": "PDM",
        "reuse": translation.catalogue.gettext("yes"),
        "picture": picture_kinds(translation)["map"].lower(),
    } | _found_here(facets, titles)
    labels = field_labels(translation)
    names = {field: NAMES[field].get(translation.language, NAMES[field]["en"])[0] for field in values}
    return tuple(
        FieldHelp(names[field], labels[field], f"{names[field]}:{value}") for field, value in values.items()
    )


def _found_here(facets: Facets, titles: Sequence[str]) -> dict[str, str]:
    """The most frequent value of each field that has any."""
    counted = {
        "creator": facets.creator,
        "place": facets.place,
        "type": facets.object_type,
        "institution": facets.institution,
        "notation": facets.iconclass,
        "language": facets.language,
        "rights": facets.rights,
    }
    found = {
        field: f'"{values[0].value}"' if " " in values[0].value else values[0].value
        for field, values in counted.items()
        if values and '"' not in values[0].value
    }
    if facets.century:
        first = int(max(facets.century, key=lambda each: each.count).value)
        found["year"] = f"{first}..{first + 99}"
    # The longest word of a title says more than its first.
    words = [word for title in titles for word in re.findall(r"[^\W\d_]{4,}", title)]
    return found | ({"title": max(words, key=len)} if words else {})


def said(hint: SearchHint, translation: Translation) -> str:
    """The sentence of a hint in the user's language."""
    field = FIELD_OF_FILTER.get(hint.field or "", hint.field or "")
    label = field_labels(translation).get(field, field)
    sentence = str(translation.catalogue.gettext(TEXTS[hint.code]))
    return sentence % {"what": hint.what, "field": label}
