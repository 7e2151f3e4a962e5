"""Translates words for time from some thirty languages into English, so that one grammar reads all of them
(data_prep.description.dates).

The words are data: date_terms.tsv. This file only contains what cannot be translated word by word: numerals
of centuries, suffixes of decades, and the Japanese and Chinese order of words.
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Final

from data_prep.description.date_words import MONTHS

_ROMAN = r"[ivx]{1,6}"
_CJK_CENTURY = re.compile(
    r"(?P<number>\d{1,2}|二?十[一二三四五六七八九]?)\s*世[紀纪](?P<part>[前後后]半|初[頭期]?|末期?|中[葉叶期]|[上下]半[葉叶])?"
)
_CJK_DIGITS: Final = {digit: value for value, digit in enumerate("一二三四五六七八九", 1)}
_CJK_PARTS: Final = {
    "前": "first half", "後": "second half", "后": "second half", "初": "beginning", "末": "end", "中": "mid",
    "上": "first half", "下": "second half",
}  # fmt: skip
_CJK_DATE = re.compile(r"(?P<year>\d{4})年(?:(?P<month>\d{1,2})月(?:(?P<day>\d{1,2})日)?)?(?!代)")
_CJK_DECADE = re.compile(r"(\d{3}0)年代")
# Lithuanian "XVIII a.", "XIX a. pab."; elsewhere "a." is too short to mean anything.
_LITHUANIAN = re.compile(
    rf"(?<!\w)({_ROMAN})\s+a\.?(?=$|\s+(?:pab|pr|vid|pirm|antr|[\di]+v?-?\w*\.?\s+(?:pus|ketv|deš)))"
)
# "sec. XV ex.": used in descriptions of manuscripts.
_SCRIBAL = re.compile(rf"(?<!\w)s(?:aec|ec)?\.?\s*(?P<number>{_ROMAN})\s*(?P<part>in|med|ex)(?:\.|(?!\w))")
# "s. XIII 2/2", "s. XIV 1/4": a part of a century, counted; "s. XV²" its second half.
_SCRIBAL_PART = re.compile(
    rf"(?<!\w)s(?:aec|ec)?\.?\s*(?P<number>{_ROMAN})(?:\s*(?P<part>[1-4])/(?P<of>[2-4])(?![\d/])|(?P<half>[¹²]))"
)
# "C17", "late C18th": British museums.
_BRITISH_CENTURY = re.compile(r"(?<![\w.])c(1\d|20|21|[5-9])(?:th|st)?(?![\w/.-])")
_FRACTIONS: Final = {"2": "half", "3": "third", "4": "quarter"}
_PARTS_IN_LATIN: Final = {"in": "beginning", "med": "mid", "ex": "end"}
# Swedish 1700-talet, Danish 1700-tallet, Finnish 1700-luku.
_HUNDREDS = re.compile(r"(?<!\d)(?P<century>\d{1,2})00-(?:tal(?:l?ets?|s)?|lu[kv]u\w*)(?!\w)")
_TENS = re.compile(
    r"(?<!\d)(?P<year>\d{3}0)(?:-tal(?:l?ets?|s)?|-lu[kv]u\w*|-år(?:ene|a)|\.\s+(?:aastad|aastatel|aastate|gadi|gados)|'?erne|-[ех](?:\s*гг)?|-ті|-[eaoö]s\s+év\w*)(?!\w)"
)
_DECADE_OF_CENTURY = re.compile(
    r"(?:(?:lata|léta|roky|годы|años|anos|années|anni|jaren)\s*'?(?P<after>\d0)(?!\.?\s*(?:stol|wieku|w\b|века|в\b))\.?(?:\s+(?:del|du|do|de|van\s+de|van\s+het))?"
    r"|(?P<before>\d0)(?:\.?\s*(?:léta|roky|годы)|\.\s*(?:gad(?:i|os|u)|aasta(?:d|tel|te))|-?er[\s-]+jahren?(?:\s+des)?|-?er[\s-]+jaren(?:\s+van\s+de)?"
    r"|-е(?:\s+(?:годы|гг\.?))?|-талет))(?=\s|$)"
)


# Hungarian "1914-től", "1650-ig"; Turkish "1650'den önce": the case of the year is a suffix.
_SINCE = re.compile(r"(?<!\d)(\d{3,4})(?:-t[őóõ]l|'?[dt][ae]n\s+(?:beri|itibaren))(?!\w)")
_UNTIL = re.compile(r"(?<!\d)(\d{3,4})(?:-ig|'?[yn]?[ae]\s+(?:kadar|dek))(?!\w)")
_BEFORE = re.compile(r"(?<!\d)(\d{3,4})'?[dt][ae]n\s+önce(?!\w)")
_AFTER = re.compile(r"(?<!\d)(\d{3,4})'?[dt][ae]n\s+sonra(?!\w)")
# "2.ª metade", "β' μισό"
_ORDINAL_MARK = re.compile(r"(?<=\d)\.(?=[ªº])|(?<=\b[αβ])['΄ʹ’]")
# "années 1890-1900", both of them decades.
_DECADES_AFTER = re.compile(
    r"(?:années|anni|años|anos|jaren|lata|léta)\s+(\d{3}0)\s*[-/]\s*(\d{3}0|\d0)(?!\d)"
)


def translated(text: str) -> str:
    """Translate the known words of a date's text, which is in lower case, into English."""
    if text.isascii() and not re.search(r"[a-z]", text):
        return text
    text = _ORDINAL_MARK.sub("", text)
    for pattern, english in ((_SINCE, "since"), (_UNTIL, "until"), (_BEFORE, "before"), (_AFTER, "after")):
        text = pattern.sub(rf"{english} \1", text)
    text = _DECADES_AFTER.sub(r"\1s to \2s", text)
    text = _SCRIBAL.sub(lambda match: f"{_PARTS_IN_LATIN[match['part']]} {match['number']} century", text)
    text = _SCRIBAL_PART.sub(_part_of_century, text)
    text = _BRITISH_CENTURY.sub(r"\1th century", text)
    text = _CJK_CENTURY.sub(_century_of, text)
    text = _CJK_DECADE.sub(r"\1s", text)
    text = _CJK_DATE.sub(_iso_of, text)
    text = _DECADE_OF_CENTURY.sub(lambda match: f"{match['after'] or match['before']}s", text)
    text = _LITHUANIAN.sub(r"\1 century ", text)
    text = _HUNDREDS.sub(lambda match: f"{int(match['century']) + 1}th century", text)
    text = _TENS.sub(r"\g<year>s", text)
    plain, before, after = _patterns()
    text = after[0].sub(lambda match: _after(match, after[1]), text)
    text = before[0].sub(lambda match: f"{before[1][match[1]]} ", text)
    return plain[0].sub(lambda match: plain[1].get(match[1]) or plain[1][_numbered(match[1])], text)


def _numbered(term: str) -> str:
    """A term as it is spelled in the table: `2. pol` and `2.pol` become `2 pol`."""
    return re.sub(r"^(\d|i+)\.?\s*", r"\1 ", term)


def _after(match: re.Match[str], english: dict[str, str]) -> str:
    """`XVIII w.` becomes `18th century`, `1650 körül` becomes `circa 1650`."""
    word = english[match["term"]]
    if word == "century":
        return f"{match['number']}th century"
    return f"{word} {match['number']}"


def _part_of_century(match: re.Match[str]) -> str:
    part, of = (match["part"], match["of"]) if match["part"] else ("12"["¹²".index(match["half"])], "2")
    return f"{part} {_FRACTIONS[of]} {match['number']} century"


def _century_of(match: re.Match[str]) -> str:
    number = match["number"]
    if not number.isdigit():
        tens, _, ones = number.partition("十")
        number = str((2 if tens else 1) * 10 + _CJK_DIGITS.get(ones, 0))
    return f"{_CJK_PARTS.get((match['part'] or ' ')[0], '')} {number}th century"


def _iso_of(match: re.Match[str]) -> str:
    return "-".join(part.zfill(2) for part in match.groups() if part)


_Pattern = tuple[re.Pattern[str], dict[str, str]]


@functools.cache
def _patterns() -> tuple[_Pattern, _Pattern, _Pattern]:
    """The terms that count anywhere, only before a number, and only after one, each with its translation."""
    plain: dict[str, str] = {}
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    text = resources.files("data_prep.description").joinpath("date_terms.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")][1:]
    for english, _, terms in (line.split("\t") for line in lines):
        for term in terms.casefold().split("|"):
            table = before if term.endswith("^") else after if term.endswith("$") else plain
            table.setdefault(term.rstrip("^$"), english)
    months = {term: english for term, english in plain.items() if english in MONTHS}
    # A Roman numeral may only be followed by the ending of an ordinal: "in St. Paul's" is no first century.
    ordinal = "e|er|ère|ème|eme|è|th|st|nd|rd|de|ste|й|го|му|м"
    ending = rf"(?:\.|(?<=\d)-?(?![ivx]+\b)[^\W\d_]{{1,4}}\.?|-?(?:{ordinal})\.?)"
    number = rf"(?<![\w.])(?P<number>\d{{1,4}}|{_ROMAN}){ending}??"
    return (
        (re.compile(rf"(?<!\w)({_any(plain)})(?!\w)\.?"), plain),
        (
            re.compile(
                rf"(?<!\w)({_any(before)})(?!\w)\.?[\s-]*(?=\d|{_ROMAN}\b|circa|ca\b|(?:{_any(months)})(?!\w))"
            ),
            before,
        ),
        (re.compile(rf"{number}[\s.]\s*(?P<term>{_any(after)})(?!\w)\.?"), after),
    )


def _any(terms: dict[str, str]) -> str:
    """An alternation with the longest terms first; "2 pol" also matches "2. pol"."""
    ordered = sorted(terms, key=len, reverse=True)
    return "|".join(re.sub(r"^(\d|i+)(?:\\ )", r"\1\\.?\\s*", re.escape(term)) for term in ordered)
