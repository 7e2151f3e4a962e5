"""Splits and folds words in the same way as SQLite's unicode61 tokenizer."""

from __future__ import annotations

import re
import unicodedata

MAX_WORDS = 32

_COMBINING = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


def folded(text: str) -> str:
    """The text without case and diacritics, as the full-text search compares it."""
    return _COMBINING.sub("", unicodedata.normalize("NFKD", text)).casefold()


def words_in(text: str) -> list[str]:
    """The words of a text in lower case, in their order, at most 32."""
    lowered = (word.strip("_") for word in re.findall(r"\w+", text.lower()))
    return [word for word in lowered if word][:MAX_WORDS]
