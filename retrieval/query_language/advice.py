"""Hints for people who know the operators of other search engines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retrieval.query_language.fields import field_of
from retrieval.query_language.parts import Hint, Part
from retrieval.query_language.periods_in_words import period_hints

_USE_OR = re.compile(r"(?<!\S)(ODER|OU)(?!\S)")
_USE_MINUS = re.compile(r"(?<!\S)(NOT|NICHT|SAUF|NON)\s+(?=[^\W_])")
# In small letters these are words of titles too, so only what can hardly be meant otherwise gets a hint.
_SMALL_OR = re.compile(r"^\s*[\w'’-]+ (or|oder|ou) [\w'’-]+\s*$")
_SMALL_NOT = re.compile(r"(?:(?<=\w) |^)(not|without|nicht|ohne|pas|sans) (?=[^\W_][\w'’-]*\s*$)")
_STAR = re.compile(r"[\w*?]*\w[*?]+\w[\w*?]*|\w+[*?]+(?!\S)|(?<!\S)[*]+\w+")
_MARK = re.compile(r"(?<!\S)(\w+)[~^][\d.]*(?!\S)")
_SINGLE_QUOTES = re.compile(r"(?<![\w'’])(['‘‚‹›])(\w[^'‘’‚‹›]* [^'‘’‚‹›]*\w)(['’‘‹›])(?![\w'’])")
# At the end of a question it is no placeholder for a letter.
_QUESTION_MARK = re.compile(r"(?<=\w)\?+\s*$")
_SPACED_FIELD = re.compile(r"(?<![^\s(])([^\W\d_]{2,30}):\s+(?=\S)")
# `title=x`, `year>1500`, `creator :x`.
_FIELD_WITHOUT_COLON = re.compile(
    r"(?<![^\s(])([^\W\d_]{2,30})(?:\s?(>=|<=|=|>|<)\s?| :\s?)(?=[^\W_]|[\"“„])([^\s)]*)"
)
_TWO_AND_TWO = re.compile(r"^([\w'’-]+(?: [\w'’-]+)+) OR ([\w'’-]+(?: [\w'’-]+)+)$")


def advice(text: str, parts: Sequence[Part]) -> Iterator[Hint]:
    """What could be written instead."""
    plain = any(part.kind == "words" and not part.excluded for part in parts)
    if match := _TWO_AND_TWO.match(text.strip()):
        left, right = match[1], match[2]
        if not re.search(r"(?<!\S)(?:OR|AND|NOT)(?!\S)", f"{left} {right}"):
            yield Hint("or_joins_two", instead=f"({left}) OR ({right})")
    if not plain:
        return
    if match := _USE_OR.search(text):
        yield Hint("use_or", match[1], f"{text[: match.start()]}OR{text[match.end() :]}".strip())
    if match := _USE_MINUS.search(text):
        yield Hint("use_minus", match[1], f"{text[: match.start()]}-{text[match.end() :]}".strip())
    if (match := _SMALL_OR.search(text)) or (match := _SMALL_NOT.search(text)):
        is_or = match.re is _SMALL_OR
        before, after = text[: match.start(1)], text[match.end(1) :]
        instead = f"{before}OR{after}" if is_or else f"{before.rstrip()} -{after.lstrip()}"
        yield Hint("use_or" if is_or else "use_minus", match[1], instead.strip())
    if (match := _SPACED_FIELD.search(text)) and field_of(match[1]):
        instead = f"{text[: match.start()]}{match[1]}:{text[match.end() :]}"
        yield Hint("space_after_field", f"{match[1]}:", instead)
    yield from _other_syntax(text)
    yield from period_hints(text)


def _other_syntax(text: str) -> Iterator[Hint]:
    if match := _STAR.search(_QUESTION_MARK.sub("", text)):
        # Within a word, nobody knows which letters the mark stands for.
        is_within = re.search(r"\w[*?]+\w", match[0])
        yield Hint("star_does_nothing", match[0], "" if is_within else re.sub(r"[*?]+", "", text).strip())
    if match := _MARK.search(text):
        yield Hint("mark_does_nothing", match[0], _MARK.sub(r"\1", text).strip())
    if match := _SINGLE_QUOTES.search(text):
        yield Hint("single_quotes", match[0], f'{text[: match.start()]}"{match[2]}"{text[match.end() :]}')
    if (match := _FIELD_WITHOUT_COLON.search(text)) and (field := field_of(match[1])):
        value = _compared(match[3], match[2] or "=") if field == "year" else match[3]
        instead = f"{text[: match.start()]}{match[1]}:{value}{text[match.end() :]}"
        yield Hint("field_needs_colon", match[0], instead)


def _compared(year: str, sign: str) -> str:
    """The period of a comparison: `>1500` is 1501 and later."""
    if sign == "=" or not year.isdecimal():
        return year
    first = int(year) + (sign == ">") - (sign == "<")
    return f"{first}.." if ">" in sign else f"..{first}"
