"""Queries of the search engine: the text and its filters, shared by the terminal and the service."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from iconoclip.record import KEY_PATTERN
from retrieval.config import Dates, Mode, Sort

MAX_TEXT_CHARS = 1_000
MAX_IMAGE_BYTES = 20_000_000
MAX_EXAMPLES = 50

KeyText = Annotated[str, StringConstraints(pattern=KEY_PATTERN, max_length=100)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


# One value, or several of which any may apply.
Slugs = Annotated[tuple[Word, ...], BeforeValidator(_several), Field(max_length=1_000)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_several), Field(max_length=100)]
Year = Annotated[int, Field(ge=-100_000, le=10_000)]


class Asked(BaseModel):
    """Base class of queries: immutable; an unknown field is refused, because it would have no effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Filters(Asked):
    """Conditions that every item in the results must meet. Several values of one field mean any of them."""

    institution: Slugs = Field((), description="slugs")
    without_institution: Slugs = Field(
        (), description="slugs that must not appear: how the service hides an institution"
    )
    language: Words = Field((), description="BCP 47 tags of its captions; `de` finds `de-AT`")
    earliest: Year | None = Field(None, description="made in this year or later")
    latest: Year | None = Field(None, description="made in this year or earlier")
    dates: Dates = Field(
        "possibly",
        description="whether an item whose date only overlaps the period passes (possibly), or only an item"
        " whose date lies within it (certainly)",
    )
    reusable: bool | None = Field(None, description="may I reuse this?")
    rights: Words = Field((), description="short names of statements: PDM, CC-BY, InC")
    iconclass: Words = Field(
        (), description="Iconclass notations, or words of one; everything below them is found too"
    )
    object_type: Words = ()
    creator: Words = ()
    place: Words = Field((), description="where it was made, or what place it is about")
    has_region: bool | None = Field(None, description="the record is about a part of its image")
    picture_kind: Words = Field(
        (), description="kinds of pictures on pages: illustration, initial, ornament, photograph, map, ..."
    )
    pictures_only: bool | None = Field(
        None,
        description="true: without whole pages whose pictures are items of their own, or that have none;"
        " false: only these",
    )
    split: Word | None = Field(None, description="train, val or test; for evaluation only")
    group: str | None = Field(
        None, max_length=20_000, description="exactly the group of a record: the pages of one manifest"
    )

    @property
    def is_empty(self) -> bool:
        """Whether there are no conditions, so that every item passes."""
        return self == Filters()


class RegionOf(Asked):
    """A part of an item's stored image, in fractions of its width and height."""

    key: KeyText
    x: float = Field(ge=0, lt=1)
    y: float = Field(ge=0, lt=1)
    width: float = Field(gt=0, le=1)
    height: float = Field(gt=0, le=1)


class Weighted(Asked):
    """One term of a weighted sum: a text or an item, with a weight that may be negative."""

    text: str | None = Field(None, min_length=1, max_length=MAX_TEXT_CHARS)
    key: KeyText | None = None
    weight: float = Field(1.0, ge=-10, le=10)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Weighted:
        if (self.text is None) == (self.key is None):
            raise ValueError("a weighted term has a text or a key")
        return self


class Query(Asked):
    """A query to the engine. Without text, image, examples or terms it lists the filtered set."""

    text: str | None = Field(None, max_length=MAX_TEXT_CHARS)
    image: bytes | None = Field(None, max_length=MAX_IMAGE_BYTES, description="an image file, still encoded")
    like: tuple[KeyText, ...] = Field((), max_length=MAX_EXAMPLES)
    unlike: tuple[KeyText, ...] = Field((), max_length=MAX_EXAMPLES)
    region: RegionOf | None = Field(None, description="find what looks like this part of an item's image")
    terms: tuple[Weighted, ...] = Field((), max_length=MAX_EXAMPLES, description="further weighted terms")
    filters: Filters = Filters()
    k: int = Field(24, ge=1, le=200)
    cursor: str | None = Field(None, max_length=500)
    mode: Mode = "hybrid"
    plain: bool = Field(False, description="read the text as plain words, without operators")
    sort: Sort = Field("relevance", description="the order; any other than relevance lists only what matches")
    fold: bool = Field(True, description="show near-duplicates as one hit with a count")
    literal: bool = Field(False, description="search the words as they are typed, never similar ones")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description=("0: the best first; towards 1: the hits of the first page differ more from each other"),
    )
