"""Turns the contents of text fields into plain text: without markup, entities, wrong encodings and surplus
spaces."""

from __future__ import annotations

import html
import re
import unicodedata
from html.parser import HTMLParser
from typing import Final

MAX_CHARS: Final = 20_000

_MARKUP = re.compile(r"<[a-zA-Z/!?]|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# "{{Creator:Charles Perrault}}": tables for Wikimedia Commons name makers and institutions like this.
_WIKI_NAME = re.compile(r"\{\{\s*(?:creator|institution)\s*:\s*([^{}|]{1,200})\}\}", re.IGNORECASE)
# "{{Woodcut}}" is a word that Commons translates, "[[:nl:Rotterdam|Rotterdam]]" a link.
_WIKI_WORD = re.compile(r"\{\{\s*([^\W\d_][^{}|:]{1,60})\}\}")
_WIKI_LINK = re.compile(r"\[\[(?:[^\[\]|]{0,200}\|)?([^\[\]|]{1,200})\]\]")
_SPACES = re.compile(r"\s+")
# UTF-8 read as Latin-1 or Windows-1252: "Ã¤", "â€™".
_MOJIBAKE = re.compile(
    r"[ÂÃÄÅâ][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufff9-\uffff]"
)
_BREAKING = frozenset(
    {"br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "dd", "dt"}
)
_SILENT = frozenset({"script", "style", "template", "head", "svg"})


def plain_text(value: str, max_chars: int = MAX_CHARS) -> str:
    """`value` without markup, entities, control characters and surplus spaces, in Unicode's
    composed form (NFC)."""
    text = value[: 4 * max_chars]
    for _ in range(2):  # some sources escape their markup twice
        if not _MARKUP.search(text):
            break
        text = _without_markup(text)
    if "{{" in text:
        text = _WIKI_WORD.sub(r"\1", _WIKI_NAME.sub(r"\1", text))
    if "[[" in text:
        text = _WIKI_LINK.sub(r"\1", text)
    text = _SPACES.sub(" ", text)
    if not text.isascii():
        text = _mended(text)
        text = _SPACES.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    elif not text.isprintable():
        text = _INVISIBLE.sub("", text)
    return text.strip()[:max_chars].strip()


def _without_markup(text: str) -> str:
    if "<" not in text:
        return html.unescape(text)
    reader = _TextOnly()
    try:
        reader.feed(text)
        reader.close()
    except (AssertionError, ValueError):  # html.parser raises this for some broken declarations
        return html.unescape(re.sub(r"<[^>]*>?", " ", text))
    return "".join(reader.pieces)


def _mended(text: str) -> str:
    """Undo one wrong decoding, if the text shows signs of it."""
    if not _MOJIBAKE.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        pass
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


class _TextOnly(HTMLParser):
    """Keeps the text, and drops scripts, styles and similar elements with their contents."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent_depth += 1
        elif tag in _BREAKING:
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent_depth = max(0, self._silent_depth - 1)
        elif tag in _BREAKING:
            self.pieces.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKING:
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent_depth:
            self.pieces.append(data)
