"""Finds the makers of a picture in its title and notes, if a catalogue has no field for them.

"View of the harbour, engraved by J. Dower", "C. Fenn del.", "La rade : [dessin] / V. Blatter". A name is one
to five words with capitals after or before a word such as "engraved by" or "del.". These words are data
(maker_words.tsv).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import resources
from typing import Final

MAX_CHARS: Final = 600
MAX_FOUND: Final = 3

_PARTICLE: Final = r"(?:van|von|vom|zum|zur|de|der|den|du|da|di|del|della|dei|la|le|ten|ter|zu|af|av|y|d'|l')"
_CAPITAL: Final = r"[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯΑ-Ω]"
_INITIAL: Final = rf"{_CAPITAL}[a-z]?\.(?:-?{_CAPITAL}\.)*"
_WORD: Final = rf"(?:{_CAPITAL}[^\W\d_]+(?:[’'-]{_CAPITAL}?[^\W\d_]+)*|[dlDL]['’]{_CAPITAL}[^\W\d_]+)"
_SON: Final = r"[A-Z][a-z]+(?:sz|szn|dr)\."
# The last word must not be an initial: "engraved by J." names nobody.
_PART: Final = rf"(?:{_SON}|{_WORD}|{_INITIAL}|{_PARTICLE})"
_NAME: Final = rf"(?:{_PART}\s+|{_INITIAL}){{0,4}}{_WORD}(?:,? (?:jun|sen|jr|sr)\b\.?)?"
_SEVERAL: Final = rf"{_NAME}(?:\s*(?:&|and|und|et|en|e|y|och|og)\s+{_NAME})?"
# "[Quai] : [dessin] / V. Blatter": by library rules, the makers follow a slash. Other catalogues put a second
# title there, so the text must follow a bracket, begin with "by", or begin with an initial.
_RESPONSIBLE: Final = re.compile(
    rf"(?:\]\s/\s*|\s/\s*(?i:by|par|von|door|da|di|por|av|af)\s+|\s/\s*(?={_INITIAL}))"
    rf"({_SEVERAL})\s*(?:[;,]\s.{{0,200}})?[\].]*$"
)
_NOT_A_NAME: Final = re.compile(
    r"(?i)\b(?:commission|committee|office|officer|department|ministry|library|museum|society|institut\w*"
    r"|university|company|bibliothe\w*|archiv\w*|verlag|gesellschaft|société|musée|permission|order|authority|command|himself|several)\b"
)


def makers_in(titles: Iterable[str], notes: Iterable[str] = ()) -> tuple[str, ...]:
    """The names of makers that titles and notes state, as written, at most three.

    Args:
        titles: these may also have a statement of responsibility after a slash.
    """
    titles = [text[:MAX_CHARS] for text in titles]
    found: dict[str, None] = {}
    for text in (*titles, *(note[:MAX_CHARS] for note in notes)):
        for pattern in _patterns():
            found.update(dict.fromkeys(match[1] for match in pattern.finditer(text)))
    if not found:
        found.update(dict.fromkeys(match[1] for text in titles if (match := _RESPONSIBLE.search(text))))
    names = [name.strip(" ,.") for name in found if not _NOT_A_NAME.search(name)]
    return tuple(name for name in names if len(name) > 3)[:MAX_FOUND]


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    text = resources.files("data_prep.description").joinpath("maker_words.tsv").read_text(encoding="utf-8")
    words: dict[str, list[str]] = {"before": [], "after": []}
    for line in [line for line in text.splitlines() if not line.startswith("#")][1:]:
        place, _, listed = line.split("\t")
        words.setdefault(place, []).extend(listed.split("|"))
    return (
        re.compile(
            rf"(?<!\w)(?i:{_any(words['before'])})\s+(?:(?i:mr|mrs|herrn?|monsieur|m)\.?\s+)?({_SEVERAL})"
        ),
        re.compile(rf"(?<![\w.])({_NAME}),?\s+(?i:{_any(words['after'])})(?!\w)"),
    )


def _any(words: Iterable[str]) -> str:
    """The words, the longest first; the full stop of an abbreviation may be missing."""
    longest = sorted(set(words), key=len, reverse=True)
    return "|".join(
        re.escape(word).removesuffix(r"\.") + (r"\.?" if word.endswith(".") else "") for word in longest
    )
