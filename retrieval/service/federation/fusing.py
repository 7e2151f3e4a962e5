"""One list of hits from the lists of several services, page by page.

The score of a hit is calibrated by its own service: the probability that the item matches the query.
So the lists are merged by it, the likeliest first; each list keeps its own order. A cursor holds how far
each list was read: the service's own cursor of the page that was begun, and how many of its hits were
taken.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from iconoclip.errors import BadInput
from retrieval.answers import Hit
from retrieval.service.federation.asking import Reply
from retrieval.service.federation.members import Member

MAX_CURSOR_CHARS, MAX_CURSOR_BYTES = 20_000, 40_000


@dataclass(frozen=True)
class ListPosition:
    """How far the list of a service was read; `num_taken` of -1: to its end."""

    cursor: str | None = None
    num_taken: int = 0

    @property
    def is_end(self) -> bool:
        """Whether the service has no more hits."""
        return self.num_taken < 0


END = ListPosition(None, -1)
Places = dict[str, ListPosition]
_Count = Annotated[int, Field(strict=True, ge=-1, le=1_000)]
_Written = tuple[
    str,
    Annotated[int, Field(strict=True, ge=0, lt=2**40)],
    Annotated[list[tuple[str, Annotated[str, Field(max_length=500)] | None, _Count]], Field(max_length=50)],
]
_WRITTEN: TypeAdapter[_Written] = TypeAdapter(_Written)


class Merge:
    """Merges the next hits of several lists.

    If everything that a service answered is taken and its list has more, more must be requested from it
    before the merge continues: its next hit may be the likeliest.

    Args:
        places: how far each service's list was read.
        k: the number of hits to take.
    """

    def __init__(self, places: Mapping[Member, ListPosition], k: int) -> None:
        self._k = k
        self.places = dict(places)
        self.hits: dict[str, tuple[Member, Hit]] = {}
        # The hits that each service has answered and that are not taken yet, and where its list continues.
        self._lists: dict[Member, list[Hit]] = {}
        self._following: dict[Member, ListPosition] = {}

    def add(self, reply: Reply) -> None:
        """Add what a service answered. One that did not answer keeps its place, and is left out."""
        member = reply.member
        if reply.results is None:
            self._lists.pop(member, None)
            return
        found, cursor = reply.results.hits, reply.results.next_cursor
        self._following[member] = END if cursor is None or not found else ListPosition(cursor)
        self._lists[member] = list(reversed(found[self.places[member].num_taken :]))
        self._move_on(member)

    def take(self) -> None:
        """Take hits, the likeliest first, until there are k, or more must be requested for a list."""
        while len(self.hits) < self._k and not self.wanting:
            heads = [(member, hits[-1]) for member, hits in self._lists.items() if hits]
            if not heads:
                return
            # Among equals the services take turns, by the ranks in their own lists: one service must not fill
            # the first pages with hits that are as likely as those of the others.
            member, hit = max(heads, key=lambda head: (head[1].score, -head[1].rank))
            self._lists[member].pop()
            place = self.places[member]
            self.places[member] = ListPosition(place.cursor, place.num_taken + 1)
            self._move_on(member)
            # An item that two services hold is shown once, with the better score.
            self.hits.setdefault(hit.key, (member, hit))

    def _move_on(self, member: Member) -> None:
        if not self._lists[member]:
            self.places[member] = self._following[member]

    @property
    def wanting(self) -> dict[Member, ListPosition]:
        """The services whose lists have more than was answered and taken; none if there are k hits."""
        if len(self.hits) >= self._k:
            return {}
        return {
            m: self.places[m] for m, hits in self._lists.items() if not hits and not self.places[m].is_end
        }

    @property
    def has_more(self) -> bool:
        """Whether a service that answered has more hits."""
        return any(not self.places[member].is_end for member in self._lists)


def encode(query: str, num_shown: int, places: Mapping[str, ListPosition]) -> str:
    """A cursor as text for an address."""
    values = [_digest(query), num_shown, [[each, at.cursor, at.num_taken] for each, at in places.items()]]
    packed = zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(text: str, query: str) -> tuple[int, Places]:
    """The number of hits shown before, and the places, that a cursor holds.

    Raises:
        BadInput: it is not a cursor, or that of another query.
    """
    try:
        packed = base64.urlsafe_b64decode(text[:MAX_CURSOR_CHARS] + "=" * (-len(text) % 4))
        unpacked = zlib.decompressobj().decompress(packed, MAX_CURSOR_BYTES)
        digest, num_shown, places = _WRITTEN.validate_json(unpacked)
    except (ValueError, zlib.error, ValidationError) as error:
        raise BadInput("not a cursor", where="cursor", remedy="take it from the page before") from error
    if digest != _digest(query):
        raise BadInput(
            "this cursor belongs to another query", where="cursor", remedy="repeat the query unchanged"
        )
    return num_shown, {each: ListPosition(cursor, num_taken) for each, cursor, num_taken in places}


def _digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:12]
