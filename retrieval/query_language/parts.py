"""What the query language makes of a text: parts with their places in it, and hints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["words", "phrase", "field", "any", "all"]
Period = tuple[int | None, int | None]


@dataclass(frozen=True)
class Part:
    """One part of a query.

    Args:
        kind: plain words, an exact phrase, a field with a value, alternatives (`any`), or parts that
            belong together inside of alternatives (`all`).
        text: the words, without quotation marks, field name and minus sign.
        start, end: its place in the text of the query.
        field: the English name of the field.
        is_exact: the value of the field was in quotation marks.
        excluded: what is found must not have it.
        period: first and last year of the field `year`.
        parts: the alternatives, or the parts that belong together.
    """

    kind: Kind
    text: str
    start: int
    end: int
    field: str = ""
    is_exact: bool = False
    excluded: bool = False
    period: Period | None = None
    parts: tuple[Part, ...] = ()

    @property
    def is_ranked(self) -> bool:
        """Whether it has words that hits are ordered by, and does not only narrow the result."""
        if self.excluded:
            return False
        return self.kind in ("words", "phrase") or any(part.is_ranked for part in self.parts)


@dataclass(frozen=True)
class Hint:
    """Something to say about the text of a query.

    Args:
        code: what it is about (retrieval.query_language.hints).
        what: the piece of the text that it is about.
        instead: a text to search instead, or "".
        values: what may have been meant, nearest first.
        field: the field or filter that it is about, or "".
    """

    code: str
    what: str = ""
    instead: str = ""
    values: tuple[str, ...] = ()
    field: str = ""


@dataclass(frozen=True)
class Parsed:
    """A text, its parts in their order, and what there is to say about it."""

    text: str
    parts: tuple[Part, ...]
    hints: tuple[Hint, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but plain words, as they were typed."""
        return len(self.parts) <= 1 and all(part.text == self.text.strip() for part in self.parts)

    @property
    def plain(self) -> str:
        """The words that hits are ordered by, without operators."""
        return self.text.strip() if self.is_plain else " ".join(ranked_texts(self.parts))

    def without(self, part: Part) -> str:
        """The text of the query without one of its parts, or without one of their alternatives."""
        kept = (self._without(each, part) for each in self.parts if each is not part)
        return " ".join(text for text in kept if text)

    def _without(self, whole: Part, part: Part) -> str:
        if whole.kind != "any" or all(each is not part for each in whole.parts):
            return self.text[whole.start : whole.end]
        left = [self.text[each.start : each.end] for each in whole.parts if each is not part]
        written = " OR ".join(left)
        return f"-({written})" if whole.excluded else written


def ranked_texts(parts: Sequence[Part]) -> Iterator[str]:
    """The texts of words and phrases that hits are ordered by, in their order."""
    for part in parts:
        if part.excluded:
            continue
        if part.kind in ("words", "phrase"):
            yield part.text
        yield from ranked_texts(part.parts)
