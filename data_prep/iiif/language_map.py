"""The texts of IIIF documents, in every form that occurs: language maps, `@value` objects, lists, strings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_TEXTS = 200
_MAX_DEPTH = 4
_NONE = "none"

TaggedText = tuple[str, str | None]


def texts(value: Any) -> list[TaggedText]:
    """The texts in `value`, each with its language tag (None if it has none), in document order."""
    if isinstance(value, str):
        return [(value, None)] if value else []
    found: list[TaggedText] = []
    for item in _walk(value, None, 0):
        if len(found) >= MAX_TEXTS:
            break
        found.append(item)
    return found


def _walk(value: Any, language: str | None, depth: int) -> Iterator[TaggedText]:
    if isinstance(value, str):
        if value:
            yield value, language
    elif isinstance(value, bool) or value is None or depth > _MAX_DEPTH:
        return
    elif isinstance(value, (int, float)):
        yield str(value), language
    elif isinstance(value, list):
        for item in value[:MAX_TEXTS]:
            yield from _walk(item, language, depth + 1)
    elif isinstance(value, dict):
        yield from _walk_object(value, language, depth)


def _walk_object(value: dict[str, Any], language: str | None, depth: int) -> Iterator[TaggedText]:
    for key in ("@value", "chars", "value"):
        if key in value:
            tag = value.get("@language", value.get("language", language))
            if isinstance(tag, list):
                tag = tag[0] if len(tag) == 1 else None
            yield from _walk(value[key], tag if isinstance(tag, str) else None, depth + 1)
            return
    for key, item in value.items():
        if key not in ("@id", "id", "@type", "type", "format", "@language"):
            yield from _walk(item, key if isinstance(key, str) else None, depth + 1)


def language_map(value: Any) -> dict[str, list[str]]:
    """`value` in the form of Presentation 3.0: language -> texts, with `none` for texts without a
    language."""
    if isinstance(value, str):
        return {_NONE: [value]}
    found: dict[str, list[str]] = {}
    for text, language in texts(value):
        tag = language if language and not language.startswith("@") else _NONE
        found.setdefault(tag, []).append(text)
    return found


def first_text(value: Any) -> str | None:
    """The first text in `value`, whatever its language."""
    found = texts(value)
    return found[0][0] if found else None
