"""Hints for texts that describe a period in words: the field that searches it.

Words are read in the languages of the page. A year alone is no period: records are found by it as by a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from retrieval.query_language.fields import NAMES
from retrieval.query_language.parts import Hint
from retrieval.words import folded

_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
    " twenty-first",
    "erstes zweites drittes viertes fünftes sechstes siebtes achtes neuntes zehntes elftes zwölftes"
    " dreizehntes vierzehntes fünfzehntes sechzehntes siebzehntes achtzehntes neunzehntes"
    " zwanzigstes einundzwanzigstes",
    "premier deuxième troisième quatrième cinquième sixième septième huitième neuvième dixième onzième"
    " douzième treizième quatorzième quinzième seizième dix-septième dix-huitième"
    " dix-neuvième"
    " vingtième vingt-et-unième",
)
# German ordinals are compared without their ending: fünfzehnte, fünfzehnten, fünfzehntes.
_NUMBER_OF = {
    re.sub("es$", "", folded(word)) if row == 1 else folded(word): number
    for row, words in enumerate(_ORDINALS)
    for number, word in enumerate(words.split(), 1)
}
_ROMAN = {"i": 1, "v": 5, "x": 10}
_CENTURY = re.compile(
    r"(?P<number>\d{1,2}|[ivx]{1,5}|[^\W\d_]+(?:-[^\W\d_]+)*)\s*(?:st|nd|rd|th|\.|e|eme|er)?\s*"
    r"(?:(?P<en>century|cent\.|centuries)|(?P<de>jahrhunderts?|jh\.?)|(?P<fr>siecles?))(?!\w)"
)
# What is proposed for "about": readers see the years and can change them.
_ABOUT_YEARS = 10
_YEAR = r"(\d{3,4})(?!\w)"


def _words(en: str, de: str = "", fr: str = "") -> str:
    """Alternatives whose group names the language of the word."""
    by_language = {"en": en, "de": de, "fr": fr}
    return "|".join(f"(?P<{tag}>{words})" for tag, words in by_language.items() if words)


Years = Callable[[int, int], str]
_PERIODS: tuple[tuple[re.Pattern[str], Years], ...] = tuple(
    (re.compile(rf"(?<![\w:.(])(?<!:\s){pattern}", re.VERBOSE), years)
    for pattern, years in (
        (
            rf"(?:{_words('between', 'zwischen', 'entre')})\s+{_YEAR}\s+(?:and|und|et)\s+{_YEAR}",
            lambda first, last: f"{min(first, last)}..{max(first, last)}",
        ),
        (
            rf"{_YEAR}\s?(?:\.\.\.?|…|[-–—])\s?{_YEAR}",
            lambda first, last: f"{min(first, last)}..{max(first, last)}",
        ),
        (
            rf"(?:{_words('circa|ca?[.]?|about|around', 'um|gegen', 'vers|environ|env[.]')})\s*{_YEAR}",
            lambda year, _: f"{year - _ABOUT_YEARS}..{year + _ABOUT_YEARS}",
        ),
        (rf"(?:{_words('before', 'vor', 'avant')})\s+{_YEAR}", lambda year, _: f"..{year - 1}"),
        (rf"(?:{_words('until', 'bis')})\s+{_YEAR}", lambda year, _: f"..{year}"),
        (rf"(?:{_words('after', 'nach', 'apres')})\s+{_YEAR}", lambda year, _: f"{year + 1}.."),
        (rf"(?:{_words('since', 'seit', 'depuis')})\s+{_YEAR}", lambda year, _: f"{year}.."),
        (
            r"(?:(?P<fr>annees)\s+)?(\d{1,2}[1-9]0)(?:(?P<en>['’]?s)|(?P<de>ern?(?:\s+jahren?)?)|(?(fr)|$^))(?!\w)",
            lambda year, _: f"{year}..{year + 9}",
        ),
    )
)


def period_hints(text: str) -> Iterator[Hint]:
    """At most one hint: the first period of the text, as the field that searches it."""
    lowered = folded(text)
    if len(lowered) != len(text):
        # Folding changed the length (œ, ß), so places in one are not places in the other.
        text = lowered
    if (found := _century(lowered) or _years(lowered)) is None:
        return
    code, match, years = found
    spoken = next((tag for tag, said in match.groupdict().items() if said and tag in ("de", "fr")), "en")
    instead = f"{text[: match.start()]}{NAMES['year'][spoken][0]}:{years}{text[match.end() :]}"
    yield Hint(code, text[match.start() : match.end()], instead.strip())


def _century(lowered: str) -> tuple[str, re.Match[str], str] | None:
    for match in _CENTURY.finditer(lowered):
        number = _number(match["number"])
        if number is not None and 1 <= number <= 21:
            return "century", match, f"{100 * (number - 1)}..{100 * number - 1}"
    return None


def _years(lowered: str) -> tuple[str, re.Match[str], str] | None:
    for pattern, years in _PERIODS:
        if match := pattern.search(lowered):
            numbers = [int(said) for said in match.groups() if said and said.isdigit()]
            return "period", match, years(numbers[0], numbers[-1])
    return None


def _number(word: str) -> int | None:
    if word.isdigit():
        return int(word)
    if set(word) <= set(_ROMAN):
        values = [_ROMAN[letter] for letter in word]
        following = [*values[1:], 0]
        return sum(-v if v < n else v for v, n in zip(values, following, strict=True))
    return _NUMBER_OF.get(word) or _NUMBER_OF.get(re.sub("(?<=t)e[nrs]?$|(?<=t)$", "", word))
