"""The image services of a collection that draws: info.json, and pictures made when they are requested."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from PIL import Image

from builtin_collections.serving.exchange import Answer, Request, json_answer, redirect, refusal, tag
from builtin_collections.serving.image_request import (
    ImageRequest,
    Offer,
    RequestError,
    canonical,
    read_request,
)

_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_TILE_WIDTH = 256
# A narrower drawing would have no details; smaller requests are reduced from this width.
_LEAST_WIDTH = 32


@dataclass(frozen=True)
class ServedPicture:
    """One picture of a collection, not drawn yet."""

    draw: Callable[[int], Image.Image]
    """a width in pixels, at most the source's, to the whole picture at that width"""
    version: tuple[object, ...]
    """what the pixels depend on, for the entity tag"""
    modified: datetime


def image_answer(
    offer: Offer, service_uri: str, picture: ServedPicture, rest: str, request: Request
) -> Answer:
    """The answer to `service_uri`/`rest`: a redirect to info.json, the info itself, or the picture."""
    if not rest:
        return redirect(f"{service_uri}/info.json")
    if rest == "info.json":
        return _info_answer(offer, service_uri, picture, request)
    try:
        wanted = read_request(rest, offer)
    except RequestError as error:
        return refusal(error.status, error.reason)
    form = canonical(wanted, offer)
    level = f"http://iiif.io/api/image/{offer.version}/level{offer.level}.json"
    return Answer(
        200,
        partial(render, picture, wanted, offer.source),
        _TYPES[wanted.format],
        {"link": f'<{service_uri}/{form}>;rel="canonical", <{level}>;rel="profile"'},
        etag=tag(*picture.version, form),
        modified=picture.modified,
    )


def _info_answer(offer: Offer, service_uri: str, picture: ServedPicture, request: Request) -> Answer:
    context = f"http://iiif.io/api/image/{offer.version}/context.json"
    content_type = f'application/ld+json;profile="{context}"'
    if "application/ld+json" not in request.headers.get("accept", "") and offer.version < 3:
        content_type = "application/json"
    return json_answer(info(offer, service_uri), content_type, modified=picture.modified)


def info(offer: Offer, service_uri: str) -> dict[str, Any]:
    """The info.json of one image."""
    sizes = [{"width": width, "height": height} for width, height in offer.sizes]
    width, height = offer.source
    if offer.version == 2:
        return {
            "@context": "http://iiif.io/api/image/2/context.json",
            "@id": service_uri,
            "protocol": "http://iiif.io/api/image",
            "width": width,
            "height": height,
            "sizes": sizes,
            "profile": [f"http://iiif.io/api/image/2/level{offer.level}.json"],
        }
    document: dict[str, Any] = {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": service_uri,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": f"level{offer.level}",
        "width": width,
        "height": height,
        "sizes": sizes,
        "tiles": [{"width": _TILE_WIDTH, "scaleFactors": [1, 2, 4]}],
        "extraFeatures": ["canonicalLinkHeader", "profileLinkHeader"],
    }
    if offer.level >= 2:
        document["extraQualities"] = ["color", "gray", "bitonal"]
        document["extraFormats"] = ["webp"]
        document["preferredFormats"] = ["jpg"]
    return document


def render(picture: ServedPicture, wanted: ImageRequest, source: tuple[int, int]) -> bytes:
    """The encoded picture, drawn at the scale that is requested; `source` is its full width and height."""
    image = _sized(picture, wanted, source)
    if wanted.rotation:
        image = image.rotate(-wanted.rotation, expand=True)
    if wanted.quality == "gray":
        image = image.convert("L")
    elif wanted.quality == "bitonal":
        image = image.convert("1")
    encoded = io.BytesIO()
    if wanted.format == "jpg":
        image.convert("L" if image.mode == "1" else image.mode).save(encoded, "JPEG", quality=90)
    elif wanted.format == "png":
        image.save(encoded, "PNG", compress_level=3)
    else:
        image.save(encoded, "WEBP", quality=88)
    return encoded.getvalue()


def _sized(picture: ServedPicture, wanted: ImageRequest, source: tuple[int, int]) -> Image.Image:
    region, (width, height) = wanted.region, wanted.size
    scale = max(width / region.width, height / region.height)
    image = picture.draw(max(_LEAST_WIDTH, min(source[0], math.ceil(source[0] * scale))))
    if (region.width, region.height) == source and image.size == wanted.size:
        return image
    across, down = image.width / source[0], image.height / source[1]
    left, top = region.x * across, region.y * down
    box = (left, top, left + region.width * across, top + region.height * down)
    return image.resize(wanted.size, Image.Resampling.LANCZOS, box=box)
