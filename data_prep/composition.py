"""The rules by which a catalogue's texts become captions: which roles are used and how they are joined. They
are data, in configs/captions/.

Every verb that makes captions takes such a file, and an institution's profile may change parts of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field, field_validator

from iconoclip.config import Config, build, laid_over, read_yaml, shipped_config
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.record import CaptionRole

FOLDER: Final = "captions"
DEFAULT: Final = "default"
NAMES: Final = (
    "subject",
    "person",
    "place",
    "technique",
    "type",
    "creator",
    "date",
    "title",
    "work",
    "language",
)

_Phrases = TypeVar("_Phrases")
_NAME = re.compile(r"\{(\w+)\}")
# Words, unlike names: at the beginning of a sentence they have a capital, "Oil on panel".
_WORDS: Final = ("subject", "type", "technique", "language")
# A title that contains quotation marks gets none around it.
_QUOTES: Final = re.compile(r"[«»“”„「『]")
_AROUND_TITLE: Final = re.compile(r"[«“”„»‘]\s?(?=\{title\})|(?<=\{title\})\s?[»”“«’]")
_MARKED_TITLE: Final = re.compile(r"[^\w\s]\s?\{title\}\s?[^\w\s]")
_JOINERS: Final = " ,;:.-–、，；،؛。"


class Template(Config):
    """How the terms of one language are joined into a caption."""

    sentences: tuple[str, ...] = Field(description="sentences with names in braces, such as `{subject}`")
    titles: tuple[str, ...] = Field(
        default=(
            "{title}",
            "{work}",
            "{subject}; {person}",
            "{type}, {technique}, {language}, {creator}, {place}, {date}",
        ),
        description="sentences that extend a title which is too short to describe the object",
    )
    joint: str = Field(default="; ", description="between several values of one name")
    stop: str = Field(default=". ", description="between sentences")

    @field_validator("sentences", "titles")
    @classmethod
    def _names_are_known(cls, sentences: tuple[str, ...]) -> tuple[str, ...]:
        for name in (name for sentence in sentences for name in _NAME.findall(sentence)):
            if name not in NAMES:
                raise ValueError(f"'{{{name}}}' is no name of a template; known are {', '.join(NAMES)}")
        return sentences

    def render(self, values: Mapping[str, Sequence[str]], *, is_title: bool = False) -> str:
        """The caption made of these values; empty if there are none.

        Args:
            is_title: whether it is built around a title, and not around terms.
        """
        text = ""
        for sentence in self.titles if is_title else self.sentences:
            if filled := self._sentence(sentence, values):
                text = f"{_before_a_stop(text, self.stop)}{filled}" if text else filled
        return text

    def _sentence(self, sentence: str, values: Mapping[str, Sequence[str]]) -> str:
        parts = _NAME.split(sentence)
        text = ""
        # `re.split` with a group gives names as every second part, each after the text that joins it.
        for before, name in zip(parts[0::2], parts[1::2], strict=False):
            value = self.joint.join(values.get(name, ()))
            if value and not text and name in _WORDS:
                value = value[0].title() + value[1:]
            if value:
                text += (before if text else before.lstrip(_JOINERS)) + value
        return text + parts[-1] if text else ""


def _before_a_stop(text: str, stop: str) -> str:
    """A sentence followed by the stop, or by a space if it ends with a punctuation mark."""
    text = text.rstrip(_JOINERS)
    return f"{text} " if text[-1:] in "?!…" else text + stop


class Composition(Config):
    """Which texts are captions, and how terms are joined."""

    captions: tuple[CaptionRole, ...] = Field(description="roles whose texts are captions by themselves")
    sentence: tuple[CaptionRole, ...] = Field(
        description="roles whose texts are joined into one caption per language"
    )
    needs: tuple[CaptionRole, ...] = Field(description="roles of which a sentence needs at least one")
    max_terms: int = Field(description="terms of one role in a sentence, at most", ge=1, le=100)
    max_title_words: int = Field(
        description=(
            "a title of at most so many words says little alone: kind, maker, place and date are added; to a"
            " page's, the title of its work, too. 0: no title is joined with anything"
        ),
        ge=0, le=100,
    )  # fmt: skip
    max_label_words: int = Field(
        3,
        description="the same for the label of a page, which describes the page if it is longer",
        ge=0,
        le=100,
    )
    max_heading_words: int = Field(
        description="the same for the headings of a table of contents, and for the title of a whole work",
        ge=0, le=100,
    )  # fmt: skip
    max_remark_words: int = Field(
        2,
        description=(
            "a description of at most so many words is a remark on the object, and is followed by its title;"
            " one of a work with several images if it has at most max_title_words"
        ),
        ge=0,
        le=100,
    )
    max_title_terms: int = Field(
        4, description="subjects, and persons, that follow a title which says little, at most", ge=0, le=100
    )
    max_about_words: int = Field(
        45,
        description=(
            "the first sentence of a description follows the title of an image of a page if it has at most so"
            " many words, and if the source names no subjects"
        ),
        ge=0,
        le=200,
    )
    books: tuple[str, ...] = Field(
        default=(),
        description=(
            "beginnings of words for objects that consist of pages, in lower case: `manuscri` in"
            " `Manuscripts` and `manuscrit`"
        ),
    )
    not_books: tuple[str, ...] = Field(
        default=(),
        description="the same for objects that have no pages, whatever their images are called",
    )
    pages: dict[str, str] = Field(
        default={},
        description="language -> what an image is called that shows a page, around the `{title}` of its book",
    )
    parts: dict[str, dict[str, str]] = Field(
        default={},
        description=(
            "language -> part of a book -> what an image is called that shows this part, around the `{title}`"
            " in its quotation marks; the parts are those of configs/labels/page-parts.yaml"
        ),
    )
    languages: dict[str, str] = Field(
        default={},
        description=(
            "language -> how the language of a book is told, around `{language}`; it follows the title of a"
            " page of the book"
        ),
    )
    templates: dict[str, Template] = Field(description="language -> template; `default` for all others")

    @field_validator("templates")
    @classmethod
    def _has_a_default(cls, templates: dict[str, Template]) -> dict[str, Template]:
        if DEFAULT not in templates:
            raise ValueError("there is no template `default`")
        return templates

    @field_validator("pages")
    @classmethod
    def _have_a_title(cls, pages: dict[str, str]) -> dict[str, str]:
        for page in pages.values():
            if _NAME.findall(page) != ["title"]:
                raise ValueError(f"'{page}' has to hold `{{title}}`, and no other name")
        return pages

    @field_validator("languages")
    @classmethod
    def _have_a_language(cls, phrases: dict[str, str]) -> dict[str, str]:
        for phrase in phrases.values():
            if _NAME.findall(phrase) != ["language"]:
                raise ValueError(f"'{phrase}' has to hold `{{language}}`, and no other name")
        return phrases

    @field_validator("parts")
    @classmethod
    def _parts_have_a_title(cls, parts: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for phrases in parts.values():
            cls._have_a_title(phrases)
        return parts

    def page_of(self, title: str, language: str) -> str:
        """The name of a page, made of the title of its book; the title alone if the language has no phrase
        for it."""
        page = _of_language(self.pages, language) or "{title}"
        if _QUOTES.search(title):
            page = _AROUND_TITLE.sub("", page)
        return page.replace("{title}", title.rstrip(_JOINERS) if page != "{title}" else title)

    def part_of(self, part: str, title: str, language: str) -> str:
        """The name of a part of a book (`front`, `spine`, ...); the title alone if the language has no phrase
        for it."""
        phrase = (_of_language(self.parts, language) or {}).get(part)
        return phrase.replace("{title}", self.quoted(title, language)) if phrase else title

    def written_in(self, names: str, language: str) -> str:
        """How a text of the language `language` tells in which languages a book is: "in Latin"; empty if it
        has no phrase for it.

        Args:
            names: the names of the languages of the book.
        """
        return (_of_language(self.languages, language) or "").replace("{language}", names)

    def quoted(self, title: str, language: str) -> str:
        """A title in the quotation marks of a language, which are those of its phrase for a page."""
        if _QUOTES.search(title):
            return title.rstrip(_JOINERS)
        marks = _MARKED_TITLE.search(_of_language(self.pages, language) or "")
        return (marks[0] if marks else "“{title}”").replace("{title}", title.rstrip(_JOINERS))

    def template(self, language: str) -> Template:
        """The template of a language, otherwise of its primary language, otherwise the default one."""
        for name in (language, language.split("-")[0]):
            if name in self.templates:
                return self.templates[name]
        return self.templates[DEFAULT]


def _of_language(phrases: Mapping[str, _Phrases], language: str) -> _Phrases | None:
    return phrases.get(language) or phrases.get(language.split("-")[0])


def composition(changes: Mapping[str, Any]) -> Composition:
    """The shipped composition, overridden by `changes`.

    Raises:
        ConfigError: a change is not valid.
    """
    shipped = read_yaml(shipped_config(f"{FOLDER}/{DEFAULT}.yaml"))
    return build(Composition, laid_over(shipped, changes), "composition")


def changes_in(name_or_path: str | None) -> dict[str, Any]:
    """The values of a composition file: one that iconoclip ships, by name, or a YAML file; empty for none.

    Raises:
        MissingRequirement: no such file.
        ConfigError: a value in it is not valid.
    """
    if name_or_path is None or name_or_path == DEFAULT:
        return {}
    if name_or_path.endswith((".yaml", ".yml")):
        values = read_yaml(Path(name_or_path))
    else:
        try:
            values = read_yaml(shipped_config(f"{FOLDER}/{name_or_path}.yaml"))
        except MissingRequirement:
            raise ConfigError(
                f"no composition '{name_or_path}'", remedy="give the path of a YAML file, or `default`"
            ) from None
    composition(values)
    return values
