"""IIIF Image API 1.0 to 3.0: read an info.json, and negotiate a request that the service can answer."""

from __future__ import annotations

from dataclasses import dataclass

from data_prep.candidate import ImageService, Refusal
from iconoclip.record import Region


@dataclass(frozen=True)
class ImageRequest:
    """What to ask for, and what should come back."""

    uri: str
    size: tuple[int, int] | None
    """Expected width and height in pixels; None when the service does not say how large the image is."""
    region: Region | None = None
    """The part asked for, in source pixels; None for the full image."""
    crop: Region | None = None
    """What the receiver must still cut out, in pixels of what comes, where the service cannot cut regions."""


def read_info(document: bytes, uri: str) -> ImageService | Refusal:
    """The service that an info.json describes, or why it cannot be used. Never raises."""
    raise NotImplementedError


def image_request(service: ImageService, *, max_side: int, region: Region | None = None) -> ImageRequest:
    """The smallest request whose answer has its longer side at `max_side` pixels, or as near above as can be had."""
    raise NotImplementedError
