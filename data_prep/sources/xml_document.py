"""Parses bytes into an XML tree safely: no declared entities, nothing loaded from
outside, limited size and depth.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from data_prep.candidate import Refusal

MAX_XML_BYTES: Final = 100_000_000

Element = Any
"""An lxml element; lxml ships no types."""

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.-]{1,40})["'][^>]*\?>""", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));",
    re.IGNORECASE,
)
_AMPERSAND = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});)(?:([A-Za-z][A-Za-z0-9]{1,31});)?"
)


def parse_xml(document: bytes, uri: str) -> Element | Refusal:
    """The root element of `document`.

    Frequent errors are repaired: an encoding other than the declared one, control characters, HTML entities,
    bare ampersands. Declared entities are refused: no catalogue needs them, and attacks use them.
    """
    if len(document) > MAX_XML_BYTES:
        return Refusal(
            uri, f"larger than {MAX_XML_BYTES // 1_000_000} MB ({len(document)} bytes)", "everything"
        )
    if not document.strip():
        return Refusal(uri, "empty document", "everything")
    start = document[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return Refusal(uri, "an HTML page, not XML: a login, a firewall, or a wrong address", "everything")
    if b"<!ENTITY" in document[:100_000]:
        return Refusal(uri, "XML that declares entities", "everything")
    try:
        root = _parsed(document.lstrip(b"\xef\xbb\xbf \t\r\n") if start[:1] == b"<" else document)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        try:
            root = _parsed(_mended(document).encode())
        except (etree.XMLSyntaxError, ValueError) as error:
            return Refusal(uri, f"not XML: {str(error)[:200]}", "everything")
    # Behind a long comment, or in UTF-16, they are not seen above.
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and next(declared.iterentities(), None) is not None:
        return Refusal(uri, "XML that declares entities", "everything")
    return root


def _parsed(document: bytes) -> Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(document, parser)


def _mended(document: bytes) -> str:
    text = _FORBIDDEN.sub("", _DECLARATION.sub("", _decoded(document)))
    return _AMPERSAND.sub(_unescaped, text)


def _decoded(document: bytes) -> str:
    declared = _ENCODING.match(document)
    for encoding in ("utf-8-sig", declared[1].decode("ascii") if declared else "cp1252"):
        try:
            return document.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return document.decode("cp1252", errors="replace")


def _unescaped(match: re.Match[str]) -> str:
    letter = html.unescape(match[0]) if match[1] else match[0]
    return html.escape(letter, quote=False) if letter != match[0] else "&amp;" + match[0][1:]


def local_name(element: Element) -> str:
    """The tag without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: Element, *names: str) -> Iterator[Element]:
    """The child elements of these local names, in document order; all of them when none is named."""
    for child in element:
        if isinstance(child.tag, str) and (not names or local_name(child) in names):
            yield child


def descendants(element: Element, *names: str) -> Iterator[Element]:
    """The elements below of these local names, in document order."""
    for item in element.iter():
        if item is not element and local_name(item) in names:
            yield item


def child(element: Element, *path: str) -> Element | None:
    """The first element down a path of local names."""
    for name in path:
        element = next(children(element, name), None)
        if element is None:
            return None
    return element


def text_of(element: Element | None) -> str:
    """The text of an element and of those inside, with its spaces made single."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def language_of(element: Element) -> str | None:
    """The `xml:lang` that holds for an element: its own or the nearest above."""
    while element is not None:
        language = element.get(_XML_LANG)
        if language is not None:
            return str(language)
        element = element.getparent()
    return None


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its local name, in whatever namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None
