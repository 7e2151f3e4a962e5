"""Numerals in dates other than Arabic ones: Roman years, and the years of the French Republic."""

from __future__ import annotations

import re

from data_prep.description import date_patterns as patterns
from data_prep.description.date_spans import Span, edtf_year, interval

LAST_YEAR = 2040


def number(text: str) -> int:
    """The value of a number in digits or in Roman numerals, in lower case."""
    return int(text) if text.isdigit() else _roman(text)


def _roman(text: str) -> int:
    values = [patterns.ROMAN_DIGITS[letter] for letter in text]
    return sum(
        -value if any(value < later for later in values[place + 1 : place + 2]) else value
        for place, value in enumerate(values)
    )


def old_numerals(text: str) -> Span | None:
    """`M.DCC.XXXII`, and the years of the French Republic, which began in September 1792."""
    if len(ends := [part.strip() for part in text.split("-")]) == 2:
        spans = [old_numerals(end) for end in ends if patterns.ROMAN_YEAR.fullmatch(end)]
        years = [span.earliest for span in spans if span and span.earliest]
        return interval(years[0], years[1]) if len(years) == 2 else None
    if patterns.ROMAN_YEAR.fullmatch(text):
        year = _roman(re.sub(r"[.\s]", "", text))
        return Span(year, year, edtf_year(year)) if 1400 <= year <= LAST_YEAR else None
    if (inside := patterns.ROMAN_YEAR_INSIDE.search(text)) and not patterns.LONE_YEAR.search(text):
        year = _roman(re.sub(r"[.\s]", "", inside[0]))
        return Span(year, year, edtf_year(year)) if 1400 <= year <= LAST_YEAR else None
    match = patterns.REPUBLICAN.search(text)
    if match and 1 <= number(match["year"]) <= 14 and not patterns.LONE_YEAR.search(text):
        return _republican(text, 1791 + number(match["year"]))
    return None


def _republican(text: str, first: int) -> Span:
    """A year of the French Republic that begins in `first`; with its month, mostly one year of ours."""
    if patterns.REPUBLICAN_AUTUMN.search(text):
        return interval(first, first)
    if patterns.REPUBLICAN_LATER.search(text):
        return interval(first + 1, first + 1)
    return interval(first, first + 1)
