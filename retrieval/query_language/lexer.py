"""Splits the text of a query into tokens: words, phrases, fields, operators and parentheses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from retrieval.query_language.fields import field_of, period_of
from retrieval.query_language.parts import Hint
from retrieval.words import tokens

TokenKind = Literal["word", "phrase", "or", "and", "open", "close", "nothing"]

# Which marks close a quotation that one of them opens: in English, French, German, Swedish and typewritten.
CLOSERS = {
    '"': '"”“',
    "＂": "＂",
    "“": '”"“',
    "”": "”",
    "„": '“”"',
    "‟": '”"',
    "«": "»",
    "»": "«»",
    "「": "」",
    "『": "』",
}
MINUS = "-−‐‑－"
DASHES = "–—‒―"
OPEN, CLOSE = "(（", ")）"
BARS = "|｜"
_FIELD = re.compile(r"([^\W\d_][^\W\d]{0,29})[:：]")
_IS_OR = re.compile(r"(?<!\S)OR(?!\S)|[|｜]")
# A period with spaces around its marks: `1480 .. 1500`, `1480 - 1500`.
_SPACED_YEARS = re.compile(
    r"(?:-?\d{1,4})?[ \u00a0]*(?:\.{2,3}|…)[ \u00a0]*(?:-?\d{1,4})?(?![\w.])"
    r"|\d{1,4}[ \u00a0]+[-–—][ \u00a0]+\d{1,4}(?![\w.])"
)
# An inch mark follows a number.
_STRAY_CLOSER = re.compile(f"[^\\W\\d][{re.escape(''.join(set(''.join(CLOSERS.values()))))}]+$")


@dataclass(frozen=True)
class Token:
    """A piece of the text. `text` is what it says, without marks; `field` the name before a colon."""

    kind: TokenKind
    text: str
    start: int
    end: int
    excluded: bool = False
    field: str = ""
    is_exact: bool = False


class Lexer:
    """Reads the tokens of one text, and collects what there is to say about it."""

    def __init__(self, text: str) -> None:
        self.text, self.hints = text, list[Hint]()
        self._pairs = dict(self._groups())
        self._closing = {end: start for start, end in self._pairs.items()}

    def __iter__(self) -> Iterator[Token]:
        place = 0
        while place < len(self.text):
            token = self._at(place)
            place = token.end
            if token.kind != "nothing":
                yield token

    # --- parentheses

    def _groups(self) -> Iterator[tuple[int, int]]:
        """The pairs of parentheses that group alternatives, or are excluded; others are part of the words."""
        opened: list[int] = []
        num_alone = 0
        for place, mark in enumerate(self.text):
            if mark in OPEN:
                opened.append(place)
            elif mark in CLOSE and opened:
                start = opened.pop()
                if self._is_bound(start) and self._ends_at(place + 1) and self._joins(start, place):
                    yield start, place
            elif mark in CLOSE:
                num_alone += 1
        if (opened or num_alone) and any(tokens(self.text)):
            self.hints.append(Hint("unbalanced_parenthesis"))

    def _joins(self, start: int, end: int) -> bool:
        before, after = self.text[:start].rstrip(), self.text[end + 1 :].lstrip()
        is_next_to_or = before[-1:] in (*BARS,) or after[:1] in (*BARS,)
        is_next_to_or |= bool(re.search(r"(?<!\S)OR$", before) or re.match(r"OR(?!\S)", after))
        is_excluded = bool(start and self.text[start - 1] in MINUS)
        return bool(is_next_to_or or is_excluded or _IS_OR.search(self.text[start:end]))

    def _is_bound(self, place: int) -> bool:
        """Whether a word may begin here: after a space, a bar or an opening parenthesis, and a minus."""
        if place and self.text[place - 1] in MINUS:
            place -= 1
        return place == 0 or self.text[place - 1].isspace() or self.text[place - 1] in OPEN + BARS

    def _ends_at(self, place: int) -> bool:
        return place >= len(self.text) or self.text[place].isspace() or self.text[place] in CLOSE + BARS

    # --- tokens

    def _at(self, place: int) -> Token:
        mark = self.text[place]
        if mark.isspace():
            return Token("nothing", "", place, place + 1)
        if mark in BARS:
            # Programmers write two.
            end = place + 1 + (self.text[place + 1 : place + 2] in (*BARS,))
            return Token("or", self.text[place:end], place, end)
        if place in self._pairs:
            return Token("open", "", place, place + 1)
        if place in self._closing:
            return Token("close", "", place, place + 1)
        if mark in MINUS + DASHES and self._is_bound(place):
            return self._minus(place)
        return self._term(place, place, excluded=False)

    def _minus(self, place: int) -> Token:
        end = place + 1
        while end < len(self.text) and self.text[end] in MINUS + DASHES:
            end += 1
        if self._ends_at(end):
            if end - place == 1 and self.text[place] in MINUS:
                self.hints.append(Hint("lone_minus"))
            return Token("nothing", "", place, end)
        if end - place > 1 or self.text[place] in DASHES:
            term = self._term(place, end, excluded=False)
            piece = self.text[end : term.end]
            if any(tokens(piece)):
                instead = f"{self.text[:place]}-{piece}{self.text[term.end :]}"
                self.hints.append(Hint("dash_before_word", self.text[place : term.end], instead))
            return term
        if end in self._pairs:
            return Token("open", "", place, end + 1, excluded=True)
        term = self._term(place, end, excluded=True)
        if not any(tokens(term.text)):
            self.hints.append(Hint("lone_minus"))
        return term

    def _term(self, start: int, place: int, *, excluded: bool) -> Token:
        """A phrase, a field with its value, or a word; `start` is the place of its minus, if it has one."""
        if (phrase := self._phrase(place)) is not None:
            inside, end = phrase
            return Token("phrase" if any(tokens(inside)) else "nothing", inside, start, end, excluded)
        if (field := _FIELD.match(self.text, place)) and (token := self._field(field, start, excluded)):
            return token
        end = max(self._end_of_word(place), place + 1)
        word = self.text[place:end]
        if word == "OR" and not excluded:
            return Token("or", word, start, end)
        if word in ("AND", "&&") and not excluded:
            return Token("and", word, start, end)
        if _STRAY_CLOSER.search(word):
            self._say_unbalanced(f'"{self.text[:end].rstrip(word[-1])}"{self.text[end:]}')
        return Token("word", word, start, end, excluded)

    def _field(self, field: re.Match[str], start: int, excluded: bool) -> Token | None:
        """A field with its value; None if there is no value."""
        name, place = field[1], field.end()
        if (phrase := self._phrase(place)) is not None and any(tokens(phrase[0])):
            return Token("word", phrase[0], start, phrase[1], excluded, name, is_exact=True)
        years = _SPACED_YEARS.match(self.text, place) if field_of(name) == "year" else None
        if years and period_of(years[0]):
            return Token("word", years[0].strip(), start, years.end(), excluded, name)
        end = self._end_of_word(place)
        # A quotation mark without a partner is ignored.
        value = self.text[place:end].lstrip("".join(CLOSERS)) or self.text[place:end]
        is_empty = not any(tokens(self.text[place:]))
        # Of marks alone, a year says that they are no year.
        if is_empty and field_of(name) and not (value and field_of(name) == "year"):
            self.hints.append(Hint("field_without_value", field[0]))
        return Token("word", value, start, end, excluded, name) if value else None

    def _phrase(self, place: int) -> tuple[str, int] | None:
        """The text between the quotation marks that open here, and its end; None if none do."""
        closers = CLOSERS.get(self.text[place : place + 1])
        if closers is None:
            return None
        end = next((n for n in range(place + 1, len(self.text)) if self.text[n] in closers), None)
        if end is None:
            if any(tokens(self.text[place:])):
                self._say_unbalanced(f"{self.text}{closers[0]}")
            return None
        return self.text[place + 1 : end].strip(), end + 1

    def _say_unbalanced(self, instead: str) -> None:
        if all(hint.code != "unbalanced_quote" for hint in self.hints):
            self.hints.append(Hint("unbalanced_quote", instead=instead))

    def _end_of_word(self, place: int) -> int:
        """The end of a word; a parenthesis that opens within it, as in `25F23(LION)`, is part of it."""
        depth = 0
        while place < len(self.text):
            mark = self.text[place]
            if place in self._pairs or place in self._closing:
                break
            if mark in BARS or (mark.isspace() and not (depth and self._closes_later(place))):
                break
            depth += (mark in OPEN) - (mark in CLOSE and depth > 0)
            place += 1
        return place

    def _closes_later(self, place: int) -> bool:
        rest = self.text[place:]
        return any(mark in rest for mark in CLOSE) and not _IS_OR.search(rest)
