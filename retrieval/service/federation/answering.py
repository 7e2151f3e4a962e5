"""One question to a federation, and its answer: the same for the page and for programs."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from retrieval.answers import Answer, Hit, SearchHint
from retrieval.config import Dates
from retrieval.query.read_back import hints_of
from retrieval.query_language.grammar import parse
from retrieval.questions import MAX_TEXT_CHARS, Year
from retrieval.service.federation.asking import Asker, Reply, State
from retrieval.service.federation.fusing import MAX_CURSOR_CHARS, ListPosition, Merge, decode, encode
from retrieval.service.federation.members import Member
from retrieval.service.hit_links import is_shown
from retrieval.service.params import printable

MAX_K = 50
# If all hits of a list are used, more are requested, at most this often per page.
MAX_ROUNDS = 3
SEARCH = "/api/v1/search"


Named = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(printable)]


class Question(BaseModel):
    """The query that every service gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS), AfterValidator(printable)] = Field(
        description="what to look for, in your own words and language", examples=["a lion holding a rose"]
    )
    reusable: bool | None = Field(default=None, description="true: only what may be passed on")
    language: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9-]{2,35}$", description="BCP 47 tag of one of the captions"
    )
    earliest: Year | None = Field(default=None, description="made in this year or later")
    latest: Year | None = Field(default=None, description="made in this year or earlier")
    dates: Dates | None = Field(
        default=None, description="whether a date must lie within the period (certainly) or may overlap it"
    )
    place: Named | None = Field(default=None, description="place, as the services write it")
    creator: Named | None = Field(default=None, description="maker, as the services write it")
    object_type: Named | None = Field(default=None, description="kind of object, as the services write it")
    plain: bool | None = Field(default=None, description="true: read `q` as plain words, without operators")
    k: int = Field(default=24, ge=1, le=MAX_K, description="hits on a page")
    cursor: str | None = Field(
        default=None, max_length=MAX_CURSOR_CHARS, description="`next_cursor` of the page before"
    )

    def query_string(self, **changes: Any) -> str:
        """The question as a query string, with changes, without the cursor."""
        values = self.model_dump(exclude_none=True, exclude={"cursor", "k"}) | changes
        pairs = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()
        }
        return urlencode({name: value for name, value in pairs.items() if value is not None})

    def address(self, place: ListPosition) -> str:
        """The path and query of the request to a service."""
        return f"{SEARCH}?{self.query_string(k=self.k, cursor=place.cursor)}"


class Service(Answer):
    """A service, and what became of the question to it."""

    id: str
    name: str
    address: str
    state: State | None = Field(None, description="null: it had no more hits and was not queried")
    total: int | None = Field(None, description="items there that match")
    took_ms: float = 0.0


class FederatedHit(Answer):
    """A hit, whose it is, and where it is shown."""

    service: Service
    page: str = Field(description="address of the item's page there")
    thumbnail: str | None = Field(description="a small picture there; null where only a link is allowed")
    hit: Hit


class FederatedResults(Answer):
    """One page of hits of several services, likeliest first."""

    hits: tuple[FederatedHit, ...]
    services: tuple[Service, ...]
    num_answered: int
    next_cursor: str | None = Field(description="cursor of the next page; null on the last page")
    matches_well: bool | None = Field(description="false: no service that answered has a good match")
    hints: tuple[SearchHint, ...] = Field(
        (), description="what may have been meant by the text; services know more of their own"
    )


def answer(question: Question, members: tuple[Member, ...], asker: Asker) -> FederatedResults:
    """Ask every service that has hits left, and merge what they answer.

    Raises:
        BadInput: a cursor of another question.
    """
    asked_for = question.query_string()
    num_before, places = decode(question.cursor, asked_for) if question.cursor else (0, {})
    at = {member: places.get(member.id, ListPosition()) for member in members}
    merge, last = Merge(at, question.k), dict[Member, Reply]()
    wanting = {member: place for member, place in at.items() if not place.is_end}
    for _ in range(MAX_ROUNDS):
        for reply in asker.ask({member: question.address(place) for member, place in wanting.items()}):
            last[reply.member] = reply
            merge.add(reply)
        merge.take()
        wanting = merge.wanting
        if not wanting:
            break
    services = {member: _service(member, last.get(member)) for member in members}
    judged = [reply.results.matches_well for reply in last.values() if reply.results is not None]
    after = {member.id: place for member, place in merge.places.items()}
    hits = tuple(
        _hit(services[member], hit.model_copy(update={"rank": num_before + number}))
        for number, (member, hit) in enumerate(merge.hits.values(), 1)
    )
    return FederatedResults(
        hits=hits,
        services=tuple(services.values()),
        num_answered=sum(each.state in (None, "answered") for each in services.values()),
        next_cursor=encode(asked_for, num_before + len(hits), after) if merge.has_more else None,
        matches_well=True if True in judged else (False if False in judged else None),
        hints=() if question.plain else hints_of(parse(question.q).hints),
    )


def _service(member: Member, reply: Reply | None) -> Service:
    if reply is None:
        return Service(id=member.id, name=member.name, address=member.address)
    total = None if reply.results is None else reply.results.total
    return Service(
        id=member.id,
        name=member.name,
        address=member.address,
        state=reply.state,
        total=total,
        took_ms=reply.took_ms,
    )


def _hit(service: Service, hit: Hit) -> FederatedHit:
    return FederatedHit(
        service=service,
        page=f"{service.address}/item/{hit.key}",
        thumbnail=f"{service.address}/thumb/{hit.key}.jpg" if is_shown(hit) else None,
        hit=hit,
    )
