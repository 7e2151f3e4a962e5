"""IIIF Image API requests: from the text of a URL to a region, a size, a rotation, a quality, a format.

Follows Image API 3.0 (section 4) and 2.1 (section 4). A malformed request gives 400; a well-formed one that
the service's level does not include gives 501 (section 4 and 5.3; 7.2 in 2.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote


class RequestError(Exception):
    """A request that cannot be answered with a picture: an HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Region(NamedTuple):
    """A part of the source picture, in its pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Offer:
    """The features of one archive's image service."""

    version: int
    level: int
    source: tuple[int, int]
    sizes: tuple[tuple[int, int], ...]
    formats: tuple[str, ...] = ("jpg",)
    qualities: tuple[str, ...] = ("default",)

    @property
    def by_percent(self) -> bool:
        """Whether regions and sizes may be given in per cent, and sizes as !w,h."""
        return self.level >= 2


@dataclass(frozen=True)
class ImageRequest:
    """A request that can be served."""

    region: Region
    size: tuple[int, int]
    rotation: int
    quality: str
    format: str


# Longer numbers cannot be valid, and would take time to read.
_INTEGER = r"\d{1,6}"
_DECIMAL = r"\d{1,6}(?:\.\d{1,10})?"
_PIXELS = re.compile(rf"({_INTEGER}),({_INTEGER}),({_INTEGER}),({_INTEGER})")
_PERCENT = re.compile(rf"pct:({_DECIMAL}),({_DECIMAL}),({_DECIMAL}),({_DECIMAL})")
_SIZE = re.compile(rf"(!?)({_INTEGER})?,({_INTEGER})?")
_SIZE_PERCENT = re.compile(rf"pct:({_DECIMAL})")
_ROTATION = re.compile(rf"(!?)({_DECIMAL})")
_KNOWN_FORMATS = frozenset({"jpg", "png", "webp", "tif", "gif", "jp2", "pdf"})
_KNOWN_QUALITIES = frozenset({"default", "color", "gray", "bitonal"})


def read_request(text: str, offer: Offer) -> ImageRequest:
    """The request in `text`: "region/size/rotation/quality.format", each part percent-encoded.

    Raises RequestError where it is malformed (400) or not offered (501).
    """
    parts = [unquote(part) for part in text.split("/")]
    if len(parts) != 4 or "." not in parts[3]:
        raise RequestError(400, "an image request is {region}/{size}/{rotation}/{quality}.{format}")
    region = _region(parts[0], offer)
    size = _size(parts[1], region, offer)
    if offer.level == 0:
        _check_listed(size, offer)
    quality, _, extension = parts[3].rpartition(".")
    return ImageRequest(
        region,
        size,
        _rotation(parts[2], offer),
        _one_of(quality, offer.qualities, _KNOWN_QUALITIES, "quality"),
        _one_of(extension, offer.formats, _KNOWN_FORMATS, "format"),
    )


def canonical(request: ImageRequest, offer: Offer) -> str:
    """The canonical form of the request's text (3.0 section 4.7, 2.1 section 4.7)."""
    full = request.region == (0, 0, *offer.source)
    region = "full" if full else ",".join(map(str, request.region))
    whole = request.size == (request.region.width, request.region.height)
    if offer.version >= 3:
        size = "max" if whole else f"{request.size[0]},{request.size[1]}"
    else:
        in_proportion = request.size[1] == _scaled(
            request.region.height, request.size[0] / request.region.width
        )
        size = "full" if whole else f"{request.size[0]},{'' if in_proportion else request.size[1]}"
    return f"{region}/{size}/{request.rotation}/{request.quality}.{request.format}"


def _region(text: str, offer: Offer) -> Region:
    width, height = offer.source
    if text == "full":
        return Region(0, 0, width, height)
    if offer.level == 0:
        raise RequestError(501, f"this level 0 service offers the full region only, not {text[:40]!r}")
    if text == "square":
        side = min(width, height)
        return Region((width - side) // 2, (height - side) // 2, side, side)
    if found := _PIXELS.fullmatch(text):
        x, y, w, h = (int(number) for number in found.groups())
    elif found := _PERCENT.fullmatch(text):
        if not offer.by_percent:
            raise RequestError(501, "regions in per cent are not offered")
        left, top, wide, high = (float(number) / 100 for number in found.groups())
        x, y, w, h = round(left * width), round(top * height), round(wide * width), round(high * height)
    else:
        raise RequestError(400, f"{text[:40]!r} is no region: use full, square, x,y,w,h or pct:x,y,w,h")
    if w == 0 or h == 0 or x >= width or y >= height:
        raise RequestError(400, f"region {text[:40]!r} is empty or outside the {width} x {height} image")
    return Region(x, y, min(w, width - x), min(h, height - y))


def _size(text: str, region: Region, offer: Offer) -> tuple[int, int]:
    upscale = text.startswith("^")
    if upscale and offer.version < 3:
        raise RequestError(400, "^ is a size of Image API 3.0; this service speaks 2.1")
    size = _wanted(text.removeprefix("^"), region, offer)
    if size[0] < 1 or size[1] < 1:
        raise RequestError(400, f"size {text[:40]!r} comes to less than one pixel")
    if size[0] > region.width or size[1] > region.height:
        known = upscale or offer.version < 3
        raise RequestError(
            501 if known else 400, f"size {text[:40]!r} is larger than the region; no upscaling here"
        )
    return size


def _wanted(text: str, region: Region, offer: Offer) -> tuple[int, int]:
    if text == "max" or (text == "full" and offer.version < 3):
        return region.width, region.height
    if found := _SIZE_PERCENT.fullmatch(text):
        if not offer.by_percent:
            raise RequestError(501, "sizes in per cent are not offered")
        factor = float(found[1]) / 100
        return _scaled(region.width, factor), _scaled(region.height, factor)
    found = _SIZE.fullmatch(text)
    if found is None or (found[2] is None and found[3] is None) or (found[1] and not (found[2] and found[3])):
        raise RequestError(400, f"{text[:40]!r} is no size: use max, w,h, w, or ,h (level 2: !w,h and pct:n)")
    width, height = (None if number is None else int(number) for number in found.groups()[1:])
    if found[1]:
        if not offer.by_percent:
            raise RequestError(501, "sizes that fit a box (!w,h) are not offered")
        return _fitted(region, width or 0, height or 0)
    if width is None:
        assert height is not None, "one of the two is given"
        return _scaled(region.width, height / region.height), height
    return width, _scaled(region.height, width / region.width) if height is None else height


def _fitted(region: Region, width: int, height: int) -> tuple[int, int]:
    """The largest size within the box, never larger than the region."""
    factor = min(width / region.width, height / region.height, 1.0)
    return min(width, _scaled(region.width, factor)), min(height, _scaled(region.height, factor))


def _scaled(length: int, factor: float) -> int:
    return max(1, round(length * factor)) if factor > 0 else 0


def _check_listed(size: tuple[int, int], offer: Offer) -> None:
    if size not in offer.sizes:
        listed = " ".join(f"{width}x{height}" for width, height in offer.sizes)
        raise RequestError(501, f"this level 0 service offers these sizes only: {listed}")


def _rotation(text: str, offer: Offer) -> int:
    found = _ROTATION.fullmatch(text)
    if found is None or float(found[2]) > 360:
        raise RequestError(400, f"{text[:40]!r} is no rotation: use 0 to 360")
    degrees = float(found[2]) % 360
    if found[1] or degrees % 90 or (degrees and offer.level < 2):
        raise RequestError(501, f"rotation {text[:40]!r} is not offered")
    return int(degrees)


def _one_of(value: str, offered: tuple[str, ...], known: frozenset[str], what: str) -> str:
    if value in offered:
        return value
    reason = f"{what} {value[:40]!r} is not offered: use {', '.join(offered)}"
    raise RequestError(501 if value in known else 400, reason)
