"""Extends titles that are too short to describe their object: "La surprise. Painting, Ann Fenn, 1718".

The title of the work is added to the heading of a page: "Lectio 4. A commentary on the Sentences". Only facts
from the catalogue are added. Which titles count as short, and what is added, is data (configs/captions/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from data_prep.composition import Composition
from data_prep.description import languages
from data_prep.description.page_labels import is_page_label, names_a_page, names_a_part
from data_prep.description.sentences import Circumstances
from iconoclip.record import Caption

# A longer title of a work is the text of a title page, which is too long to be added to a heading.
MAX_TITLE_CHARS: Final = 150
_MAX_VALUE_CHARS: Final = 60
# Chinese and Japanese have no spaces: this many characters count as a word.
_FIRST_SYLLABIC: Final = "\u3040"
_SYLLABLES_PER_WORD: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]+")
_YEAR: Final = re.compile(r"\d{4}")
_MIN_PAGES: Final = 20
_MAX_REMARK_WORDS: Final = 2
# "Hedvig Eleonora, 1636-1715, drottning av Sverige"
_LIFE: Final = re.compile(
    r"[,(]\s*(?:c\w{0,4}\.?\s*)?1\d{3}\s*[-–—]\s*(?:c\w{0,4}\.?\s*)?(?:\d{2}|1[4-9]\d\d|20\d\d)\b"
)


def extended(
    captions: Sequence[Caption],
    around: Circumstances,
    composition: Composition,
    whole: Sequence[Caption] = (),
    *,
    is_page: bool = False,
) -> tuple[Caption, ...]:
    """The captions. Titles that are too short are joined with facts about their object.

    Args:
        around: kind, technique, maker, place and date.
        whole: the captions of the work, if these captions are about a page of it.
        is_page: whether the image shows a page, so that the title of the work is the title of a book.
    """
    titles = [one for one in whole if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS]
    own = [one for one in captions if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS]
    is_page = is_page and composition.max_title_words > 0
    of_book = [is_page and _is_of_a_book(one) for one in captions]
    return tuple(
        # A remark is one on the object that a title names; a title is not joined with its own variants.
        _extended(one, around, composition, titles or own * (one.field == "description"), is_page=is_title)
        if is_title or _says_little(one, composition)
        else one
        for one, is_title in zip(captions, of_book, strict=True)
    )


def shows_a_page(
    labels: Iterable[str],
    around: Circumstances,
    composition: Composition,
    num_images: int,
    titles: Iterable[str] = (),
) -> bool:
    """Whether one of several images shows a page, according to its labels, or to the number of images and the
    kind of object.

    Args:
        labels: the labels of the canvas.
        around: kind and technique of the object.
        num_images: the number of images of the object. Many numbered images without a stated kind are a
            volume.
        titles: the titles of the object: a "Map of ..." has no pages.
    """
    labels = [label for label in labels if is_page_label(label)]
    if not labels or any(map(names_a_part, labels)):
        return False
    kinds = " ".join(text for text, _ in (*around.types, *around.techniques)).casefold()
    words = _WORD.findall(kinds)
    if any(word.startswith(composition.books) for word in words):
        return True
    words += _WORD.findall(" ".join(titles).casefold())
    if any(word.startswith(composition.not_books) for word in words):
        return False
    return num_images >= _MIN_PAGES or any(map(names_a_page, labels))


def _is_of_a_book(caption: Caption) -> bool:
    """Whether a caption is the title of a book. "Binding of ..." is not."""
    first = next(iter(_WORD.findall(caption.text)), "")
    return caption.level == "work" and caption.role == "title" and not is_page_label(first)


def _says_little(caption: Caption, composition: Composition) -> bool:
    if caption.field == "description" and composition.max_title_words:
        # "Copy", "Separate map": of what?
        return num_words(caption.text) <= _MAX_REMARK_WORDS
    is_label = caption.field == "caption" and caption.level == "page"
    if caption.role != "title" and not is_label:
        return False
    is_long = caption.field == "contents" or caption.level == "work" or is_name(caption.text)
    short = composition.max_label_words if is_label else composition.max_title_words
    limit = composition.max_heading_words if is_long else short
    return bool(composition.max_title_words) and num_words(caption.text) <= limit


def is_name(text: str) -> bool:
    """Whether a title is the name of a person with the years of their life, as catalogues write it."""
    return _LIFE.search(text) is not None and text[:1].isupper()


def num_words(text: str) -> int:
    """The number of words; an estimate for scripts without spaces."""
    num_syllables = sum(letter >= _FIRST_SYLLABIC for letter in text)
    return max(len(text.split()), -(-num_syllables // _SYLLABLES_PER_WORD))


def _extended(
    caption: Caption,
    around: Circumstances,
    composition: Composition,
    titles: Sequence[Caption],
    *,
    is_page: bool,
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
    title = composition.page_of(caption.text, tag) if is_page else caption.text
    values |= {"title": [title], "work": [work] if work else []}
    if num_words(caption.text) > composition.max_heading_words:
        values = {"title": [title]}
    text = composition.template(tag).render(values, is_title=True)
    if text == caption.text:
        return caption
    changes: dict[str, object] = {"text": text}
    if caption.language_source in (None, "siblings", "profile"):
        # A name has no language, but a sentence that contains it has.
        spoken = languages.spoken(
            text, None, siblings=languages.dominant((one.text, one.language) for one in same)
        )
        if spoken.tag in (languages.UNKNOWN, tag):
            spoken = languages.Spoken(tag, caption.language_source)
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
    """Whether a text adds something to the title. A maker is known if the title has the family name."""
    text = text.casefold()
    if name == "date":
        # "April 12, 1882" and "1882-04-12" are the same date for a reader.
        return text not in said and not any(year in said for year in _YEAR.findall(text))
    return (text.split()[-1] if name == "creator" else text) not in said
