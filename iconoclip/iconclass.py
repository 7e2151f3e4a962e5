"""Iconclass (iconclass.org): what a notation means, its texts, and its place in the tree. Offline.

The classification and its texts (en, de, fr, it, pt, ja) come with the `iconclass` package and are read on
first use. The package's own look-up is not used: it queries Wikidata over the network for some names, inserts
a name into every bracket of a text, and fails on keys that a notation does not allow.

A notation is a base (`25F23`), optionally with a name (`25F23(LION)`), digits after the name (`11H(PAUL)34`)
and keys (`25F23(LION)(+46)`). Names are free where the classification has a `(...)`; keys are listed for each
base. Catalogues write notations in many ways: with spaces between the parts, in lower case, with names in
another case. All of these are accepted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

# BCP 47 -> the package's name of the language.
LANGUAGES: Final = {"en": "en", "de": "de", "fr": "fr", "it": "it", "pt": "pt", "ja": "jp"}
MAX_NOTATION_CHARS: Final = 200
MAX_LABEL_CHARS: Final = 1_000
# The marker in the classification for a free name.
_ANY_NAME: Final = "(...)"

_KEY = re.compile(r"\(\+([0-9a-z]{1,8})\)")
_NAME = re.compile(r"\((?!\+)[^()]*\)")
_WIKIDATA = re.compile(r"\(wd:q\d*\)", re.IGNORECASE)
_PARTS = re.compile(r"\([^()]*\)|[^()]+|[()]")
_LAST_PART = re.compile(r"(\([^()]*\)?|.)\Z", re.DOTALL)
# The placeholder for the name in a text: "(with NAME)", "(mit NAMEN des Autors)", "(名前を伴う)".
_PLACE_OF_NAME = re.compile(
    r"\((?:with|mit|avec|col|con|com) [^()]*\)|\([^()]*(?:伴う|付き)\)", re.IGNORECASE
)


@dataclass(frozen=True)
class Resolved:
    """A notation split into the parts that the classification knows."""

    notation: str
    """As the classification writes it."""
    base: str
    """The entry that has its text; a free name is written `(...)`."""
    names: tuple[str, ...]
    """Free names, as given; empty where the classification lists the notation itself."""
    keys: tuple[str, ...]
    """Entries of the keys, as the classification names them (`25Fk46`)."""


@functools.lru_cache(maxsize=65_536)
def resolve(notation: str) -> Resolved | None:
    """The parts of a notation, or None if the classification has no such base or key."""
    notation = _tidied(notation[: 2 * MAX_NOTATION_CHARS])
    if len(notation) > MAX_NOTATION_CHARS:
        return None
    keys = _KEY.findall(notation)
    base = _KEY.sub("", notation)
    entries = _classification()._D
    listed = base if base in entries else _listed_names().get(_compact(base), base)
    entry: dict[str, Any] | None = (
        entries.get(listed) or entries.get(_NAME.sub(_ANY_NAME, base)) if base else None
    )
    if entry is None:
        return None
    group = entry.get("k") or {}
    if any(key not in group.get("s", ()) for key in keys):
        return None
    found: str = entry["n"]
    names = () if found == listed else tuple(name[1:-1] for name in _NAME.findall(base))
    written = listed + "".join(f"(+{key})" for key in keys)
    return Resolved(written, found, names, tuple(f"{group['k']}{key}" for key in keys))


def _tidied(notation: str) -> str:
    """The notation in capitals, without spaces outside of brackets and with single spaces inside, without
    names from Wikidata.
    """
    parts = _PARTS.findall(_WIKIDATA.sub("", notation.strip()))
    return "".join(_tidied_name(part) if part[0] == "(" else _tidied_letters(part) for part in parts)


def _tidied_name(part: str) -> str:
    inside = " ".join(part[1:-1].split())
    # Keys are written without spaces; otherwise `( +46)` would be read as a name.
    return f"({inside})" if part.endswith(")") else part


def _tidied_letters(part: str) -> str:
    return re.sub(r"[ \t\u00a0]+", "", part).upper()


def _compact(base: str) -> str:
    return base.replace(" ", "").upper()


@functools.cache
def _listed_names() -> dict[str, str]:
    """The entries with a name, by their form in capitals without spaces: `11H(CROWNEDMARTYRS,FOUR)`."""
    return {_compact(entry): entry for entry in _classification()._D if entry and "(" in entry}


def exists(notation: str) -> bool:
    """Whether the classification has a notation."""
    return resolve(notation) is not None


@functools.lru_cache(maxsize=65_536)
def nearest(notation: str) -> str | None:
    """The notation as the classification writes it, else its nearest ancestor that exists, else None."""
    candidate = _WIKIDATA.sub("", notation.strip())[:MAX_NOTATION_CHARS]
    while candidate:
        if resolved := resolve.__wrapped__(candidate):
            return resolved.notation
        candidate = _LAST_PART.sub("", candidate)
    return None


@functools.lru_cache(maxsize=65_536)
def labels(notation: str) -> dict[str, str]:
    """The text of a notation in every language that has one, by BCP 47 tag; empty if it does not exist."""
    resolved = resolve(notation)
    if resolved is None:
        return {}
    found = {}
    for tag in LANGUAGES:
        texts = texts_in(tag)
        if text := texts.get(resolved.base):
            keys = (texts.get(key) for key in resolved.keys)
            whole = _named(text, resolved.names) + "".join(f" (+ {key})" for key in keys if key)
            found[tag] = whole.strip()[:MAX_LABEL_CHARS]
    return found


def label(notation: str, language: str = "en") -> str:
    """The text of a notation in one language; "" if the notation does not exist or has no text
    in that language.
    """
    return labels(notation).get(language, "")


def _named(text: str, names: tuple[str, ...]) -> str:
    """A text with its free names in the placeholder, or at the end if the translation has no placeholder."""
    for name in names:
        if name == "...":
            continue
        text, num_places = _PLACE_OF_NAME.subn(lambda _, name=name: f"({name})", text, count=1)  # type: ignore[misc]
        if not num_places:
            text = f"{text} ({name})"
    return text


@functools.lru_cache(maxsize=65_536)
def path(notation: str) -> tuple[str, ...]:
    """The notations from the main division down to this one; empty for one that does not exist.

    Entries for free names are left out: nothing is catalogued under `25F23(...)`. A key has its own path:
    `(+46)` is below `(+4)`.
    """
    resolved = resolve(notation)
    if resolved is None:
        return ()
    entry = _classification()._D[resolved.base]
    base = _KEY.sub("", resolved.notation)
    name = f"({resolved.names[0]})" if resolved.names else _ANY_NAME
    steps = [step.replace(_ANY_NAME, name) for step in entry.get("p", ())]
    steps = [step for step in steps if _ANY_NAME not in step]
    keys, taken = _KEY.findall(resolved.notation), (entry.get("k") or {}).get("s", ())
    if keys:
        lengths = range(1, len(keys[0]) + 1)
        steps += [base, *(f"{base}(+{keys[0][:n]})" for n in lengths if keys[0][:n] in taken)]
    return tuple(dict.fromkeys([*steps, resolved.notation]))


def ancestors(notation: str) -> tuple[str, ...]:
    """The notations above one, from the main division down to the parent."""
    return path(notation)[:-1]


def children(notation: str) -> tuple[str, ...]:
    """The notations directly below one; for "", the ten divisions. Entries for free names are left out."""
    if not notation:
        entry = _classification()._D[None]
    else:
        resolved = resolve(notation)
        entry = _classification()._D[resolved.base] if resolved and not resolved.keys else {}
    return tuple(child for child in entry.get("c", ()) if _ANY_NAME not in child)


def is_beneath(notation: str, branch: str) -> bool:
    """Whether a notation is a branch or below it.

    The path decides: 31AA and 12CC13 (doubled letters) are below 31A and 12C13, but 25FF (fabulous animals)
    is next to 25F (animals). A notation that does not exist is below a branch if its text begins with that
    of the branch.
    """
    steps = path(notation)
    return branch in steps if steps else notation.startswith(branch)


def listed(language: str) -> Iterator[tuple[str, str]]:
    """Every notation that the classification lists, with its text in a language."""
    entries = _classification()._D
    for notation, text in texts_in(language).items():
        if notation in entries and _ANY_NAME not in notation:
            yield notation, text


@functools.cache
def _classification() -> Any:
    # Imported here: reading it takes a third of a second, and many indexes and shard sets contain
    # no notation.
    from iconclass import Iconclass

    return Iconclass()


@functools.cache
def texts_in(language: str) -> dict[str, str]:
    """The texts of all entries in a language, those of keys included (`25Fk46`)."""
    classification, name = _classification(), LANGUAGES[language]
    classification.load(name)
    texts: dict[str, str] = classification.texts[name]
    # Keywords use as much memory as texts, and nothing here needs them.
    classification.keywords.pop(name, None)
    return texts
