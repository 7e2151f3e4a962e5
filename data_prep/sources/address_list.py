"""The addresses that a user names: on the command line, or in a text file with one address per line.

A list is read like a collection of the user: every address in it is harvested as if it had been given on the
command line. Only a file that the user names can be a list, never a response of a server. A list cannot
contain files or other lists.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from urllib.request import url2pathname

from data_prep.candidate import Found, Link, LinkKind, Refusal
from data_prep.institutions import InstitutionProfile

ADDRESS_LIST: Final = "addresses"
"""The kind of a list as a document of the ledger."""
KIND_OF_SOURCE: Final[dict[str, LinkKind]] = {"auto": "unknown", "iiif": "presentation"}
MAX_ADDRESS_CHARS: Final = 4_000
MAX_BAD_LINES: Final = 1_000
MAX_SHOWN_CHARS: Final = 80
# The part of a file that is examined to decide whether it is a list.
LOOK_BYTES: Final = 65_536

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
# `#` may be part of an address: it begins a comment only after a space.
_COMMENT: Final = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)


def is_address_list(path: Path) -> bool:
    """Whether a file is a list of addresses: its first entry is one, or its name ends in `.txt` and it is
    neither JSON nor XML.
    """
    try:
        with path.open("rb") as file:
            start = _text(file.read(LOOK_BYTES))
    except OSError:
        return False
    first = next((entry for _, entry in _entries(start)), "")
    return bool(_WEB.match(first)) or (
        path.suffix.lower() == ".txt" and not first.startswith(("<", "{", "["))
    )


def read_address_list(
    body: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None
) -> Found:
    """The addresses of a list as links. Every other line is refused with its number.

    Args:
        body: text in UTF-8, or in UTF-16 with a byte order mark. Empty lines, and comments from `#` to the
            end of the line, are left out.
        uri: the path of the list.
        profile: not used.
        context: `source` may give the kind of all its addresses.
    """
    source = (context or {}).get("source", "auto")
    links: list[Link] = []
    refusals: list[Refusal] = []
    for number, entry in _entries(_text(body)):
        if reason := _why_no_address(entry):
            refusals.append(Refusal(f"{uri}, line {number}", f"{reason}: '{_shown(entry)}'"))
        else:
            links.append(link_to(entry, source))
        if len(refusals) > MAX_BAD_LINES:
            reason = f"more than {MAX_BAD_LINES} lines are no addresses; nothing after this line was read"
            refusals.append(Refusal(f"{uri}, line {number}", reason, "rest"))
            break
    if not links and not refusals:
        refusals.append(Refusal(uri, "the list holds no address", "everything"))
    return Found(links=tuple(links), refusals=tuple(refusals))


def link_to(address: str, source: str) -> Link:
    """The document to request first for an address, and how to read it."""
    uri = first_request(address, source)
    kind = KIND_OF_SOURCE.get(source, source)
    return Link(uri, _kind_of_address(uri) if kind == "unknown" else kind)  # type: ignore[arg-type]


def first_request(uri: str, source: str) -> str:
    """The address of the first request: the base address of an OAI-PMH repository needs a query."""
    if source == "oai-pmh" and "verb" not in parse_qs(urlsplit(uri).query):
        return f"{uri}{'&' if urlsplit(uri).query else '?'}verb=ListRecords&metadataPrefix=oai_dc"
    return uri


def is_address(source: str) -> bool:
    """Whether a source is an http(s) address, and not a path."""
    return source.startswith(("http://", "https://"))


def path_of(source: str) -> Path:
    """The path of a source that is a file or folder; it may be written as `file://`."""
    return Path(url2pathname(urlsplit(source).path) if source.startswith("file://") else source)


def addresses_of(sources: Iterable[str]) -> Iterator[str]:
    """The addresses of the sources, including those in lists. A source without an address is left out."""
    for source in sources:
        if is_address(source):
            yield source
        elif (path := path_of(source)).is_file() and is_address_list(path):
            entries = _entries(_text(path.read_bytes()))
            yield from (entry for _, entry in entries if _why_no_address(entry) is None)


def _kind_of_address(uri: str) -> LinkKind:
    query = parse_qs(urlsplit(uri).query)
    if "verb" in query:
        return "oai-pmh"
    return "sru" if query.get("operation") == ["searchRetrieve"] else "unknown"


def _text(body: bytes) -> str:
    """The text of a list. Bytes outside of its encoding become U+FFFD, and their line is refused."""
    is_utf16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return body.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """The entries with the numbers of their lines, without comments and empty lines."""
    for number, line in enumerate(_LINE_END.split(text), start=1):
        if entry := _COMMENT.sub("", line).strip():
            yield number, entry


def _why_no_address(entry: str) -> str | None:
    """Why an entry is not an http(s) address, or None if it is."""
    if "\ufffd" in entry:
        return "not in UTF-8"
    if len(entry) > MAX_ADDRESS_CHARS:
        return f"longer than {MAX_ADDRESS_CHARS} characters"
    if re.search(r"\s", entry) or not entry.isprintable():
        return "more than one address, or another text"
    try:
        parts = urlsplit(entry)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not is_address(entry) or not has_host:
        return "not an http:// or https:// address"
    return None


def _shown(entry: str) -> str:
    return entry if len(entry) <= MAX_SHOWN_CHARS else entry[:MAX_SHOWN_CHARS] + "..."
