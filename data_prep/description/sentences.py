"""Subject terms, persons, places and techniques -> one sentence-like caption per language.

"Shepherds; flock; evening. Drawing, Charles Jacque, 1849": a model learns more from one such text than from a
hundred lone words. The templates are data (configs/captions/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from data_prep.composition import Composition
from data_prep.description import languages
from data_prep.description.designations import is_designation
from iconoclip.people import display_name
from iconoclip.record import Caption, CaptionLevel, CaptionRole, Date

MAX_TERM_CHARS: Final = 120
MAX_DATE_CHARS: Final = 40

_SEPARATORS: Final = re.compile(r"\s*[;|\n]\s*")
# Library of Congress headings: "Pictorial maps--Italy".
_SUBDIVISION: Final = re.compile(r"\s*--\s*")


@dataclass(frozen=True)
class Term:
    """One word or name that a catalogue lists."""

    role: CaptionRole
    text: str
    tags: tuple[str | None, ...]
    """The language tags it was found under."""


@dataclass(frozen=True)
class Circumstances:
    """What else a sentence may say of the object."""

    creators: tuple[str, ...] = ()
    date: Date | None = None
    types: tuple[tuple[str, str | None], ...] = field(default=())
    """Kinds of object, each with its language tag."""


def terms_in(role: CaptionRole, text: str, tags: Sequence[str | None]) -> list[Term]:
    """The terms in a text that may list several."""
    found = []
    for part in _SEPARATORS.split(text):
        term = _SUBDIVISION.sub(", ", part).strip(" .,")
        if role == "person" or (role == "subject" and re.search(r",\s*\d{4}-(?:\d{4})?\.?$", term)):
            term = display_name(term)
        if term and len(term) <= MAX_TERM_CHARS and not is_designation(term):
            found.append(Term(role, term, tuple(tags)))
    return found


def sentences_from(
    terms: Iterable[Term],
    around: Circumstances,
    composition: Composition,
    *,
    level: CaptionLevel,
    default: str | None,
    siblings: str | None,
    known: frozenset[str],
) -> list[Caption]:
    """One caption per language of the terms.

    Args:
        around: creator, date and type, which may enter it.
        default: the language of most texts of the institution.
        siblings: that of the record's other texts.
        known: texts that are captions already, casefolded; a term that repeats one is left out.
    """
    by_language: dict[str, list[Term]] = {}
    source_of: dict[str, languages.Spoken] = {}
    untagged: list[Term] = []
    for term in terms:
        if term.text.casefold() in known:
            continue
        tags = list(dict.fromkeys(tag for given in term.tags if (tag := languages.canonical_tag(given))))
        for tag in tags:
            by_language.setdefault(tag, []).append(term)
            source_of[tag] = languages.Spoken(tag, "source")
        if not tags:
            untagged.append(term)
    if untagged:
        # Words alone are too short to detect; together they are not.
        joined = "; ".join(term.text for term in untagged)
        spoken = languages.spoken(joined, None, default, siblings)
        by_language.setdefault(spoken.tag, []).extend(untagged)
        source_of.setdefault(spoken.tag, spoken)
    captions = []
    for tag, mine in by_language.items():
        text = _sentence(mine, around, composition, tag)
        if text:
            captions.append(_caption(text, source_of[tag], level))
    return captions


def _sentence(terms: list[Term], around: Circumstances, composition: Composition, tag: str) -> str:
    values: dict[str, list[str]] = {}
    for term in terms:
        mine = values.setdefault(term.role, [])
        if len(mine) < composition.max_terms and term.text.casefold() not in {one.casefold() for one in mine}:
            mine.append(term.text)
    if not any(values.get(role) for role in composition.needs):
        return ""
    types = [text for text, given in around.types if languages.canonical_tag(given) in (tag, None)]
    values["type"] = types[:1]
    values["creator"] = [name for name in map(display_name, around.creators[:3]) if name]
    date = around.date.text if around.date else None
    values["date"] = [date.strip(" .[]")] if date and len(date) <= MAX_DATE_CHARS else []
    return composition.template(tag).render(values)


def _caption(text: str, spoken: languages.Spoken, level: CaptionLevel) -> Caption:
    return Caption(
        text=text,
        language=spoken.tag,
        field="subject",
        origin="institution",
        language_detected=spoken.is_guess,
        language_source=spoken.source,
        level=level,
        role="subject",
    )
