"""Statements of a catalogue -> captions: plain text with its language and field, most descriptive first.

Texts that merely designate (a folio, a shelfmark, a file name) are dropped; see designations.py. What a text
does is its role (roles.py); which roles are captions and which are joined into a sentence (sentences.py) is a
matter of configuration. The language comes from its tag if that is right, is guessed if it is missing or
plainly wrong, and a guess is marked; see languages.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data_prep.description import languages
from data_prep.description.designations import is_designation, without_shelfmark
from data_prep.description.plain_text import plain_text
from data_prep.description.roles import role_of
from data_prep.description.sentences import Circumstances, sentences_from, terms_in
from data_prep.description.titles import MAX_TITLE_CHARS
from data_prep.institutions import CAPTION_FIELDS, InstitutionProfile, TextField
from iconoclip.record import Caption, CaptionLevel, CaptionRole

MAX_CAPTIONS = 64
NOTHING_ELSE = Circumstances()
MAX_PER_FIELD = 12
MAX_CAPTION_CHARS = 5_000

_RANK = {field: rank for rank, field in enumerate(CAPTION_FIELDS)}
_TITLES = ("title", "caption", "contents")
# A statement of rights in English says nothing about the language of the record.
_NOT_OF_THE_OBJECT: tuple[CaptionRole, ...] = (
    "relation", "placeholder", "administrative", "rights", "thesaurus",
)  # fmt: skip
_LISTS = ("subject", "person", "place", "technique")


@dataclass(frozen=True)
class Statement:
    """One thing that a catalogue says of an object."""

    field: TextField
    text: str
    """As found, with its markup."""
    language: str | None = None
    """The tag as found; None where there is none."""
    label: str = ""
    """Under which label, element or column it was found."""


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
    """The captions among `statements`: blazons first, then titles, then what is longer or looser; last the
    sentences that join terms and names.

    Which roles are captions is a matter of the profile's composition. Equal texts are kept once. A text that
    is tagged with several languages is in at most one of them, so its language is guessed.

    Args:
        level: what the statements are about.
        around: what may enter a sentence besides the terms.
        siblings: the language of what is said of the whole, where these statements are about a part.
    """
    composed = profile.composed
    texts = _texts(statements, profile)
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
    # Of words alone nobody could tell the language; they mostly are in that of the titles.
    of_titles = languages.dominant(
        (one.text, one.language) for one in found.values() if one.language != languages.UNKNOWN
    )
    terms = [
        term
        for one in texts
        if one.role in composed.sentence and one.role not in composed.captions
        for term in terms_in(one.role, one.text, one.tags)
    ]
    sentences = sentences_from(
        terms,
        around,
        composed,
        level=level,
        default=profile.language,
        siblings=siblings,
        fallback=of_titles,
        titles=[one for one in found.values() if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS],
        known=frozenset(found),
    )
    return (*found.values(), *sentences)[:MAX_CAPTIONS]


def _texts(statements: Iterable[Statement], profile: InstitutionProfile) -> list[_Text]:
    """The texts that may be captions or terms, equal ones of a field joined, in the order of their fields."""
    tags: dict[tuple[TextField, str], list[str | None]] = {}
    for statement in statements:
        if statement.field in _RANK and (text := caption_text(statement.text, statement.field, profile)):
            tags.setdefault((statement.field, text), []).append(statement.language)
    return [
        _Text(field, role_of(field, text), text, tuple(given))
        for (field, text), given in sorted(tags.items(), key=lambda item: _RANK[item[0][0]])
    ]


def caption_text(value: str, field: TextField, profile: InstitutionProfile) -> str | None:
    """The text of a caption, or None where `value` only designates the object."""
    text = plain_text(value, MAX_CAPTION_CHARS)
    if field in _TITLES:
        text = tidy_title(profile.trimmed(text))
    if field not in _LISTS and is_designation(text):
        return None
    return text or None


def tidy_title(title: str) -> str:
    """A title without what cataloguing rules add to it: a final ` :` or ` /`, brackets around the
    whole, a shelfmark."""
    title = without_shelfmark(title.rstrip(" /:;,=").strip())
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
