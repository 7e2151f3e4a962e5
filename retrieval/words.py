"""Splits and folds words: the same for what is indexed and for what people type.

Folding removes what people leave out or cannot type: case, accents, Greek accents, Hebrew points, width, soft
hyphens, the script of digits, and letters with a stroke or in a ligature (ø, ł, œ, ß). Both normal forms of
Unicode give the same words. Chinese and Japanese are written without spaces, so each pair of neighbouring
characters is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

MAX_WORDS = 32

# Letters that Unicode does not decompose, as a plain keyboard writes them.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "œ": "oe", "æ": "ae", "ŧ": "t"}
)
_HIDDEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_INVISIBLE = re.compile(f"[{_HIDDEN}]")
# Accents, Hebrew points and Arabic vowel signs.
_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u3099\u309a"
# The marks of Japanese syllables distinguish them; accents do not.
_KANA_MARKS = "\u3099\u309a"
_WORD = re.compile(r"\w+")
# A word as it is typed: its accents and points may be characters of their own, others invisible.
AS_TYPED = re.compile(rf"\w[\w{_MARKS}{_HIDDEN}]*")
# What French, Italian and Catalan elide before a vowel. Who types "l'aigle" looks for "aigle"; records say
# "à l'aigle", "un aigle" and "d'aigle". The same words as Lucene's filters for elision in these languages.
_ELIDED = re.compile(
    r"(?<!\w)(?:[cdjlmnst]|qu|jusqu|quoiqu|lorsqu|puisqu|(?:a|da|de|ne|su|co|pe)ll|(?:da|de|ne|su|a)?gl|un)"
    "['’ʼ](?=\\w)",
    re.IGNORECASE,
)
# Arabic, Persian and Indian digits, among others; a year is one number in all of them.
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
# Han, kana and the iteration mark.
UNSPACED = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def folded(text: str) -> str:
    """The text as it is compared: without case, accents, points and variant letters."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text))
    decomposed = _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), decomposed)
    plain = "".join(each for each in decomposed if each in _KANA_MARKS or unicodedata.category(each) != "Mn")
    # Case folding may decompose again: capital I with a dot becomes i and a combining dot.
    lowered = unicodedata.normalize("NFKD", plain.casefold()).translate(_LETTERS)
    return unicodedata.normalize("NFC", lowered.replace("\u0307", ""))


def words_in(text: str) -> list[str]:
    """The folded words of a text in their order, at most 32; without elided articles and pronouns."""
    words: list[str] = []
    for word in tokens(_ELIDED.sub(" ", text)):
        words.append(word)
        if len(words) == MAX_WORDS:
            break
    return words


def tokens(text: str) -> Iterator[str]:
    """All folded words of a text in their order; runs of Chinese and Japanese as overlapping pairs."""
    for run in _WORD.findall(folded(text)):
        if run.isascii():
            yield from _plain(run)
            continue
        start = 0
        for unspaced in UNSPACED.finditer(run):
            yield from _plain(run[start : unspaced.start()])
            characters = unspaced[0]
            if len(characters) == 1:
                yield characters
            for left, right in pairwise(characters):
                yield left + right
            start = unspaced.end()
        yield from _plain(run[start:])


def _plain(word: str) -> Iterator[str]:
    if word := word.strip("_"):
        yield word
