"""Statements by name: `CC BY-NC 4.0`, `cc-by-sa-3.0-de`, `Namensnennung 4.0`, `Domena publiczna`."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from iconoclip.rights_text.addresses import LICENCE_OUVERTE
from iconoclip.rights_text.tables import rows
from iconoclip.rights_text.tokens import Token, phrase

_PDM: Final = "http://creativecommons.org/publicdomain/mark/1.0/"
_CC0: Final = "http://creativecommons.org/publicdomain/zero/1.0/"
_VERSION = re.compile(r"[1-4]\.[05]")
_DEFAULT_VERSION: Final = "4.0"
_SHORT: Final = {"by": "by", "nc": "nc", "nd": "nd", "sa": "sa"}
_CREATIVE_COMMONS: Final = (("creative", "commons"), ("クリエイティブ", "コモンズ"))
# Between "Creative Commons" and the elements, between the elements, and between them and the version.
_FILLERS: Final = frozenset(
    ("licence", "license", "lizenz", "licencia", "licenza", "licença", "licentie", "licencja", "licenci")
)
# Jurisdictions of the ported licences, versions 1.0 to 3.0 (creativecommons.org/licenses).
_PORTS: Final = frozenset(
    [
        "am",
        "ar",
        "at",
        "au",
        "az",
        "be",
        "bg",
        "br",
        "ca",
        "ch",
        "cl",
        "cn",
        "co",
        "cr",
        "cz",
        "de",
        "dk",
        "ec",
        "ee",
        "eg",
        "es",
        "fi",
        "fr",
        "ge",
        "gr",
        "gt",
        "hk",
        "hr",
        "hu",
        "ie",
        "igo",
        "il",
        "in",
        "it",
        "jp",
        "kr",
        "lu",
        "mk",
        "mt",
        "mx",
        "my",
        "nl",
        "no",
        "nz",
        "pe",
        "ph",
        "pl",
        "pr",
        "pt",
        "ro",
        "rs",
        "scotland",
        "se",
        "sg",
        "si",
        "th",
        "tw",
        "ua",
        "ug",
        "uk",
        "us",
        "ve",
        "vn",
        "za",
    ]
)
_PORT_BY_NAME: Final = {
    "deutschland": "de", "germany": "de", "österreich": "at", "austria": "at", "schweiz": "ch",
    "switzerland": "ch", "france": "fr", "italia": "it", "italy": "it", "nederland": "nl",
    "netherlands": "nl", "españa": "es", "spain": "es", "polska": "pl", "poland": "pl", "portugal": "pt",
    "norge": "no", "norway": "no", "sverige": "se", "danmark": "dk", "slovenija": "si", "slovenia": "si",
    "hrvatska": "hr", "magyarország": "hu", "românia": "ro", "eesti": "ee", "ireland": "ie",
    "scotland": "scotland",
}  # fmt: skip


@dataclass(frozen=True)
class FoundName:
    """A statement named in a text, and the number of words of its name."""

    uri: str
    length: int
    is_loose: bool = False
    """A plain "public domain" in words, as against the name of a licence or of a rights statement."""


def names_at(tokens: list[Token], place: int) -> FoundName | None:
    """The statement whose name begins at `place`; the longest name counts."""
    found = [name for name in (_listed(tokens, place), _licence(tokens, place)) if name]
    return max(found, key=lambda name: name.length, default=None)


def _listed(tokens: list[Token], place: int) -> FoundName | None:
    table = _names()
    for length in range(min(_longest_name(), len(tokens) - place), 0, -1):
        statement = table.get(tuple(token.lower for token in tokens[place : place + length]))
        if statement and not (length == 1 and _is_a_word(tokens[place], statement)):
            return FoundName(_uri_of(statement), length, statement == "PD")
    return None


def _is_a_word(token: Token, statement: str) -> bool:
    """Whether a token is a word, and not the code that it is spelled like: German "und" is not UND."""
    is_code = statement in ("InC", "CNE", "UND", "NKC") and token.lower == statement.lower()
    return is_code and token.text not in (statement, statement.upper())


def _uri_of(statement: str) -> str:
    if statement in ("PD", "PDM"):
        return _PDM
    if statement == "LO":
        return LICENCE_OUVERTE
    return _CC0 if statement == "CC0" else f"http://rightsstatements.org/vocab/{statement}/1.0/"


def _licence(tokens: list[Token], place: int) -> FoundName | None:
    """A licence of Creative Commons: prefix, elements, version, port. Without the prefix it needs two of the
    others, because "Attribution" alone is a word."""
    end, is_prefixed = _prefix(tokens, place)
    if is_prefixed and (tool := _tool(tokens, end)):
        return FoundName(tool[0], tool[1] - place)
    elements: list[str] = []
    while step := _element(tokens, end):
        elements.append(step[0])
        end = _skip(tokens, step[1])
    if (
        not elements
        or elements[0] != "by"
        or len(set(elements)) != len(elements)
        or {"nd", "sa"} <= set(elements)
    ):
        return None
    version, end = _version(tokens, end)
    if not is_prefixed and len(elements) == 1 and version is None:
        return None
    port, end = _port(tokens, end) if version and version < "4" else ("", end)
    name = "-".join(sorted(elements, key=("by", "nc", "nd", "sa").index))
    uri = f"http://creativecommons.org/licenses/{name}/{version or _DEFAULT_VERSION}/{port}"
    return FoundName(uri, end - place)


def _prefix(tokens: list[Token], place: int) -> tuple[int, bool]:
    """Where the elements begin, and whether a "CC" or "Creative Commons" comes before them."""
    if _at(tokens, place) == "cc":
        return _skip(tokens, place + 1), True
    if (_at(tokens, place), _at(tokens, place + 1)) in _CREATIVE_COMMONS:
        return _skip(tokens, place + 2), True
    if _at(tokens, place) == "知识共享":
        return _skip(tokens, place + 1), True
    return place, False


def _skip(tokens: list[Token], place: int) -> int:
    return place + 1 if _at(tokens, place) in _FILLERS else place


def _at(tokens: list[Token], place: int) -> str:
    return tokens[place].lower if place < len(tokens) else ""


def _tool(tokens: list[Token], place: int) -> tuple[str, int] | None:
    """CC0 and the Public Domain Mark in short: `CC0 1.0`, `CC-Zero`, `CC PDM`."""
    uri = {"0": _CC0, "zero": _CC0, "pdm": _PDM, "pd": _PDM}.get(_at(tokens, place))
    if uri is None:
        return None
    end = place + 1
    return uri, end + 1 if _at(tokens, end) in ("1.0", "1") else end


def _element(tokens: list[Token], place: int) -> tuple[str, int] | None:
    if short := _SHORT.get(_at(tokens, place)):
        return short, place + 1
    table = _elements()
    for length in range(min(6, len(tokens) - place), 0, -1):
        if element := table.get(tuple(token.lower for token in tokens[place : place + length])):
            return element, place + length
    return None


def _version(tokens: list[Token], place: int) -> tuple[str | None, int]:
    end = place + 1 if _at(tokens, place) in ("version", "v") else place
    return (_at(tokens, end), end + 1) if _VERSION.fullmatch(_at(tokens, end)) else (None, place)


def _port(tokens: list[Token], place: int) -> tuple[str, int]:
    """The jurisdiction of a ported licence, where it ends the name: `3.0 DE`, `3.0 Deutschland`."""
    word = _at(tokens, place)
    port = _PORT_BY_NAME.get(word) or (word if word in _PORTS and place + 1 >= len(tokens) else "")
    return (f"{port}/", place + 1) if port else ("", place)


@functools.cache
def _names() -> dict[tuple[str, ...], str]:
    return {phrase(name): statement for statement, _, _, name in rows("names.tsv")}


@functools.cache
def _longest_name() -> int:
    return max(map(len, _names()))


@functools.cache
def _elements() -> dict[tuple[str, ...], str]:
    return {phrase(name): element for element, _, name in rows("licences.tsv")}
