"""Iconclass for the API: a notation's words and its neighbours, from the data that the iconclass package ships."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from retrieval.answers import NotationSuggestion
from retrieval.service.refusals import Refusal

LANGUAGES = ("en", "de", "fr", "it", "pt", "jp")
_SHAPE = re.compile(r"[0-9][0-9A-Z]*[^\x00-\x1f]*")
# The package would ask Wikidata over the network for the name behind such a bracket; the page's server never does.
_WIKIDATA = re.compile(r"\(wd:Q\d*\)", re.IGNORECASE)


class Term(BaseModel):
    """A notation with its words."""

    model_config = ConfigDict(frozen=True)

    notation: str
    label: str


class NotationAnswer(BaseModel):
    """A notation, its place in the hierarchy, and what of it is here."""

    model_config = ConfigDict(frozen=True)

    notation: str
    label: str
    language: str
    broader: tuple[Term, ...] = Field(description="from the top of Iconclass down to just above the notation")
    narrower: tuple[Term, ...] = Field(description="one step below")
    num_items: int = Field(default=0, description="items here that carry the notation or one below it")
    suggested: tuple[NotationSuggestion, ...] = Field(
        default=(), description="notations below that the model sees in the item asked about"
    )


@cache
def _iconclass() -> Any:
    # Two seconds and some memory, only where somebody asks.
    import iconclass

    return iconclass.init()


def look_up(notation: str, language: str) -> NotationAnswer:
    """A notation's words and neighbours.

    Raises:
        Refusal: 404, Iconclass has no such notation; 422, no labels in that language.
    """
    if language not in LANGUAGES:
        raise Refusal(
            422,
            f"Iconclass has no labels in '{language}'",
            where="language",
            remedy=f"one of {', '.join(LANGUAGES)}",
        )
    found = _find(notation)
    path = [Term(notation=str(above), label=above(language)) for above in found.path()]
    return NotationAnswer(
        notation=notation,
        label=found(language),
        language=language,
        broader=tuple(term for term in path if term.notation != str(found)),
        narrower=tuple(Term(notation=str(below), label=below(language)) for below in found),
    )


def label(notation: str, language: str) -> str:
    """The words of a notation in `language` (English where it has none), or nothing for an unknown one."""
    try:
        return str(_find(notation)(language if language in LANGUAGES else "en"))
    except Refusal:
        return ""


def _find(notation: str) -> Any:
    unknown = Refusal(
        404, "Iconclass has no such notation", where="notation", remedy="look it up at https://iconclass.org"
    )
    if not _SHAPE.fullmatch(notation) or _WIKIDATA.search(notation):
        raise unknown
    try:
        found = _iconclass()[notation]
        found("en")
    except Exception as error:
        # The package raises its own NotationNotFound, and KeyError, IndexError or AttributeError on odd spellings.
        raise unknown from error
    return found
