"""How dates are written in catalogues, as patterns over normalised text (data_prep.description.dates).

The words in them are those of data_prep.description.date_words, in all its languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from data_prep.description import date_words as words


def any_of(alternatives: Iterable[str]) -> str:
    """A pattern for one of several words; the longest match is preferred."""
    return "(?:" + "|".join(re.escape(word) for word in sorted(alternatives, key=len, reverse=True)) + ")"


MAYBE_CIRCA = rf"(?P<circa>{any_of(words.CIRCA)}(?![a-zà-ÿ])\.?\s*)?"
_YEAR = r"(?P<{0}>\d{{3,4}})(?P<{0}_doubt>\s*\?)?"
_ROMAN_CENTURY = r"[ivx]{1,6}"
_NUMBER = rf"(?:\d{{1,2}}|{_ROMAN_CENTURY})"
_ORDINAL = r"(?:st|nd|rd|th|ère|ème|eme|er|re|ste|de|e|\.|º|ª|o)?"
_JOIN = r"(?:/|-|bis|to|and|und|et|ou|oder|or|à|en|of|tot|e|y|/ ?anfang|-early)"
_BC = rf"(?P<bc>\s*{any_of(words.BEFORE_CHRIST)}(?![a-z])\.?)?"

CENTURIES = (
    re.compile(
        rf"(?<![\w.])(?:(?P<first>{_NUMBER}){_ORDINAL}\s*{_JOIN}\s*)?(?P<last>{_NUMBER}){_ORDINAL}[\s-]*"
        rf"{any_of(words.CENTURY)}(?![a-z])\.?"
    ),
    re.compile(
        rf"(?<![\w.])(?:(?P<first>{_NUMBER})(?:st|nd|rd|th)\s*{_JOIN}\s*)?(?P<last>\d{{1,2}})(?:st|nd|rd|th)\s+c\b\.?"
    ),
    re.compile(rf"(?<![\w.])(?:(?P<first>{_NUMBER})e?\s*{_JOIN}\s*)?(?P<last>{_NUMBER})e\s+s\b\.?"),
    # "milieu XVIIIe": French, with the word for century left out.
    re.compile(
        rf"(?<![\w.])(?:(?P<first>[ivx]{{2,6}})(?:e|ème)?\s*{_JOIN}\s*)?(?P<last>[ivx]{{2,6}})(?:e|ème)\s*\??$"
    ),
    # "III a.C.", "V-IV a. C.": a Roman numeral before Christ is a century, not a year.
    re.compile(
        rf"(?<![\w.])(?:(?P<first>[ivx]{{1,6}})\s*{_JOIN}\s*)?(?P<last>[ivx]{{1,6}})(?=\s*{any_of(words.BEFORE_CHRIST)}(?!\w))"
    ),
    re.compile(
        rf"(?<![\w.]){any_of(words.CENTURY_BEFORE)}\.?\s*(?:(?P<first>{_NUMBER})\s*{_JOIN}\s*)?(?P<last>{_NUMBER})(?!\w)"
    ),
)
BC_AFTER = re.compile(rf"\s*\.?\s*{any_of(words.BEFORE_CHRIST)}(?!\w)")
FRACTION = re.compile(
    rf"(?<!\w)(?P<ordinal>{any_of(words.ORDINALS)})\s*(?P<fraction>{any_of(words.FRACTIONS)})(?!\w)"
)
# "2nd or 3rd quarter", "second to third quarter"
FRACTIONS_IN_A_ROW = re.compile(
    rf"(?<!\w)(?P<ordinal>{any_of(words.ORDINALS)})\s*(?:{any_of(words.FRACTIONS)}\s*)?"
    rf"(?:-|/|{any_of(words.OR)})\s*(?P<last_ordinal>{any_of(words.ORDINALS)})\s*"
    rf"(?P<fraction>{any_of(words.FRACTIONS)})(?!\w)"
)
PART = re.compile(rf"(?<!\w)(?P<part>{any_of(words.PARTS)})(?!\w)")
# "early to mid"
PARTS_IN_A_ROW = re.compile(
    rf"(?<!\w)(?P<part>{any_of(words.PARTS)})\s*(?:-|/|to|or|bis|oder|à|ou)\s*(?P<last_part>{any_of(words.PARTS)})(?!\w)"
)
TO_A_YEAR = re.compile(r"\s*-\s*(\d{4})(?!\d)")
# Roman numerals are also typed with the letters х and і: "ХІХ ст."
CYRILLIC_ROMAN = re.compile(r"(?<!\w)(?=\w*[хі])[хіivx]{2,6}(?!\w)", re.IGNORECASE)
AS_LATIN = str.maketrans("хіХІ", "xixi")
SWEDISH_CENTURY = re.compile(r"(?<!\d)(?P<year>\d{1,2}00)-tal(?:et)?\b")
DECADE = re.compile(
    rf"(?<!\d)(?:{any_of(words.DECADE_BEFORE)}\s+(?P<before>\d{{3}}0)(?!\d)|(?P<year>\d{{3}}0){any_of(words.DECADE)}(?![a-z]))"
)
UNSPECIFIED = re.compile(
    r"(?<!\d)(?P<digits>\d{2})(?:--|\.\.|xx|uu|\?\?|__)(?!\d)|(?<!\d)(?P<three>\d{3})(?:[-xu_?]|\.(?=\.|$))(?!\d|-(?!\d{3}[-.xu]))"
)
ISO = re.compile(r"(-?\d{4})(?:-(\d{2})(?:-(\d{2})(?:t[\d:.]+(?:z|[+-]\d{2}:?\d{2})?)?)?)?")
NUMERIC = re.compile(
    r"(?<!\d)(?P<day>\d{1,2})[./-]\s?(?P<month>\d{1,2}|[ivx]{1,4})[./-]\s?(?P<year>\d{4})(?!\d)"
)
MONTH = re.compile(
    rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?\s+(?:de\s+)?)?(?<![a-zà-ÿ])(?P<month>{any_of(words.MONTHS)})(?![a-zà-ÿ])\.?"
    r"(?:\s+(?P<late_day>\d{1,2})(?:st|nd|rd|th)?)?,?\s+(?:de\s+|del\s+)?(?P<year>\d{4})(?!\d)"
    r"(?:/(?P<next>\d{1,2})(?!\d))?"
)
RANGE = re.compile(
    rf"(?:{any_of(words.BETWEEN)}\s+)?{MAYBE_CIRCA}{_YEAR.format('start')}\s*(?:{any_of(words.TO)})\s*"
    rf"(?:{any_of(words.CIRCA)}(?![a-zà-ÿ])\.?\s*)?(?P<end>\d{{1,4}})(?P<end_doubt>\s*\?)?(?!\d)"
)
ONE = re.compile(rf"{MAYBE_CIRCA}{_YEAR.format('year')}{_BC}(?P<late_circa>\s*(?:circa|ca)\b\.?)?")
BOUND = re.compile(
    rf"(?<!\w)(?:(?P<before>{any_of(words.BEFORE)})|(?P<after>{any_of(words.AFTER)}))\s+{MAYBE_CIRCA}(?P<year>\d{{3,4}})(?!\d)"
)
OR = re.compile(
    rf"(?<!\d)(?P<year>\d{{3,4}})\s+(?:(?P<later>{any_of(words.OR_LATER)})|{any_of(words.OR_BEFORE)})(?!\w)(?!\s*\d)"
)
BC_YEAR = re.compile(rf"(?<!\d)(?P<year>\d{{1,4}})\s*(?P<bc>{any_of(words.BEFORE_CHRIST)})(?![a-z])")
BC_RANGE = re.compile(
    rf"(?<!\d)(?P<start>\d{{1,4}})\s*(?:{any_of(words.BEFORE_CHRIST)})?\.?\s*(?:{any_of(words.TO)})\s*"
    rf"(?:{any_of(words.CIRCA)}(?![a-zà-ÿ])\.?\s*)?(?P<end>\d{{1,4}})\s*{any_of(words.BEFORE_CHRIST)}(?!\w)"
)
BC_BOUND = re.compile(
    rf"(?<!\w)(?:(?P<before>{any_of(words.BEFORE)})|(?P<after>{any_of(words.AFTER)}))\s+{MAYBE_CIRCA}(?P<year>\d{{1,4}})"
    rf"\s*{any_of(words.BEFORE_CHRIST)}(?!\w)"
)
# From a time before Christ to one after: "31 BC - 14 AD".
FROM_BC = re.compile(
    rf"(?P<first>.{{1,60}}?(?<!\w){any_of(words.BEFORE_CHRIST)}\.?)\s*(?:{any_of(words.TO)})\s*"
    rf"(?P<last>(?!.*(?<!\w){any_of(words.BEFORE_CHRIST)}(?!\w)).{{1,60}})"
)
AD_AFTER = re.compile(rf"(?<!\w){any_of(words.AFTER_CHRIST)}(?!\w)")
# Nivôse (late December to January) is in both years.
REPUBLICAN_AUTUMN = re.compile(r"\b(?:vend[ée]miaire|brumaire|frimaire)\b")
REPUBLICAN_LATER = re.compile(
    r"\b(?:pluvi[ôo]se|vent[ôo]se|germinal|flor[ée]al|prairial|messidor|thermidor|fructidor|compl[ée]mentaire)\b"
)
COMPACT_DAY = re.compile(r"^(1[4-9]\d\d|20[0-4]\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")
# Numbers of objects and measures are no years: "no. 1650", "1650 x 2300 mm".
NO_YEAR = re.compile(
    r"(?<!\w)(?:(?:no|nr|núm|num|inv|cat|kat)\.|n[°º]|№|inv\.?\s*-?\s*(?:no|nr)\.?)\s*\d+(?:[./]\d+)*"
    r"|(?<![\d.,])\d+(?:[.,]\d+)?\s*(?:[cm]m)?\s*[x×]\s*\d+(?:[.,]\d+)?(?:\s*[cm]m)?(?!\w)",
    re.IGNORECASE,
)
ROMAN_YEAR = re.compile(r"m[mdclxvi.\s]{1,20}")
# "Basileae, anno salutis MDXLIII": five letters or more in the order of a Roman numeral are no word.
ROMAN_YEAR_INSIDE = re.compile(
    r"(?<!\w)(?=[mdclxvi.]{5,20}(?!\w))m\.?(?:cm|cd|d?c{0,4})\.?(?:xc|xl|l?x{0,4})\.?(?:ix|iv|v?i{0,4})(?!\w)"
)
REPUBLICAN = re.compile(r"\ban\s+(?P<year>[ivx]{1,4}|\d{1,2})\b")
LONE_YEAR = re.compile(
    r"(?<![\d.,/])(?<![a-bd-z])(?<!\wc)(\d{3,4})(?![\d]|\.\d|,\d{3}|\s?(?:cm|mm|ff?\b|bl\b|s\.\s))"
)
# The date of the original is not part of the copy's date: "printed 1972 from a negative of 1907".
COPY = re.compile(
    rf"(?:^|[\s,;(\[]+){any_of(words.COPIES)}(?!\w)[^;,)\]]*?(?:[)\]]|(?=[;,]|\sfrom\san?\s|\sfrom\sthe\s|$))"
)
# "188." and "[ca 188.]": French libraries write the 1880s like this, with a full stop for the missing digit.
OPEN_DECADE = re.compile(r"(?<![\d.])(1\d\d|20[0-4])\.(?=\s*[\])]*\s*$|-\d{3}[.-])")
_ARTICLES = r"(?:\s+(?:of|the|des|du|de|del|della|dell'|van|het|der|do|da|la|le|el))*\s*"
TWO_CENTURIES = re.compile(
    rf"(?<!\w)(?:(?P<part>{any_of(words.PARTS)}){_ARTICLES})?(?P<first>{_NUMBER}){_ORDINAL}\s*"
    rf"(?:{any_of(words.CENTURY)}\.?\s*)?(?:/|-|or|oder|ou|and|und|et|to|bis|of|o|e|y|i|a)\s*"
    rf"(?P<last_part>{any_of(words.PARTS)}){_ARTICLES}(?P<last>{_NUMBER}){_ORDINAL}[\s-]*{any_of(words.CENTURY)}(?![a-z])"
)
# "2. Hälfte 15. / 1. Hälfte 16. Jh."
TWO_FRACTIONS = re.compile(
    rf"(?P<part>{any_of(words.ORDINALS)})\s*(?P<fraction>{any_of(words.FRACTIONS)}){_ARTICLES}(?P<first>{_NUMBER}){_ORDINAL}\s*"
    rf"(?:{any_of(words.CENTURY)}\.?\s*)?(?:-|/|{any_of(words.OR)})\s*"
    rf"(?P<last_part>{any_of(words.ORDINALS)})\s*(?P<last_fraction>{any_of(words.FRACTIONS)}){_ARTICLES}"
    rf"(?P<last>{_NUMBER}){_ORDINAL}[\s-]*{any_of(words.CENTURY)}(?![a-z])"
)
# "turn of the 20th century": the years around 1900.
TURN_OF_ONE = re.compile(
    rf"turn of(?: the| der| du)?\s+(?P<century>{_NUMBER}){_ORDINAL}\s*{any_of(words.CENTURY)}$"
)
TURN = re.compile(
    rf"turn of(?: the| der| du)?\s+(?P<first>{_NUMBER}){_ORDINAL}(?:\s*century)?\s*"
    rf"(?:[-/]|to|and|zum|und|a|i|и|et|au|e|y|en|og|och|ja|és)\s*(?P<last>{_NUMBER})"
)
DECADES = re.compile(
    r"(?<!\d)(?P<first>\d{3}0)(?:er|s|'s)?\s*(?:-|/|to|or|and|bis|und|oder)\s*(?P<last>(?:\d\d)?\d0)(?:s|'s|er)(?![a-z])"
)
DECADE_IN_CENTURY = re.compile(
    rf"(?<!\d)(?P<tens>\d0)s,?\s+(?:(?:of|del|des|du|do|van de|van het)\s+)?(?:the\s+)?"
    rf"(?:(?P<century>{_NUMBER}){_ORDINAL}\s*{any_of(words.CENTURY)}"
    rf"|{any_of(words.CENTURY_BEFORE)}\.?\s*(?P<late_century>{_NUMBER})(?!\w))"
)
# Latvian, once it is in English: "20th century 30s".
DECADE_AFTER_CENTURY = re.compile(
    rf"(?P<century>{_NUMBER}){_ORDINAL}\s*{any_of(words.CENTURY)}\.?,?\s+(?P<tens>\d0)s(?![a-z])"
)
# "1941 - May 1945", "May 1941 - 1945": only one end has a month.
YEAR_BEFORE_DAY = re.compile(rf"(?<!\d)(?P<year>\d{{4}})\s*(?:{any_of(words.TO)})\s*$")
YEAR_AFTER_DAY = re.compile(rf"\s*(?:{any_of(words.TO)})\s*(?P<year>\d{{4}})(?!\d)")
ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
