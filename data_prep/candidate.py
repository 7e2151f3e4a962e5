"""What a source passes to the harvest: candidates to download, links to follow, and refusals
with their reasons.

Readers of formats (data_prep/iiif, data_prep/sources) are pure functions: bytes in, `Found` out, no
request. Only the harvest (data_prep/harvest) sends requests, so that rate limits, resuming and bounds are
in one place.
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
    """Tiles that a service has: their width and height in pixels, and by what the image may be divided."""

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
    """What it can do beyond its level, as the standard names it (`sizeByW`, `regionByPx`, ...)."""
    is_info: bool = False
    """Whether this came from the info.json itself; a manifest's short description lacks sizes and limits."""


@dataclass(frozen=True)
class Candidate:
    """An image (or a region of one) that a source offers, before anything of it is downloaded.

    Either `service` or `image_uri` (or both) says how to get it; `image_uri` may be a file path
    for local sources.
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
    """What the source said, bounded; data_prep.description.raw computes the description above from it."""
    raw_num_dropped: int = 0
    num_images: int | None = None
    """Images of the object at its source, where that is known."""
    service: ImageService | None = None
    image_uri: str | None = None
    source_size: tuple[int, int] | None = None
    """Width and height of the full image at the source, in pixels."""
    region: Region | None = None
    """In pixels of the full image, as far as the manifest knows its size; where `region_space` is set, in
    that space."""
    region_space: tuple[int, int] | None = None
    """Width and height of the canvas that `region` is measured on, while the size of the image is unknown."""
    drawn: Region | None = None
    """The region as it was drawn, in units of the canvas: the manifest may state a wrong image size."""
    drawn_on: tuple[int, int] | None = None
    """Width and height of that canvas."""
    turn: int = 1
    """How the canvas shows the image or its part: an orientation as EXIF numbers them, 1 for as it is."""

    @property
    def measured(self) -> tuple[Region, tuple[int, int] | None] | None:
        """The region to cut and the space it is measured in; no space: pixels of the full image."""
        if self.drawn is not None:
            return self.drawn, self.drawn_on
        return None if self.region is None else (self.region, self.region_space)


@dataclass(frozen=True)
class Link:
    """A document to request next, and how to read it. `context` is what its parent knows of
    it (labels, rights)."""

    uri: str
    kind: LinkKind
    context: dict[str, Any] = field(default_factory=dict)


Hides = Literal["nothing", "rest", "everything", "emptied"]
"""What a refusal leaves unknown of its document: `nothing` beyond the thing refused; the `rest` of a list;
`everything` (an error page, a truncated body, a protocol error); `emptied`: a readable list holds nothing."""


@dataclass(frozen=True)
class Refusal:
    """Something a source offered that cannot be used: where it is and why, in words for a person."""

    source: str
    reason: str
    hides: Hides = "nothing"


@dataclass(frozen=True)
class Withdrawal:
    """An item the source no longer offers (an OAI-PMH deleted record, a Change Discovery Delete)."""

    source_id: str
    at: str | None = None


@dataclass(frozen=True)
class Found:
    """Everything one document holds, in document order.

    Absence from a list counts as withdrawal only if the list was read to its end. So a document says whether
    it could be read (`unread`), whether its end is known (`is_cut`), and whether it is a list at all.
    """

    candidates: tuple[Candidate, ...] = ()
    links: tuple[Link, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    is_list: bool = False
    """Whether it lists other documents or records: a collection, a page of a catalogue's answer."""
    seen_until: str | None = None
    """Of a change stream's document: the time of its newest activity, or "" if it has none."""

    @property
    def unread(self) -> str | None:
        """Why the document is not the answer it should be, where it holds nothing that can be used."""
        return None if self._holds_something else self._reason("everything")

    @property
    def emptied(self) -> str | None:
        """Why the document, readable as it is, holds nothing."""
        return None if self._holds_something else self._reason("emptied")

    @property
    def is_cut(self) -> bool:
        """Whether there may be more in the list than was read."""
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
