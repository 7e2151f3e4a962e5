"""Iconclass notations: found in text, resolved through keys and bracketed names, with labels and ancestors.

The classification and its texts (en, de, fr, it, pt, ja) come with the `iconclass` package and are read from it on
first use. Its own look-up is not used: that asks Wikidata over the network for some names, puts a name into every
bracket of a label, and breaks on keys that a notation does not take.

A notation is a base (`25F23`), maybe with a name (`25F23(LION)`), digits after it (`11H(PAUL)34`) and a key
(`25F23(LION)(+46)`). Names are free where the classification has a `(...)`; keys are listed for each base.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from iconoclip.record import Caption

MAX_TEXT_CHARS = 5_000
MAX_NOTATION_CHARS = 200
MAX_LABEL_CHARS = 1_000

# Language of the package -> BCP 47
LANGUAGES = {"en": "en", "de": "de", "fr": "fr", "it": "it", "pt": "pt", "jp": "ja"}

_NAME = r"\((?!\+)[^()]{1,80}\)"
_KEYS = r"(?:\(\+[0-9a-z]{1,8}\))"
_NOTATION = re.compile(rf"(?<![\w(])(\d{{1,2}}(?:[A-Z]{{1,2}}|k)?\d*(?:{_NAME}\d*)*{_KEYS}*)(?![\w)])")
_WELL_FORMED = re.compile(rf"\d{{1,2}}(?:[A-Z]{{1,2}}\d*(?:{_NAME}\d*)*|\d*(?:{_NAME}\d*)*){_KEYS}*")
_PLAIN_NUMBER = re.compile(r"\d{1,4}")
_KEY = re.compile(r"\(\+([0-9a-z]{1,8})\)")
_BRACKETED = re.compile(_NAME)
_ADDRESS = re.compile(
    r"https?://(?:www\.)?iconclass\.(?:org|nl)/(?:rkd/|resource/|browser/)?([^\s\"'<>]{1,300}?)(?:\.\w{2,6})?/?(?=[\s\"'<>]|$)"
)
# The place that a label keeps for the name: "(with NAME)", "(mit NAMEN des Autors)", "(名前を伴う)".
_PLACE_OF_NAME = re.compile(
    r"\((?:with|mit|avec|col|con|com) [^()]*\)|\([^()]*(?:伴う|付き)\)", re.IGNORECASE
)


@dataclass(frozen=True)
class Resolved:
    """A notation taken apart: what the classification knows of it."""

    base: str
    """The entry whose text it has; a free name is written `(...)`."""
    names: tuple[str, ...]
    """Free names, as given; empty where the classification lists the notation itself."""
    keys: tuple[str, ...]
    """Entries of the keys, as the classification names them (`25F23k46`)."""


def find_notations(text: str) -> tuple[str, ...]:
    """The notations in a text, each once, in its order. They are well-formed; `resolve` tells which exist.

    A bare number is taken for a notation only where it stands alone between separators: "1650" in a sentence is not.
    """
    text = _ADDRESS.sub(lambda match: f" {unquote(match[1])} ", text[:MAX_TEXT_CHARS])
    found: list[str] = []
    for match in _NOTATION.finditer(text):
        notation = match[1]
        before, after = text[: match.start()].rstrip(" "), text[match.end() :].lstrip(" ")
        stands_alone = (not before or before[-1] in "$;|,:\n\t") and (not after or after[0] in "$;|,:\n\t")
        if _PLAIN_NUMBER.fullmatch(notation) and not stands_alone:
            continue
        if len(notation) <= MAX_NOTATION_CHARS and _WELL_FORMED.fullmatch(notation):
            found.append(notation)
    return tuple(dict.fromkeys(found))


@functools.lru_cache(maxsize=65_536)
def resolve(notation: str) -> Resolved | None:
    """What a notation stands for, or None where the classification has no such base or no such key."""
    notation = " ".join(notation.split())
    if len(notation) > MAX_NOTATION_CHARS:
        return None
    keys = tuple(_KEY.findall(notation))
    base = _KEY.sub("", notation).strip()
    entry = _entry(base)
    if entry is None:
        base = _capitals(base)
        entry = _entry(base)
    if entry is None:
        return None
    group = entry.get("k") or {}
    if any(key not in group.get("s", ()) for key in keys):
        return None
    listed: str = entry["n"].strip()
    names = () if listed == base else tuple(name[1:-1] for name in _BRACKETED.findall(base))
    return Resolved(listed, names, tuple(f"{group['k']}{key}" for key in keys))


def _entry(base: str) -> dict[str, Any] | None:
    entries: dict[str | None, dict[str, Any]] = _classification()._D
    if not base:
        return None
    return entries.get(base) or entries.get(_BRACKETED.sub("(...)", base))


def _capitals(base: str) -> str:
    """Letters outside of brackets in capitals: some catalogues write `25f3`."""
    return re.sub(r"\([^()]*\)|[^()]+", lambda part: part[0] if part[0][0] == "(" else part[0].upper(), base)


@functools.lru_cache(maxsize=65_536)
def labels(notation: str) -> dict[str, str]:
    """The text of a notation in every language that has one, by BCP 47 tag; empty for one that does not exist."""
    resolved = resolve(notation)
    if resolved is None:
        return {}
    found = {}
    for language, tag in LANGUAGES.items():
        texts = _texts(language)
        if text := texts.get(resolved.base):
            keys = [texts[key] for key in resolved.keys if key in texts]
            found[tag] = "".join((_named(text, resolved.names), *(f" (+ {key})" for key in keys)))[
                :MAX_LABEL_CHARS
            ]
    return found


def _named(text: str, names: tuple[str, ...]) -> str:
    """A label with its free names in the place kept for them, or behind it where the translation kept none."""
    for name in names:
        if name == "...":
            continue
        text, num_places = _PLACE_OF_NAME.subn(lambda _, name=name: f"({name})", text, count=1)  # type: ignore[misc]
        if not num_places:
            text = f"{text} ({name})"
    return text


@functools.lru_cache(maxsize=65_536)
def ancestors(notation: str) -> tuple[str, ...]:
    """The notations above, from the main division down to the parent; empty for one that does not exist."""
    resolved = resolve(notation)
    if resolved is None:
        return ()
    base = _KEY.sub("", " ".join(notation.split())).strip()
    path = [step.strip() for step in _classification()._D[resolved.base].get("p", [])]
    if resolved.base != base:
        path.append(base)
    keys = _KEY.findall(notation)
    if keys:
        path += [f"{base}(+{keys[0][:length]})" for length in range(1, len(keys[0]) + 1)]
    # The path ends with the notation itself, but where several keys follow one another.
    return tuple(step for step in dict.fromkeys(path) if step != notation)


def captions_of(notations: Iterable[str]) -> tuple[Caption, ...]:
    """The labels of notations as captions, in every language."""
    return tuple(
        Caption(text=text, language=tag, field="iconclass", origin="iconclass", language_detected=False)
        for notation in notations
        for tag, text in labels(notation).items()
    )


@functools.cache
def _classification() -> Any:
    from iconclass import Iconclass

    return Iconclass()


@functools.cache
def _texts(language: str) -> dict[str, str]:
    classification = _classification()
    classification.load(language)
    texts: dict[str, str] = classification.texts[language]
    # Keywords fill as much memory as texts, and nothing here asks for them.
    classification.keywords.pop(language, None)
    return texts
