"""Dates as catalogues write them. Expected values follow EDTF (ISO 8601-2) and the calendar, not the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.description.dates import best_date, parse_date

CASES: dict[str, tuple[str | None, int | None, int | None]] = {
    # years
    "1506": ("1506", 1506, 1506),
    "[1872]": ("1872", 1872, 1872),
    "1655?": ("1655?", 1655, 1655),
    "MDCCXXXII": ("1732", 1732, 1732),
    "Halle und Leipzig : Zedler, Anno 1732.": ("1732", 1732, 1732),
    "50 v. Chr.": ("-0049", -49, -49),
    # about
    "ca. 1650": ("1650~", 1650, 1650),
    "c.1420": ("1420~", 1420, 1420),
    "vers 1500": ("1500~", 1500, 1500),
    "um 1500-1510": ("1500~/1510~", 1500, 1510),
    "omstreeks 1600": ("1600~", 1600, 1600),
    "1350 ca.": ("1350~", 1350, 1350),
    "Utf. ca 1638": ("1638~", 1638, 1638),
    "ca. 1920 (made)": ("1920~", 1920, 1920),
    # spans
    "[1480-1500]": ("1480/1500", 1480, 1500),
    "1480/1500": ("1480/1500", 1480, 1500),
    "1859-60": ("1859/1860", 1859, 1860),
    "1911-12": ("1911/1912", 1911, 1912),
    "1914–18": ("1914/1918", 1914, 1918),
    "1638/1638": ("1638", 1638, 1638),
    "between 1600 and 1650": ("1600/1650", 1600, 1650),
    "zwischen 1600 und 1650": ("1600/1650", 1600, 1650),
    "entre 1600 et 1650": ("1600/1650", 1600, 1650),
    "tussen 1600 en 1650": ("1600/1650", 1600, 1650),
    "1600?-1650?": ("1600?/1650?", 1600, 1650),
    "1670s-1713": ("1670/1713", 1670, 1713),
    "um 1430 und 1530 - 1532": ("1430~/1532", 1430, 1532),
    # open
    "before 1650": ("../1650", None, 1650),
    "vor 1650": ("../1650", None, 1650),
    "nach 1650": ("1650/..", 1650, None),
    "après 1650": ("1650/..", 1650, None),
    "1564 oder später": ("1564/..", 1564, None),
    # unspecified digits
    "17--": ("17XX", 1700, 1799),
    "170-": ("170X", 1700, 1709),
    "165?": ("165X", 1650, 1659),
    "[18--?]": ("18XX?", 1800, 1899),
    "1650s": ("165X", 1650, 1659),
    "1650er Jahre": ("165X", 1650, 1659),
    "années 1920": ("192X", 1920, 1929),
    # centuries
    "XVIIIe siècle": ("17XX", 1700, 1799),
    "18. Jh.": ("17XX", 1700, 1799),
    "18th century": ("17XX", 1700, 1799),
    "16th c.": ("15XX", 1500, 1599),
    "15e eeuw": ("14XX", 1400, 1499),
    "sec. XV": ("14XX", 1400, 1499),
    "1700-talet": ("17XX", 1700, 1799),
    "7th century": ("06XX", 600, 699),
    "15./16. Jh.": ("1400/1599", 1400, 1599),
    "11th-12th centuries": ("1000/1199", 1000, 1199),
    "XVe-XVIe siècles": ("1400/1599", 1400, 1599),
    "1st century BC": ("-0099/0000", -99, 0),
    # parts of centuries
    "2. Hälfte 15. Jh.": ("1450/1499", 1450, 1499),
    "[S.l.] Bayern (München?), 2. Hälfte 15. Jh. mit Nachträgen": ("1450/1499", 1450, 1499),
    "1re moitié du XVIe siècle": ("1500/1549", 1500, 1549),
    "eerste helft 17e eeuw": ("1600/1649", 1600, 1649),
    "tweede kwart 17de eeuw": ("1625/1649", 1625, 1649),
    "letztes Drittel des 18. Jahrhunderts": ("1767/1799", 1767, 1799),
    "fourth quarter of the 19th century": ("1875/1899", 1875, 1899),
    # days and months
    "1919-11-26": ("1919-11-26", 1919, 1919),
    "1984-10-02T00:00:00Z": ("1984-10-02", 1984, 1984),
    "15. September 1859": ("1859-09-15", 1859, 1859),
    "September 15, 1859": ("1859-09-15", 1859, 1859),
    "18 november 1568": ("1568-11-18", 1568, 1568),
    "le 3 août 1914": ("1914-08-03", 1914, 1914),
    "Décembre 1918": ("1918-12", 1918, 1918),
    "01.02.1830": ("1830-02-01", 1830, 1830),
    "August 1914 - October 1915": ("1914-08/1915-10", 1914, 1915),
    # none
    "München": (None, None, None),
    "s.d.": (None, None, None),
    "19": (None, None, None),
    "24 x 30 cm": (None, None, None),
}


def test_dates() -> None:
    found = {text: parse_date(text) for text in CASES}
    read = {text: date and (date.edtf, date.earliest, date.latest) for text, date in found.items()}
    assert read == CASES
    assert [text for text, date in found.items() if date is None or date.text != text] == []


EXPRESSIONS = [
    line.split("\t")
    for line in Path(__file__).with_name("dates.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
][1:]


def test_the_table_of_dates_has_many_in_many_languages() -> None:
    assert len(EXPRESSIONS) >= 400
    assert len({text for *_, text in EXPRESSIONS}) == len(EXPRESSIONS)
    languages = [language for language, *_ in EXPRESSIONS]
    assert sum(languages.count(language) >= 10 for language in set(languages)) >= 12


def test_dates_in_many_languages() -> None:
    wrong = []
    for language, earliest, latest, text in EXPRESSIONS:
        date = parse_date(text)
        years = date and tuple("-" if year is None else str(year) for year in (date.earliest, date.latest))
        if date is None or years != (earliest, latest) or date.text != text:
            wrong.append((language, text, years, (earliest, latest)))
    assert wrong == []


@pytest.mark.parametrize(
    ("values", "edtf"),
    [
        (["1938-01-01", "[ca 1938]"], "1938~"),
        (["1938-01-01T00:00:00Z"], "1938"),
        (["2016-05-03T10:12:44Z", "1650"], "1650"),
        (["2011", "17. Jh."], "16XX"),
        (["s.d.", "1701"], "1701"),
        (["before 1650", "1999-01-01"], "../1650"),
        (["1996"], "1996"),
        (["1914-07-28", "1914"], "1914-07-28"),
    ],
)
def test_of_several_dates_that_of_the_making_counts(values: list[str], edtf: str) -> None:
    date = best_date(values)
    assert date is not None
    assert date.edtf == edtf


def test_no_text_is_no_date() -> None:
    assert parse_date("") is None
    assert parse_date("  ") is None


# EDTF level 1: years, unspecified digits, months, days, qualification, intervals that may be open.
_POINT = r"(?:-?\d{4}(?:-\d{2}(?:-\d{2})?)?|\d{2}XX|\d{3}X)[?~%]?"
_EDTF = re.compile(rf"{_POINT}(?:/(?:{_POINT}|\.\.))?|\.\./{_POINT}")


@given(
    st.lists(
        st.sampled_from(
            [
                "1650",
                "1700",
                "165",
                "17",
                "--",
                "-",
                "/",
                " ",
                "ca.",
                "Jh.",
                "XV",
                "e",
                "siècle",
                "2.",
                "Hälfte",
                "s",
                "v. Chr.",
                "between",
                "and",
                "vor",
                "nach",
                "?",
                "[",
                "]",
                "15.",
                "März",
                "X",
                "century",
                "late",
                "BC",
                "99999",
                "th",
                "0000",
            ]
        ),
        max_size=8,
    ).map(" ".join)
    | st.text(max_size=40)
)
def test_every_interval_is_valid(text: str) -> None:
    date = parse_date(text)
    if date is None or date.edtf is None:
        return
    assert _EDTF.fullmatch(date.edtf), date.edtf
    assert date.earliest is not None or date.latest is not None
    if date.earliest is not None and date.latest is not None:
        assert date.earliest <= date.latest
