"""Reads the text of a query. Pure: the same text always gives the same parts, and no text is an error.

query := unit*     unit := term ((OR | "|") term)*     term := [-] (word | "phrase" | field:value | (query))

OR joins only its two neighbours, as in most search engines: `Dürer OR Cranach portrait` are portraits by
either. Neighbouring words that nothing separates are one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrieval.query_language.advice import advice
from retrieval.query_language.fields import field_of, is_yes, nearest_fields, period_of
from retrieval.query_language.lexer import Lexer, Token
from retrieval.query_language.parts import Hint, Parsed, Part
from retrieval.words import tokens

MAX_DEPTH, MAX_HINTS, MAX_SAID = 3, 8, 40


def parse(text: str) -> Parsed:
    """The parts of a text, and hints about what could not be read as it may have been meant."""
    lexer = Lexer(text)
    reader = _Reader(text, list(lexer))
    parts = reader.query(0)
    hints = [*lexer.hints, *reader.hints, *advice(text, parts)]
    if text.strip() and not hints and not any(tokens(text)):
        hints = [Hint("no_words", text.strip()[:MAX_SAID])]
    return Parsed(text, parts, tuple(dict.fromkeys(hints))[:MAX_HINTS])


def plain(text: str) -> Parsed:
    """A text read as plain words, whatever it contains."""
    words = Part("words", text.strip(), 0, len(text))
    return Parsed(text, (words,) if words.text else ())


class _Reader:
    """Reads tokens by recursive descent."""

    def __init__(self, text: str, found: list[Token]) -> None:
        self._text, self._tokens, self._next = text, found, 0
        self.hints: list[Hint] = []

    def query(self, depth: int) -> tuple[Part, ...]:
        """The parts up to the end of the text or of the group."""
        units: list[Part] = []
        while (token := self._peek()) is not None:
            if token.kind == "close":
                break
            if token.kind == "and":
                self._next += 1
                self._and(token, units)
                continue
            if (unit := self._unit(depth)) is not None:
                units.append(unit)
        return self._joined(units)

    def _peek(self, ahead: int = 0) -> Token | None:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def _and(self, token: Token, units: list[Part]) -> None:
        after = self._peek()
        if units and after is not None and after.kind not in ("close", "or", "and"):
            self.hints.append(Hint("and_left_out", token.text))
        else:
            if any(tokens(token.text)):
                self.hints.append(Hint("lone_or", token.text))
            units.append(_words(token))

    def _unit(self, depth: int) -> Part | None:
        """A term, or several with OR between them."""
        terms: list[Part] = []
        is_joined = True
        while (token := self._peek()) is not None and token.kind != "close":
            if token.kind == "or":
                self._next += 1
                if is_joined or not self._has_term():
                    self._lone_or(token, terms)
                    if is_joined and not terms:
                        return None if token.text != "OR" else _words(token)
                    break
                is_joined = True
            elif not is_joined or token.kind == "and":
                break
            else:
                term = self._term(depth)
                is_joined = False
                if term is not None:
                    terms.append(term)
        if len(terms) < 2:
            return terms[0] if terms else None
        return Part("any", "", terms[0].start, terms[-1].end, parts=tuple(terms))

    def _lone_or(self, token: Token, terms: list[Part]) -> None:
        self.hints.append(Hint("lone_or" if token.text == "OR" else "lone_bar", token.text))
        if terms and token.text == "OR" and terms[-1].kind == "words":
            terms[-1] = _merged(self._text, terms[-1], _words(token))

    def _has_term(self) -> bool:
        token = self._peek()
        return token is not None and token.kind not in ("or", "close", "and")

    def _term(self, depth: int) -> Part | None:
        token = self._peek()
        assert token is not None
        self._next += 1
        if token.kind == "open":
            return self._group(token, depth)
        if token.kind == "phrase":
            return Part("phrase", token.text, token.start, token.end, excluded=token.excluded)
        if token.field:
            return self._field(token)
        if token.excluded and not any(tokens(token.text)):
            return None
        return _words(token)

    def _group(self, token: Token, depth: int) -> Part | None:
        inside = self.query(depth + 1)
        closing = self._peek()
        end = inside[-1].end if inside else token.end
        if closing is not None and closing.kind == "close":
            self._next += 1
            end = closing.end
        if not inside:
            if token.excluded:
                self.hints.append(Hint("lone_minus"))
            return None
        if depth >= MAX_DEPTH:
            self.hints.append(Hint("too_deep"))
            text = " ".join(tokens(self._text[token.start : end]))
            return Part("words", text, token.start, end, excluded=token.excluded)
        if len(inside) == 1 and not (token.excluded and inside[0].excluded):
            return replace(
                inside[0], start=token.start, end=end, excluded=token.excluded or inside[0].excluded
            )
        return Part("all", "", token.start, end, excluded=token.excluded, parts=inside)

    def _field(self, token: Token) -> Part:
        name, value = field_of(token.field), token.text
        whole = self._text[token.start + token.excluded : token.end]
        if name is None:
            nearest = nearest_fields(token.field)
            start = token.start + token.excluded
            after = self._text[start + len(token.field) :]
            # Of names that are alike in several languages, the English one.
            meant = next((each for each in nearest if field_of(each) == each), "".join(nearest[:1]))
            instead = f"{self._text[:start]}{meant}{after}" if meant else ""
            self.hints.append(Hint("unknown_field", token.field, instead, values=nearest))
        elif name == "year" and period_of(value) is None:
            self.hints.append(Hint("not_a_year", value))
        elif name == "reuse" and is_yes(value) is None:
            self.hints.append(Hint("not_yes_or_no", value))
        elif name == "year" or any(tokens(value)):
            period = period_of(value) if name == "year" else None
            return Part("field", value, token.start, token.end, name, token.is_exact, token.excluded, period)
        return replace(_words(token), text=whole)

    def _joined(self, units: Sequence[Part]) -> tuple[Part, ...]:
        """The parts, with neighbouring plain words as one."""
        joined: list[Part] = []
        for unit in units:
            is_plain = unit.kind == "words" and not unit.excluded
            if joined and is_plain and joined[-1].kind == "words" and not joined[-1].excluded:
                joined[-1] = _merged(self._text, joined[-1], unit)
            elif not (is_plain and not any(tokens(unit.text)) and len(units) > 1 and not joined):
                joined.append(unit)
        return tuple(joined)


def _words(token: Token) -> Part:
    return Part("words", token.text, token.start, token.end, excluded=token.excluded)


def _merged(text: str, left: Part, right: Part) -> Part:
    """Two neighbours as one part, with what is between them if that is no operator."""
    between = text[left.end : right.start]
    words = text[left.start : right.end] if not any(tokens(between)) else f"{left.text} {right.text}"
    if left.text != text[left.start : left.end] or right.text != text[right.start : right.end]:
        words = f"{left.text} {right.text}"
    return replace(left, text=words, end=right.end)
