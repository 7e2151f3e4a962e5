"""Recognises labels that only give the position of an image in its book: a folio, a part of the binding,
"7 of 31".

It is a small grammar over words that configs/labels/page-labels.yaml lists per language. A text is a page
label if every word is known and the words together identify a place: a page, a part or a side does so alone;
a counter ("Fig.", "Tav.") needs a number; an ambiguous word ("Head") counts only together with a part ("head
of the spine").
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from iconoclip.config import read_yaml, shipped_config

WORDS_FILE: Final = "labels/page-labels.yaml"


class Kind(IntEnum):
    """The function of a word in a page label. If it differs between languages, the higher kind counts."""

    LINK = 1
    NEXT_TO = 2
    ADDITION = 3
    DATE = 4
    AMBIGUOUS = 5
    NUMBER = 6
    COUNTER = 7
    SIDE = 8
    PAGE = 9
    PART = 10


_KINDS = {
    "pages": Kind.PAGE, "counters": Kind.COUNTER, "parts": Kind.PART, "sides": Kind.SIDE,
    "numbers": Kind.NUMBER, "with": Kind.ADDITION, "ambiguous": Kind.AMBIGUOUS, "links": Kind.LINK,
    "near": Kind.NEXT_TO,
}  # fmt: skip
_INFLECTED = (Kind.PAGE, Kind.PART, Kind.SIDE)
_MIN_STEM_CHARS = 4
_MAX_WORDS = 24
_MAX_PHRASE = 4

# Words in dates: "18 november 1568" is the label of a page of a letter.
_DATES_TEXT = """
    january february march april may june july august september october november december jan feb mar apr jun
    jul aug sep sept oct nov dec januar februar märz mai juni juli oktober dezember janvier février mars avril
    juin juillet août septembre octobre novembre décembre januari februari maart mei augustus gennaio febbraio
    marzo aprile maggio giugno luglio agosto settembre ottobre dicembre enero febrero abril mayo junio julio
    septiembre octubre noviembre diciembre tammikuuta monday tuesday wednesday thursday friday saturday sunday
    montag dienstag mittwoch donnerstag freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi
    dimanche ca circa um vers bc ad chr
    """
_WEEKDAYS_TEXT = """
    monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag
    samstag sonntag lundi mardi mercredi jeudi vendredi samedi dimanche maandag dinsdag woensdag donderdag
    vrijdag zaterdag zondag lunedi martedi mercoledi giovedi venerdi sabato domenica lunes martes miercoles
    jueves viernes sabado domingo mandag tirsdag onsdag torsdag fredag lordag sondag tisdag
    """
_WEEKDAYS = frozenset(_WEEKDAYS_TEXT.split())
# "The Table", "Der Spiegel": page labels do not begin with an article.
_ARTICLES_TEXT = "the a an der die das den dem ein eine le la les un une de het een il lo gli el los las"
_ARTICLES = frozenset(_ARTICLES_TEXT.split())

_CARDINALS_TEXT = """
    two three four five six seven eight nine ten zwei drei vier funf sechs sieben acht neun zehn deux
    trois quatre cinq six sept huit neuf dix due tre quattro cinque sei sette otto nove dieci dos tres
    cuatro cinco seis siete ocho nueve diez twee drie vijf zes zeven acht negen tien dois duas quatro
    sete oito dez
    """
_CARDINALS = frozenset(_CARDINALS_TEXT.split())

# Except in Maltese: "il-qoxra" is the cover.
_ARTICLE_ALONE = re.compile(r"\W*\w+[^\w-]")

_PLAIN_LETTERS = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
_CAMEL_CASE = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")
_VOICING = "\u3099\u309a"
# Numbers of Hebrew (כ״ג) and Greek (ιβ΄) letters carry a mark.
_LETTER_NUMBER = re.compile(r"[א-ת]{1,3}[\"״׳'][א-ת]?(?![א-ת])|[α-ω]{1,3}[΄ʹ´](?!\w)")
# After the word for a leaf, the mark may be missing: "דף יב ע"א". Hundreds, tens and units, in this order.
_HEBREW_NUMBER = re.compile(r"(?=[א-ת])[ק-ת]?(?:ט[וז]|[י-צ]?[א-ט]?)")
_WORD = re.compile(r"\d{1,8}-[^\W\d_]{1,3}(?![^\W_])|[^\W_]+")
_NUMBER = re.compile(
    r"\d{1,8}(?:[^\W\d]{0,2}|ere|eme|ste|tes|ter)|\d{1,8}-[^\W\d]{1,3}|\d{1,8}[a-z]?\d?[rv]?[a-d]?|[rv]\d{1,8}"
    r"|[a-z]{1,2}\d{1,6}[rv]?[ab]?"
    r"|c{0,3}(?:x[cl]|l?x{0,4})(?:ix|iv|v?i{1,4}|v)[rv]?|c{0,3}(?:x[cl]|lx{0,4}|x{1,4})[rv]?|c{0,3}l?x{0,4}v?i{0,3}j[rv]?"
)
_CAPITAL_ROMAN = re.compile(
    r"\b(?=[MDCLXVI]{3,}\b)M{0,3}(?:CM|CD|D?C{0,4})(?:XC|XL|L?X{0,4})(?:IX|IV|V?I{0,4})\b"
)
_CAPITALS = re.compile(r"\b[A-Z]{1,3}\b")
_FOLIO = re.compile(r"(?<!\w)\d{1,4}\s?(?:[rv][ab]?|recto|verso)(?!\w)")
_PAGE_WORD = re.compile(
    r"(?<!\w)(?:pages?|pp?|pg|pag|folios?|foll?|ff?|fo|seiten?|s|blatt|bll?|feuillets?|pagin[ae]|paginas?|hojas?|folhas?"
    r"|fl|carta|cc?|sid(?:a|an|or)|side|sivut?|str(?:ona|ana|anka|anica|an)?|oldal|lch|tudalen|lk|lpp|psl|стр|страница|л"
    r"|лист|сторінка|арк|σελ(?:ιδα)?|φ|sayfa|varak|yaprak|bladzijde|blz|blad)\.?\s*[\[(]?(?:\d|[ivxlc]+\b)"
    r"|第?\d+[頁页]|頁\s*\d"
)
# "[12]", "[iv]", "xii"
_COUNTED_PAGE = re.compile(r"\[(?:\d{1,4}|[ivxlc]{1,7})\]|(?=[ivxlc])(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_RUNS = re.compile(r"\d+|[^\W\d_]+")
_CJK = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_CJK_NUMERALS = frozenset("〇零一二三四五六七八九十百千壱弐参壹貳叁廿卅")
_YEAR_AFTER_A_COMMA = re.compile(r"[,(\[]\s*(?:c\w{0,4}\.?\s*)?(?:\w+\s+)?(?:1\d{3}|20\d\d)\b")

# Marks of sides and numerals are at most so long: "ro", "vo", "xii".
_MAX_MARK_CHARS: Final = 3

# "Interior, 1912" is a title with its date, and so is "Mars, 28 december 1976".
_DATED_WORD = re.compile(
    r"([^\W\d_]{3,})\s*[,(\[]\s*(?:c\w{0,4}\.?\s*)?(\d{1,2}\.?\s+[^\W\d_]{3,}\.?\s+)?(?:1\d{3}|20\d\d)\W*"
)


@functools.lru_cache(maxsize=16_384)
def is_page_label(text: str) -> bool:
    """Whether `text` consists of a page, a folio, a part of the binding, a side or a number, and nothing
    else."""
    # Only capitals count as initials here ("FC (frontCover)"), and only if the rest is in lower case.
    has_small_letters = any(letter.islower() for letter in text)
    plain = _CAPITAL_ROMAN.sub("1", unicodedata.normalize("NFKC", text))
    plain = _CAPITALS.sub(_initials, plain) if has_small_letters else plain
    words = _WORD.findall(fold(_CAMEL_CASE.sub(" ", plain)))
    if not words or len(words) > _MAX_WORDS:
        return False
    if _begins_with_an_article(words, text):
        return False
    if _is_one_word_twice(words) or _is_a_group(words):
        return False
    kinds = _kinds_of(words)
    return kinds is not None and _designates(kinds, text)


def _begins_with_an_article(words: list[str], text: str) -> bool:
    """`The Table`, `De rug`, but not `A verso`, which is a leaf of a quire."""
    if words[0] not in _ARTICLES or not _ARTICLE_ALONE.match(text) or any(map(str.isdigit, text)):
        return False
    if tuple(words) in _vocabulary():
        return False
    return len(words[0]) > 1 or words[1:] not in (["recto"], ["verso"])


def _is_one_word_twice(words: list[str]) -> bool:
    """`Back to Back`, `Rücken an Rücken`, `Page après page`: a figure of speech, not a place in a book."""
    if len(words) != 3 or words[0] != words[2] or not words[0].isalpha():
        return False
    return len(words[0]) >= _MAX_MARK_CHARS and _NUMBER.fullmatch(words[0]) is None


def _is_a_group(words: list[str]) -> bool:
    """`Two figures`, `Drei Tafeln`: a page label gives the number behind the word, or in digits."""
    return len(words) == 2 and words[0] in _CARDINALS and _vocabulary().get((words[1],)) == Kind.COUNTER


def is_dated_word(text: str) -> bool:
    """Whether a text is one word and a year or a day, "Interior, 1912": a title, unless it names a part of a
    book, or a day of the week.
    """
    return _is_dated(text) and not names_a_part(text)


def _is_dated(text: str) -> bool:
    match = _DATED_WORD.fullmatch(text)
    return match is not None and not (match[2] and fold(match[1]) in _WEEKDAYS)


def names_a_page(text: str) -> bool:
    """Whether a page label explicitly names a page: "p. 12", "fol. 3", "12r", "[12]", "iv", but not "12" or
    "Bild 12".

    Cataloguing rules put the number of an unnumbered page in brackets; preliminary pages have Roman numerals.
    """
    plain = fold(text)
    if _COUNTED_PAGE.fullmatch(text.strip()):
        return True
    return is_page_label(text) and (_FOLIO.search(plain) is not None or _PAGE_WORD.search(plain) is not None)


def words_of(label: str) -> list[str]:
    """The words of a label as the lists compare them: without case, accents and marks."""
    return _WORD.findall(fold(_CAMEL_CASE.sub(" ", label)))


def names_a_part(text: str) -> bool:
    """Whether a page label names a part without text: a part of the binding, a colour chart."""
    kinds = _kinds_of(_WORD.findall(fold(_CAMEL_CASE.sub(" ", text))))
    return kinds is not None and Kind.PART in kinds


# "Number 1A, 1948": painters of the 20th century numbered their works. "L.H.O.O.Q." is one, too.
_NUMBERED_WORK: Final = re.compile(
    r"(?:no|nr|n[º°]|№|num|number|nummer|numéro|numero|número|номер)\.?\s*\d{1,3}\s?[a-z]?"
    r"(?:\s*[,(/]\s*(?:1[5-9]|20)\d\d\)?)?|(?:[a-z]\.){4,}[a-z]?",
    re.IGNORECASE,
)


def may_be_title(text: str, *, has_maker: bool = True) -> bool:
    """Whether a page label may also be the title of a work of art: a date ("January 1979"), a number with its
    word ("Number 1A, 1948"), or a word for a page or a part of a book without a number ("Foglio",
    "Frontispiece").

    Args:
        has_maker: whether the maker is known. Without one, a number is that of an object in a list.
    """
    if _NUMBERED_WORK.fullmatch(text):
        return has_maker
    kinds = _kinds_of(words_of(text))
    if not kinds:
        return False
    is_date = Kind.DATE in kinds and kinds <= {Kind.DATE, Kind.NUMBER, Kind.LINK}
    return is_date or (bool(kinds & {Kind.PAGE, Kind.PART}) and kinds <= {Kind.PAGE, Kind.PART, Kind.LINK})


def _designates(kinds: set[Kind], text: str) -> bool:
    if Kind.PART not in kinds and _is_dated(text):
        return False
    # "Between ff. 8 and 9" is a place in a book, "Between the Covers" is not.
    if Kind.NEXT_TO in kinds and Kind.NUMBER not in kinds:
        return False
    if kinds & {Kind.PART, Kind.PAGE, Kind.SIDE}:
        return Kind.AMBIGUOUS not in kinds or Kind.PART in kinds
    if Kind.NUMBER not in kinds or Kind.AMBIGUOUS in kinds:
        return False
    # "Figure, 1923" is a title with its date.
    return Kind.COUNTER not in kinds or not _YEAR_AFTER_A_COMMA.search(text)


def _initials(match: re.Match[str]) -> str:
    known = _vocabulary().get((fold(match[0]),))
    return match[0] if known or _NUMBER.fullmatch(fold(match[0])) else " "


def fold(text: str) -> str:
    """`text` without case, accents and ligatures, so that "PŘÍDEŠTÍ" and "přídeští" are one word.

    The voicing marks of Japanese syllables are kept.
    """
    if text.isascii():  # by far the most common case
        return text.lower()
    text = _LETTER_NUMBER.sub("1", text.casefold())
    letters = (
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if letter in _VOICING or not unicodedata.combining(letter)
    )
    return unicodedata.normalize("NFKC", "".join(letters)).translate(_PLAIN_LETTERS)


def _kinds_of(words: list[str]) -> set[Kind] | None:
    """The kinds of the words; None if one of them is unknown. The longest phrase is tried first.

    A joining word counts in its own languages only: Maltese "tat" (of the) is none in "Vorsatz und Tat".
    """
    known = _vocabulary()
    found: set[Kind] = set()
    links: list[frozenset[str]] = []
    spoken: set[str] = set()
    place = 0
    while place < len(words):
        for length in range(min(_MAX_PHRASE, len(words) - place), 0, -1):
            if (kind := known.get(tuple(words[place : place + length]))) is not None:
                found.add(kind)
                key = tuple(words[place : place + length])
                if kind != Kind.LINK:
                    spoken |= _languages().get(key, frozenset())
                elif len(key[0]) > 1:
                    links.append(_languages()[key])
                # "ív" is a sheet in Hungarian, "IV" a number everywhere; "i" is an article in "Tavola I".
                if kind in (Kind.COUNTER, Kind.LINK) and length == 1 and _NUMBER.fullmatch(words[place]):
                    found.add(Kind.NUMBER)
                place += length
                break
        else:
            kinds = _kinds_in(words[place])
            if not kinds and Kind.PAGE in found and _HEBREW_NUMBER.fullmatch(words[place]):
                kinds = {Kind.NUMBER}
            if not kinds:
                return None
            found |= kinds
            place += 1
    # "Bild 7 of 31": numbers are joined in the language of the program.
    is_foreign = (
        bool(spoken) and Kind.NUMBER not in found and any(spoken.isdisjoint(languages) for languages in links)
    )
    return None if is_foreign else found


def _kinds_in(word: str) -> set[Kind]:
    """The kinds of a word that is not listed: a number, a compound such as `fol12v`, Chinese characters."""
    if len(word) == 1 or _NUMBER.fullmatch(word):
        return (
            set() if len(word) == 1 and _CJK.fullmatch(word) and word not in _CJK_NUMERALS else {Kind.NUMBER}
        )
    if _CJK.search(word):
        return _segmented(word)
    runs = _RUNS.findall(word)
    return _all_known(runs) if len(runs) > 1 else _without_article(word)


def _all_known(runs: list[str]) -> set[Kind]:
    found: set[Kind] = set()
    for run in runs:
        kind = _vocabulary().get((run,), Kind.NUMBER if run.isdigit() or len(run) == 1 else None)
        if kind is None:
            return set()
        found.add(kind)
    return found


def _without_article(word: str) -> set[Kind]:
    """The Arabic article and conjunctions are written with their word."""
    for prefix in ("وال", "بال", "لل", "ال", "و"):
        if word.startswith(prefix) and (kind := _vocabulary().get((word.removeprefix(prefix),))):
            return {kind}
    return set()


def _segmented(word: str) -> set[Kind]:
    """The kinds of the words in a text without spaces; empty if it cannot be divided into known words."""
    ways: list[set[Kind] | None] = [set(), *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 8), end):
            before, kind = ways[start], _kind_of_piece(word[start:end])
            if before is not None and kind is not None:
                ways[end] = before | {kind}
                break
    return ways[-1] or set()


def _kind_of_piece(piece: str) -> Kind | None:
    if piece.isdigit() or all(letter in _CJK_NUMERALS for letter in piece):
        return Kind.NUMBER
    if len(piece) == 1 and piece.isascii():
        return Kind.NUMBER
    return _vocabulary().get((piece,))


@functools.cache
def _vocabulary() -> dict[tuple[str, ...], Kind]:
    """The folded words and phrases of all languages, with their kinds."""
    found: dict[tuple[str, ...], Kind] = {}
    for key, kind, _ in _listed():
        if found.get(key, 0) < kind:
            found[key] = kind
    for word in _DATES_TEXT.split():
        found.setdefault((fold(word),), Kind.DATE)
    return found


@functools.cache
def _languages() -> dict[tuple[str, ...], frozenset[str]]:
    found: dict[tuple[str, ...], set[str]] = {}
    for key, _, language in _listed():
        found.setdefault(key, set()).add(language)
    return {key: frozenset(languages) for key, languages in found.items()}


@functools.cache
def _listed() -> tuple[tuple[tuple[str, ...], Kind, str], ...]:
    return tuple(
        (key, kind, language)
        for language, words in word_lists().items()
        for phrase, kind in _of_language(words)
        if (key := tuple(_WORD.findall(fold(phrase))))
    )


def _of_language(words: dict[str, list[str]]) -> Iterator[tuple[str, Kind]]:
    """The words of one language with their kinds, and the forms made by its endings and prefixes."""
    for name, kind in _KINDS.items():
        for word in words.get(name, []):
            yield word, kind
            if kind in _INFLECTED and len(word) >= _MIN_STEM_CHARS and " " not in word:
                yield from ((word + ending, kind) for ending in words.get("endings", []))
                yield from ((prefix + word, kind) for prefix in words.get("prefixes", []))
    for prefix in words.get("prefixes", []):
        yield prefix, Kind.ADDITION


@functools.cache
def word_lists() -> dict[str, dict[str, list[str]]]:
    """Language -> class of words -> words, as listed in configs/labels/page-labels.yaml."""
    data = read_yaml(shipped_config(WORDS_FILE))
    return {
        language: {name: [word.strip() for word in text.split(",")] for name, text in classes.items()}
        for language, classes in data.items()
    }
