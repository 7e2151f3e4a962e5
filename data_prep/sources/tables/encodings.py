"""Which encoding a text file has: by its byte order mark, UTF-8 if it is valid, else the likeliest code page.

Old spreadsheets write the code page of their system and say so nowhere. A code page is likely if the letters
that it gives are those of one language. Tables are short and full of names, where general detectors guess
badly (docs/decisions/0007-partners.md has figures).
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from pathlib import Path
from typing import Final

from iconoclip.errors import BadInput, ConfigError

SAMPLE_BYTES: Final = 200_000
# Of the characters beyond ASCII, the share that must be letters of one language.
MIN_LIKELIHOOD: Final = 0.4
# Latin letters with accents stand alone among plain ones; other scripts read in a Latin code page do not.
_MANY_ACCENTS: Final = re.compile(r"[ß-ÿ]{3,}")
# In the order of how common they are in the exports of European institutions.
CODE_PAGES: Final = (
    "cp1252", "mac_roman", "cp1250", "cp850", "cp1251", "cp1253", "cp852", "mac_latin2", "iso8859_2",
    "cp1257", "iso8859_5", "iso8859_7", "koi8_r", "mac_cyrillic", "mac_greek", "cp866", "cp1254",
)  # fmt: skip
# The letters beyond ASCII of each language, in lower case.
_LETTERS: Final = (
    "äöüß", "àâæçéèêëîïôœùûüÿ", "àèéìíîòóùú", "áéíñóúüºª", "àáâãçéêíóôõúüºª", "áéëïóöüèê", "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "åäöé", "æøåéö", "åäöšž", "čćđšž", "ăâîșţşț",
    "ąčęėįšųūž",
    "āčēģīķļņšūž", "äõöüšž", "çğıöşü", "àçèéíïòóúü·", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ",
    "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ",
)  # fmt: skip
_MARKS_IN_TEXT: Final = "„“”‚‘’«»‹›–—…°§©®×·•†½¼¾²³€£¡¿\xa0№´`"
# A table in several languages of one region is nearly as likely as one in one language.
_REGIONS: Final = {
    "".join(_LETTERS[:6]) + _LETTERS[10] + _LETTERS[11]: 0.92,
    _LETTERS[0] + "".join(_LETTERS[6:10]) + _LETTERS[13]: 0.91,
}
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(path: Path, stated: str | None = None) -> str:
    """The name of a text file's encoding, as Python knows it.

    Args:
        stated: the encoding that the user named.

    Raises:
        ConfigError: there is no encoding of that name.
        BadInput: the file holds no text.
    """
    if stated is not None:
        try:
            return codecs.lookup(stated).name
        except LookupError:
            raise ConfigError(
                f"there is no encoding '{stated}'", where="encoding", remedy="for example cp1252, mac_roman"
            ) from None
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        return _without_mark(sample, path)
    return "utf-8" if _is_utf8(path) else _code_page(sample, path)


def _without_mark(sample: bytes, path: Path) -> str:
    """UTF-16 without a mark: every other byte of Latin text is zero."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) // 8:
        raise BadInput(
            "not a text file", where=path, remedy="save the table as CSV in UTF-8, or as a workbook"
        )
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _code_page(sample: bytes, path: Path) -> str:
    others = b" ".join(word for word in sample.split() if not word.isascii())
    if not others:
        # Beyond the sample: the first code page reads it, and every byte of it.
        return CODE_PAGES[0]
    likely = max(CODE_PAGES, key=lambda name: _likelihood(others, name))
    if _likelihood(others, likely) < MIN_LIKELIHOOD:
        raise BadInput(
            "the encoding of the table is not known",
            where=path,
            remedy="save it again in UTF-8, or name it with --encoding",
        )
    return likely


def _likelihood(words: bytes, name: str) -> float:
    """The share of the characters beyond ASCII that are letters of one language, or marks of any; 0 to 1.

    A capital after a small letter counts against a code page: it is common where the wrong one is used.
    """
    text = words.decode(name, errors="replace")
    counts = Counter(text.lower())
    beyond = {letter: count for letter, count in counts.items() if ord(letter) > 127}
    total = sum(beyond.values())
    if not total:
        return 0.0
    marks = sum(count for letter, count in beyond.items() if letter in _MARKS_IN_TEXT)
    of_languages = [
        (sum(beyond.get(letter, 0) for letter in set(letters)), weight)
        for letters, weight in (*((one, 1.0) for one in _LETTERS), *_REGIONS.items())
    ]
    misplaced = sum(map(_is_misplaced, text, text[1:])) + sum(map(len, _MANY_ACCENTS.findall(text.lower())))
    # Marks alone tell little: one kind of them is in every code page.
    share = max((found + marks * 0.9) * weight for found, weight in of_languages)
    return (share - misplaced) / total


def _is_misplaced(before: str, letter: str) -> bool:
    """Whether two letters hardly follow each other: a capital after a small letter, two scripts in a word."""
    if before.isascii() and letter.isascii():
        return False
    if not (before.isalpha() and letter.isalpha()):
        return False
    return (before.islower() and letter.isupper()) or _is_latin(before) != _is_latin(letter)


def _is_latin(letter: str) -> bool:
    return ord(letter) < 0x370
