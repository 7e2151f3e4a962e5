"""Iconclass for search: the words of a notation, notations from words, and a branch's children. Offline.

The `iconclass` package (0.29) ships the whole system. It asks Wikidata for names like `(wd:Q42)`; those never reach
it here. It does not validate: what it does not know is looked up by its nearest known ancestor.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

LANGUAGES = ("en", "de", "fr", "it", "pt")
MAX_NOTATION_CHARS = 200

_KEY = re.compile(r"\(\+[^)]*\)?$")
_NAME = re.compile(r"\([^)]*\)")
_lock = threading.Lock()


@lru_cache(maxsize=1)
def _system() -> Any:
    # Imported here: reading the system takes a second or two, and many indexes hold no notation.
    import iconclass

    system = iconclass.Iconclass()
    for language in LANGUAGES:
        system.load(language)
    return system


def _load() -> Any:
    with _lock:
        return _system()


@lru_cache(maxsize=50_000)
def known(notation: str) -> str | None:
    """The notation itself where Iconclass has it, else its nearest ancestor that it has, else None."""
    from iconclass import NotationNotFound

    candidate = notation.replace(" ", "")[:MAX_NOTATION_CHARS]
    if "wd:" in candidate:
        candidate = _NAME.sub("", candidate)
    while candidate:
        try:
            return str(_load().obj(candidate)["n"])
        # The package indexes a key list that some notations lack.
        except (NotationNotFound, KeyError, TypeError, IndexError):
            candidate = _KEY.sub("", candidate) if _KEY.search(candidate) else _parent(candidate)
    return None


def _parent(notation: str) -> str:
    if notation.endswith(")"):
        return notation[: notation.rindex("(")] if "(" in notation else notation[:-1]
    return notation[:-1]


@lru_cache(maxsize=50_000)
def label(notation: str, language: str = "en") -> str:
    """The text of a notation, or of its nearest known ancestor; English where the language has none."""
    found = known(notation)
    if found is None:
        return notation
    for each in (language, "en"):
        if each in LANGUAGES and (text := _load().txt(found, each)):
            return str(text)
    return notation


def words(notations: tuple[str, ...]) -> str:
    """The texts and keywords of notations in every language, for full-text search."""
    return "\n".join(_words(notation) for notation in notations)


@lru_cache(maxsize=50_000)
def _words(notation: str) -> str:
    found = known(notation)
    if found is None:
        return ""
    texts = [str(_load().txt(found, language)) for language in LANGUAGES]
    return "\n".join(dict.fromkeys(text for text in texts if text))


def children(notation: str) -> tuple[str, ...]:
    """The notations directly below one; below "" stand the ten divisions. Names in brackets are left out."""
    found = known(notation) if notation else "ICONCLASS"
    if found is None:
        return ()
    below = _load().obj(found).get("c", ())
    return tuple(child for child in below if "(...)" not in child)


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
    ancestors = [str(each) for each in _load().obj(found).get("p", ())]
    return tuple(dict.fromkeys([*(each for each in ancestors if each), found]))


def find(text: str, language: str = "en", limit: int = 20) -> tuple[str, ...]:
    """Notations whose text holds every word of `text`, shortest notation first; or the notation that it is."""
    if known(text) == text.replace(" ", "") and text:
        return (text.replace(" ", ""),)
    tokens = re.findall(r"\w+", text.lower())
    texts = _load().texts.get(language if language in LANGUAGES else "en", {})
    if not tokens:
        return ()
    found = [n for n, label_text in texts.items() if _holds(label_text.lower(), tokens) and known(n) == n]
    return tuple(sorted(found, key=lambda n: (len(n), n))[:limit])


def _holds(text: str, tokens: list[str]) -> bool:
    return all(token in text for token in tokens) and set(tokens) <= set(re.findall(r"\w+", text))
