"""What the search engine answers, shared by the terminal and the service."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from iconoclip.record import Caption, Display, Record, Region
from retrieval.config import Dates


class Answer(BaseModel):
    """Base of what is answered: immutable; may grow, so readers ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Link(Answer):
    """An address with the text that links to it."""

    label: str
    url: str


class RightsInfo(Answer):
    """What is allowed with the image, in a form for people and for programs."""

    uri: str | None = Field(description="canonical URI of the statement")
    statement: str | None = Field(description="its short name: PDM, CC-BY-SA, InC")
    label: str = Field(description="its name for people: Public Domain Mark 1.0")
    display: Display = Field(description="may the image be shown: yes, unaltered only, or as a link")
    attribution: str | None = Field(description="the credit line that must be shown")
    may_reuse: bool = Field(description="whether the image may be passed on, share-alike included")


class PagePlace(Answer):
    """Where a picture lies on the page that it was cut from, in shares of the page's width and height."""

    x: float = Field(ge=0, le=1, description="left edge")
    y: float = Field(ge=0, le=1, description="top edge")
    width: float = Field(gt=0, le=1)
    height: float = Field(gt=0, le=1)
    key: str | None = Field(description="the item of the whole page; null if it is not here")
    page_width: int = Field(gt=0, description="of the full image of the page, in pixels")
    page_height: int = Field(gt=0)


class Provenance(Answer):
    """Where a record came from, and how it was harvested."""

    source: str = Field(description="what identifies the item at its source")
    harvested_at: str = Field(description="ISO 8601 time, UTC")
    harvested_by: str = Field(description="the program and its version")
    rights_judged_by: str = Field(
        description="the policy under which its rights were checked, as name@version"
    )


class Hit(Answer):
    """One item in a page of results."""

    rank: int = Field(ge=1, description="place in the whole result, over all pages")
    score: float = Field(
        ge=0,
        le=1,
        description=(
            "calibrated: the probability that the item matches the query. Sorted by relevance, hits are in"
            " descending order of it, unless `diversity` asks for another order."
        ),
    )
    cosine: float | None = Field(None, description="similarity to the query vector, where there is one")
    matched: tuple[str, ...] = Field((), description="what found it: meaning, captions, words")
    key: str
    title: str
    captions: tuple[Caption, ...]
    institution: str = Field(description="slug")
    institution_name: str
    creators: tuple[str, ...]
    date: str | None
    in_period: Dates | None = Field(
        None,
        description="whether its date lies in the requested period, or only overlaps it; null: no period",
    )
    object_type: str | None
    iconclass: tuple[str, ...] = ()
    rights: RightsInfo
    manifest: str | None
    canvas: str | None
    homepage: str | None
    image_service: str | None
    region: Region | None
    picture_kind: str | None = Field(
        None, description="what kind of picture it is, if it is a part of a page"
    )
    in_page: PagePlace | None = Field(
        None, description="where the picture lies on its page; null: it is no part of a page, or nobody knows"
    )
    width: int = Field(description="of the stored image, in pixels")
    height: int
    links: tuple[Link, ...] = ()
    provenance: Provenance
    num_near_duplicates: int = Field(
        0, ge=0, description=("number of near-duplicates hidden behind this one")
    )


class Correction(Answer):
    """A word that no item has, and what was searched instead."""

    typed: str
    searched: tuple[str, ...] = Field(description="words of this index, as its records write them")


class Spelling(Answer):
    """What became of the words of a query that no item has."""

    corrections: tuple[Correction, ...] = ()
    unknown: tuple[str, ...] = Field((), description="words that are like no word of this index")
    suggested: str | None = Field(None, description="the text of the query with the words that were searched")


class PartlyMatched(Answer):
    """Items that have only some of the words of a query, where no item has all of them."""

    words: tuple[str, ...] = Field(description="words of the query that these items have")
    missing: tuple[str, ...] = Field(description="its other words, except for very frequent ones")
    total: int = Field(ge=0, description="items that have these words")
    text: str = Field(description="the text of a query for these words alone")


class Completed(Answer):
    """A text that a query may be completed to."""

    text: str
    kind: str = Field(description="what it is here: title, maker, place, institution, iconclass")
    language: str | None = Field(description="language of the text; null for names")


class ReadPart(Answer):
    """One part of a query, as the search understood it."""

    kind: Literal["words", "phrase", "field", "any", "all"] = Field(
        description="plain words; an exact phrase; a field with a value; alternatives, of which any may"
        " apply; parts that belong together inside of alternatives"
    )
    text: str = Field(description="the words, or the value of the field")
    field: str | None = None
    excluded: bool = Field(False, description="hits must not have it")
    without: str | None = Field(
        None, description="the text of the query without this part; null if it cannot be removed alone"
    )
    parts: tuple[ReadPart, ...] = ()


class ReadQuery(Answer):
    """The text of a query as the search understood it."""

    text: str
    plain: str = Field(description="the words that hits are ordered by, without operators")
    parts: tuple[ReadPart, ...] = ()


class SearchHint(Answer):
    """Something to say about the query: what could not be read as it may have been meant, or did nothing."""

    code: str = Field(description="stable name of the kind of hint")
    text: str = Field(description="in English")
    what: str = Field("", description="the piece of the query that it is about")
    field: str | None = Field(None, description="the field or filter that it is about")
    instead: str | None = Field(None, description="a text to search instead")
    values: tuple[str, ...] = Field((), description="values that may have been meant, nearest first")


class Results(Answer):
    """One page of hits, and the cursor of the next page."""

    hits: tuple[Hit, ...]
    total: int = Field(
        ge=0,
        description="items that match, copies included: those with a score of one half or more; all that pass"
        " the filters if there is nothing to judge by",
    )
    total_is_exact: bool = Field(
        True, description="false: some match by meaning, so the number is as good as the model's judgement"
    )
    num_by_words: int = Field(0, ge=0, description="of these, items that have every word of the query")
    num_possibly: int | None = Field(
        None, description="of these, items whose date only overlaps the period; null: no period was requested"
    )
    is_ranked: bool = Field(
        True, description="false: the query only narrows, so no hit is likelier than others"
    )
    query: ReadQuery | None = Field(None, description="how the text was read; null if there is none")
    hints: tuple[SearchHint, ...] = ()
    next_cursor: str | None = Field(description="cursor of the next page; null on the last page")
    matches_well: bool | None = Field(
        description="false: nothing here matches well; null: nothing to judge by"
    )
    spelling: Spelling | None = Field(
        None, description="words that no item has; null if every word of the query is known here"
    )
    partly: tuple[PartlyMatched, ...] = Field(
        (),
        description="if no match has every word: items that have some, the most telling words first",
    )
    facets: Facets | None = Field(
        None,
        description="with `counts`: counts over all matches, or over the first of `partly` if nothing"
        " matches. The values of a filter that is set are counted as if it were not, in an order that no"
        " filter changes",
    )
    took_ms: float


class Item(Answer):
    """One item with its record and its neighbours."""

    hit: Hit
    record: Record
    siblings: tuple[Hit, ...] = Field((), description="others of the same manifest or group")
    similar: tuple[Hit, ...] = ()


class FacetValue(Answer):
    """A value of a field with the number of items that have it."""

    value: str
    label: str
    count: int


class NotationCount(FacetValue):
    """An Iconclass notation with the number of items that have it or one below it."""

    broader: str | None = Field(None, description="the notation above it; null for a main division")


class Facets(Answer):
    """Counts over the items that match, most frequent first."""

    total: int
    institution: tuple[FacetValue, ...] = ()
    language: tuple[FacetValue, ...] = ()
    rights: tuple[FacetValue, ...] = ()
    object_type: tuple[FacetValue, ...] = ()
    creator: tuple[FacetValue, ...] = ()
    place: tuple[FacetValue, ...] = ()
    picture_kind: tuple[FacetValue, ...] = Field((), description="kinds of pictures on pages")
    iconclass: tuple[FacetValue, ...] = Field((), description="at the third level of the classification")
    iconclass_tree: tuple[NotationCount, ...] = Field(
        (), description="from the main divisions down, each notation before those below it"
    )
    century: tuple[FacetValue, ...] = Field(
        (), description="a date that spans several centuries counts in each of them"
    )
    num_reusable: int = 0
    num_with_region: int = 0
    num_pictures: int = Field(0, description="items that pass `pictures_only`")
    num_whole_pages: int = Field(0, description="items that `pictures_only` leaves out")
    earliest: int | None = None
    latest: int | None = None


class NotationSuggestion(Answer):
    """An Iconclass notation proposed for an image."""

    notation: str
    label: str
    score: float = Field(
        ge=0,
        le=1,
        description=(
            "score that a search for its words would give the image; each notation is scored "
            "separately, and the scores do not add up to 1"
        ),
    )


class Term(Answer):
    """An Iconclass notation with its words."""

    notation: str
    label: str


class Notation(Answer):
    """An Iconclass notation, its place in the hierarchy, and the number of items here that have it."""

    notation: str
    label: str
    language: str
    broader: tuple[Term, ...] = Field(
        description=("from the top of Iconclass down to just above the notation")
    )
    narrower: tuple[Term, ...] = Field(description="one step below")
    num_items: int = Field(
        0, ge=0, description=("number of items here that have the notation or one below it")
    )
    suggested: tuple[NotationSuggestion, ...] = Field(
        (), description="notations below that the model sees in the given item"
    )


class Explanation(Answer):
    """Where in the image a text is seen: a coarse map, row by row from the top left, values 0 to 1."""

    key: str
    text: str
    width: int = Field(description="columns of the map")
    height: int = Field(description="rows of the map")
    heat: tuple[float, ...] = Field(description="height x width values")
    box: tuple[float, ...] = Field(
        (0.0, 0.0, 1.0, 1.0),
        min_length=4,
        max_length=4,
        description=(
            "part of the image that the map covers: left, top, right, bottom, as fractions of its "
            "width and height; less than the whole if the model sees only a square part"
        ),
    )
    cosine: float


class Status(Answer):
    """What the engine serves: for health and readiness."""

    generation: str
    num_items: int
    num_withdrawn: int
    num_added: int = Field(description="items in the mutable segment")
    kind: str
    recall_at_10: float | None
    model: str
    model_digest: str
    built_at: str


ReadPart.model_rebuild()
Results.model_rebuild()
