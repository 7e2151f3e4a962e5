"""Finds Iconclass notations in the texts of catalogues, and makes captions of their meanings.

The meaning of a notation comes from `iconoclip.iconclass`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from iconoclip.iconclass import MAX_NOTATION_CHARS, labels
from iconoclip.record import Caption, CaptionLevel

MAX_TEXT_CHARS = 5_000

_NAME = r"\((?!\+)[^()]{1,80}\)"
_KEYS = r"(?:\(\+[0-9a-z]{1,8}\))"
_NOTATION = re.compile(rf"(?<![\w(])(\d{{1,2}}(?:[A-Z]{{1,2}}|k)?\d*(?:{_NAME}\d*)*{_KEYS}*)(?![\w)])")
_WELL_FORMED = re.compile(rf"\d{{1,2}}(?:[A-Z]{{1,2}}\d*(?:{_NAME}\d*)*|\d*(?:{_NAME}\d*)*){_KEYS}*")
_PLAIN_NUMBER = re.compile(r"\d{1,4}")
_ADDRESS = re.compile(
    r"https?://(?:www\.)?iconclass\.(?:org|nl)/(?:rkd/|resource/|browser/)?"
    r"([^\s\"'<>]{1,300}?)(?:\.\w{2,6})?/?(?=[\s\"'<>]|$)"
)


def find_notations(text: str) -> tuple[str, ...]:
    """The notations in a text, each once, in their order. They are well-formed; `iconoclip.iconclass` knows
    which of them exist.

    A bare number counts as a notation only if it is alone between separators; "1650" in a sentence does not.
    """
    text = _ADDRESS.sub(lambda match: f" {unquote(match[1])} ", text[:MAX_TEXT_CHARS])
    found: list[str] = []
    for match in _NOTATION.finditer(text):
        notation = match[1]
        before, after = text[: match.start()].rstrip(" "), text[match.end() :].lstrip(" ")
        is_alone = (not before or before[-1] in "$;|,:\n\t") and (not after or after[0] in "$;|,:\n\t")
        if _PLAIN_NUMBER.fullmatch(notation) and not is_alone:
            continue
        if len(notation) <= MAX_NOTATION_CHARS and _WELL_FORMED.fullmatch(notation):
            found.append(notation)
    return tuple(dict.fromkeys(found))


def captions_of(notations: Iterable[str], level: CaptionLevel = "item") -> tuple[Caption, ...]:
    """The texts of notations as captions, in every language. A notation that does not exist gives none."""
    return tuple(
        Caption(
            text=text,
            language=tag,
            field="iconclass",
            origin="iconclass",
            language_source="source",
            level=level,
            role="subject",
        )
        for notation in notations
        for tag, text in labels(notation).items()
    )
