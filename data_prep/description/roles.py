"""The role of a text: whether it describes, names, or only administers the object. It follows from the field,
unless words of the text show another role.

The words are data: configs/labels/caption-roles.yaml.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from data_prep.institutions import TextField
from iconoclip.config import read_yaml, shipped_config
from iconoclip.record import CaptionRole

WORDS_FILE: Final = "labels/caption-roles.yaml"
MAX_CONTAINS_CHARS: Final = 400

ROLE_OF_FIELD: Final[dict[TextField, CaptionRole]] = {
    "blazon": "descriptive",
    "title": "title",
    "caption": "descriptive",
    "description": "descriptive",
    "contents": "title",
    "subject": "subject",
    "person": "person",
    "place": "place",
    "technique": "technique",
    "note": "note",
}
_SPACE_BEFORE_COLON = re.compile(r"\s+:")
# Guide terms of the Art & Architecture Thesaurus: "<visual works by medium>".
_GUIDE_TERM = re.compile(r"<[^<>]{2,80}>")


# The extent of an object: "69 sheet(s)", "4 v. plates. 53 cm", "174 leaves : 215 x 160 mm".
_EXTENT = re.compile(
    r"(?:\d{4}\s)?(?:vol\.?\s?\d+\.\s*)?\W*\d+\s*(?:v|vols?|volumes?|p|pp|pages?|leaves|leaf|sheets?(?:\(s\))?|maps?|bl"
    r"|blatt|blätter|seiten|bände?|feuillets?|ff?|tomes?|folios?|carte|cc|hojas|folhas|s|sider|sidor|kart|stron|listů)\b"
    r"(?=[^\w]*(?:$|[\d:;,.(\[]))"
)
_MAX_EXTENT_CHARS: Final = 120
# The number of a book in its series: "303. Bändchen der Sammlung ...", "Vol. 12 of the series ...".
_IN_SERIES = re.compile(
    r"(?:\d+\.?\s(?:bändchen|band|bd\.?|heft|teil)\s(?:aus |in )?der\s(?:\w+\s)?(?:sammlung|\w*reihe|serie)"
    r"|(?:vol\.?|volume|no\.?|number|part|book)\s\d+\s(?:of|in)\s(?:the|a)\sseries"
    r"|(?:vol\.?|volume|tome|t\.|n°|no)\s?\d+\sde\sla\s(?:collection|série)"
    r"|(?:deel|nr\.?)\s\d+\s(?:van|uit|in)\sde\s(?:reeks|serie)"
    r"|(?:vol\.?|volume|n\.)\s\d+\sdella\s(?:collana|serie)"
    r"|(?:vol\.?|tomo|n\.º)\s\d+\sde\sla\s(?:colección|serie))\b"
)


@dataclass(frozen=True)
class _Words:
    role: CaptionRole
    whole: frozenset[str]
    starts: re.Pattern[str] | None
    contains: re.Pattern[str] | None
    ends: tuple[str, ...]

    def match(self, text: str) -> bool:
        """Whether a text, in lower case, has one of these words where they count."""
        if (
            text in self.whole
            or text.rstrip("?!…:>» ") in self.whole
            or (self.starts and self.starts.match(text))
        ):
            return True
        if self.ends and text.endswith(self.ends):
            return True
        return bool(self.contains and len(text) <= MAX_CONTAINS_CHARS and self.contains.search(text))


@functools.cache
def _words() -> tuple[_Words, ...]:
    return tuple(_read())


def _read() -> Iterator[_Words]:
    for role, listed in read_yaml(shipped_config(WORDS_FILE)).items():
        # Casefolding changes letters of words in lower case as well: the last one of Greek "χωρίς".
        lists = {name: [word.casefold() for word in words] for name, words in listed.items()}
        yield _Words(
            role=role,  # type: ignore[arg-type]
            whole=frozenset(lists.get("whole", [])),
            starts=_pattern(lists.get("starts", []), r"(?:{})(?!\w)"),
            contains=_pattern(lists.get("contains", []), r"(?<!\w)(?:{})"),
            ends=tuple(lists.get("ends", [])),
        )


def _pattern(phrases: list[str], form: str) -> re.Pattern[str] | None:
    if not phrases:
        return None
    longest_first = sorted(phrases, key=len, reverse=True)
    # Anything may follow a colon.
    return re.compile(
        "|".join(
            form.replace(r"(?!\w)", "" if phrase.endswith(":") else r"(?!\w)").format(re.escape(phrase))
            for phrase in longest_first
        )
    )


@functools.lru_cache(maxsize=16_384)
def role_of(field: TextField, text: str) -> CaptionRole:
    """The role of a plain text that was found in a field.

    A blazon has always the same role: its language is formal, and words such as "none" may occur in it.
    """
    if field == "blazon":
        return "descriptive"
    plain = _SPACE_BEFORE_COLON.sub(":", " ".join(text.casefold().split())).rstrip(" .")
    if plain.startswith("[") and plain.endswith("]"):
        plain = plain[1:-1].strip()
    if _GUIDE_TERM.fullmatch(plain):
        return "thesaurus"
    is_note = field in ("description", "note")
    if is_note and (_IN_SERIES.match(plain) or (len(plain) <= _MAX_EXTENT_CHARS and _EXTENT.match(plain))):
        return "note"
    for words in _words():
        if words.role == "thesaurus" and field not in ("subject", "person", "place"):
            continue
        if words.match(plain):
            return words.role
    return ROLE_OF_FIELD.get(field, "note")
