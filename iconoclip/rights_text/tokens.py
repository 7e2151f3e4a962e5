"""A text as words, so that `CC-BY-NC`, `CC BY NC` and `(cc by-nc)` are the same."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\(c\)|[©℗®]|\d+(?:\.\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*'?")


@dataclass(frozen=True)
class Token:
    """A word or a number of a text, as written and in lower case."""

    text: str
    lower: str

    @property
    def is_number(self) -> bool:
        """Whether it consists of digits: a year, a version, a shelfmark's number."""
        return self.text[0].isdigit()

    @property
    def is_name(self) -> bool:
        """Whether it may be part of a name: it begins with a capital letter."""
        return self.text[0].isupper()


def tokens_of(text: str) -> Iterator[Token]:
    """The words of `text` in their order. Dashes, brackets and punctuation only separate them."""
    plain = unicodedata.normalize("NFC", text).replace("’", "'").replace("ʼ", "'")
    plain = re.sub(r"\(c\)", " © ", plain, flags=re.IGNORECASE)
    plain = re.sub(r"\bcc-?by(?=[\W\d_]|$)", "CC BY", plain, flags=re.IGNORECASE)
    plain = re.sub(r"\((s|en|e|n|ų)\)", r" \1 ", plain)
    for match in _TOKEN.finditer(plain):
        yield Token(match[0], match[0].lower())


@functools.lru_cache(maxsize=4096)
def phrase(text: str) -> tuple[str, ...]:
    """The words of an entry of a table, in lower case."""
    return tuple(token.lower for token in tokens_of(text))
