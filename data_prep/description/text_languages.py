"""The languages in which a text is written, as a catalogue states them: "Sprache: Mittelhochdeutsch", `lat`.

They are facts about the object, unlike the language of a caption (languages.py). Their names in other
languages are those of Unicode's CLDR, through Babel.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from data_prep.description.languages import UNKNOWN, canonical_tag

# "Text in five languages" says less than nothing about one page.
MAX_LANGUAGES: Final = 3
_MAX_CHARS: Final = 100
# Several languages, none, not known.
_NOT_LANGUAGES: Final = frozenset(("mul", "zxx", "und", "mis"))
_SEPARATOR: Final = re.compile(
    r"\s*[;,/|&+、；，]\s*|\s+(?:and|und|et|en|ed?|y|och|og|ja|oraz|és|και|и|та)\s+", re.IGNORECASE
)
# "German, Middle High (ca.1050-1500)": the names of ISO 639-2.
_DATES: Final = re.compile(r"\s*\([^()]*\)")
_INVERTED: Final = re.compile(r"([^,;]+),\s+([^,;]+)")


def languages_in(texts: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """The BCP 47 tags of the languages that some values name; empty if they name more than MAX_LANGUAGES.

    A value with a word that is no language ("mostly English") is left out as a whole.

    Args:
        texts: values, each with its own language tag, or None.
    """
    found = dict.fromkeys(tag for text, given in texts for tag in _languages_of(text, given))
    return tuple(found) if len(found) <= MAX_LANGUAGES else ()


@functools.lru_cache(maxsize=1024)
def _languages_of(text: str, given: str | None) -> tuple[str, ...]:
    text = _DATES.sub("", text).strip(" .[]")
    if not text or len(text) > _MAX_CHARS:
        return ()
    if whole := _tag_of(text):
        return (whole,)
    if (inverted := _INVERTED.fullmatch(text)) and (tag := _tag_of(f"{inverted[2]} {inverted[1]}")):
        return (tag,)
    tags = [_tag_of(part) for part in _SEPARATOR.split(text) if part]
    return tuple(dict.fromkeys(tag for tag in tags if tag)) if all(tags) else ()


def _tag_of(name: str) -> str | None:
    return canonical_tag(name) or _english_names().get(name.casefold())


@functools.cache
def _english_names() -> dict[str, str]:
    """English name -> tag: "middle high german", which other tables have under G only."""
    from babel import Locale

    names = Locale("en").languages.items()
    return {name.casefold(): tag for tag, name in names if tag.isalpha() and tag not in _NOT_LANGUAGES}


def names_of(tags: Sequence[str], language: str) -> str:
    """The names of some languages in another one, joined: "English and Latin"; empty if one has no name.

    Args:
        language: the BCP 47 tag of the language of the names.
    """
    # To import Babel's locales takes 50 ms, which most commands do not need.
    from babel import Locale, UnknownLocaleError
    from babel.lists import format_list

    if language == UNKNOWN or not tags:
        return ""
    try:
        locale = Locale.parse(language.split("-")[0])
    except (UnknownLocaleError, ValueError):
        return ""
    names = [locale.languages.get(tag.split("-")[0]) for tag in tags]
    joined = format_list([name for name in names if name], locale=locale) if all(names) else ""
    return joined.replace("\xa0", " ")
