"""Dates as catalogues write them -> EDTF and a span of years.

`ca. 1650`, `[1480-1500]`, `XVIIIe siècle`, `2. Hälfte 15. Jh.`, `between 1600 and 1650`, `17--`, `15.
September 1859`. The result is in EDTF, levels 0 and 1 (ISO 8601-2:2019, loc.gov/standards/datetime). Years
have astronomical numbers: the year before 1 is 0. A century is the hundred years that begin with a year
ending in 00, as in EDTF.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Final

from data_prep.description import date_open
from data_prep.description import date_patterns as patterns
from data_prep.description import date_words as words
from data_prep.description.date_eras import without_eras
from data_prep.description.date_number_words import in_figures
from data_prep.description.date_numerals import LAST_YEAR, number, old_numerals
from data_prep.description.date_spans import Span, edtf_year, interval, parts_of_century, since, until
from data_prep.description.date_translation import translated
from iconoclip.record import Date

MAX_TEXT_CHARS: Final = 500
_FIRST_LONE_YEAR: Final = 400
# From this year on, a date is taken for the date of a scan if the source gives an older date as well.
FIRST_YEAR_OF_SCANS: Final = 1990
_PLACEHOLDER = re.compile(r"\d{4}-01-01(?:[T ]|$)")
# "AD 79", "1450 A.D."
_AD = re.compile(r"(?<!\w)a\.?\s?d\.?\s+(\d{1,4})(?!\d)")
_YEAR_AS_TIME = re.compile(r"(\d{4})-01-01[t ]00:00:00(?:\.0+)?(?:z|[+-]00:?00)?")


@functools.lru_cache(maxsize=16_384)
def parse_date(text: str) -> Date | None:
    """The date in `text`; None if the text is empty. A text that cannot be read is kept unchanged."""
    text = text.strip()[:MAX_TEXT_CHARS]
    if not text:
        return None
    plain = _normal(text)
    # Databases write year 0 for "no date".
    if plain in words.UNDATED or plain.startswith("0000-"):
        return Date(edtf=None, text=text, earliest=None, latest=None)
    span = _first_read(plain)
    if span is None:
        return Date(edtf=None, text=text, earliest=None, latest=None)
    return Date(edtf=span.edtf, text=text, earliest=span.earliest, latest=span.latest)


def _first_read(plain: str) -> Span | None:
    """The years of the first reader that can read a normalised text."""
    spans = (read(plain) for read in _READERS)
    return next((span for span in spans if span is not None and _is_sound(span)), None)


def best_date(values: Iterable[str]) -> Date | None:
    """The date of making among the dates of a source; the first text if none can be read.

    Sources also give the day of digitisation, and write 1938-01-01 for 1938. Such dates count only if there
    is nothing better.
    """
    dates = [date for value in values if (date := parse_date(value))]
    readable = [date for date in dates if date.earliest is not None or date.latest is not None]
    if not readable:
        return dates[0] if dates else None
    return min(readable, key=lambda date: (_is_recent(date), _PLACEHOLDER.match(date.text or "") is not None))


def _is_recent(date: Date) -> bool:
    return (date.earliest or 0) >= FIRST_YEAR_OF_SCANS


def _normal(text: str) -> str:
    text = patterns.NO_YEAR.sub(" ", text)
    text = patterns.CYRILLIC_ROMAN.sub(lambda match: match[0].translate(patterns.AS_LATIN), text)
    text = without_eras(_without_copies(in_figures(re.sub(r"[‐-―−]", "-", text.casefold()))))
    text = patterns.OPEN_DECADE.sub(r"\1-", re.sub(r"(?<![\d.])(\d{2})\.\.(?![\d.])", r"\1--", text))
    text = re.sub(r"\[(\d{2})\](?=\d{2}(?!\d))", r"\1", text)
    text = re.sub(r"[\[\](){}<>«»\"“”„©]|\banno\b|\ba°", " ", text)
    text = _AD.sub(lambda match: match[1].zfill(4), " ".join(text.split()).strip(" .,;:"))
    return " ".join(translated(re.sub(r"^\?\s*(?=c|\d)", "", text)).split())


def _without_copies(text: str) -> str:
    """A date without the dates of copies, casts and scans, as long as another date is left."""
    for match in patterns.COPY.finditer(text):
        rest = text.replace(match[0], " ", 1)
        text = rest if re.search(r"\d", rest) else text
    return text


def _is_sound(span: Span) -> bool:
    years = [year for year in (span.earliest, span.latest) if year is not None]
    return all(-10_000 < year <= LAST_YEAR for year in years) and years == sorted(years)


def _iso(text: str) -> Span | None:
    """`1859-09-15`, `1859-09`, `1600/1650`. In catalogues, `1911-12` means two years and not a month."""
    if only_year := _YEAR_AS_TIME.fullmatch(text):
        return Span(int(only_year[1]), int(only_year[1]), only_year[1])
    text = patterns.COMPACT_DAY.sub(r"\1-\2-\3", text)
    halves = [patterns.ISO.fullmatch(half.strip()) for half in text.split("/")]
    if len(halves) > 2 or not all(halves):
        return None
    found = [match for match in halves if match]
    if any(not _is_calendar(match[2], match[3]) for match in found):
        return None
    if len(found) == 1 and found[0][2] and not found[0][3] and int(found[0][2]) > int(found[0][1]) % 100:
        return None
    years = [int(match[1]) for match in found]
    days = ["-".join(part for part in match.groups() if part) for match in found]
    return Span(years[0], years[-1], "/".join(dict.fromkeys(days)))


def _is_calendar(month: str | None, day: str | None) -> bool:
    return (month is None or 1 <= int(month) <= 12) and (day is None or 1 <= int(day) <= 31)


def _unspecified(text: str) -> Span | None:
    match = patterns.UNSPECIFIED.search(text)
    if match is None:
        return None
    ends = [_ends_of(found) for found in patterns.UNSPECIFIED.finditer(text)]
    if len(ends) > 1:
        # "18..-19.."
        return interval(min(ends)[0], max(last for _, last in ends))
    doubt = "?" if text[match.end() :].strip().startswith("?") else ""
    others = [
        int(year) for year in patterns.LONE_YEAR.findall(f"{text[: match.start()]} {text[match.end() :]}")
    ]
    first, last = _ends_of(match)
    if match["three"]:
        # "1789-[179.]"
        both = interval(min(first, *others), max(last, *others)) if others else None
        return both or Span(first, last, f"{match['three']}X{doubt}")
    if edge := patterns.TO_A_YEAR.match(text, match.end()):
        return interval(first, int(edge[1]))
    return Span(first, last, f"{match['digits']}XX{doubt}")


def _ends_of(match: re.Match[str]) -> tuple[int, int]:
    """First and last year of `18--` or `188-`."""
    if match["digits"]:
        return int(match["digits"]) * 100, int(match["digits"]) * 100 + 99
    return int(match["three"]) * 10, int(match["three"]) * 10 + 9


def _century(text: str) -> Span | None:
    if match := patterns.SWEDISH_CENTURY.search(text):
        return _hundred(int(match["year"]) // 100 + 1, text)
    match = next((found for pattern in patterns.CENTURIES if (found := pattern.search(text))), None)
    if match is None:
        return None
    last = number(match["last"])
    first = number(match["first"]) if match["first"] else last
    if not 0 < first <= 21 or not 0 < last <= 21:
        return None
    before, after = text[: match.start()], text[match.end() :]
    is_bc = patterns.BC_AFTER.match(after) is not None
    if first != last:
        starts = sorted(_start(century, is_bc=is_bc) for century in (first, last))
        return interval(starts[0], starts[1] + 99)
    return _hundred(last, before if _has_part(before) else after[:40], is_bc=is_bc)


def _start(century: int, *, is_bc: bool) -> int:
    """First year of a century; the first before Christ is 100 BC to 1 BC, -99 to 0."""
    return 1 - century * 100 if is_bc else (century - 1) * 100


def _has_part(text: str) -> bool:
    return patterns.FRACTION.search(text) is not None or patterns.PART.search(text) is not None


def _decade_in_century(text: str) -> Span | None:
    """`lata 20. XX w.`, once it is in English: `20s 20th century`."""
    match = patterns.DECADE_IN_CENTURY.search(text) or patterns.DECADE_AFTER_CENTURY.search(text)
    if match is None:
        return None
    century = number(match["century"] or match["late_century"])
    start = (century - 1) * 100 + int(match["tens"])
    return Span(start, start + 9, f"{start // 10:03d}X")


def _two_centuries(text: str) -> Span | None:
    """`late 15th or early 16th century`, `přelom 15. a 16. století`: over the turn of a century."""
    if match := patterns.TURN_OF_ONE.search(text):
        year = (number(match["century"]) - 1) * 100
        return interval(year - 10, year + 9) if 0 < year <= 2000 else None
    if match := patterns.TURN.search(text):
        first, last = number(match["first"]), number(match["last"])
        return interval((first - 1) * 100 + 75, (last - 1) * 100 + 24) if 0 < first <= last <= 21 else None
    if match := patterns.TWO_FRACTIONS.search(text):
        earlier, later = (
            parts_of_century([words.ORDINALS[match[part]]], words.FRACTIONS[match[fraction]])
            for part, fraction in (("part", "fraction"), ("last_part", "last_fraction"))
        )
        return _between(match, earlier[0], later[1])
    match = patterns.TWO_CENTURIES.search(text)
    if match is None:
        return None
    start = words.PARTS[match["part"]][0] if match["part"] else 0
    return _between(match, start, words.PARTS[match["last_part"]][1])


def _between(match: re.Match[str], start: int, end: int) -> Span | None:
    """From one of the hundred years of the first century to one of the last."""
    first, last = number(match["first"]), number(match["last"])
    if not 0 < first <= last <= 21:
        return None
    return interval((first - 1) * 100 + start, (last - 1) * 100 + end)


def _hundred(century: int, modifiers: str, *, is_bc: bool = False) -> Span:
    """A century, or the part of it that the words before it name. Halves BC count forward in time too."""
    start = _start(century, is_bc=is_bc)
    if match := patterns.PARTS_IN_A_ROW.search(modifiers):
        return interval(start + words.PARTS[match["part"]][0], start + words.PARTS[match["last_part"]][1])
    if match := patterns.FRACTIONS_IN_A_ROW.search(modifiers) or patterns.FRACTION.search(modifiers):
        ordinals = (match["ordinal"], match.groupdict().get("last_ordinal") or match["ordinal"])
        first, last = parts_of_century(
            [words.ORDINALS[one] for one in ordinals], words.FRACTIONS[match["fraction"]]
        )
        if last < 100:
            return interval(start + first, start + last)
    if match := patterns.PART.search(modifiers):
        first, last = words.PARTS[match["part"]]
        return interval(start + first, start + last)
    return interval(start, start + 99) if is_bc else Span(start, start + 99, f"{century - 1:02d}XX")


def _decade(text: str) -> Span | None:
    if match := patterns.DECADES.search(text):
        first = int(match["first"])
        last = int(match["last"]) if len(match["last"]) == 4 else first - first % 100 + int(match["last"])
        return interval(first, last + 9) if first < last else None
    match = patterns.DECADE.search(text)
    if match is None:
        return None
    year = int(match["before"] or match["year"])
    if others := patterns.LONE_YEAR.findall(text[: match.start()] + " " + text[match.end() :]):
        return interval(min(year, *map(int, others)), max(year + 9, *map(int, others)))
    if year % 100 == 0 and match["year"] and (text.startswith(match[0]) or _has_part(text[: match.start()])):
        return _hundred(year // 100 + 1, text[: match.start()])
    before, after = text[: match.start()], text[match.end() :].strip()
    found = [*patterns.PART.finditer(before)] or [one for one in [patterns.PART.match(after)] if one]
    if found:
        ends = [_part_of_decade(one["part"]) for one in found]
        return interval(year + min(ends)[0], year + max(ends)[1])
    return Span(year, year + 9, f"{year // 10:03d}X")


def _part_of_decade(part: str) -> tuple[int, int]:
    first, last = words.PARTS[part]
    return (0, 3) if first == 0 else (3, 6) if last < 75 else (6, 9)


def _day(text: str) -> Span | None:
    """One or two days or months, with names of months or in figures."""
    months = list(patterns.MONTH.finditer(text))
    found = [_of_month(match) for match in months]
    found += [day for match in patterns.NUMERIC.finditer(text) if (day := _in_figures(match))]
    if not found or len(found) > 2:
        return None
    if len(found) == len(months) == 1:
        ends = (
            patterns.YEAR_BEFORE_DAY.search(text[: months[0].start()]),
            patterns.YEAR_AFTER_DAY.match(text, months[0].end()),
        )
        found += [end["year"] for end in ends if end]
    found.sort()
    years = [int(day[:4]) for day in found]
    return Span(years[0], years[-1], "/".join(dict.fromkeys(found)))


def _in_figures(match: re.Match[str]) -> str | None:
    """`15.9.1859`, `15.IX.1859`, and `9/15/1859`, whose second number cannot be a month."""
    day, month = int(match["day"]), number(match["month"])
    if month > 12 >= day:
        day, month = month, day
    return f"{int(match['year']):04d}-{month:02d}-{day:02d}" if 1 <= month <= 12 and 1 <= day <= 31 else None


def _of_month(match: re.Match[str]) -> str:
    number, year = words.MONTHS[match["month"]], int(match["year"])
    # "3 February 1702/3": the English year began on 25 March.
    is_next = match["next"] and number <= 3 and (year + 1) % 10 ** len(match["next"]) == int(match["next"])
    month = f"{year + bool(is_next):04d}-{number:02d}"
    day = match["day"] or match["late_day"]
    return f"{month}-{int(day):02d}" if day and 1 <= int(day) <= 31 else month


def _range(text: str) -> Span | None:
    match = patterns.RANGE.fullmatch(text) or patterns.RANGE.search(text)
    if match is None or (match.start() and text[match.start() - 1].isdigit()):
        return None
    if len(patterns.LONE_YEAR.findall(text[: match.start()] + " " + text[match.end() :])) > 0:
        return None
    start, end = int(match["start"]), int(match["end"])
    if len(match["end"]) < 3:
        end = start - start % 10 ** len(match["end"]) + end
    if end < start:
        return None
    sign = "~" if match["circa"] else ""
    first = f"{edtf_year(start)}{sign or _doubt(match['start_doubt'])}"
    last = f"{edtf_year(end)}{sign or _doubt(match['end_doubt'])}"
    return Span(start, end, f"{first}/{last}")


def _doubt(found: str | None) -> str:
    return "?" if found else ""


def _one(text: str) -> Span | None:
    match = patterns.ONE.fullmatch(text)
    if match is None:
        return None
    year = 1 - int(match["year"]) if match["bc"] else int(match["year"])
    sign = "~" if match["circa"] or match["late_circa"] else _doubt(match["year_doubt"])
    return Span(year, year, edtf_year(year) + sign)


def _span_from_bc(text: str) -> Span | None:
    """`31 BC - 14 AD`, `2nd half 2nd century BC - 1st century AD`."""
    match = patterns.FROM_BC.fullmatch(text)
    if match is None:
        return None
    last_text = patterns.AD_AFTER.sub("", match["last"]).strip(" .")
    first, last = _century_or_year(match["first"]), _century_or_year(last_text)
    if not first or not last or first.earliest is None or last.latest is None:
        return None
    return interval(first.earliest, last.latest)


def _before_christ(text: str) -> Span | None:
    """`500-450 BC`, `before 300 BC`, `50 v. Chr.`"""
    if match := patterns.BC_RANGE.search(text):
        return interval(1 - int(match["start"]), 1 - int(match["end"]))
    if match := patterns.BC_BOUND.search(text):
        year = 1 - int(match["year"])
        return until(year) if match["before"] else since(year)
    years = [1 - int(match["year"]) for match in patterns.BC_YEAR.finditer(text)]
    return interval(min(years), max(years)) if years else None


def _century_or_year(text: str) -> Span | None:
    if re.fullmatch(r"\d{1,4}", text):
        return Span(int(text), int(text), edtf_year(int(text)))
    return _century(text) or _one(text) or _before_christ(text)


def _open_period(text: str) -> Span | None:
    """`before the 16th century`, `nach dem 15. Jh.`"""
    return date_open.open_period(text, lambda rest: _two_centuries(rest) or _century(rest) or _decade(rest))


def _years_within(text: str) -> Span | None:
    """The years somewhere in a longer text, from the first to the last of them."""
    years = sorted(
        {int(year) for year in patterns.LONE_YEAR.findall(text) if _FIRST_LONE_YEAR <= int(year) <= LAST_YEAR}
    )
    if not years:
        return None
    about = re.search(rf"(?<!\w){patterns.any_of(words.CIRCA)}(?![a-zà-ÿ])\.?\s*{years[0]}", text)
    if len(years) == 1:
        return Span(years[0], years[0], edtf_year(years[0]) + ("~" if about else ""))
    return interval(years[0], years[-1], "~" if about else "")


# Tried in this order; the first one that can read the text decides.
_READERS: tuple[Callable[[str], Span | None], ...] = (
    date_open.open_range,
    date_open.with_tolerance,
    lambda text: date_open.narrowed(text, _first_read),
    lambda text: date_open.years_within(text, _century),
    _iso,
    _span_from_bc,
    _open_period,
    lambda text: date_open.open_day(text, _day),
    _unspecified,
    _one,
    _decade_in_century,
    _two_centuries,
    _century,
    _decade,
    _before_christ,
    _day,
    date_open.open_year,
    _range,
    old_numerals,
    _years_within,
)
