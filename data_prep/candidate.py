"""What a source passes to the harvest: candidates to download, links to follow, and refusals with their
reasons.

Readers of formats (data_prep/iiif, data_prep/sources) are pure functions: bytes in, `Found` out, no request.
Only the harvest (data_prep/harvest) sends requests, so that rate limits, resuming and bounds are in one
place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from iconoclip.record import Caption, Date, Institution, Region, Source

LinkKind = Literal["presentation", "annotations", "image-info", "oai-pmh", "discovery", "sru", "europeana"]


@dataclass(frozen=True)
class ImageService:
    """An IIIF image service as a manifest or its info.json describes it."""

    id: str
    version: Literal[1, 2, 3]
    level: Literal[0, 1, 2] = 0
    width: int | None = None
    height: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
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

    Either `service` or `image_uri` (or both) says how to get it; `image_uri` may be a file path for local
    sources.
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
    service: ImageService | None = None
    image_uri: str | None = None
    source_size: tuple[int, int] | None = None
    """Width and height of the full image at the source, in pixels."""
    region: Region | None = None
    """In pixels of the full image; where `region_space` is set, in that space, until the image's size is
    known."""
    region_space: tuple[int, int] | None = None
    """Width and height of the canvas that `region` is measured on, while the size of the image is unknown:
    request the info.json, then data_prep.iiif.image_api.region_in_image scales it."""


@dataclass(frozen=True)
class Link:
    """A document to request next, and how to read it. `context` is what its parent knows of it (labels,
    rights)."""

    uri: str
    kind: LinkKind
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Something a source offered that cannot be used: where it is and why, in words for a person."""

    source: str
    reason: str


@dataclass(frozen=True)
class Withdrawal:
    """An item the source no longer offers (an OAI-PMH deleted record, a Change Discovery Delete)."""

    source_id: str
    at: str | None = None


@dataclass(frozen=True)
class Found:
    """Everything that one document contains, in document order."""

    candidates: tuple[Candidate, ...] = ()
    links: tuple[Link, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    seen_until: str | None = None
    """Of a change stream's document: the time of its newest activity, or "" if it has none."""
