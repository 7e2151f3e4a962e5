"""How the text of a query was read, in the form that answers give it."""

from __future__ import annotations

from collections.abc import Iterable

from retrieval.answers import ReadPart, ReadQuery, SearchHint
from retrieval.query_language.hints import text_of
from retrieval.query_language.parts import Hint, Parsed, Part


def read_query(parsed: Parsed) -> ReadQuery:
    """The parts of a text. Those that can be removed have the text that is left without them: the outermost
    parts, and their alternatives.
    """
    parts = []
    for part in parsed.parts:
        alternatives = part.parts if part.kind == "any" else ()
        read = _read_part(parsed, part, parsed.without(part))
        if alternatives:
            inner = tuple(_read_part(parsed, each, parsed.without(each)) for each in alternatives)
            read = read.model_copy(update={"parts": inner})
        parts.append(read)
    return ReadQuery(text=parsed.text, plain=parsed.plain, parts=tuple(parts))


def _read_part(parsed: Parsed, part: Part, without: str | None) -> ReadPart:
    return ReadPart(
        kind=part.kind,
        text=part.text or parsed.text[part.start : part.end],
        field=part.field or None,
        excluded=part.excluded,
        without=without,
        parts=tuple(_read_part(parsed, each, None) for each in part.parts),
    )


def hints_of(hints: Iterable[Hint]) -> tuple[SearchHint, ...]:
    """Hints with their English sentences."""
    return tuple(
        SearchHint(
            code=hint.code,
            text=text_of(hint.code, hint.what, hint.field),
            what=hint.what,
            field=hint.field or None,
            instead=hint.instead or None,
            values=hint.values,
        )
        for hint in hints
    )
