"""Reads a rights value: which statement it makes, and whether it contains anything else.

A value is understood only as a whole. If it has words that are not in the tables, that negate or restrict, or
that are about the metadata, no statement is found: the default is no. The tables are data: names.tsv (names
of statements in many languages), licences.tsv (elements of Creative Commons licences) and words.tsv (the
words around them).
"""

from __future__ import annotations

import functools
import html
import itertools
import re
from dataclasses import dataclass, field
from typing import Final, Literal

from iconoclip.rights_text.addresses import (
    LICENCE_OUVERTE,
    addresses_in,
    is_about_terms,
    is_statement_like,
    statement_uri,
)
from iconoclip.rights_text.names import FoundName, names_at
from iconoclip.rights_text.tables import rows
from iconoclip.rights_text.tokens import Token, phrase, tokens_of

# Between the values that a source states in several places (see data_prep.description.describe).
SEPARATOR: Final = " | "
# The meaning of a text according to an institution's profile; written by iconoclip, not by the source.
EXPLAINED: Final = re.compile(r"\[profile: (?P<uri>\S+)\]\s*$")

PartKind = Literal["statement", "notice", "terms-page", "silent", "forbids", "not-understood"]
"""`notice`: only a credit or copyright line; `terms-page`: the address of general conditions; `silent`:
nothing about the rights in the picture (a placeholder, a licence of the metadata)."""

_TAG = re.compile(r"<[a-zA-Z/!][^>]*>?")
_HIDDEN_ADDRESS = re.compile(r"""\b(?:href|src)\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
# A question, a footnote that is somewhere else, a box that is not ticked, a sign for "not" or "about".
_DOUBT = re.compile(r"[?*¿†‡؟？☐☒✗✘✕✖❌🚫⛔≠¬≈~]")
# "Artwork: public domain" is said of the work that the picture shows, not of the picture.
_OF_THE_WORK = re.compile(
    r"(?:^|[;,.(/|])\s*(?:the\s+|underlying\s+|original\s+)*"
    r"(?:art\s?works?|works? of art|works?|originals?|paintings?|drawings?|kunstwerke?|werke?|gemälde|vorlage"
    r"|œuvre|oeuvre|tableau|opera(?: d'arte)?|dipinto|obra(?: de arte)?|pintura|schilderij|kunstværk"
    r"|kunstverk|konstverk|verk|taideteos|teos|dzieło|obraz|dílo|dielo|djelo|delo|műalkotás|mű"
    r"|oper[ăa](?: de art[ăa])?|έργο|произведение|твір|творба|eser|作品)\s*[:：]",
    re.IGNORECASE,
)
# "CC BY from 2030" is no permission yet. No year up to this one is to come, whatever a clock says.
LAST_YEAR_PAST: Final = 2026
_LAST_YEAR_TO_COME: Final = 2199
# A year, or a day with its year: "2025", "01.01.2025".
_YEAR = re.compile(r"(?:\d{1,2}\.\d{1,2}\.)?(?:1[5-9]|2[01])\d\d")
_PLACEHOLDER = re.compile(
    r"(?:(?:iiif|default|my|your|some|a|the|image|dc|edm)?[ _.-]*licen[cs]es?"
    r"(?:[ _.-]*(?:here|text|url|uri))?"
    r"|null|nil|undefined|tbd|[-?._/ ]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Clause:
    """The meaning of one of several values."""

    kind: PartKind
    uri: str | None = None


@dataclass
class _Words:
    """The words of a value that name no statement, by kind."""

    kinds: set[str] = field(default_factory=set)
    unknown: list[Token] = field(default_factory=list)
    is_of_object: bool = False
    """Whether they speak of one object: "this work", "this image"."""
    has_year: bool = False


def parts_of(raw: str, year: int = LAST_YEAR_PAST) -> list[Clause]:
    """The meaning of each of the values in `raw`, in their order.

    Args:
        year: the current year; a value that names a later one is not understood.
    """
    year = max(year, LAST_YEAR_PAST)
    return [_part(value.strip(), year) for value in raw.split(SEPARATOR) if value.strip()]


def _part(value: str, year: int) -> Clause:
    if explained := EXPLAINED.search(value):
        uri = statement_uri(explained["uri"])
        return Clause("statement", uri) if uri else Clause("not-understood")
    if _PLACEHOLDER.fullmatch(value):
        return Clause("silent")
    text = html.unescape(html.unescape(value))
    hidden = _HIDDEN_ADDRESS.findall(text)
    text = _TAG.sub(" ", text)
    shown = addresses_in(text)
    for address in shown:
        text = text.replace(address, " ", 1)
    uris = {uri for address in (*hidden, *shown) if (uri := statement_uri(address))}
    unknown = [address for address in (*hidden, *shown) if not statement_uri(address)]
    unknown = [address for address in unknown if not (uris and _is_badge(address))]
    if _DOUBT.search(text) or _OF_THE_WORK.search(text):
        return Clause("not-understood")
    return _judged(uris, unknown, list(tokens_of(text)), year)


# "Rights: see record": what it says there may restrict the picture.
_POINTERS: Final = frozenset(
    (
        "see",
        "siehe",
        "s.",
        "voir",
        "cf.",
        "zie",
        "véase",
        "ver",
        "vedi",
        "se",
        "katso",
        "zob.",
        "viz",
        "см",
        "див",
    )
)


def _is_badge(address: str) -> bool:
    return re.search(r"\.(?:png|svg|gif|jpe?g)$", address, re.IGNORECASE) is not None


def _judged(uris: set[str], others: list[str], tokens: list[Token], year: int) -> Clause:
    """The meaning of a value: the statements of its addresses, its other addresses, its words."""
    names, words = _split(tokens, year)
    about = _address_kinds(others)
    kinds = words.kinds | about
    if not uris and not names and not tokens and others:
        if "reserves" in about:
            return Clause("forbids")
        return Clause("terms-page" if all(map(is_about_terms, others)) else "not-understood")
    if any(map(is_statement_like, others)) and not names and not uris:
        return Clause("not-understood")
    if "text" in kinds:
        # "See the record for restrictions" is about the metadata, but also about the picture.
        is_elsewhere = any(token.lower in _POINTERS for token in tokens)
        is_unclear = (words.unknown or is_elsewhere) and not (uris or names)
        is_more = is_unclear or kinds & {"image", "reserves", "negates"}
        return Clause("not-understood" if is_more else "silent")
    uri = _one(uris, names)
    if uri is None:
        return Clause(_without_statement(uris, names, kinds, words))
    if any(map(is_statement_like, others)):
        return Clause("not-understood")
    return _allowed(uri, not uris and all(name.is_loose for name in names), kinds, words)


def _without_statement(
    uris: set[str], names: list[FoundName], kinds: set[str], words: _Words
) -> Literal["forbids", "notice", "silent", "not-understood"]:
    if uris or names:
        return "not-understood"  # several that differ
    if "reserves" in kinds or "noncommercial" in kinds:
        return "forbids"
    if "negates" in kinds or (words.unknown and "access" in kinds):
        return "not-understood"
    if "copyright" in kinds and _is_credit(words):
        return "notice"
    if "holder" in kinds and words.unknown and _is_credit(words) and kinds <= {"holder", "credit", "neutral"}:
        return "silent"  # only who keeps it
    return "silent" if "access" in kinds and kinds <= {"access", "neutral"} else "not-understood"


def _allowed(uri: str, is_loose: bool, kinds: set[str], words: _Words) -> Clause:
    """The statement, unless there are words around it that the tables do not allow."""
    closed = is_closed(uri)
    if "reserves" in kinds:
        return Clause("statement", uri) if closed else Clause("forbids")
    if "negates" in kinds:
        return Clause("not-understood")
    if "noncommercial" in kinds and not closed and not ("-nc" in uri or "NoC-NC" in uri):
        return Clause("forbids")
    if words.has_year and not words.kinds & {"credit", "holder", "copyright"}:
        return Clause("not-understood")  # "public domain 2045": the year of a credit, or of a condition?
    if words.unknown and not (_is_credit(words) and not (is_loose and "holder" not in kinds)):
        return Clause("not-understood")
    if "exceptions" in kinds and not closed and not words.is_of_object:
        return Clause("not-understood")  # the terms of a site in general; what is excepted is said elsewhere
    if "copyright" in kinds and not closed and not presupposes_copyright(uri):
        return Clause("not-understood")  # a claim of copyright next to "public domain"
    return Clause("statement", uri)


def presupposes_copyright(uri: str) -> bool:
    """Whether a statement is a licence, which a copyright line does not contradict."""
    return "/licenses/" in uri or uri == LICENCE_OUVERTE


def is_closed(uri: str) -> bool:
    """Whether a statement reserves all use, so that a further restriction changes nothing."""
    return re.search(r"/vocab/(?:InC|CNE|UND|NKC)", uri) is not None


def _is_credit(words: _Words) -> bool:
    """Whether the words that are in no table are the name of a rights holder: in capitals, marked as a
    credit."""
    if any(not token.is_name for token in words.unknown):
        return False
    return not words.unknown or bool(words.kinds & {"credit", "holder", "copyright"})


def _one(uris: set[str], names: list[FoundName]) -> str | None:
    """The statement of the addresses and the names; None if there is none, or several different ones."""
    if len(uris) > 1:
        return None
    uri = next(iter(uris), None)
    for name in names:
        if uri is None or _same(uri, name.uri):
            uri = uri or name.uri
        elif name.is_loose and _is_of_free_work(uri):
            continue
        elif _is_of_free_work(name.uri) and _is_loose_name(uri, names):
            uri = name.uri
        else:
            return None
    return uri


def _same(one: str, other: str) -> bool:
    return _short(one) == _short(other)


def _short(uri: str) -> str:
    """The statement without its version and port."""
    return re.sub(r"(?<=[a-zA-Z])/\d\.\d/.*", "", uri)


def _is_of_free_work(uri: str) -> bool:
    """Whether "public domain" and the statement can both be true: one about the work, the other about its
    picture."""
    return re.search(r"/publicdomain/|/vocab/(?:NoC|NKC)", uri) is not None


def _is_loose_name(uri: str, names: list[FoundName]) -> bool:
    return any(name.is_loose and name.uri == uri for name in names)


def _split(tokens: list[Token], year: int = LAST_YEAR_PAST) -> tuple[list[FoundName], _Words]:
    """The statements in a text, and the words around them; `year` is the current one."""
    names: list[FoundName] = []
    words = _Words(is_of_object=_names_an_object(tokens))
    place = 0
    while place < len(tokens):
        if found := names_at(tokens, place):
            names.append(found)
            place += found.length
            if place < len(tokens) and _SMALL_NUMBER.fullmatch(tokens[place].text):
                words.kinds.add("negates")
        else:
            place += _note(tokens, place, words, year)
    return names, words


# "CC BY 5.0", "CC BY 40": there is no such version.
_SMALL_NUMBER = re.compile(r"(?![1-4](?:\.[015])?$)\d{1,2}(?:\.\d{1,2}){0,2}")


def _names_an_object(tokens: list[Token]) -> bool:
    pairs = itertools.pairwise(token.lower for token in tokens)
    return any(first == "this" and second in _OBJECTS for first, second in pairs)


_OBJECTS: Final = frozenset(
    (
        "work",
        "image",
        "item",
        "object",
        "picture",
        "photograph",
        "print",
        "drawing",
        "painting",
        "manuscript",
        "map",
    )
)


def _note(tokens: list[Token], place: int, words: _Words, year: int) -> int:
    """Note the word or the phrase at `place`. Returns the number of its tokens."""
    table = _word_table()
    for length in range(min(_longest(), len(tokens) - place), 0, -1):
        key = tuple(token.lower for token in tokens[place : place + length])
        if kind := table.get(key):
            words.kinds.add(kind)
            if kind == "credit" and key[0] in ("©", "copyright", "copyrighted"):
                words.kinds.add("copyright")
            if key in _ACCESS:
                words.kinds.add("access")
            return length
    token = tokens[place]
    if token.is_number:
        if token.text == "0" or _is_to_come(token, year):
            words.kinds.add("negates")
        if _YEAR.fullmatch(token.text):
            words.has_year = True
            # "from 2031", "in 2031": when the statement begins or ends to hold.
            if place and table.get((tokens[place - 1].lower,)) == "neutral":
                words.kinds.add("negates")
        return 1
    if token.lower.startswith("n'"):
        words.kinds.add("negates")
        return 1
    if token.is_name and any(stem in token.lower for stem in _holder_stems()):
        words.kinds.add("holder")
    words.unknown.append(token)
    return 1


def _is_to_come(token: Token, year: int) -> bool:
    """Whether a number is a year after `year`, or a day in one: `2030`, `01.01.2030`."""
    return any(len(part) == 4 and year < int(part) <= _LAST_YEAR_TO_COME for part in token.text.split("."))


# Words about access are not about rights: they neither permit nor forbid anything.
_ACCESS = frozenset(
    phrase(text)
    for text in (
        "open access",
        "openaccess",
        "accès libre",
        "libre accès",
        "info:eu-repo/semantics/openAccess",
    )
)


def _address_kinds(addresses: list[str]) -> set[str]:
    """The kinds of the words in addresses: `/all-rights-reserved` is a restriction too."""
    kinds: set[str] = set()
    for address in addresses:
        words = _split(list(tokens_of(re.sub(r"[/_.?=&#+-]", " ", address))))[1]
        kinds |= words.kinds & {"reserves"}
    return kinds


@functools.cache
def _word_table() -> dict[tuple[str, ...], str]:
    """Word or phrase -> its kind. If a word is in several rows, the most cautious kind counts."""
    table: dict[tuple[str, ...], str] = {}
    for kind, _, listed in rows("words.tsv"):
        if kind != "holder":
            for text in listed.split("|"):
                key = phrase(text)
                table[key] = min(kind, table.get(key, kind), key=_CAUTION.index)
    return table


_CAUTION = ("noncommercial", "reserves", "negates", "exceptions", "text", "image", "credit", "neutral")


@functools.cache
def _longest() -> int:
    return max(map(len, _word_table()))


@functools.cache
def _holder_stems() -> tuple[str, ...]:
    return tuple(
        stem for kind, _, listed in rows("words.tsv") if kind == "holder" for stem in listed.split("|")
    )
