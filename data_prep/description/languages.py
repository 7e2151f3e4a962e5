"""Language tags: reads the given tags, repairs broken ones, and detects the language if there is none.

A tag follows BCP 47. Other values in catalogues (`eng`, `fre`, `German`, `@none`, `true`) are mapped or
refused here. The detector is py3langid (BSD-3): 4.5 MB, offline, 0.05 ms per text. On titles and Iconclass
labels it was right as often as lingua in its high-accuracy mode (84 % and 89 %), with a twentieth of its size
and memory.
"""

from __future__ import annotations

import functools
import importlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iconoclip.record import LanguageSource

UNKNOWN = "und"

# The languages in which collections are described. A detected language outside of this list is wrong far more
# often than right.
DETECTABLE = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it", "la", "lt", "lv",
    "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk", "zh", "ja", "ar", "he",
)  # fmt: skip
# Rare languages for which short texts in other languages are mistaken. Their detection needs a long text, or
# one of the letters that only this language has.
_RARE = {"ca": "·", "cy": "ŵŷ", "ga": "ḃċḋḟġṁṗṡṫ", "is": "ðþ", "mt": "ħġċ", "sr": "ђћљњџ", "tr": "ğış"}
_NUM_LETTERS_OF_RARE = 25
_SURE_OF_RARE = 0.9

# Tags in use that BCP 47 does not define or defines differently.
_ALIASES = {"cz": "cs", "jp": "ja", "gr": "el", "dk": "da", "se": "sv", "fre": "fr", "ger": "de", "dut": "nl"}
_NOT_A_LANGUAGE = {"", "none", "und", "mul", "zxx", "mis", "true", "false", "null", "nil", "undefined", "xx"}
# BCP 47 allows more; a record's caption can only hold this.
_WELL_FORMED = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,5}")
_NAME = re.compile(r"[^\W\d_]{4,24}")

_NUM_LETTERS_TO_GUESS = 12
_NUM_LETTERS_TO_CONTRADICT = 40
# From this length on, a text may contradict its tag. Of 1,074 tagged texts of real manifests 19 do, all of
# them rightly. Most wrong tags give the language of the catalogue instead of that of the text.
_NUM_LETTERS_TO_DOUBT = 20
# From this probability on, 96 to 99 % of the detections were right, on 4,400 labels and titles of 12 letters
# or more.
_SURE = 0.6
_VERY_SURE = 0.98
_PRIOR_WORTH = 0.1
# A title of four words is short for a detector, but its articles and prepositions show the language.
_SMALL_WORDS_WORTH = 0.02
_SMALL_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and with from his her their by for at an on after before in to",
        "de": "der die das und mit von vom zum zur ein eine einer im am an des dem den in auf nach bei aus"
        " vor über unter zwischen",
        "fr": "d' l' le la les du et une un aux au des de à dans sur pour par avec en",
        "nl": "het een van en de voor met bij op aan door uit naar te in",
        "it": "d' l' il lo la gli le della del di dei delle con nel nella un una da in",
        "es": "el la los las y del de con en un una por para al",
        "pt": "os as da do das dos em um uma com de no na",
        "sv": "och på av från med en ett till det den för vid",
        "da": "og på af fra med en et til det den for ved",
        "la": "et in de ad cum sive seu ex pro super per ab liber libri lectio lectiones sermo epistola"
        " epistolae tractatus prologus quaestio quaestiones incipit explicit capitulum psalmus psalmi sancti"
        " secundum contra libro librum opera omnia vita vitae oratio",
        "cy": "y yr yn ac gan wedi hyd gyda am ar dros mewn rhwng",
        "hu": "és az egy meg nem vagy hogy című szerint",
        "pl": "przez dla nad pod oraz się przy według czyli",
        "cs": "nebo při pro ze nad podle jeho její",
        "ro": "și din pentru cu la lui sau",
        "ca": "els dels amb i del per una les",
        "fi": "ja sekä on tai eli",
        "tr": "ve bir ile için veya",
        "ga": "agus an na ar le",
    }.items()
}
_WORD = re.compile(r"[^\W\d_]+")
_ELIDED = re.compile(r"\b([dl])['’](?=\w)")
# The detection of one word is only a hint. It outweighs the language of the record's other texts if it is
# this many times as probable. It outweighs the institution's default sooner: a French page in an English
# library is common.
_SIBLINGS_OUTWEIGH = 10
_DEFAULT_OUTWEIGHS = 4
_SURE_OF_SIBLING = 0.9
# "La Surprise" in an English record. The language of a longer text is easier to detect.
_FEW_WORDS = 3
_SHARE_OF_SIBLINGS = 2 / 3
# Headings of real manifests that are in the language of their catalogue stay below one of the two.
_SHARE_OF_ANOTHER, _ANOTHER_OUTWEIGHS = 0.5, 20
# "No. 3": "no" is a word of Portuguese, too.
_WORD_AND_NUMBER = re.compile(r"\b[^\W\d_]{1,3}\.?\s*\d+")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3041-\u30fa\u31f0-\u31ff]")
# "Ehon nenjū gyōji": a transcription of Japanese, as libraries write it.
_MACRON = re.compile(r"[ōūŌŪ]")
# Forms of the Japanese list of characters for general use (1946, 1949) that neither traditional nor
# simplified Chinese has.
_SHINJITAI = frozenset(
    "図巻経戦売読駅伝仏沢実絵辺塩円応帰気拠剣広鉱桜雑児釈従渋帯滝単団遅徳頼両弾髪抜拝発様楽糸処"
)
_LATIN_ENDING = re.compile(
    r"(?:us|um|ae|arum|orum|ibus|ensis|ones|ale|alia|io|ia|tas|trix|ris|eca)\W*$", re.IGNORECASE
)


@functools.lru_cache(maxsize=4096)
def canonical_tag(given: str | None) -> str | None:
    """The BCP 47 tag for `given`: `fre` -> `fr`, `German` -> `de`, `@none` -> None.

    Returns:
        A valid tag of at most 35 characters, or None if `given` names no language.
    """
    tag = (given or "").strip().lstrip("@").replace("_", "-")
    if tag.lower() in _NOT_A_LANGUAGE or tag.lower().startswith(("und-", "zxx-", "mul-")):
        return None
    tag = _ALIASES.get(tag.lower(), tag)
    if _WELL_FORMED.fullmatch(tag) and len(tag) <= 35:
        return _standard(tag)
    return _by_name(tag) if _NAME.fullmatch(tag) else None


def _standard(tag: str) -> str | None:
    import langcodes

    try:
        language = langcodes.Language.get(tag)
        standard = str(language.to_tag())
    except ValueError:
        return None
    return standard if language.is_valid() and len(standard) <= 35 and standard != UNKNOWN else None


def _by_name(name: str) -> str | None:
    import langcodes

    for language_of_name in ("en", "de", "fr", "nl", "it", "es", "und"):
        try:
            tag = str(langcodes.find(name, language=language_of_name).to_tag())
        except LookupError:
            continue
        return tag if tag != UNKNOWN else None
    return None


@dataclass(frozen=True)
class Spoken:
    """The language of a text, and how it was determined."""

    tag: str
    source: LanguageSource | None
    """None if the tag is `und`."""

    @property
    def is_guess(self) -> bool:
        """Whether the tag was chosen by a program and not by the source."""
        return self.source not in ("source", None)


def spoken(text: str, given: str | None, default: str | None = None, siblings: str | None = None) -> Spoken:
    """The language of `text`.

    The tag counts, unless the text plainly contradicts it. Without a tag, the order is: a certain detection,
    or a possible one that agrees with the siblings; the language of the siblings; the institution's default.
    A single word that looks Latin stays `und`, because it may be Latin in a catalogue of any language.

    Args:
        given: the tag that the source gives, in any spelling.
        default: the language of most texts of the institution.
        siblings: the language of most texts of the same record.
    """
    tag = canonical_tag(given)
    if (script := _by_script(text)) and (tag or "").split("-")[0] not in script:
        # No tag of a language in Latin script fits Chinese characters, nor does the tag of a transcription.
        return Spoken(script[0], "detected")
    if tag is not None:
        contradiction = contradicted_by(text, tag)
        return Spoken(contradiction, "detected") if contradiction else Spoken(tag, "source")
    if default and _has_words_of_others(text, default):
        default = None
    if siblings and len(text.split()) <= _FEW_WORDS and _has_words_of_others(text, siblings):
        siblings = None
    is_one_word = len(text.split()) == 1
    if _may_be_latin(text):
        return Spoken(UNKNOWN, None)
    if not is_one_word and (found := guess(text, siblings or default)):
        return Spoken(found, "detected")
    # A detector is unreliable on a few letters.
    few = _SIBLINGS_OUTWEIGH if is_one_word else _SIBLINGS_OUTWEIGH**2
    outweigh = _SIBLINGS_OUTWEIGH if _num_letters(text) >= _NUM_LETTERS_TO_GUESS else few
    if siblings and _is_possible(text, siblings, outweigh):
        return Spoken(siblings, "siblings")
    if default and _is_possible(text, default, _DEFAULT_OUTWEIGHS):
        return Spoken(default, "profile")
    found = guess(text)
    return Spoken(found, "detected") if found else Spoken(UNKNOWN, None)


def _may_be_latin(text: str) -> bool:
    """Whether a text of one to three words may be Latin, as "Herbarium" and "Wiho: Sermones" may.

    Catalogues in any language have such titles, so the other texts of the record do not show their language.
    """
    if len(text.split()) > _FEW_WORDS or _by_small_words(text):
        return False
    if len(text.split()) == 1:
        return _LATIN_ENDING.search(text) is not None
    longer = [word for word in _WORD.findall(text) if len(word) > 4]
    return bool(longer) and all(map(_LATIN_ENDING.search, longer))


def _by_script(text: str) -> tuple[str, ...]:
    """The possible languages of a text of Chinese characters or Japanese syllables, the likeliest first.

    If there are no syllables, Japanese is recognised by characters that only Japan writes in this form.
    """
    if not _HAN.search(text) and not _KANA.search(text):
        return ()
    num_latin = sum(letter.isalpha() and letter < "\u0250" for letter in text)
    if num_latin > len(text) / 2 and not _MACRON.search(text):
        return ()  # a text in another language that quotes a few characters
    if _KANA.search(text) or _MACRON.search(text):
        return ("ja",)
    return ("ja",) if set(text) & _SHINJITAI else ("zh", "ja", "ko", "yue", "lzh", "vi")


def _words(text: str) -> set[str]:
    text = text.casefold()
    return {*_WORD.findall(text), *(f"{letter}'" for letter in _ELIDED.findall(text))}


def _has_words_of_others(text: str, tag: str) -> bool:
    """Whether a text has articles or prepositions of other languages and none of this one: "Le marin"."""
    words = _words(text)
    mine = _SMALL_WORDS.get(tag.split("-")[0])
    return mine is not None and not words & mine and any(words & small for small in _SMALL_WORDS.values())


def _is_possible(text: str, tag: str, factor: float) -> bool:
    """Whether no language is more than `factor` times as probable for a text as the expected language."""
    shares = _shares(text)
    expected = shares.get(tag.split("-")[0])
    return expected is None or max(shares.values()) <= factor * expected


def may_be_in_another(text: str, tag: str) -> bool:
    """Whether a text may be in another language than `tag`: a sentence in that language has to quote it.

    A tag of the source counts here no more than others: catalogues tag the inscriptions and titles of a book
    with the language of the catalogue.
    """
    primary = tag.split("-")[0]
    if primary not in (*DETECTABLE, *_RARE) or _words(text) & _SMALL_WORDS.get(primary, frozenset()):
        return False
    text = _WORD_AND_NUMBER.sub("", text)
    if _has_words_of_others(text, tag):
        return True
    shares = _shares(text)
    best = max(shares.values())
    return best >= _SHARE_OF_ANOTHER and best >= _ANOTHER_OUTWEIGHS * shares.get(primary, 0.0)


def dominant(texts: Iterable[tuple[str, str | None]]) -> str | None:
    """The language of most of the texts, by number of letters; None if no language has two thirds of them.

    A long text without a tag counts with its detected language, if the detection is certain.
    """
    letters: Counter[str] = Counter()
    for text, given in texts:
        tag = canonical_tag(given)
        num = _num_letters(text)
        if tag is None and num >= _NUM_LETTERS_TO_CONTRADICT:
            shares = _shares(text)
            best = max(shares, key=shares.__getitem__)
            tag = best if shares[best] >= _SURE_OF_SIBLING else None
        if tag is not None:
            letters[tag] += num
    if not letters:
        return None
    tag, num = letters.most_common(1)[0]
    return tag if num >= _SHARE_OF_SIBLINGS * letters.total() else None


def contradicted_by(text: str, tag: str) -> str | None:
    """Another language, if the text is plainly not in the language of its tag.

    For a long text, the detection is enough. A short one must have two small words of the other language and
    none of its own, have Latin endings, or be detected without any doubt.
    """
    primary, num = tag.split("-")[0], _num_letters(text)
    if primary not in (*DETECTABLE, *_RARE) or num < _NUM_LETTERS_TO_GUESS:
        return None
    shares = _shares(text)
    best = max(shares, key=shares.__getitem__)
    share, mine = shares[best], shares.get(primary, 0.0)
    if best == primary or mine >= 0.01 or share < _SURE_OF_SIBLING:
        return None
    if num >= _NUM_LETTERS_TO_CONTRADICT and share >= _VERY_SURE and mine < 0.001:
        return best
    if num >= _NUM_LETTERS_TO_DOUBT and share >= _VERY_SURE and mine < 0.0001:
        return best
    if best == "la":
        return best if num >= _NUM_LETTERS_TO_DOUBT and _has_latin_endings(text) else None
    words = _words(text)
    num_small = len(words & _SMALL_WORDS.get(best, frozenset()))
    return best if num_small > 1 and not words & _SMALL_WORDS.get(primary, frozenset()) else None


def _has_latin_endings(text: str) -> bool:
    """Whether half of the longer words of a text have Latin endings."""
    words = [word for word in _WORD.findall(text) if len(word) > 3]
    return 2 * sum(_LATIN_ENDING.search(word) is not None for word in words) >= len(words) > 1


def guess(text: str, default: str | None = None) -> str | None:
    """The most probable language of `text`, or None if the text is too short or the result too doubtful."""
    if _num_letters(text) < _NUM_LETTERS_TO_GUESS:
        return _by_small_words(text)
    shares = _shares(text)
    best = max(shares, key=shares.__getitem__)
    expected = (default or "").split("-")[0]
    if default and shares.get(expected, 0.0) >= _PRIOR_WORTH and not _is_outvoted(text, expected):
        return default
    if shares[best] >= _SURE:
        return best
    small = _by_small_words(text)
    if small and _words(text) & _SMALL_WORDS.get(expected, frozenset()):
        return None if small != expected else small
    return small if small and shares.get(small, 0.0) >= _SMALL_WORDS_WORTH else None


def _is_outvoted(text: str, expected: str) -> bool:
    """Whether a text has two small words of one other language and none of the expected language."""
    words = _words(text)
    found = _by_small_words(text)
    mine = _SMALL_WORDS.get(expected, frozenset())
    return found is not None and len(words & _SMALL_WORDS[found]) > 1 and not words & mine


def _by_small_words(text: str) -> str | None:
    """The language of most articles and prepositions of a text; None if several languages are equal."""
    words = _words(text)
    counts = {language: len(words & small) for language, small in _SMALL_WORDS.items()}
    most = max(counts.values())
    leaders = [language for language, count in counts.items() if count == most]
    return leaders[0] if most and len(leaders) == 1 else None


def _num_letters(text: str) -> int:
    """The number of letters; a letter that represents a syllable or a word counts as three."""
    text = text[:400]
    if text.isascii():  # by far the most
        return sum(map(str.isalpha, text))
    return sum(3 if letter >= "\u1100" else 1 for letter in text if letter.isalpha())


@functools.lru_cache(maxsize=8192)
def _shares(text: str) -> Mapping[str, float]:
    """Probability of each detectable language."""
    # The detector was trained on running text; texts in capitals mislead it.
    plain = text.lower() if text.isupper() else text
    ranked: list[tuple[str, float]] = _identifier().rank(plain[:400])
    shares = {language: (0.0 if math.isnan(share) else float(share)) for language, share in ranked}
    best = max(shares, key=shares.__getitem__)
    return shares if best in _RARE and _is_rare(text, best, shares[best]) else _without_rare(shares)


def _is_rare(text: str, language: str, share: float) -> bool:
    """Whether a text is certainly in a rare language: it is long, or has a letter that only this language
    has."""
    if set(text.casefold()) & set(_RARE[language]):
        return True
    return share >= _SURE_OF_RARE and _num_letters(text) >= _NUM_LETTERS_OF_RARE


def _without_rare(shares: Mapping[str, float]) -> dict[str, float]:
    common = {language: share for language, share in shares.items() if language not in _RARE}
    total = sum(common.values())
    return {language: share / total for language, share in common.items()} if total else dict(shares)


@functools.cache
def _identifier() -> Any:
    langid = importlib.import_module("py3langid.langid")  # untyped, and slow to import: on first use only
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    identifier.set_languages([*DETECTABLE, *_RARE])
    return identifier
