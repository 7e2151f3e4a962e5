"""Iconclass for search: the text to show for a notation, its neighbours, and finding notations by words.

The meaning of notations is in `iconoclip.iconclass`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from functools import cache, lru_cache

from iconoclip import iconclass
from iconoclip.errors import BadInput
from iconoclip.iconclass import LANGUAGES, children, label, nearest
from retrieval.answers import Notation, Term
from retrieval.words import folded, words_in

__all__ = [
    "LANGUAGES",
    "branches",
    "children",
    "is_notation",
    "label",
    "look_up",
    "nearest",
    "shown",
    "words",
]

_SHAPE = re.compile(r"[0-9]{1,2}([A-Z]{1,2}[0-9]*)?(\([^()]*\)[0-9]*)*")


def shown(notation: str, language: str = "en") -> str:
    """The text to show for a notation: its own or that of its nearest ancestor, in English if
    there is none in the language.

    Empty if there is neither.
    """
    texts = iconclass.labels(nearest(notation) or "")
    return texts.get(language) or texts.get("en", "")


def words(notations: tuple[str, ...]) -> str:
    """The texts of notations in every language, for full-text search."""
    return "\n".join(_words(notation) for notation in notations)


@lru_cache(maxsize=50_000)
def _words(notation: str) -> str:
    return "\n".join(dict.fromkeys(iconclass.labels(nearest(notation) or "").values()))


def below(notation: str, limit: int) -> tuple[str, ...]:
    """A notation and those below it, level by level, at most `limit`."""
    found = {notation: None} if iconclass.exists(notation) else {}
    level = [notation]
    while level and len(found) < limit:
        level = [child for parent in level for child in children(parent) if child not in found]
        found.update(dict.fromkeys(level))
    return tuple(found)[:limit]


def look_up(notation: str, language: str) -> Notation:
    """A notation's text and neighbours; the caller adds counts and suggestions.

    Raises:
        BadInput: Iconclass has no such notation.
    """
    resolved = iconclass.resolve(notation)
    if resolved is None or "(wd:" in notation.lower():
        raise BadInput(
            "Iconclass has no such notation", where="notation", remedy="look it up at https://iconclass.org"
        )

    def terms(notations: tuple[str, ...]) -> tuple[Term, ...]:
        return tuple(Term(notation=each, label=shown(each, language)) for each in notations)

    return Notation(
        notation=resolved.notation,
        label=shown(notation, language),
        language=language,
        broader=terms(iconclass.ancestors(notation)),
        narrower=terms(children(notation)),
    )


def branches(text: str) -> tuple[str, ...]:
    """The notation that a text spells or, if it spells none, the notations whose text in some language
    contains every word of it.

    Only the topmost notations are returned, since each includes everything below it. A text written like a
    notation is read as one, whether it exists or not. Notations are returned without spaces.
    """
    compact = text.replace(" ", "")
    if _SHAPE.fullmatch(compact):
        return (compact,)
    tokens = words_in(folded(text))
    found = {notation for language in LANGUAGES for notation in _Lines.of(language).holding(tokens)}
    kept: list[str] = []
    for notation in sorted(found, key=len):
        if not notation.startswith(tuple(kept)):
            kept.append(notation)
    # The notations of rows are compared without spaces, also inside names.
    return tuple(notation.replace(" ", "") for notation in kept)


def is_notation(text: str) -> bool:
    """Whether a text is a notation that Iconclass has, and contains more than digits."""
    compact = text.replace(" ", "")
    return bool(_SHAPE.fullmatch(compact)) and not compact.isdigit() and iconclass.exists(text)


class _Lines:
    """The texts of one language, folded, as one string: a hundred times as fast to search as one by one."""

    def __init__(self, language: str) -> None:
        texts = dict(iconclass.listed(language))
        self._notations = list(texts)
        self._folded = folded("\n".join(texts.values()))
        lines = self._folded.split("\n")
        self._starts = array("I", [0])
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        # Japanese is written without spaces between words.
        self._is_spaced = language != "ja"

    @classmethod
    @cache
    def of(cls, language: str) -> _Lines:
        """The lines of a language, made once and cached."""
        return cls(language)

    def holding(self, tokens: list[str]) -> set[str]:
        """The notations whose text contains every token as a word."""
        found = [self._lines_with(token) for token in tokens]
        return {self._notations[number] for number in set.intersection(*found)} if found else set()

    def _lines_with(self, token: str) -> set[int]:
        lines, text, end = set(), self._folded, -1
        while (start := text.find(token, end + 1)) >= 0:
            end = start + len(token)
            if not self._is_spaced or not (
                text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
            ):
                lines.add(bisect_right(self._starts, start) - 1)
        return lines
