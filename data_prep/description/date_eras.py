"""Dates of other calendars -> years: eras of Japan and China, and the Islamic calendar.

The eras are data: date_eras.tsv.
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Final

_DIGITS: Final = {digit: value for value, digit in enumerate("一二三四五六七八九", 1)}
_NUMBER: Final = r"(?P<number>\d{1,2}|元|[一二三四五六七八九十廿卅]{1,4})"
_YEAR: Final = re.compile(r"(?<!\d)1[0-9]\d\d(?!\d)")
_HIJRI: Final = re.compile(
    r"(?<![\d.])(?:(?P<first>\d{3}|1[0-4]\d\d)\s*[-/]\s*)?(?P<year>\d{3}|[1١۱][0-4٠-٤۰-۴]\d\d)\s*(?:a\.?\s?h\b\.?|هـ|hijri|هجري[ةه]?|hicri|h\.(?!\w)|h(?=\s*[/=,(]|\s*$))"
    r"|(?<!\w)(?:a\.?\s?h\.?|hijri|hicri|h\.)\s*(?:(?P<late_first>\d{3}|1[0-4]\d\d)\s*[-/]\s*)?(?P<late_year>\d{3}|[1١۱][0-4٠-٤۰-۴]\d\d)(?![\d.])"
)
# "1320 (1902-03)", "5601 = 1840/41": the year of another calendar, then that of the common era.
_TWO_CALENDARS: Final = re.compile(
    r"(?<![\d.,/-])(?P<other>\d{4})\s*(?P<mark>[(\[/=]+)\s*(?:m\.\s*)?(?P<year>1\d{3}|20\d\d)(?!\d)"
)
# What the years of a calendar are ahead of ours: the Hebrew and the Buddhist one, and the solar one of Iran.
_AHEAD: Final = (3760, 3761, 543, 544, -621, -622)
# A lunar year has 354.37 days; the first began in July 622.
_SOLAR_PER_LUNAR: Final = 0.970224
_BEFORE_THE_FIRST: Final = 621.5774


def without_eras(text: str) -> str:
    """Convert years of eras and of the Islamic calendar in a date's text to years of the common era.

    If a text states both, the year of the common era is kept. `text` is in lower case.
    """
    text = _era_pattern().sub(_of_era, text)
    text = _TWO_CALENDARS.sub(_of_common_era, text)
    if _HIJRI.search(text):
        without = _HIJRI.sub(" ", text).strip(" /=")
        text = without if _YEAR.search(without) else _HIJRI.sub(_of_hijra, text)
    return text


def _of_era(match: re.Match[str]) -> str:
    first, last = _eras()[match["era"]]
    number = match["number"] or match["late_number"]
    if number is None:
        return f" {first}-{last} "
    year = first + _numeral(number) - 1
    # Up to two years after the end of an era count: news of the new era did not reach every scribe at once.
    return f"{year}年" if year <= last + 2 else " "


def _numeral(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text == "元":
        return 1
    text = text.replace("廿", "二十").replace("卅", "三十")
    tens, has_tens, ones = text.rpartition("十")
    return (_DIGITS.get(tens, 1) * 10 if has_tens else 0) + _DIGITS.get(ones, 0)


def _of_hijra(match: re.Match[str]) -> str:
    year = match["year"] or match["late_year"]
    first, last = (
        _first_year_of_hijra(int(text)) for text in (match["first"] or match["late_first"] or year, year)
    )
    return f"{first}/{last + 1}"


def _first_year_of_hijra(year: int) -> int:
    return int(year * _SOLAR_PER_LUNAR + _BEFORE_THE_FIRST)


def _of_common_era(match: re.Match[str]) -> str:
    other, year = int(match["other"]), int(match["year"])
    first = _first_year_of_hijra(other)
    is_same = year in (first, first + 1) or other - year in _AHEAD
    return f" {match['mark'].strip('/=')}{year}" if is_same else match[0]


@functools.cache
def _eras() -> dict[str, tuple[int, int]]:
    text = resources.files("data_prep.description").joinpath("date_eras.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")][1:]
    return {era: (int(first), int(last)) for _, era, first, last in lines}


@functools.cache
def _era_pattern() -> re.Pattern[str]:
    """`明治12年`, `乾隆五十年`, `嘉永年間`, `Meiji 28`, `Qianlong period`.

    The name of an era alone, and a number without a unit ("大正3"), count only at the end of the text.
    """
    eras = "|".join(sorted(_eras(), key=len, reverse=True))
    return re.compile(
        rf"(?<![a-z])(?P<era>{eras})(?:\s*{_NUMBER}\s*(?:年|(?=\s*$))|\s*年[間间]|(?<=[a-zōū])\s+(?:period|era|reign)(?!\w)"
        rf"|(?<=[a-zōū])\s+(?P<late_number>\d{{1,2}})(?!\s*\d|\s*[a-z]+\s+\d{{4}})|(?=\s*$))"
    )
