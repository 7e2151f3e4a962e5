"""Reads descriptions of image services in manifests and info.json files, of every version and in every form
that real servers send."""

from __future__ import annotations

import re
from typing import Any, Literal

from data_prep.candidate import ImageService, TileSet
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address, whole_number

MAX_SIZES = 64
MAX_TILE_SETS = 16

Version = Literal[1, 2, 3]
Level = Literal[0, 1, 2]

_VERSIONS: tuple[Version, ...] = (1, 2, 3)
_LEVEL = re.compile(r"level([0-9])")
_CONTEXT = re.compile(r"iiif\.io/api/image/([123])\b|library\.stanford\.edu/iiif/image-api/(?:(1)\.\d)?")
_IMAGE_PROFILE = re.compile(r"iiif\.io/api/image/|library\.stanford\.edu/iiif/image-api|^level[0-9]$")
_LOGIN = re.compile(r"iiif\.io/api/auth/\d/(?:login|clickthrough|kiosk|external)|^(?:active|kiosk|external)$")


def service_type(value: JsonObject) -> str | None:
    """`ImageService1`, `ImageService2` or `ImageService3`; None if `value` is another kind of service."""
    version = version_of(value)
    return f"ImageService{version}" if version else None


def version_of(value: JsonObject) -> Version | None:
    """The version of the Image API that a description states by its type, context or profile, in this
    order."""
    kind = type_of(value)
    if kind in ("ImageService1", "ImageService2", "ImageService3"):
        return _VERSIONS[int(kind[-1]) - 1]
    for text in (*as_list(value.get("@context")), *_profiles(value)):
        if isinstance(text, str) and (match := _CONTEXT.search(text)):
            return _VERSIONS[int(match[1] or 1) - 1]
    if any(_IMAGE_PROFILE.search(profile) for profile in _profiles(value)):
        return 3 if "id" in value and "@id" not in value else 2
    if value.get("protocol") == "http://iiif.io/api/image":
        return 3 if "id" in value and "@id" not in value else 2
    return None


def _profiles(value: JsonObject) -> list[str]:
    """The profile's names; some servers write them as objects."""
    names = []
    for profile in as_list(value.get("profile")):
        if isinstance(profile, str):
            names.append(profile)
        elif identity := id_of(profile):
            names.append(identity)
    return names


def level_of(value: JsonObject) -> Level:
    """The compliance level; 0 if none is stated. Some servers send `level3`, which is read as 2."""
    for profile in _profiles(value):
        if match := _LEVEL.search(profile):
            number = int(match[1])
            return 0 if number == 0 else 1 if number == 1 else 2
    return 0


def image_service(value: JsonObject, *, base: str = "", image_uri: str | None = None) -> ImageService | None:
    """The image service that `value` describes, or None if it is none or has no http address.

    Args:
        base: the base of relative addresses.
        image_uri: the image of the same resource. Its quality shows which version the server really supports:
            `native` was used before version 2, `default` since then.
    """
    version = version_of(value)
    identity = web_address(id_of(value), base)
    if version is None or identity is None:
        return None
    identity = identity.removesuffix("/info.json").rstrip("/")
    limits = [value, *objects(value.get("profile"))]
    return ImageService(
        id=identity,
        version=_as_asked(version, identity, image_uri),
        level=level_of(value),
        width=whole_number(value.get("width")),
        height=whole_number(value.get("height")),
        sizes=_sizes(value.get("sizes")),
        tiles=_tiles(value),
        max_width=_first_number(limits, "maxWidth"),
        max_height=_first_number(limits, "maxHeight"),
        max_area=_first_number(limits, "maxArea", 10**12),
        formats=_names(limits, "formats", "extraFormats") or ("jpg",),
        features=_names(limits, "supports", "extraFeatures"),
    )


def _as_asked(version: Version, identity: str, image_uri: str | None) -> Version:
    if image_uri is None or not image_uri.startswith(identity):
        return version
    quality = image_uri.rsplit("/", 1)[-1].split(".")[0]
    if quality == "native":
        return 1
    return 2 if quality == "default" and version == 1 else version


def _sizes(value: Any) -> tuple[tuple[int, int], ...]:
    """The listed sizes, smallest first. Invalid ones are left out."""
    found = set()
    for item in objects(value)[:MAX_SIZES]:
        width, height = whole_number(item.get("width")), whole_number(item.get("height"))
        if width and height:
            found.add((width, height))
    return tuple(sorted(found))


def _tiles(value: JsonObject) -> tuple[TileSet, ...]:
    """The tile sets. Version 1 had one, under other names."""
    first = {
        "width": value.get("tile_width"),
        "height": value.get("tile_height"),
        "scaleFactors": value.get("scale_factors"),
    }
    found = []
    for item in [*objects(value.get("tiles")), first][:MAX_TILE_SETS]:
        width = whole_number(item.get("width"), 65_536)
        listed = as_list(item.get("scaleFactors"))[:64]
        factors = {number for factor in listed if (number := whole_number(factor, 65_536))}
        if width and factors:
            height = whole_number(item.get("height"), 65_536) or width
            found.append(TileSet(width, height, tuple(sorted(factors))))
    return tuple(found)


def _first_number(holders: list[JsonObject], name: str, maximum: int = 1_000_000) -> int | None:
    return next((number for holder in holders if (number := whole_number(holder.get(name), maximum))), None)


def _names(holders: list[JsonObject], *keys: str) -> tuple[str, ...]:
    found = [
        item
        for holder in holders
        for key in keys
        for item in as_list(holder.get(key))[:64]
        if isinstance(item, str)
    ]
    return tuple(dict.fromkeys(found))


def asks_for_login(value: Any, depth: int = 0) -> bool:
    """Whether a service, or one that it names, requires a login (IIIF Authorization Flow 0 to 2)."""
    if depth > 3:
        return False
    for item in objects(value):
        if "service" not in item and "profile" not in item:
            continue
        kind = type_of(item)
        names = (*_profiles(item), str(item.get("@context", "")))
        if kind in ("AuthCookieService1", "AuthAccessService2", "AuthProbeService2"):
            return True
        if any(_LOGIN.search(name) for name in names) or asks_for_login(item.get("service"), depth + 1):
            return True
    return False
