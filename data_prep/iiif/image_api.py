"""IIIF Image API 1.0 to 3.0: read an info.json, and negotiate a request that the service can answer.

A request is built from the service's description, never by editing an image's address. Sections cited
are those of the Image API: 4.2 (size), 4.7 (canonical form), 5 (info.json), and the compliance documents of
2.1 and 3.0.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from data_prep.candidate import ImageService, Refusal
from data_prep.iiif.document import JsonObject, id_of, parse_object, type_of, web_address
from data_prep.iiif.image_services import image_service, version_of
from data_prep.iiif.tiles import Tile, mosaic, whole_sizes
from iconoclip.record import Region

# What vips dzsave writes for an id unless it is given another one (RFC 2606 reserves these names).
_DOCUMENTATION = re.compile(r"https?://(?:[\w-]+\.)*example\.(?:com|org|net)(?:[:/]|$)", re.IGNORECASE)
_ERROR_XML = re.compile(rb"<text>([^<]{1,200})</text>")

Size = tuple[int, int]


@dataclass(frozen=True)
class ImageRequest:
    """An image request, and the size of the answer that it should get."""

    uri: str
    size: Size | None
    """Expected width and height in pixels; None when the service does not say how large the image is."""
    region: Region | None = None
    """The requested region, in source pixels; None for the full image."""
    crop: Region | None = None
    """What the receiver must still cut out, in pixels of what comes, where the service cannot cut regions."""
    tiles: tuple[Tile, ...] = ()
    """The requests that replace `uri`, where the service has only tiles; they make up `size`."""


def read_info(document: bytes, uri: str) -> ImageService | Refusal:
    """The service that an info.json describes, or why it cannot be used. Never raises.

    What is merely odd (an unknown context with a known profile, a size that is no size) is read as far
    as it goes.

    Args:
        uri: where the info.json was found: the service's own address, whatever the document says it is.
    """
    value = parse_object(document, uri)
    if isinstance(value, Refusal):
        if value.reason.startswith("XML") and (match := _ERROR_XML.search(document)):
            text = match[1].decode("utf-8", "replace").strip()
            return Refusal(uri, f"the image server answered with an error: {text}")
        return value
    if reason := _why_no_info(value):
        return Refusal(uri, reason)
    identity = web_address(id_of(value), uri)
    if identity is None or (_DOCUMENTATION.match(identity) and not _DOCUMENTATION.match(uri)):
        value = {**value, "id": uri, "@id": uri}
    service = image_service(value, base=uri)
    if service is None:
        return Refusal(uri, "info.json without an http address")
    if not service.width or not service.height:
        return Refusal(uri, "info.json without a width and a height in pixels")
    return replace(service, is_info=True)


def _why_no_info(value: JsonObject) -> str | None:
    if type_of(value) in ("Manifest", "Collection", "Canvas"):
        return f"a {type_of(value)} where an info.json should be"
    if version_of(value) is None:
        # Version 1.0 had neither a context nor a protocol; its profile was optional.
        if "identifier" in value and "width" in value:
            return "info.json of a draft of the Image API, before version 1.0"
        return "JSON, but neither its context nor its profile names the Image API"
    return None


def needs_info(service: ImageService) -> bool:
    """Whether to request the info.json before the image.

    A manifest may leave out the image's size (without it a request can only be guessed, and an upscaling one
    fails), and what a level 0 service lists.
    """
    if service.is_info:
        return False
    return not service.width or not service.height or (service.level == 0 and not service.sizes)


def image_request(service: ImageService, *, max_side: int, region: Region | None = None) -> ImageRequest:
    """The smallest request whose response has `max_side` pixels on its longer side, or the next larger size
    that the service offers.

    The image is never requested larger than it is, nor than the service's limits allow.

    Args:
        max_side: pixels of the longer side wanted.
        region: the part wanted, in pixels of the full image; it is cut to the image's bounds.
    """
    full = (service.width, service.height) if service.width and service.height else None
    if region is not None and full is not None:
        region = _within(region, full)
    if service.level == 0 and not {"regionByPx"} <= set(service.features):
        return _from_stock(service, max_side, region, full)
    source = (region.width, region.height) if region else full
    if source is None:
        # The size is not known: a bounding box if the service supports it, otherwise only the width.
        size_text = (
            f"!{max_side},{max_side}" if service.level == 2 and service.version > 1 else f"{max_side},"
        )
        return ImageRequest(_address(service, region, size_text), None, region)
    wanted = _limited(source, service, min(1.0, max_side / max(source)))
    return ImageRequest(_address(service, region, _size_text(service, source, wanted)), wanted, region)


def _within(region: Region, full: Size) -> Region | None:
    x, y = min(region.x, full[0] - 1), min(region.y, full[1] - 1)
    width, height = min(region.width, full[0] - x), min(region.height, full[1] - y)
    return None if (x, y, width, height) == (0, 0, *full) else Region(x=x, y=y, width=width, height=height)


def _limited(source: Size, service: ImageService, scale: float) -> Size:
    """The size at `scale`, reduced if the service's limits require it.

    A maxWidth without a maxHeight limits the height as well (2.1 and 3.0, section 5).
    """
    width, height = source
    if service.max_width:
        scale = min(scale, service.max_width / width, (service.max_height or service.max_width) / height)
    elif service.max_height:
        scale = min(scale, service.max_height / height)
    if service.max_area:
        scale = min(scale, math.sqrt(service.max_area / (width * height)))
    if scale >= 1:
        return source
    scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
    if service.max_area and scaled[0] * scaled[1] > service.max_area:
        scaled = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    return scaled


def _size_text(service: ImageService, source: Size, wanted: Size) -> str:
    """The canonical form (section 4.7): `w,` up to version 2, `w,h` in version 3, a keyword for the full
    size."""
    if service.version == 3:
        return "max" if wanted == source else f"{wanted[0]},{wanted[1]}"
    return "full" if wanted == source else f"{wanted[0]},"


def _from_stock(
    service: ImageService, max_side: int, region: Region | None, full: Size | None
) -> ImageRequest:
    """The request to a level 0 service: one of the sizes that it lists, or the full image. The receiver cuts
    out a region."""
    part = 1.0 if region is None or full is None else max(region.width, region.height) / max(full)
    wanted_side = max_side / part
    if full is not None:
        wanted_side = min(wanted_side, max(full))
    sizes = sorted({*service.sizes, *whole_sizes(service)}, key=max)
    size = next((size for size in sizes if max(size) >= wanted_side), None)
    if size is None and (tiled := mosaic(service, max_side, region)):
        return ImageRequest(service.id, tiled.size, None, tiled.crop, tiled.tiles)
    size = size or (sizes[-1] if sizes else None)
    if size is None or (full is not None and size == full):
        return _stocked(service, full, region, full, "max" if service.version == 3 else "full")
    # In 2.1 `w,h` was not canonical; services list it as a feature, under several names.
    lists_both = service.version == 3 or any(name.startswith("sizeByWh") for name in service.features)
    return _stocked(service, size, region, full, f"{size[0]},{size[1]}" if lists_both else f"{size[0]},")


def _stocked(
    service: ImageService, size: Size | None, region: Region | None, full: Size | None, size_text: str
) -> ImageRequest:
    crop = region_in_image(region, full, size) if region and full and size else region
    return ImageRequest(_address(service, None, size_text), size, None, crop)


def region_in_image(region: Region, space: Size, image: Size) -> Region | None:
    """Convert a region of a space (a canvas, a full image) to pixels of an image of it; None if no part of it
    is inside."""
    across, down = image[0] / space[0], image[1] / space[1]
    left, top = round(region.x * across), round(region.y * down)
    right, bottom = round((region.x + region.width) * across), round((region.y + region.height) * down)
    left, top, right, bottom = max(0, left), max(0, top), min(image[0], right), min(image[1], bottom)
    if right <= left or bottom <= top:
        return None
    return Region(x=left, y=top, width=right - left, height=bottom - top)


def _address(service: ImageService, region: Region | None, size_text: str) -> str:
    quality = "native" if service.version == 1 else "default"
    return f"{service.id}/{region or 'full'}/{size_text}/0/{quality}.jpg"


def info_address(service: ImageService) -> str:
    """The address of the service's info.json."""
    return f"{service.id}/info.json"
