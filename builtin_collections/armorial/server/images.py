"""The image services: info.json, and drawings made when asked for."""

from __future__ import annotations

import io
import math
from functools import partial
from typing import Any

from PIL import Image

from builtin_collections.armorial.collection import Item
from builtin_collections.armorial.drawing.picture import DRAWING_VERSION, picture
from builtin_collections.armorial.drawing.texture import SOURCE_SIZE
from builtin_collections.armorial.server.exchange import Answer, Request, json_answer, redirect, refusal, tag
from builtin_collections.armorial.server.image_request import (
    ImageRequest,
    Offer,
    RequestError,
    canonical,
    read_request,
)

_SIZES = ((64, 75), (128, 150), (256, 300), SOURCE_SIZE)
LEVEL_2 = Offer(3, 2, SOURCE_SIZE, _SIZES, ("jpg", "png", "webp"), ("default", "color", "gray", "bitonal"))
LEVEL_1 = Offer(3, 1, SOURCE_SIZE, _SIZES)
LEVEL_0 = Offer(2, 0, SOURCE_SIZE, _SIZES)

_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_TILE_WIDTH = 256
# A lesser drawing than this has no room for a charge; smaller requests are reduced from it.
_LEAST_WIDTH = 32


def image_answer(
    offer: Offer, seed: int, service_uri: str, item: Item, copy: int, rest: str, request: Request
) -> Answer:
    """The answer to `service_uri`/`rest`: a redirect to info.json, the info itself, or a drawing."""
    if not rest:
        return redirect(f"{service_uri}/info.json")
    if rest == "info.json":
        return _info_answer(offer, service_uri, item, request)
    try:
        wanted = read_request(rest, offer)
    except RequestError as error:
        return refusal(error.status, error.reason)
    form = canonical(wanted, offer)
    level = f"http://iiif.io/api/image/{offer.version}/level{offer.level}.json"
    return Answer(
        200,
        partial(render, item, wanted, seed=seed, copy=copy),
        _TYPES[wanted.format],
        {"link": f'<{service_uri}/{form}>;rel="canonical", <{level}>;rel="profile"'},
        etag=tag(DRAWING_VERSION, seed, item.number, copy, form),
        modified=item.modified,
    )


def _info_answer(offer: Offer, service_uri: str, item: Item, request: Request) -> Answer:
    context = f"http://iiif.io/api/image/{offer.version}/context.json"
    content_type = f'application/ld+json;profile="{context}"'
    if "application/ld+json" not in request.headers.get("accept", "") and offer.version < 3:
        content_type = "application/json"
    return json_answer(info(offer, service_uri), content_type, modified=item.modified)


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


def render(item: Item, wanted: ImageRequest, *, seed: int, copy: int) -> bytes:
    """The encoded drawing, made at the scale asked for."""
    image = _sized(item, wanted, seed=seed, copy=copy)
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


def _sized(item: Item, wanted: ImageRequest, *, seed: int, copy: int) -> Image.Image:
    region, (width, height) = wanted.region, wanted.size
    scale = max(width / region.width, height / region.height)
    drawn_width = max(_LEAST_WIDTH, min(SOURCE_SIZE[0], math.ceil(SOURCE_SIZE[0] * scale)))
    image = picture(item.arms, seed=seed, coat=item.number, copy=copy, width=drawn_width)
    if region.width == SOURCE_SIZE[0] and region.height == SOURCE_SIZE[1] and image.size == wanted.size:
        return image
    across, down = image.width / SOURCE_SIZE[0], image.height / SOURCE_SIZE[1]
    left, top = region.x * across, region.y * down
    box = (left, top, left + region.width * across, top + region.height * down)
    return image.resize(wanted.size, Image.Resampling.LANCZOS, box=box)
