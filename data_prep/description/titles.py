"""Extends titles that are too short to describe their object: "La surprise. Painting, Ann Fenn, 1718".

The title of the work is added to the heading of a page: "Lectio 4. A commentary on the Sentences". Only facts
from the catalogue are added. Which titles count as short, and what is added, is data (configs/captions/).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from data_prep.composition import Composition
from data_prep.description import kinds, languages
from data_prep.description.designations import is_designation
from data_prep.description.page_labels import is_page_label, may_be_title, names_a_page, names_a_part
from data_prep.description.page_parts import part_shown
from data_prep.description.sentences import Circumstances, same_language
from data_prep.description.text_languages import names_of
from iconoclip.record import Caption

# A longer title of a work is the text of a title page, which is too long to be added to a heading.
MAX_TITLE_CHARS: Final = 150
_MAX_VALUE_CHARS: Final = 60
# Chinese and Japanese have no spaces: this many characters count as a word.
_FIRST_SYLLABIC: Final = "\u3040"
_SYLLABLES_PER_WORD: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]+")
_YEAR: Final = re.compile(r"\d{4}")
_MIN_PAGES: Final = 10
_WORD_OR_NUMBER: Final = re.compile(r"[^\W_]")
# The end of a sentence: not that of an initial, an abbreviation or an ordinal number.
_END: Final = re.compile(r"(?<=[^\W\d_]{4}|\d{3}[)\]]|[^\W\d_]{3}[)\]]|\W\d{3})[.!?](?=\s+[^\W\d_a-zß-ÿ])")
_MIN_SENTENCE_WORDS: Final = 4
# "Hedvig Eleonora, 1636-1715, drottning av Sverige"
_LIFE: Final = re.compile(
    r"[,(]\s*(?:c\w{0,4}\.?\s*)?1\d{3}\s*[-–—]\s*(?:c\w{0,4}\.?\s*)?(?:\d{2}|1[4-9]\d\d|20\d\d)\b"
)


@dataclass(frozen=True)
class View:
    """What an image shows of an object with several images."""

    is_page: bool = False
    part: str | None = None
    """A part of a book: `front`, `spine`, ... (page_parts.py)."""


NOTHING_KNOWN: Final = View()


def extended(
    captions: Sequence[Caption],
    around: Circumstances,
    composition: Composition,
    whole: Sequence[Caption] = (),
    *,
    view: View = NOTHING_KNOWN,
) -> tuple[Caption, ...]:
    """The captions. Titles that are too short are joined with facts about their object.

    Args:
        around: kind, technique, maker, place and date.
        whole: the captions of the work, if these captions are about a page of it.
        view: whether the image shows a page or a part of a book, whose title then is named as such.
    """
    titles = [one for one in whole if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS]
    own = [one for one in captions if one.role == "title" and len(one.text) <= MAX_TITLE_CHARS]
    view = view if composition.max_title_words else NOTHING_KNOWN
    of_book = [view != NOTHING_KNOWN and _is_of_a_book(one) for one in captions]
    # What the work is follows the heading of a page of it, not the title of a picture in an album.
    described = captions if view == NOTHING_KNOWN else (*captions, *whole)
    told = _first_sentences(described, composition.max_about_words)
    return tuple(
        # A remark is one on the object that a title names; a title is not joined with its own variants.
        _Extension(around, composition, titles or own * (one.field == "description"), view, told).of(one)
        if is_title or _says_little(one, composition)
        else one
        for one, is_title in zip(captions, of_book, strict=True)
    )


def distinct(captions: tuple[Caption, ...]) -> tuple[Caption, ...]:
    """The captions without sentences of terms that a title took as a whole, and without titles that only
    identify the object: a date or a word for a page is a title only with the facts that follow it."""
    titles = {one.text for one in captions if one.role == "title"}
    return tuple(
        one
        for one in captions
        if (one.role != "subject" or one.text not in titles)
        and (one.role != "title" or not (may_be_title(one.text) and is_designation(one.text)))
    )


def _first_sentences(captions: Sequence[Caption], max_words: int) -> dict[str, str]:
    """Language -> the first sentence of a description in it, if it is short enough to follow a title."""
    found: dict[str, str] = {}
    for one in captions:
        if one.field == "description" and one.role == "descriptive":
            end = _END.search(one.text)
            sentence = (one.text[: end.start()] if end else one.text).rstrip(" .")
            # "303. Bändchen der Sammlung ..." is about a series.
            if _MIN_SENTENCE_WORDS <= num_words(sentence) <= max_words and not sentence[0].isdigit():
                found.setdefault(one.language.split("-")[0], sentence)
    return found


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
    # Many servers label pages without a number "-".
    labels = [
        label
        for label in labels
        if is_page_label(label) or names_a_page(label) or not _WORD_OR_NUMBER.search(label)
    ]
    if not labels or any(map(names_a_part, labels)):
        return False
    if is_book(around, composition):
        return True
    words = _WORD.findall(_kinds(around))
    words += _WORD.findall(" ".join(titles).casefold())
    if any(word.startswith(composition.not_books) for word in words):
        return False
    return num_images >= _MIN_PAGES or any(map(names_a_page, labels))


def is_book(around: Circumstances, composition: Composition) -> bool:
    """Whether the kind of an object says that it consists of pages."""
    return any(word.startswith(composition.books) for word in _WORD.findall(_kinds(around)))


def _kinds(around: Circumstances) -> str:
    return " ".join(text for text, _ in (*around.types, *around.techniques)).casefold()


def _is_of_a_book(caption: Caption) -> bool:
    """Whether a caption is the title of a book. "Binding of ..." and "Leaf from ..." are not."""
    return caption.level == "work" and caption.role == "title" and not _begins_with_a_part(caption.text)


@functools.lru_cache(maxsize=1024)
def _begins_with_a_part(title: str) -> bool:
    first = next(iter(_WORD.findall(title)), "")
    # "On herons": a number of a page may stand for itself, and many of these words begin titles.
    return names_a_page(f"{first} 1") or part_shown((first,), is_book=True) is not None


def _says_little(caption: Caption, composition: Composition) -> bool:
    if caption.field == "description" and composition.max_title_words:
        # "Copy", "Separate map": of what? "A register in two hands" is about the work, not about one image.
        is_of_work = caption.level == "work"
        limit = composition.max_title_words if is_of_work else composition.max_remark_words
        return num_words(caption.text) <= limit
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


@dataclass(frozen=True)
class _Extension:
    """Joins a title with facts about its object."""

    around: Circumstances
    composition: Composition
    titles: Sequence[Caption]
    """Those of the work, if the caption is about a page of it."""
    view: View
    told: Mapping[str, str]
    """Language -> the first sentence of the work's description."""

    def of(self, caption: Caption) -> Caption:
        """The caption with what is known, in one language; unchanged if nothing is new."""
        tag = self._language(caption)
        work = self._work(caption, tag)
        title = self._named(caption, tag, is_in_a_phrase=bool(work))
        values = {"title": [title], "work": [work] if work else []}
        if num_words(caption.text) <= self.composition.max_heading_words:
            facts = self._facts(caption, tag, work or "")
            values |= facts | self._about(caption, tag, work or "", is_all=not any(facts.values()))
        text = self.composition.template(tag).render(values, is_title=True)
        if text == caption.text:
            return caption
        is_named = self.view != NOTHING_KNOWN and (_is_of_a_book(caption) or bool(work))
        return self._spoken(caption, text, tag, is_known=is_named)

    def _language(self, caption: Caption) -> str:
        """The language of what is added.

        A phrase for a page has words. A title in no known language, or in Latin, takes those of its
        catalogue.
        """
        tag, default = caption.language, self.around.language
        is_name = tag == languages.UNKNOWN or (tag == "la" and caption.language_source != "source")
        if not is_name or (self.view == NOTHING_KNOWN and not self._has_words(tag)):
            return tag
        known = kinds.known_in(caption.text)
        of_kind = next((given for _, given in self.around.types if languages.canonical_tag(given)), None)
        return next(iter(known)) if len(known) == 1 else default or languages.canonical_tag(of_kind) or tag

    def _has_words(self, tag: str) -> bool:
        """Whether a title in Latin has a kind or a technique, for which Latin has no words here."""
        return tag == "la" and bool(self.around.types or self.around.techniques)

    def _named(self, caption: Caption, tag: str, *, is_in_a_phrase: bool) -> str:
        """The title as it is written in a caption of the language `tag`.

        Args:
            is_in_a_phrase: whether words of that language follow it, and not only names and facts.
        """
        if self.view != NOTHING_KNOWN and _is_of_a_book(caption):
            return self._of_view(caption.text, tag)
        is_other = not same_language(tag, caption.language) and caption.language != languages.UNKNOWN
        if is_in_a_phrase and not is_other and self.view != NOTHING_KNOWN:
            is_other = languages.may_be_in_another(caption.text, tag)
        return self.composition.quoted(caption.text, tag) if is_other else caption.text

    def _of_view(self, title: str, tag: str) -> str:
        if self.view.part:
            return self.composition.part_of(self.view.part, title, tag)
        return self.composition.page_of(title, tag)

    def _work(self, caption: Caption, tag: str) -> str | None:
        """The title of the work; one in another language is quoted, as a name is."""
        said = caption.text.casefold()
        same = [one for one in self.titles if one.language == tag] or self.titles
        work = next((one for one in same if one.text.casefold() not in said), None)
        if work is None:
            return None
        if self.view != NOTHING_KNOWN and _is_of_a_book(work):
            return self._of_view(work.text, tag)
        is_other = languages.UNKNOWN not in (tag, work.language) and not same_language(tag, work.language)
        return self.composition.quoted(work.text, tag) if is_other else work.text

    def _facts(self, caption: Caption, tag: str, work: str) -> dict[str, list[str]]:
        whole = f"{caption.text} {work}".casefold()
        values = self.around.values(tag)
        for name in ("technique", "place"):
            values[name] = [text for text in values[name] if len(text) <= _MAX_VALUE_CHARS][:2]
        if self.view.is_page and (work or _is_of_a_book(caption)):
            names = names_of(self.around.text_languages, tag)
            written = self.composition.written_in(names, tag) if names else ""
            values["language"] = [written] if written else []
        return {
            name: [text for text in texts if _is_new(name, text, whole)] for name, texts in values.items()
        }

    def _about(self, caption: Caption, tag: str, work: str, *, is_all: bool) -> dict[str, list[str]]:
        """What the object is about: its subjects and persons, otherwise the first sentence of its
        description.

        Args:
            is_all: whether nothing else is known of it.
        """
        whole = f"{caption.text} {work}".casefold()
        makers = {name.casefold() for name in self.around.values(tag)["creator"]}
        found: dict[str, list[str]] = {}
        said = set(makers)
        for role, text, language in self.around.terms:
            if same_language(language, tag) and text.casefold() not in whole and text.casefold() not in said:
                said.add(text.casefold())
                found.setdefault(role, []).append(text)
        if found:
            return {role: texts[: self.composition.max_title_terms] for role, texts in found.items()}
        is_of_book = self.view != NOTHING_KNOWN and _is_of_a_book(caption)
        # "Lectio 4. A page from ...": what the work is, if its kind is not known.
        is_short = caption.role == "title" and is_all
        sentence = self.told.get(tag.split("-")[0], "") if is_of_book or is_short else ""
        return {"subject": [sentence]} if sentence and sentence.casefold() not in whole else {}

    def _of_kinds(self, tag: str) -> languages.Spoken | None:
        """The language of the words for kind and technique that follow a title in no known language."""
        if tag != languages.UNKNOWN:
            return None
        values = self.around.values(tag)
        known = [found for text in (*values["type"], *values["technique"]) if (found := kinds.known_in(text))]
        common = frozenset.intersection(*known) if known else frozenset()
        return languages.Spoken(next(iter(common)), "detected") if len(common) == 1 else None

    def _spoken(self, caption: Caption, text: str, tag: str, *, is_known: bool) -> Caption:
        """The caption with another text, and the language of this text.

        Args:
            is_known: whether the text has words of the language `tag`, not only names.
        """
        changes: dict[str, object] = {"text": text}
        if tag != caption.language:
            changes |= {"language": tag, "language_source": "siblings", "language_detected": True}
        elif caption.language_source in (None, "siblings", "profile") and not (
            is_known and tag != languages.UNKNOWN
        ):
            # A name has no language, but a sentence that contains it has.
            same = [one for one in self.titles if one.language == tag] or self.titles
            spoken = languages.spoken(
                text, None, siblings=languages.dominant((one.text, one.language) for one in same)
            )
            if spoken.tag in (languages.UNKNOWN, tag):
                spoken = self._of_kinds(tag) or languages.Spoken(tag, caption.language_source)
            changes |= {
                "language": spoken.tag,
                "language_source": spoken.source,
                "language_detected": spoken.is_guess,
            }
        return caption.model_copy(update=changes)


def _is_new(name: str, text: str, said: str) -> bool:
    """Whether a text adds something to the title. A maker is known if the title has the family name."""
    text = text.casefold()
    if name == "date":
        # "April 12, 1882" and "1882-04-12" are the same date for a reader.
        return text not in said and not any(year in said for year in _YEAR.findall(text))
    return (text.split()[-1] if name == "creator" else text) not in said
