"""Hints for people who know other search engines, or who describe a period in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retrieval.query_language.fields import NAMES, field_of
from retrieval.query_language.parts import Hint, Part
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
    r"(?:century|cent\.|centuries|jahrhunderts?|jh\.?|siecles?)(?!\w)"
)
_USE_OR = re.compile(r"(?<!\S)(ODER|OU)(?!\S)")
_USE_MINUS = re.compile(r"(?<!\S)(NOT|NICHT|SAUF|NON)\s+(?=[^\W_])")
_STAR = re.compile(r"\w+[*?]+(?!\S)|(?<!\S)[*]+\w+")
# At the end of a question it is no placeholder for a letter.
_QUESTION_MARK = re.compile(r"(?<=\w)\?+\s*$")
_SPACED_FIELD = re.compile(r"(?<![^\s(])([^\W\d_]{2,30}):\s+(?=\S)")
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
    if match := _STAR.search(_QUESTION_MARK.sub("", text)):
        yield Hint("star_does_nothing", match[0], re.sub(r"[*?]+", "", text).strip())
    if (match := _SPACED_FIELD.search(text)) and field_of(match[1]):
        instead = f"{text[: match.start()]}{match[1]}:{text[match.end() :]}"
        yield Hint("space_after_field", f"{match[1]}:", instead)
    yield from _century(text)


def _century(text: str) -> Iterator[Hint]:
    lowered = folded(text)
    if len(lowered) != len(text):
        # Folding changed the length (œ, ß), so places in one are not places in the other.
        text = lowered
    for match in _CENTURY.finditer(lowered):
        number = _number(match["number"])
        if number is None or not 1 <= number <= 21:
            continue
        field = next(
            NAMES["year"][tag][0]
            for tag, mark in (("de", "j"), ("fr", "siecle"), ("en", ""))
            if mark in match[0][len(match["number"]) :]
        )
        period = f"{field}:{100 * (number - 1)}..{100 * number - 1}"
        instead = f"{text[: match.start()]}{period}{text[match.end() :]}"
        yield Hint("century", text[match.start() : match.end()], instead.strip())
        return


def _number(word: str) -> int | None:
    if word.isdigit():
        return int(word)
    if set(word) <= set(_ROMAN):
        values = [_ROMAN[letter] for letter in word]
        following = [*values[1:], 0]
        return sum(-v if v < n else v for v, n in zip(values, following, strict=True))
    return _NUMBER_OF.get(word) or _NUMBER_OF.get(re.sub("(?<=t)e[nrs]?$|(?<=t)$", "", word))
