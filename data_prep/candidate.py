"""The types that readers return to the harvest: candidates to download, links to follow, and refusals with
their reasons.

Readers of formats (data_prep/iiif, data_prep/sources) are pure functions: bytes in, `Found` out, no requests.
Only the harvest (data_prep/harvest) sends requests, so that rate limits, resuming and limits are in one
place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from iconoclip.record import Caption, Date, Institution, RawPair, Region, Source, sample_key

LinkKind = Literal[
    "unknown",
    "presentation",
    "annotations",
    "image-info",
    "oai-pmh",
    "discovery",
    "sru",
    "europeana",
    "library-xml",
]


@dataclass(frozen=True)
class TileSet:
    """The tiles of a service: their width and height in pixels, and the scale factors of the image."""

    width: int
    height: int
    scale_factors: tuple[int, ...]


@dataclass(frozen=True)
class ImageService:
    """An IIIF image service as a manifest or its info.json describes it."""

    id: str
    version: Literal[1, 2, 3]
    level: Literal[0, 1, 2] = 0
    width: int | None = None
    height: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    tiles: tuple[TileSet, ...] = ()
    max_width: int | None = None
    max_height: int | None = None
    max_area: int | None = None
    formats: tuple[str, ...] = ("jpg",)
    features: tuple[str, ...] = ()
    """The features beyond its level, by their names in the standard (`sizeByW`, `regionByPx`, ...)."""
    is_info: bool = False
    """Whether this comes from the info.json; the short description in a manifest lacks sizes and limits."""


@dataclass(frozen=True)
class Candidate:
    """An image (or a region of one) that a source offers, before it is downloaded.

    It has a `service`, an `image_uri`, or both. For local sources, `image_uri` may be a file path.
    """

    institution: Institution
    source: Source
    group: str
    rights_raw: str | None = None
    attribution: str | None = None
    captions: tuple[Caption, ...] = ()
    iconclass: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    date: Date | None = None
    object_type: str | None = None
    raw: tuple[RawPair, ...] = ()
    """The labels and values of the source, bounded; data_prep.description.raw makes the fields above of
    them."""
    raw_num_dropped: int = 0
    num_images: int | None = None
    """The number of images of the object at its source, if known."""
    service: ImageService | None = None
    image_uri: str | None = None
    source_size: tuple[int, int] | None = None
    """Width and height of the full image at the source, in pixels."""
    region: Region | None = None
    """The region, in pixels of the full image, as far as the manifest knows its size; if `region_space` is
    set, in that space."""
    region_space: tuple[int, int] | None = None
    """Width and height of the canvas on which `region` is measured, if the size of the image is unknown."""
    drawn: Region | None = None
    """The region as it was drawn, in units of the canvas: the manifest may state a wrong image size."""
    drawn_on: tuple[int, int] | None = None
    """Width and height of that canvas."""
    turn: int = 1
    """How the canvas rotates the image or its part, as an EXIF orientation; 1 for no rotation."""

    @property
    def measured(self) -> tuple[Region, tuple[int, int] | None] | None:
        """The region to cut, and the space in which it is measured (None: pixels of the full image)."""
        if self.drawn is not None:
            return self.drawn, self.drawn_on
        return None if self.region is None else (self.region, self.region_space)


@dataclass(frozen=True)
class Link:
    """A document to request next, and how to read it. `context` contains the statements of its parent about
    it (labels, rights)."""

    uri: str
    kind: LinkKind
    context: dict[str, Any] = field(default_factory=dict)


Hides = Literal["nothing", "rest", "everything", "emptied"]
"""The part of a document that a refusal leaves unknown: `nothing` else; the `rest` of a list; `everything`
(an error page, a truncated body, a protocol error); `emptied`: a readable list without entries."""


@dataclass(frozen=True)
class Refusal:
    """Something that a source offered and that cannot be used: where it is, and the reason for people."""

    source: str
    reason: str
    hides: Hides = "nothing"


@dataclass(frozen=True)
class Withdrawal:
    """An item that the source no longer offers (a deleted record of OAI-PMH, a Delete of Change
    Discovery)."""

    source_id: str
    at: str | None = None


@dataclass(frozen=True)
class Found:
    """The contents of one document, in document order.

    Absence from a list counts as withdrawal only if the list was read to its end. Therefore there are fields
    that state whether it could be read (`unread`), whether its end is known (`is_cut`), and whether it is a
    list.
    """

    candidates: tuple[Candidate, ...] = ()
    links: tuple[Link, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    is_list: bool = False
    """Whether it lists other documents or records: a collection, a page of a catalogue's response."""
    seen_until: str | None = None
    """For a document of a change stream: the time of its newest activity, or "" if it has none."""

    @property
    def unread(self) -> str | None:
        """The reason why the document is not usable, if it is not the expected response."""
        return None if self._holds_something else self._reason("everything")

    @property
    def emptied(self) -> str | None:
        """The reason why the document is empty although it can be read."""
        return None if self._holds_something else self._reason("emptied")

    @property
    def is_cut(self) -> bool:
        """Whether the list may have entries that were not read."""
        return self._reason("rest", "everything") is not None

    @property
    def _holds_something(self) -> bool:
        return bool(self.candidates or self.links or self.withdrawals)

    def _reason(self, *kinds: Hides) -> str | None:
        return next((refusal.reason for refusal in self.refusals if refusal.hides in kinds), None)


# Keys. The sample key is made from the identifier alone, as long as all documents with this identifier show
# the same image. Where they show several (as in newspapers whose issues number their canvases in the same
# way), the image's service or address is added to the identifier. The ledger separates items by
# `item_key_of` from the start; data_prep.harvest.shards decides which key a sample gets, when everything has
# been read.


def key_of(candidate: Candidate) -> str:
    """The sample key of a candidate whose identifier shows one image."""
    return sample_key(
        candidate.institution.slug, candidate.source.id, candidate.source.region or candidate.region
    )


def item_key_of(candidate: Candidate) -> str:
    """The key of a candidate that distinguishes its image from others with the same identifier."""
    return sample_key(
        candidate.institution.slug,
        told_apart(candidate.source).id,
        candidate.source.region or candidate.region,
    )


def told_apart(source: Source) -> Source:
    """The source with its image in its identifier."""
    image = image_of(source)
    return (
        source
        if source.id.endswith(f"#{image}")
        else source.model_copy(update={"id": f"{source.id}#{image}"})
    )


def image_of(source: Source) -> str:
    """What distinguishes the image from others: its service, otherwise its address; http
    and https count as equal.
    """
    place = source.image_service or source.image or ""
    return f"https://{place.removeprefix('http://')}" if place.startswith("http://") else place
