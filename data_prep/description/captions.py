"""Statements of a catalogue -> captions: plain text with its language and field, most descriptive first.

Texts that merely designate (a folio, a shelfmark, a file name) are dropped; see designations.py. The language
comes from its tag if that is right, is guessed if it is missing or plainly wrong, and a guess is marked; see
languages.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data_prep.description import languages
from data_prep.description.designations import is_designation, without_shelfmark
from data_prep.description.plain_text import plain_text
from data_prep.institutions import CAPTION_FIELDS, InstitutionProfile, TextField
from iconoclip.record import Caption, CaptionLevel, CaptionRole

MAX_CAPTIONS = 64
MAX_PER_FIELD = 12
MAX_CAPTION_CHARS = 5_000

_RANK = {field: rank for rank, field in enumerate(CAPTION_FIELDS)}
_TITLES = ("title", "caption", "contents")
ROLES: dict[TextField, CaptionRole] = {
    "blazon": "descriptive",
    "title": "title",
    "caption": "descriptive",
    "description": "descriptive",
    "subject": "subject",
    "contents": "title",
}


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


def captions_from(
    statements: Iterable[Statement], profile: InstitutionProfile, level: CaptionLevel = "item"
) -> tuple[Caption, ...]:
    """The captions among `statements`: blazons first, then titles, then what is longer or looser.

    Equal texts are kept once. A text that is tagged with several languages is in at most one of them, so its
    language is guessed.
    """
    texts: dict[tuple[TextField, str], list[str | None]] = {}
    for statement in statements:
        if statement.field in _RANK and (text := caption_text(statement.text, statement.field, profile)):
            texts.setdefault((statement.field, text), []).append(statement.language)
    found: dict[str, Caption] = {}
    num_in_field = dict.fromkeys(CAPTION_FIELDS, 0)
    for (field, text), tags in sorted(texts.items(), key=lambda item: _RANK[item[0][0]]):
        same = text.casefold().rstrip(".")
        if same in found or num_in_field[field] >= MAX_PER_FIELD:
            continue
        num_in_field[field] += 1
        found[same] = _caption(text, field, tags, profile, level)
    return tuple(found.values())[:MAX_CAPTIONS]


def caption_text(value: str, field: TextField, profile: InstitutionProfile) -> str | None:
    """The text of a caption, or None where `value` only designates the object."""
    text = plain_text(value, MAX_CAPTION_CHARS)
    if field in _TITLES:
        text = tidy_title(profile.trimmed(text))
    return None if not text or is_designation(text) else text


def tidy_title(title: str) -> str:
    """A title without what cataloguing rules add to it: a final ` :` or ` /`, brackets around the whole, a
    shelfmark."""
    title = without_shelfmark(title.rstrip(" /:;,=").strip())
    if title.startswith("[") and title.endswith("]") and title.count("[") == title.count("]") == 1:
        title = title[1:-1].strip()
    return title


def _caption(
    text: str, field: TextField, tags: list[str | None], profile: InstitutionProfile, level: CaptionLevel
) -> Caption:
    known = list(dict.fromkeys(tag for given in tags if (tag := languages.canonical_tag(given))))
    language, detected = languages.tag_text(text, known[0] if len(known) == 1 else None, profile.language)
    if len(known) > 1 and language not in known:
        language, detected = known[0], True
    return Caption(
        text=text,
        language=language,
        field=field,
        origin="institution",
        language_detected=detected,
        level=level,
        role=ROLES[field],
    )
