"""Data for the templates, made from the engine's results: captions in the user's
language, badges, addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from iconoclip.record import Caption
from retrieval.answers import Hit, RightsInfo
from retrieval.service.hit_links import is_shown
from retrieval.service.pages.layout import ratio_class
from retrieval.service.pages.translations import Translation

MAX_ALT_CHARS = 250
MAX_COMPARED_CHARS = 2_000
# Titles before descriptions before lists of subjects; an unknown field goes between.
_FIELD_ORDER = {"title": 0, "blazon": 1, "caption": 2, "description": 3, "subject": 8, "iconclass": 9}


@dataclass(frozen=True)
class CaptionGroup:
    """The captions of one language, with its name."""

    language: str
    name: str
    captions: tuple[Caption, ...]


def best_caption(captions: Iterable[Caption], language: str, asked: str = "") -> Caption | None:
    """The caption to show to a reader of `language`. Captions of this very part of a page come before those
    of the page or the book, captions in that language first among each; then those with the most words of
    the query `asked`, those of the institution before those of a machine, and titles before descriptions.
    """
    words = _words(asked)

    def order(pair: tuple[int, Caption]) -> tuple[bool, bool, int, bool, int, int]:
        """The key to sort by: the best caption has the smallest."""
        position, caption = pair
        return (
            caption.level != "region",
            primary(caption.language) != language,
            -len(words & _words(caption.text)),
            caption.origin.startswith("machine:"),
            _FIELD_ORDER.get(caption.field, 5),
            position,
        )

    ordered = sorted(enumerate(captions), key=order)
    return ordered[0][1] if ordered else None


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w{2,}", text[:MAX_COMPARED_CHARS].casefold()))


def primary(tag: str) -> str:
    """The language of a BCP 47 tag without script and region."""
    return tag.split("-")[0].lower()


def grouped(captions: Iterable[Caption], translation: Translation) -> list[CaptionGroup]:
    """Captions by language: the user's language first, the others in the given order."""
    by_language: dict[str, list[Caption]] = {}
    for caption in captions:
        by_language.setdefault(caption.language, []).append(caption)
    tags = sorted(by_language, key=lambda tag: primary(tag) != translation.language)
    return [CaptionGroup(tag, translation.language_name(tag), tuple(by_language[tag])) for tag in tags]


def title_of(hit: Hit, language: str, asked: str = "") -> Caption:
    """The heading of a hit; the engine's title if it has no caption."""
    return best_caption(hit.captions, language, asked) or Caption(
        text=hit.title, language="und", field="title", origin="institution", language_detected=False
    )


def alt_text(hit: Hit, language: str) -> str:
    """The text that a screen reader reads in place of the picture."""
    text = " ".join(title_of(hit, language).text.split())
    return text if len(text) <= MAX_ALT_CHARS else text[: MAX_ALT_CHARS - 1].rsplit(" ", 1)[0] + "…"


def frame(hit: Hit) -> str:
    """The CSS class with the proportions of a hit's frame. A picture that may not be
    shown gets an upright card.
    """
    return ratio_class(hit.width, hit.height) if is_shown(hit) else ratio_class(4, 5)


def badge(rights: RightsInfo, translation: Translation) -> str:
    """The rights in two or three words."""
    _ = translation.catalogue.gettext
    if rights.display == "link":
        return str(_("Link only"))
    if rights.statement == "PDM":
        return str(_("Public domain"))
    if rights.statement and rights.statement.startswith("CC-"):
        return rights.statement.replace("CC-", "CC ", 1)
    if rights.statement == "LO":
        return "Licence Ouverte"
    if rights.statement in ("NoC-NC", "NoC-OKLR"):
        return str(_("Non-commercial use"))
    return rights.statement or str(_("Rights unknown"))


def percent(score: float) -> int:
    """A calibrated score in per cent, as a whole number."""
    return round(100 * score)
