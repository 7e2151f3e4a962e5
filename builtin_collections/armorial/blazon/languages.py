"""The one entry: arms and a language in, a blazon out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builtin_collections.armorial.arms import Arms
from builtin_collections.armorial.blazon import english, french, german

_GRAMMARS: Mapping[str, Callable[[Arms], str]] = {
    "en": english.blazon,
    "fr": french.blazon,
    "de": german.blazon,
}
LANGUAGES: tuple[str, ...] = tuple(_GRAMMARS)


def blazon(arms: Arms, language: str) -> str:
    """The blazon of `arms` in `language` ("en", "fr" or "de").

    Raises KeyError for another language. The arms must pass `arms.check`.
    """
    return _GRAMMARS[language](arms)
