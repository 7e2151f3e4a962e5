"""Years and decades that are written out: `eighteen fifty-one`, `nineteen-thirties`,
`neunzehnhundertdreißig`, `mil huit cent trente`, `millenovecento` become figures before a date is read.

In English, German, Dutch, French, Italian and Spanish, for the years from 1100 to 1999.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Final


def _lists(*texts: str) -> tuple[list[str], ...]:
    return tuple(text.split() for text in texts)


# Each language: one to nineteen (Spanish to twenty-nine), then the tens.
_EN: Final = _lists(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen",
    "twenty thirty forty fifty sixty seventy eighty ninety",
)
_DE: Final = _lists(
    "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    " siebzehn achtzehn neunzehn",
    # As casefold writes "dreißig".
    "zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig",
)
_NL: Final = _lists(
    "een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien"
    " achttien negentien",
    "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
)
_FR: Final = _lists(
    "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix|sept"
    " dix|huit dix|neuf",
    "vingt trente quarante cinquante soixante soixante quatre|vingt quatre|vingt",
)
_IT: Final = _lists(
    "uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici"
    " diciassette diciotto diciannove",
    "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
)
_ES: Final = _lists(
    "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete"
    " dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis"
    " veintisiete veintiocho veintinueve",
    "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
)
(_ES_HUNDREDS,) = _lists(
    "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
)
(_EN_DECADES,) = _lists("twenties thirties forties fifties sixties seventies eighties nineties")

_MAY_BE_WORDS: Final = re.compile(
    r"teen|(?<!\w)(?:eleven|twelve|mille?[a-z]*|mil)(?!\w)|hundert|honderd|\bcents?\b"
)
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[\s-]+[^\W\d_]+)*")
_MAX_WORDS: Final = 7


def in_figures(text: str) -> str:
    """The text of a date, in lower case, with written years and decades in figures: `the 1930s`."""
    return _WORDS.sub(_figures, text) if _MAY_BE_WORDS.search(text) else text


def _figures(match: re.Match[str]) -> str:
    words = re.split(r"[\s-]+", match[0])
    found: list[str] = []
    place = 0
    while place < len(words):
        for length in range(min(_MAX_WORDS, len(words) - place), 0, -1):
            if year := _years().get(" ".join(words[place : place + length])):
                found.append(year)
                place += length
                break
        else:
            found.append(words[place])
            place += 1
    return " ".join(found) if any(word[0].isdigit() for word in found) else match[0]


@functools.cache
def _years() -> dict[str, str]:
    return {
        words.replace("|", " ").replace("-", " "): figures
        for hundreds in range(11, 20)
        for rest in range(100)
        for words, figures in _spelled(hundreds, rest)
    }


def _spelled(hundreds: int, rest: int) -> Iterator[tuple[str, str]]:
    """How a year is written in words, with its figures; a full decade also in the plural."""
    figures = f"{hundreds}{rest:02d}"
    english = _EN[0][hundreds - 1]
    for ending in _endings(rest, _english):
        yield f"{english} {ending}" if ending else f"{english} hundred", figures
        yield f"{english} hundred {ending}", figures
        yield f"{english} hundred and {ending}", figures
    if not rest:
        yield f"{english} hundreds", f"{figures}s"
    if rest >= 20 and rest % 10 == 0:
        yield f"{english} {_EN_DECADES[rest // 10 - 2]}", f"{figures}s"
    for ending in _endings(rest, lambda number: _germanic(number, _DE, "und")):
        for joint in ("", "und"):
            yield f"{_DE[0][hundreds - 1]}hundert{joint if ending else ''}{ending}", figures
        if rest >= 20 and rest % 10 == 0:
            yield f"{_DE[0][hundreds - 1]}hundert{ending}er", f"{figures}s"
    for ending in _endings(rest, lambda number: _germanic(number, _NL, "en")):
        for joint in ("", "en", " "):
            yield f"{_NL[0][hundreds - 1]}honderd{joint if ending else ''}{ending}", figures
    for ending in _endings(rest, _french):
        of_hundred = f"{_FR[0][hundreds - 11]} cent" if hundreds > 11 else "cent"
        for start in (f"mil {of_hundred}", f"mille {of_hundred}", f"{_FR[0][hundreds - 1]} cent"):
            yield f"{start} {ending}".strip() if ending else start, figures
            yield f"{start}s {ending}".strip(), figures
    for ending in _endings(rest, _italian):
        yield f"mille{_IT[0][hundreds - 11] if hundreds > 11 else ''}cento{ending}", figures
    for ending in _endings(rest, _spanish):
        yield f"mil {_ES_HUNDREDS[hundreds - 11]} {ending}".strip(), figures


def _endings(rest: int, spell: Callable[[int], str]) -> tuple[str, ...]:
    return (spell(rest),) if rest else ("",)


def _english(number: int) -> str:
    if number < 10:
        return f"oh {_EN[0][number - 1]}"
    tens, ones = divmod(number, 10)
    if number < 20:
        return _EN[0][number - 1]
    return f"{_EN[1][tens - 2]} {_EN[0][ones - 1]}" if ones else _EN[1][tens - 2]


def _germanic(number: int, words: tuple[list[str], ...], joint: str) -> str:
    low, high = words
    tens, ones = divmod(number, 10)
    if number == 1 and joint == "und":
        return "eins"
    if number < 20:
        return low[number - 1]
    one = low[ones - 1]
    joint = "ën" if joint == "en" and one.endswith("e") else joint
    return f"{one}{joint}{high[tens - 2]}" if ones else high[tens - 2]


def _french(number: int) -> str:
    tens, ones = divmod(number, 10)
    if number < 20:
        return _FR[0][number - 1]
    ones += 10 if tens in (7, 9) else 0
    if not ones:
        return _FR[1][tens - 2] + ("s" if tens == 8 else "")
    return f"{_FR[1][tens - 2]} {'et ' if ones in (1, 11) and tens < 8 else ''}{_FR[0][ones - 1]}"


def _italian(number: int) -> str:
    tens, ones = divmod(number, 10)
    if number < 20:
        return _IT[0][number - 1]
    ten, one = _IT[1][tens - 2], _IT[0][ones - 1] if ones else ""
    return (ten[:-1] if ones in (1, 8) else ten) + one


def _spanish(number: int) -> str:
    tens, ones = divmod(number, 10)
    if number < 30:
        return _ES[0][number - 1]
    return f"{_ES[1][tens - 2]} y {_ES[0][ones - 1]}" if ones else _ES[1][tens - 2]
