"""Dates with an open end: `1914-`, `-1650`, `before 1650`, `1564 oder später`, `before the 16th century`.

The year that is named counts as possible: "before 1650" ends in 1650, because "vor" and "until" are used
for each other and "1650 or earlier" means it. A century or decade that is named does not: nobody says
"before the 16th century" of a thing of the 16th century. Words that include it ("until", "bis", "since")
keep it.

`-1650` alone is an open range, not 1650 BC: catalogues write the first, data tables the second, and "up to
1650" is true of both. `-0049` and `-1650/-1550` are years before Christ, as in EDTF.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from data_prep.description import date_patterns as patterns
from data_prep.description import date_words as words
from data_prep.description.date_spans import Span, edtf_year, interval, since, until

# Any sign for "not known" at the other end of a range.
_NOTHING: Final = r"(?:\?+|\.{2,4}|…|_{2,4}|open|9999)?"
_YEAR: Final = (
    rf"(?P<circa>{patterns.any_of(words.CIRCA)}(?![a-zà-ÿ])\.?\s*)?(?P<year>[1-9]\d{{3}})(?:\s*\?)?"
)
_NOW: Final = patterns.any_of(words.NOW)
_OPEN_END: Final = re.compile(
    rf"{_YEAR}\s*(?:\+|[-/]\s*{_NOTHING}|(?:-|{patterns.any_of(words.TO)})\s*{_NOW})"
)
_OPEN_START: Final = re.compile(rf"{_NOTHING}\s*[-/]\s*{_YEAR}")
_ARTICLE: Final = r"(?:(?:the|dem|der|den|das|le|la|l'|de|het|il|el|del|du|al|o)\s+)*"
_PERIOD: Final = re.compile(
    rf"(?:(?P<before>{patterns.any_of(words.BEFORE)})|(?P<after>{patterns.any_of(words.AFTER)}))[\s-]+{_ARTICLE}"
    r"(?P<rest>\S.{2,40})"
)

# "since May until June 1917" is no open date.
_MONTHS: Final = re.compile(rf"(?<![a-zà-ÿ]){patterns.any_of(words.MONTHS)}(?![a-zà-ÿ])")
# "13th century, third quarter (before 1270)": a bound behind a date.
_NARROWED: Final = re.compile(
    rf"(?P<date>.{{4,}}?)[\s,;]+(?:(?P<before>{patterns.any_of(words.BEFORE)})|(?P<after>{patterns.any_of(words.AFTER)}))"
    rf"\s+(?:{patterns.any_of(words.CIRCA)}\.?\s+)?(?P<year>\d{{4}})"
)
# "circa 1800 (+/- 10 years)", "um 1480 (± 5 Jahre)"
_TOLERANCE: Final = re.compile(
    rf"{_YEAR},?\s*(?:\+\s*/?\s*-|±)\s*(?P<years>\d{{1,3}})(?!\d)\s*[^\W\d_]{{0,8}}\.?"
)
# "13th century, second quarter (c. 1240-50)": years behind a century without any.
_YEARS_BEHIND: Final = re.compile(
    rf"(?P<date>[^\d]*(?:\d{{1,2}}(?!\d)[^\d]*)+?)[\s,;]+(?:{patterns.any_of(words.CIRCA)}\.?\s+)?"
    r"(?P<first>\d{4})(?:\s*[-/]\s*(?P<last>\d{4}|\d\d))?"
)


def with_tolerance(text: str) -> Span | None:
    """`circa 1800 (+/- 10 years)`: the years around one."""
    match = _TOLERANCE.fullmatch(text)
    return (
        interval(int(match["year"]) - int(match["years"]), int(match["year"]) + int(match["years"]))
        if match
        else None
    )


def years_within(text: str, read: Callable[[str], Span | None]) -> Span | None:
    """`13th century, second quarter (c. 1240-50)`: the years, if they are in the century before them.

    Args:
        text: the normalised text of a date.
        read: reads a century.
    """
    match = None if patterns.BOUND.search(text) else _YEARS_BEHIND.fullmatch(text)
    span = read(match["date"]) if match else None
    if match is None or span is None or span.earliest is None or span.latest is None:
        return None
    first, last = int(match["first"]), match["last"] or match["first"]
    end = first - first % 100 + int(last) if len(last) == 2 else int(last)
    slack = (span.latest - span.earliest) // 4
    is_within = span.earliest - slack <= first <= end <= span.latest + slack
    return interval(first, end) if is_within and span.latest > span.earliest else None


def narrowed(text: str, read: Callable[[str], Span | None]) -> Span | None:
    """`3. Viertel 13. Jh. (vor 1270)`: the date before the bound, as far as the bound allows it.

    Args:
        text: the normalised text of a date.
        read: reads a date without a bound.
    """
    match = _NARROWED.fullmatch(text)
    if match is None or (match["after"] or "") in words.DATING_FROM:
        return None
    span = read(match["date"].rstrip(" -"))
    if span is None or span.earliest is None or span.latest is None:
        return None
    year = int(match["year"])
    if not span.earliest < year < span.latest:
        return None
    return interval(span.earliest, year) if match["before"] else interval(year, span.latest)


def open_range(text: str) -> Span | None:
    """`1914-`, `1914-....`, `1914/..`, `1914+`, `1914 to present`, `-1650`, `?-1650`, `../1650`."""
    if match := _OPEN_END.fullmatch(text):
        return _marked(since(int(match["year"])), match)
    if match := _OPEN_START.fullmatch(text):
        return _marked(until(int(match["year"])), match)
    return None


def _marked(span: Span, match: re.Match[str]) -> Span:
    year = edtf_year(int(match["year"]))
    return Span(span.earliest, span.latest, span.edtf.replace(year, f"{year}~")) if match["circa"] else span


def open_year(text: str) -> Span | None:
    """`before 1650`, `nach 1650`, `1564 or later`."""
    if match := patterns.OR.search(text):
        return since(int(match["year"])) if match["later"] else until(int(match["year"]))
    match = patterns.BOUND.search(text)
    if match is None or len(patterns.LONE_YEAR.findall(text)) > 1:
        return None
    return until(int(match["year"])) if match["before"] else since(int(match["year"]))


def open_day(text: str, read: Callable[[str], Span | None]) -> Span | None:
    """`before May 1945`, `nach dem 8. Mai 1945`: the year that is named counts as possible.

    Args:
        text: the normalised text of a date.
        read: reads a day or a month.
    """
    match = _PERIOD.fullmatch(text)
    if match is None or (match["after"] or "") in words.DATING_FROM or len(_MONTHS.findall(text)) > 1:
        return None
    day = read(match["rest"])
    if day is None or day.earliest is None or day.earliest != day.latest:
        return None
    return until(day.earliest) if match["before"] else since(day.earliest)


def open_period(text: str, read: Callable[[str], Span | None]) -> Span | None:
    """`before the 16th century`, `bis 16. Jh.`, `after the 1920s`.

    Args:
        text: the normalised text of a date.
        read: reads a century or a decade.
    """
    match = _PERIOD.fullmatch(text)
    if match is None or (match["after"] or "") in words.DATING_FROM:
        return None
    if patterns.LONE_YEAR.search(patterns.DECADE.sub(" ", match["rest"])):
        return None
    if match["after"] == "na" and patterns.PART.match(match["rest"]):
        # "na początku XIX wieku" is Polish: at the beginning of the century.
        return None
    period = read(match["rest"])
    if period is None or period.earliest is None or period.latest is None:
        return None
    if match["before"]:
        return until(period.latest if match["before"] in words.BEFORE_WITH_IT else period.earliest - 1)
    return since(period.earliest if match["after"] in words.AFTER_WITH_IT else period.latest + 1)
