"""What people name when they withdraw something, and which records it means.

A name is a key, the identifier or any address of an item (source, canvas, manifest, image, image service, web
page), `institution:SLUG` or `creator:NAME`. Addresses are compared without what their spelling adds: http or
https, a slash at the end, `/info.json`, and the parameters of an image request (IIIF Image API 3.0,
section 4).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from iconoclip import transfer
from iconoclip.address_cache import is_remote
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.people import PREPOSITIONS, person
from iconoclip.record import KEY_PATTERN, Record
from iconoclip.withdrawals import read_list

MAX_KEYS_BYTES: Final = 100_000_000
_IMAGE_REQUEST: Final = re.compile(
    r"/(full|square|\d+,\d+,\d+,\d+|pct:[\d.,]+)/[^/]+/!?[\d.]+/[a-z]+\.[a-z0-9]+$"
)
_PREFIX: Final = re.compile(r"(institution|creator):\s*(.+)", re.IGNORECASE)


class Names:
    """The names of a withdrawal, by kind.

    Args:
        words: what was named.
        institutions: slugs, as if written `institution:SLUG`.
        creators: names, as if written `creator:NAME`.
        listed: keys of a published list; it does not matter whether anything has them.
    """

    def __init__(
        self,
        words: Iterable[str],
        *,
        institutions: Iterable[str] = (),
        creators: Iterable[str] = (),
        listed: frozenset[str] = frozenset(),
    ) -> None:
        self.listed = listed
        self.keys: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._institutions = {slug: f"institution:{slug}" for slug in institutions}
        self._creators = {folded(name): f"creator:{name}" for name in creators}
        for word in words:
            self._add(word)

    def _add(self, word: str) -> None:
        if (found := _PREFIX.fullmatch(word)) and found[1].lower() == "institution":
            self._institutions[found[2].strip()] = word
        elif found:
            self._creators[folded(found[2])] = word
        elif re.fullmatch(KEY_PATTERN, word):
            self.keys.add(word)
        else:
            self._addresses[plain(word)] = word

    def __bool__(self) -> bool:
        return bool(self.keys or self.needs_records or self._institutions or self.listed)

    @property
    def needs_records(self) -> bool:
        """Whether the records must be read: an index knows neither addresses nor creators."""
        return bool(self._addresses or self._creators)

    @property
    def means_many(self) -> bool:
        """Whether a name may mean more items than its writer thinks."""
        return bool(self._institutions or self._creators)

    @property
    def all(self) -> set[str]:
        """Every name as it was written, but for those of a published list."""
        return {
            *self.keys, *self._addresses.values(), *self._institutions.values(), *self._creators.values()
        }  # fmt: skip

    def of_row(self, key: str, institution: str) -> Iterator[str]:
        """The names that mean a row of an index."""
        if key in self.keys or key in self.listed:
            yield key
        if institution in self._institutions:
            yield self._institutions[institution]

    def of_record(self, record: Record) -> Iterator[str]:
        """The names that mean a record, but for its key and institution."""
        source = record.source
        stated = (
            source.id, source.canvas, source.manifest, source.image, source.image_service, source.homepage
        )  # fmt: skip
        for address in {plain(one) for one in stated if one}:
            if address in self._addresses:
                yield self._addresses[address]
        for creator in {spelling for one in record.creators for spelling in _spellings(one)}:
            if creator in self._creators:
                yield self._creators[creator]


def plain(address: str) -> str:
    """An address without what only its spelling adds; other identifiers stay as they are."""
    address = address.strip()
    if not address.lower().startswith(("http://", "https://")):
        return address
    rest = address.split("://", 1)[1]
    host, slash, path = rest.partition("/")
    path = _IMAGE_REQUEST.sub("", slash + path).removesuffix("/info.json")
    return f"https://{host.lower()}{path.rstrip('/')}"


def folded(name: str) -> str:
    """A name without accents, capitals, punctuation and the order of its parts: `Dürer, Albrecht`."""
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(one for one in decomposed if not unicodedata.combining(one)).casefold()
    return " ".join(sorted(re.findall(r"\w+", letters)))


def _spellings(creator: str) -> Iterator[str]:
    """How a creator may be named: as the catalogue writes it, or without life dates, role and identifiers.

    Those who made only the model, or to whom a work is attributed, are named as the catalogue writes them.
    """
    yield folded(creator)
    who = person(creator)
    if who.role not in PREPOSITIONS:
        yield folded(who.name)


def words_in(location: str | None) -> tuple[list[str], frozenset[str]]:
    """The names in a file: one per line, or the keys of a published list (Parquet), by path or address.

    Returns:
        The lines; and the keys of the list.

    Raises:
        MissingRequirement: no such file.
        BadInput: it cannot be read.
    """
    if location is None:
        return [], frozenset()
    try:
        data = transfer.read(location) if is_remote(location) else _bytes_of(Path(location))
        if data.startswith(b"PAR1"):
            return [], read_list(data, location)
        lines = (line.strip() for line in data.decode("utf-8-sig").splitlines())
        return [line for line in lines if line and not line.startswith("#")], frozenset()
    except FileNotFoundError:
        raise MissingRequirement("no such file of keys", where=location, remedy="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the file of keys cannot be read: {error}", where=location) from error


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > MAX_KEYS_BYTES:
        raise BadInput("the file of keys is larger than 100 MB", where=path)
    return path.read_bytes()
