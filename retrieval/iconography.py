"""Iconclass for search: notations, their words, what stands above and below, and notations from words. Offline.

The `iconclass` package (0.29) ships the whole system. Only its data is used: its own look-up asks Wikidata for names like
`(wd:Q42)` over the network, and breaks on keys that a notation does not take.

A notation is a base (`25F23`), maybe with a name (`25F23(LION)`, or free: `11H(PAUL)`) and keys (`25F23(LION)(+46)`).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from functools import cache, lru_cache
from typing import Any

from iconoclip.errors import BadInput
from retrieval.answers import Notation, Term
from retrieval.words import folded, words_in

# BCP 47 -> the package's name of the language.
LANGUAGES = {"en": "en", "de": "de", "fr": "fr", "it": "it", "pt": "pt", "ja": "jp"}
MAX_NOTATION_CHARS = 200

_KEY = re.compile(r"\(\+([^()]*)\)")
_NAME = re.compile(r"\((?!\+)[^()]*\)")
_WIKIDATA = re.compile(r"\(wd:q\d*\)", re.IGNORECASE)
_LAST_PART = re.compile(r"(\([^()]*\)?|.)\Z", re.DOTALL)
_SHAPE = re.compile(r"[0-9]{1,2}([A-Z]{1,2}[0-9]*)?(\([^()]*\)[0-9]*)*")
# The place that an English label keeps for a free name.
_PLACE_OF_NAME = re.compile(r"\(with [^()]*NAME[^()]*\)")


@cache
def _system() -> Any:
    # Imported here: reading the system takes a third of a second, and many indexes hold no notation.
    import iconclass

    return iconclass.Iconclass()


@cache
def _texts(language: str) -> dict[str, str]:
    system = _system()
    system.load(LANGUAGES[language])
    # Keywords fill as much memory as texts, and nothing here asks for them.
    system.keywords.clear()
    return dict(system.texts[LANGUAGES[language]])


def _entry(notation: str) -> dict[str, Any] | None:
    """What the system says of a notation without its keys; None where it has no such base or key."""
    base, keys = _KEY.sub("", notation), _KEY.findall(notation)
    entries = _system()._D
    entry: dict[str, Any] | None = (
        entries.get(base) or entries.get(_NAME.sub("(...)", base)) if base else None
    )
    if entry is None or not set(keys) <= set((entry.get("k") or {}).get("s", ())):
        return None
    return entry


@lru_cache(maxsize=50_000)
def known(notation: str) -> str | None:
    """The notation itself where Iconclass has it, else its nearest ancestor that it has, else None."""
    candidate = _WIKIDATA.sub("", notation.strip())[:MAX_NOTATION_CHARS]
    while candidate and _entry(candidate) is None:
        candidate = _LAST_PART.sub("", candidate)
    return candidate or None


@lru_cache(maxsize=50_000)
def label(notation: str, language: str = "en") -> str:
    """The words of a notation or of its nearest known ancestor; English where the language has none, "" for neither."""
    found = known(notation)
    texts = (_text(found, each) for each in (language, "en") if each in LANGUAGES) if found else ()
    return next((text for text in texts if text), "")


def _text(notation: str, language: str) -> str:
    entry, texts = _entry(notation), _texts(language)
    text = texts.get(entry["n"].strip(), "") if entry else ""
    if not entry or not text:
        return ""
    if "(...)" in entry["n"]:
        for name in _NAME.findall(notation):
            text, num_places = _PLACE_OF_NAME.subn(lambda _, name=name: name, text, count=1)  # type: ignore[misc]
            text = text if num_places else f"{text} {name}"
    keys = (texts.get(f"{entry['k']['k']}{key}") for key in _KEY.findall(notation))
    return "".join((text, *(f" (+ {key})" for key in keys if key)))


def words(notations: tuple[str, ...]) -> str:
    """The texts of notations in every language, for full-text search."""
    return "\n".join(_words(notation) for notation in notations)


@lru_cache(maxsize=50_000)
def _words(notation: str) -> str:
    found = known(notation)
    texts = [_text(found, language) for language in LANGUAGES] if found else []
    return "\n".join(dict.fromkeys(text for text in texts if text))


def children(notation: str) -> tuple[str, ...]:
    """The notations directly below one; below "" stand the ten divisions. Places for free names are left out."""
    entry = _entry(notation) if notation else _system()._D[None]
    return tuple(child for child in (entry or {}).get("c", ()) if "(...)" not in child)


def below(notation: str, limit: int) -> tuple[str, ...]:
    """A notation and what stands below it, level by level, at most `limit`."""
    found = {notation: None} if notation and known(notation) == notation else {}
    level = [notation]
    while level and len(found) < limit:
        level = [child for parent in level for child in children(parent) if child not in found]
        found.update(dict.fromkeys(level))
    return tuple(found)[:limit]


def path(notation: str) -> tuple[str, ...]:
    """The known notations from the division down to this one."""
    found = known(notation)
    if found is None:
        return ()
    above = [step.strip() for step in (_entry(found) or {}).get("p", ())]
    return tuple(dict.fromkeys([*(step for step in above if step and "(...)" not in step), found]))


def look_up(notation: str, language: str) -> Notation:
    """A notation's words and neighbours; what is found of it here and what is suggested are left for others to add.

    Raises:
        BadInput: Iconclass has no such notation.
    """
    if known(notation) != notation:
        raise BadInput(
            "Iconclass has no such notation", where="notation", remedy="look it up at https://iconclass.org"
        )

    def terms(notations: tuple[str, ...]) -> tuple[Term, ...]:
        return tuple(Term(notation=each, label=label(each, language)) for each in notations)

    return Notation(
        notation=notation,
        label=label(notation, language),
        language=language,
        broader=terms(path(notation)[:-1]),
        narrower=terms(children(notation)),
    )


def branches(text: str) -> tuple[str, ...]:
    """What a notation or its words stand for: the notation itself, or those whose text in some language holds every word.

    Whatever is below one of them belongs to it; a notation below another of them is left out. A text that is written
    like a notation is taken for one, known or not.
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
    return tuple(kept)


def is_notation(text: str) -> bool:
    """Whether a text is a notation that Iconclass has: a digit, a capital, and so on."""
    compact = text.replace(" ", "")
    return bool(_SHAPE.fullmatch(compact)) and not compact.isdigit() and known(compact) == compact


class _Lines:
    """The texts of one language, folded, as one string to search in: a hundred times as fast as text by text."""

    def __init__(self, language: str) -> None:
        # Keys ("25Fk46") are no notations.
        texts = {n: text for n, text in _texts(language).items() if _entry(n) and "(...)" not in n}
        self._notations = list(texts)
        self._folded = folded("\n".join(texts.values()))
        lines = self._folded.split("\n")
        self._starts = array("I", [0])
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        # Written without spaces between words.
        self._is_spaced = language != "ja"

    @classmethod
    @cache
    def of(cls, language: str) -> _Lines:
        """Those of a language, made once."""
        return cls(language)

    def holding(self, tokens: list[str]) -> set[str]:
        """Notations whose text holds every token as a word."""
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
