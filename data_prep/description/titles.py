"""Titles that say little alone -> captions that do: "La surprise. Painting, Ann Fenn, 1718".

A page's heading takes the title of its work: "Lectio 4. A commentary on the Sentences". Nothing is added
that the catalogue does not say. How long such a title may be, and what is added, is data (configs/captions/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from data_prep.composition import Composition
from data_prep.description import languages
from data_prep.description.sentences import Circumstances
from iconoclip.record import Caption

# A longer title of a work is a title page: whoever reads it after a heading has forgotten the heading.
MAX_TITLE_CHARS: Final = 150
_MAX_VALUE_CHARS: Final = 60
# Of Chinese and Japanese, which have no spaces: characters that say as much as a word.
_FIRST_SYLLABIC: Final = "\u3040"
_SYLLABLES_PER_WORD: Final = 3
_YEAR: Final = re.compile(r"\d{4}")


def extended(
    captions: Iterable[Caption],
    around: Circumstances,
    composition: Composition,
    whole: Sequence[Caption] = (),
) -> tuple[Caption, ...]:
    """The captions, of which titles that say little alone are joined with what is known of their object.

    Args:
        around: kind, technique, maker, place and date.
        whole: the captions of the work, where these are about a page of it.
    """
    titles = [one for one in whole if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS]
    return tuple(
        _extended(one, around, composition, titles) if _says_little(one, composition) else one
        for one in captions
    )


def _says_little(caption: Caption, composition: Composition) -> bool:
    is_label = caption.field == "caption" and caption.level == "page"
    if caption.role != "title" and not is_label:
        return False
    is_long = caption.field == "contents" or caption.level == "work"
    return num_words(caption.text) <= (
        composition.max_heading_words
        if is_long and composition.max_title_words
        else composition.max_title_words
    )


def num_words(text: str) -> int:
    """Words between spaces; of scripts without spaces, an estimate."""
    num_syllables = sum(letter >= _FIRST_SYLLABIC for letter in text)
    return max(len(text.split()), -(-num_syllables // _SYLLABLES_PER_WORD))


def _extended(
    caption: Caption, around: Circumstances, composition: Composition, titles: Sequence[Caption]
) -> Caption:
    tag = caption.language
    same = [one for one in titles if one.language == tag] or titles
    said = caption.text.casefold()
    work = next((one.text for one in same if one.text.casefold() not in said), None)
    values = around.values(tag)
    values["technique"] = _in_language(around.techniques, tag)
    values["place"] = _in_language(around.places, tag)
    whole = f"{said} {work or ''}".casefold()
    values = {name: [text for text in texts if _is_new(name, text, whole)] for name, texts in values.items()}
    values |= {"title": [caption.text], "work": [work] if work else []}
    text = composition.template(tag).render(values, is_title=True)
    if text == caption.text:
        return caption
    changes: dict[str, object] = {"text": text}
    if tag == languages.UNKNOWN:
        # A name has no language, a sentence around it has.
        spoken = languages.spoken(
            text, None, siblings=languages.dominant((one.text, one.language) for one in same)
        )
        changes |= {
            "language": spoken.tag,
            "language_source": spoken.source,
            "language_detected": spoken.is_guess,
        }
    return caption.model_copy(update=changes)


def _in_language(texts: Iterable[tuple[str, str | None]], tag: str) -> list[str]:
    known = [text for text, given in texts if languages.canonical_tag(given) in (tag, None)]
    return list(dict.fromkeys(text for text in known if len(text) <= _MAX_VALUE_CHARS))[:2]


def _is_new(name: str, text: str, said: str) -> bool:
    """Whether a text tells a reader more than the title: of a maker, the family name is enough."""
    text = text.casefold()
    if name == "date":
        # "April 12, 1882" and "1882-04-12" are one date to a reader.
        return text not in said and not any(year in said for year in _YEAR.findall(text))
    return (text.split()[-1] if name == "creator" else text) not in said
