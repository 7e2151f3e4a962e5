"""In which languages a date is written: "um 1650" is German, "c. 1650" is written in every language.

A caption in another language shows the years instead.
"""

from __future__ import annotations

import csv
import functools
import re
from importlib import resources
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_ROMAN: Final = re.compile(r"[ivxlcdm]+")
_NEUTRAL: Final = frozenset(["a", "b", "c", "ca", "cca", "circa", "e", "ad", "bc", "ce", "bce", "st"])
# The words of dates in the languages of date_words.py; those of others are in date_terms.tsv.
_WORDS: Final = {
    "en": "century centuries early late mid half quarter third first second fourth about before"
    " after between or and later probably possibly beginning end middle to from th nd rd not"
    " january february march april may june july august september october november december"
    " spring summer autumn winter dynasty period",
    "de": "jahrhundert jahrhunderts jh jhs jhdt jhd um gegen anfang mitte ende hälfte viertel"
    " drittel vor nach zwischen und oder später wohl etwa bis januar februar märz april mai"
    " juni juli august september oktober november dezember erste zweite",
    "fr": "siècle siècles vers début fin milieu moitié quart tiers avant après entre et ou environ"
    " au du de premier première deuxième second seconde janvier février mars avril mai juin"
    " juillet août septembre octobre novembre décembre",
    "nl": "eeuw omstreeks begin midden einde eind helft kwart voor na tussen en of rond ongeveer"
    " tot eerste tweede januari februari maart april mei juni juli augustus september oktober"
    " november december",
    "it": "secolo sec inizio fine metà quarto prima dopo tra di del gennaio febbraio marzo aprile"
    " maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "es": "siglo siglos hacia principios mediados finales mitad antes después entre de del cuarto"
    " enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "pt": "século séculos início meados fim finais metade antes depois entre de do cerca janeiro"
    " fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "sv": "talet tal omkring början mitten slutet hälften före efter mellan och århundradet januari"
    " februari mars april maj juni juli augusti september oktober november december",
}  # fmt: skip
_NORDIC: Final = ("sv", "da", "no", "fi", "is")


def is_written_in(text: str, tag: str, *, otherwise: bool) -> bool:
    """Whether a date can be shown as it is written in a caption of the language `tag`.

    Args:
        otherwise: the answer for a date with words that no language of the tables has ("Qing dynasty").
    """
    words = [word for word in _WORD.findall(text.casefold()) if not _ROMAN.fullmatch(word)]
    words = [word for word in words if word not in _NEUTRAL]
    if not words:
        return True
    known = [languages for word in words if (languages := _languages().get(word))]
    if not known:
        return otherwise
    primary = tag.split("-")[0]
    primary = "no" if primary in ("nb", "nn") else primary
    return all(primary in languages for languages in known)


@functools.cache
def _languages() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for language, words in _WORDS.items():
        for word in words.split():
            found.setdefault(word, set()).add(language)
    text = resources.files("data_prep.description").joinpath("date_terms.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for _, languages, terms in csv.reader(lines[1:], delimiter="\t", quoting=csv.QUOTE_NONE):
        codes = _NORDIC if languages == "nordic" else languages.split()
        for word in _WORD.findall(terms.casefold()):
            # Rows of many languages do not say which word is of which.
            if not {"other", "many"} & set(codes):
                found.setdefault(word, set()).update(codes)
    return {word: frozenset(languages) for word, languages in found.items()}
