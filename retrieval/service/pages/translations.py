"""The texts of the page in the user's language.

The English text is in the templates. Every other language is a gettext catalogue in locales/. The `.po` files
are read at start, so a translator's file works without being compiled.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

LOCALES = Path(__file__).parent / "locales"
SOURCE_LANGUAGE = "en"
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LANGUAGES: tuple[str, ...] = (SOURCE_LANGUAGE, *sorted(path.stem for path in LOCALES.glob("*.po")))


@dataclass(frozen=True)
class Translation:
    """The words of one interface language."""

    language: str

    @property
    def locale(self) -> Locale:
        """Babel's locale, for names of languages and formats of numbers."""
        return Locale.parse(self.language)

    @property
    def catalogue(self) -> NullTranslations:
        """The gettext catalogue of this language."""
        return _catalogue(self.language)

    def number(self, value: float) -> str:
        """A number in the format of this language: 6,000 or 6 000 or 6.000."""
        return str(format_decimal(value, locale=self.locale))

    def language_name(self, tag: str) -> str:
        """The name of a BCP 47 tag in this language, or the tag itself if Babel does not know it."""
        if tag == "und":
            return str(self.catalogue.gettext("language not stated"))
        try:
            name = Locale.parse(tag, sep="-").get_display_name(self.locale)
        except (UnknownLocaleError, ValueError):
            return tag
        return name[0].upper() + name[1:] if name else tag

    def quoted(self, texts: str | Iterable[str]) -> str:
        """A text, or several with commas, in the quotation marks of this language; without characters that
        would turn the direction of what follows.
        """
        marks = str(self.catalogue.gettext("“%(text)s”"))
        shown = (_TURNING.sub("", text) for text in ([texts] if isinstance(texts, str) else texts))
        return ", ".join(marks % {"text": text} for text in shown)

    def own_name(self) -> str:
        """The name of the language in that language."""
        name = self.locale.get_display_name() or self.language
        return str(name[0].upper() + name[1:])


@cache
def _catalogue(language: str) -> NullTranslations:
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    with (LOCALES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def choose(asked: str | None, remembered: str | None, accept_language: str | None) -> Translation:
    """The translation for a request: by `?lang=`, then the user's earlier choice, then
    Accept-Language (RFC 9110).
    """
    for candidate in (asked, remembered):
        if candidate in LANGUAGES:
            return Translation(str(candidate))
    return Translation(
        next((tag for tag in _accepted(accept_language or "") if tag in LANGUAGES), SOURCE_LANGUAGE)
    )


def _accepted(header: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in header[:1_000].split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.split("=")[1]) if "=" in parameter else 1.0
        except ValueError:
            continue
        weighted.append((weight, tag.split("-")[0].strip().lower()))
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]
