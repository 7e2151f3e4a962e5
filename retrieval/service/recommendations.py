"""What else there is to see, each with its reason: by the same maker, with the same motif, of the same
time, in the same place.

Computed from records and vectors alone: a field of the record chooses the items, and the vectors put those
first that look most like this one. Nobody is watched, so nothing needs to be known about readers.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from iconoclip.people import display_name
from iconoclip.record import Record
from retrieval import iconography
from retrieval.answers import Hit
from retrieval.generation.places import places_of
from retrieval.service.context import ServiceContext
from retrieval.service.params import SearchParams

NUM_HITS = 6
# A date of a century or more says too little about a moment.
MAX_YEARS = 60

Kind = Literal["hand", "moment", "motif", "place"]
# What each reason says, by the filter that it is, in English; the page translates it. The place of a record
# is where the object was made or what it shows: sources seldom tell these apart.
REASONS = {
    "creator": "also by {what}",
    "iconclass": "also shows {what}",
    "period": "also made in {what}",
    "place": "also of or from {what}",
    "institution": "also kept at {what}",
}


class Recommended(BaseModel):
    """Items that have one thing in common with an item, most similar first."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    by: str = Field(description="the filter that all pass: creator, iconclass, period, place, institution")
    what: str = Field(
        description="what they share: a maker, years, the words of a notation, a place, an institution"
    )
    reason: str = Field(description="why they are recommended, in words")
    query: str = Field(description="the query string of a search that lists all of them")
    hits: tuple[Hit, ...]


def recommended(
    record: Record, context: ServiceContext, concealed: tuple[str, ...], language: str = "en"
) -> tuple[Recommended, ...]:
    """The recommendations for an item. Other pictures of the same object, and items that an earlier
    recommendation shows, are left out, and so is a reason without items.
    """
    seen = {record.key, *(hit.key for hit in context.hits_of_group(record.key, concealed))}
    found = []
    for kind, by, what, params in _reasons(record, language):
        # Twice as many, because some may have been seen.
        hits = context.search(params.model_copy(update={"k": NUM_HITS + min(len(seen), 50)}), concealed).hits
        fresh = tuple(hit for hit in hits if hit.key not in seen)[:NUM_HITS]
        if fresh:
            seen.update(hit.key for hit in fresh)
            reason, query = REASONS[by].format(what=what), params.query_string()
            found.append(Recommended(kind=kind, by=by, what=what, reason=reason, query=query, hits=fresh))
    return tuple(found)


def _reasons(record: Record, language: str) -> list[tuple[Kind, str, str, SearchParams]]:
    reasons: list[tuple[Kind, str, str, SearchParams]] = []
    like = SearchParams(like=[record.key])

    def add(kind: Kind, what: str, by: str = "", **filters: object) -> None:
        reasons.append((kind, by or next(iter(filters)), what, like.model_copy(update=filters)))

    if record.creators:
        add("hand", display_name(record.creators[0]), creator=[record.creators[0]])
    if record.iconclass:
        # The longest notation says most.
        notation = max(record.iconclass, key=len)
        add("motif", iconography.shown(notation, language) or notation, iconclass=[notation])
    date = record.date
    if date and date.earliest is not None and date.latest is not None:
        years = (date.earliest, date.latest)
        if years[1] - years[0] <= MAX_YEARS:
            what = "–".join(dict.fromkeys(map(str, years)))
            add("moment", what, "period", earliest=years[0], latest=years[1])
    for place in places_of(record)[:1]:
        add("place", place, place=[place])
    # Where an object is kept is the place that every record knows.
    add("place", record.institution.name, institution=[record.institution.slug])
    return reasons
