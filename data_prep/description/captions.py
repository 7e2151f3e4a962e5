"""Turns the statements of a catalogue into captions: plain texts with language and field, the most
descriptive first.

Texts that only identify the object (a folio, a shelfmark, a file name) are dropped; see designations.py.
Every text has a role (roles.py). The configuration decides which roles become captions and which are joined
into a sentence (sentences.py). The language is that of the tag. If the tag is missing or plainly wrong, the
language is detected, and the caption is marked accordingly; see languages.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from data_prep.description import languages
from data_prep.description.designations import is_designation, without_shelfmark
from data_prep.description.page_labels import may_be_title
from data_prep.description.plain_text import plain_text
from data_prep.description.roles import role_of
from data_prep.description.sentences import Circumstances, by_language, sentences_from, terms_in
from data_prep.description.titles import MAX_TITLE_CHARS
from data_prep.institutions import CAPTION_FIELDS, InstitutionProfile, TextField
from iconoclip.record import Caption, CaptionLevel, CaptionRole

MAX_CAPTIONS = 64
NOTHING_ELSE = Circumstances()
MAX_PER_FIELD = 12
MAX_CAPTION_CHARS = 5_000

_RANK = {field: rank for rank, field in enumerate(CAPTION_FIELDS)}
_TITLES = ("title", "caption", "contents")
# Roles that do not show the language of a record: its rights statement may be in English in any case.
_NOT_OF_THE_OBJECT: tuple[CaptionRole, ...] = (
    "relation", "placeholder", "administrative", "rights", "thesaurus",
)  # fmt: skip
_LISTS = ("subject", "person", "place", "technique")
# Dashes and bullets that transcriptions of title lines begin with: "-THE HARVEST".
_LEADING_MARKS = re.compile(r"^[-\u2013\u2014\u2022\u00b7*_,;:]+\s*(?=[^\W\d])")
# Issues of newspapers end in a key to sort by: "Abendblatt. 1830, 1, 1 ## 01.01.1830".
_KEY_OF_AN_ISSUE = re.compile(r"\s*##\s*[\d./-]{4,10}$")


@dataclass(frozen=True)
class Statement:
    """One statement of a catalogue about an object."""

    field: TextField
    text: str
    """The text as found, with its markup."""
    language: str | None = None
    """The language tag as found; None if there is none."""
    label: str = ""
    """The label, element or column where it was found."""


@dataclass(frozen=True)
class _Text:
    """A plain text of a field with its role and the tags it was found under."""

    field: TextField
    role: CaptionRole
    text: str
    tags: tuple[str | None, ...]


def captions_from(
    statements: Iterable[Statement],
    profile: InstitutionProfile,
    level: CaptionLevel = "item",
    around: Circumstances = NOTHING_ELSE,
    siblings: str | None = None,
) -> tuple[Caption, ...]:
    """Make captions of statements: blazons first, then titles, then longer texts, and last the sentences that
    join terms and names.

    The profile's composition decides which roles become captions. Equal texts are kept once. A text that is
    tagged with several languages is in at most one of them, so its language is detected.
    """
    return captions_and_terms(statements, profile, level, around, siblings)[0]


def captions_and_terms(
    statements: Iterable[Statement],
    profile: InstitutionProfile,
    level: CaptionLevel,
    around: Circumstances,
    siblings: str | None,
) -> tuple[tuple[Caption, ...], tuple[tuple[CaptionRole, str, str], ...]]:
    """The captions of `captions_from`, and what the object is about: role, text and language of each subject
    and person.

    Args:
        level: what the statements are about.
        around: facts that may be added to a sentence, in addition to the terms.
        siblings: the language of the statements about the whole object, if these are about a part of it.
    """
    composed = profile.composed
    texts = _texts(statements, profile, around if level == "item" else NOTHING_ELSE)
    spoken = [one for one in texts if one.role not in _NOT_OF_THE_OBJECT]
    siblings = languages.dominant((one.text, tag) for one in spoken for tag in one.tags) or siblings
    found: dict[str, Caption] = {}
    num_in_field = dict.fromkeys(CAPTION_FIELDS, 0)
    for one in texts:
        same = one.text.casefold().rstrip(".")
        if one.role not in composed.captions or same in found or num_in_field[one.field] >= MAX_PER_FIELD:
            continue
        num_in_field[one.field] += 1
        found[same] = _caption(one, profile, siblings, level)
    # The language of single words cannot be detected; it is mostly that of the titles.
    of_titles = languages.dominant(
        (one.text, one.language) for one in found.values() if one.language != languages.UNKNOWN
    )
    terms = [
        term
        for one in texts
        if one.role in composed.sentence and one.role not in composed.captions
        for term in terms_in(one.role, one.text, one.tags)
    ]
    spoken_terms = by_language(
        terms, default=profile.language, siblings=siblings, fallback=of_titles, known=frozenset(found)
    )
    titles = [one for one in found.values() if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS]
    sentences = sentences_from(spoken_terms, around, composed, level=level, titles=titles)
    about = tuple(
        (term.role, term.text, language.tag)
        for language, mine in spoken_terms
        for term in mine
        if term.role in composed.needs
    )
    return (*found.values(), *sentences)[:MAX_CAPTIONS], about


def _texts(
    statements: Iterable[Statement], profile: InstitutionProfile, around: Circumstances
) -> list[_Text]:
    """The texts that may be captions or terms, equal ones of a field joined, in the order of their fields.

    Args:
        around: the maker, kind and technique of a single object. If one is known, its title may be a date, a
            number or the word for a page, which is no caption unless these follow it.
    """
    is_made = bool(around.creators or around.types or around.techniques)
    tags: dict[tuple[TextField, str], list[str | None]] = {}
    for statement in statements:
        if statement.field not in _RANK:
            continue
        text = caption_text(statement.text, statement.field, profile)
        if text is None and is_made and statement.field == "title":
            title = plain_text(statement.text, MAX_TITLE_CHARS)
            text = title if may_be_title(title, has_maker=bool(around.creators)) else None
        if text:
            tags.setdefault((statement.field, text), []).append(statement.language)
    return [
        _Text(field, role_of(field, text), text, tuple(given))
        for (field, text), given in sorted(tags.items(), key=lambda item: _RANK[item[0][0]])
    ]


def caption_text(value: str, field: TextField, profile: InstitutionProfile) -> str | None:
    """The text of a caption, or None if `value` only identifies the object."""
    text = plain_text(value, MAX_CAPTION_CHARS)
    if field in _TITLES:
        text = tidy_title(profile.trimmed(text))
    if field not in _LISTS and is_designation(text):
        return None
    return text or None


def tidy_title(title: str) -> str:
    """A title without the additions of cataloguing rules: a final ` :` or ` /`, brackets around the whole
    title, a shelfmark."""
    title = _KEY_OF_AN_ISSUE.sub("", title.rstrip(" /:;,="))
    title = without_shelfmark(_LEADING_MARKS.sub("", title).strip())
    if title.count('"') == 1:
        title = title.strip(' "')
    if title.startswith("[") and title.endswith("]") and title.count("[") == title.count("]") == 1:
        title = title[1:-1].strip()
    return title


def _caption(one: _Text, profile: InstitutionProfile, siblings: str | None, level: CaptionLevel) -> Caption:
    known = list(dict.fromkeys(tag for given in one.tags if (tag := languages.canonical_tag(given))))
    given = known[0] if len(known) == 1 else None
    spoken = languages.spoken(one.text, given, profile.language, siblings)
    if len(known) > 1 and spoken.tag not in known:
        spoken = languages.Spoken(known[0], "detected")
    return Caption(
        text=one.text,
        language=spoken.tag,
        field=one.field,
        origin="institution",
        language_detected=spoken.is_guess,
        language_source=spoken.source,
        level=level,
        role=one.role,
    )
