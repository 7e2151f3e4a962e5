"""What the name of a column means: words in fourteen languages (configs/labels/table-columns.yaml) and the
labels of catalogues (configs/institutions/generic.yaml)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from data_prep.description.page_labels import fold
from data_prep.institutions import generic_labels
from iconoclip.config import read_yaml, shipped_config

# Fields of labels and of columns that have different names.
_AS_COLUMN: Final = {
    "creator": "creators",
    "type": "object_type",
    "blazon": "caption",
    "contents": "description",
}
_CAMEL: Final = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")
_BRACKETS: Final = re.compile(r"[(\[{].*?[)\]}]")
_WORD: Final = re.compile(r"[^\W_]+")
# Tags and names of languages at the end of a header: `Titel (en)`, `title_en`, `Titel englisch`.
_TAGS: Final = (
    "de", "en", "fr", "it", "es", "pt", "nl", "pl", "cs", "sv", "da", "no", "nb", "fi", "hu", "la", "ca",
    "el", "ru", "uk",
)  # fmt: skip
_NAMES_OF_LANGUAGES: Final = {
    "de": "ger deutsch german allemand tedesco duits tyska tysk saksa nemet",
    "en": "eng englisch english anglais inglese ingles engels angielski anglicky engelska engelsk englanti"
    " angol",
    "fr": "fre franzosisch french francais francese frances frans francuski",
    "it": "ita italienisch italian italiano italien italiaans",
    "es": "spa spanisch spanish espanol espagnol spagnolo spaans",
    "pt": "por portugues portuguese",
    "nl": "dut dutch nederlands niederlandisch neerlandais",
    "pl": "pol polski polnisch polish",
    "cs": "cz cze cesky czech tschechisch",
    "sv": "se swe svenska swedish",
    "da": "dk dan dansk danish",
    "nb": "nor norsk norwegian",
    "fi": "fin suomi finnish",
    "hu": "hun magyar hungarian",
}
_LANGUAGES: Final = {
    **{tag: tag for tag in _TAGS},
    **{word: tag for tag, words in _NAMES_OF_LANGUAGES.items() for word in words.split()},
}


@dataclass(frozen=True)
class ColumnName:
    """What the name of a column means."""

    field: str
    """A field of table_config.Columns or of its captions; `ignore` for what is not to be published."""
    num_words: int
    """Words of the name that are known; more are a surer sign."""
    is_whole: bool
    """Whether the whole name is known."""
    language: str | None = None
    """The language that it names."""


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name without case, accents, brackets and numbers at the end."""
    plain = _CAMEL.sub(" ", name)
    words = _WORD.findall(fold(_BRACKETS.sub(" ", plain) or plain))
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if words and len(stem := words[-1].rstrip("0123456789")) > 2:
        words[-1] = stem
    return tuple(words)


def meaning_of(name: str) -> ColumnName | None:
    """What the name of a column means; None if nothing in it is known."""
    words, language = words_of(name), _language_in(name)
    known = _known()
    if language and len(words) > 1 and _LANGUAGES.get(words[-1]) == language and words not in known:
        words = words[:-1]
    if field := known.get(words):
        return ColumnName(field, len(words), True, language)
    parts = [
        (stop - start, -start, known[words[start:stop]])
        for start in range(len(words))
        for stop in range(start + 1, len(words) + 1)
        if words[start:stop] in known
    ]
    length, _, field = max(parts, default=(0, 0, ""))
    if field not in _NEVER_PRIVATE and any(word.startswith(_private_words()) for word in words):
        return ColumnName("ignore", max(length, 1), False)
    if not parts:
        return None
    return ColumnName(field, length, False, language)


# A header may speak of a purchase or of storage and still name one of these: "acquisition number".
_NEVER_PRIVATE: Final = ("id", "file", "rights", "homepage", "manifest")


@functools.lru_cache(maxsize=10_000)
def is_known_name(cell: str) -> bool:
    """Whether the whole of a cell is the name of a column."""
    if not cell.strip() or len(cell) > 80:
        return False
    found = meaning_of(cell)
    return found is not None and found.is_whole


def _language_in(name: str) -> str | None:
    """The language that the end of a column's name states."""
    if inner := re.search(r"[(\[]\s*(\w{2,12})\s*[)\]]\s*$", name):
        return _LANGUAGES.get(fold(inner[1]))
    words = _WORD.findall(fold(_CAMEL.sub(" ", name)))
    return _LANGUAGES.get(words[-1]) if len(words) > 1 else None


@functools.cache
def _table_columns() -> dict[str, list[str]]:
    return read_yaml(shipped_config("labels/table-columns.yaml"))


@functools.cache
def _private_words() -> tuple[str, ...]:
    """Beginnings of words that say what is not for the public."""
    return tuple(fold(word) for word in _table_columns()["private_words"])


@functools.cache
def _known() -> dict[tuple[str, ...], str]:
    known: dict[tuple[str, ...], str] = {}
    for label_field, labels in generic_labels().items():
        for label in labels:
            known.setdefault(words_of(label), _AS_COLUMN.get(label_field, label_field))
    for field, names in _table_columns().items():
        for name in names if field != "private_words" else ():
            # The names of a table's columns take precedence over labels of catalogues.
            known[words_of(str(name))] = field
    known.pop((), None)
    return known
