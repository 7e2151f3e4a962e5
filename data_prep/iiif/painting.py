"""What is painted on a canvas: images, in every arrangement the standard allows and servers invent."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data_prep.candidate import ImageService
from data_prep.iiif.descriptive import rights_of
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address, whole_number
from data_prep.iiif.image_services import asks_for_login, image_service
from data_prep.iiif.language_map import TaggedText, texts
from data_prep.iiif.selectors import api_part, fragment_part, parts_of
from data_prep.iiif.turns import UPRIGHT, turn_of
from iconoclip.record import Region

MAX_IMAGES = 64
_MAX_DEPTH = 6

_FULL_SIZE = re.compile(r"/full/(?:full|max)/0/(?:native|default|color|gray)\.\w{2,5}$")
_IMAGE_NAME = re.compile(r"\.(?:jpe?g|png|tiff?|jp2|gif|webp)(?:$|\?)", re.IGNORECASE)
# Of a part in percent of an image whose size is not known: hundredths of a percent.
_PERCENT_SPACE = (10_000, 10_000)
_API_ADDRESS = re.compile(
    r"/(?P<region>[\d.,]+|pct:[\d.,]+|full|square)/(?P<size>[^/]{1,40})/(?P<rotation>!?[\d.]{1,8})/\w{1,20}\.\w{2,5}$"
)


@dataclass(frozen=True)
class Painting:
    """One image on a canvas, with its region."""

    image_uri: str | None
    service: ImageService | None
    size: tuple[int, int] | None
    """Of the full image, where the manifest states it."""
    region: Region | None = None
    """The part of the image that is used, in its own pixels; in those of `region_space` where that is set."""
    region_space: tuple[int, int] | None = None
    turn: int = UPRIGHT
    """How the canvas shows it: an orientation as EXIF numbers them."""
    on: Region | None = None
    """The part of the canvas on which it is painted; None for the whole canvas."""
    label: tuple[TaggedText, ...] = ()
    rights: tuple[str, ...] = ()
    """The rights of the image or its service. They take precedence over those of its page and manifest."""

    @property
    def identity(self) -> str:
        """The address that distinguishes this image from others on the same canvas."""
        return (self.service.id if self.service else self.image_uri) or ""


def paintings(canvas: JsonObject, base: str) -> Iterator[Painting | str]:
    """The images on a canvas, in document order; for anything else the reason why it is not an image."""
    num_found = 0
    for body, target in _bodies(canvas):
        on = _part_of_canvas(target, canvas)
        for painting in _images(body, base, 0):
            num_found += 1
            if num_found > MAX_IMAGES:
                yield f"more than {MAX_IMAGES} images on one canvas"
                return
            yield (
                painting if on is None or isinstance(painting, str) else dataclasses.replace(painting, on=on)
            )


def _part_of_canvas(target: Any, canvas: JsonObject) -> Region | None:
    """The part of a canvas that a target names; None if it is the whole canvas, or if the size is unknown."""
    width, height = whole_number(canvas.get("width")), whole_number(canvas.get("height"))
    size = (width, height) if width and height else None
    part = next(parts_of(target, size), None)
    if part is None or part.region is None or part.is_image_space or size is None:
        return None
    return None if _covers(size, part.region.width, part.region.height) else part.region


def each_view_once(found: list[Painting | str]) -> list[Painting | str]:
    """`found` without repeated views of an image: if it occurs upright and rotated, the upright one is kept.

    The others are replaced by the reason why they are left out.
    """
    views: dict[tuple[str, Region | None], Painting] = {}
    for painting in found:
        if not isinstance(painting, str):
            kept = views.setdefault((painting.identity, painting.region), painting)
            if kept.turn != UPRIGHT and painting.turn == UPRIGHT:
                views[painting.identity, painting.region] = painting
    return [
        painting
        if isinstance(painting, str) or painting.turn == views[painting.identity, painting.region].turn
        else "the same image again, rotated or mirrored: one view of it is used"
        for painting in found
    ]


def _bodies(canvas: JsonObject) -> Iterator[tuple[Any, Any]]:
    """Each body of a painting annotation, with the annotation's target."""
    for page in objects(canvas.get("items")):
        if type_of(page) == "Annotation":  # a document without the annotation page
            yield from ((body, page.get("target")) for body in as_list(page.get("body")))
        for annotation in objects(page.get("items")):
            motivations = as_list(annotation.get("motivation"))
            if not motivations or any(str(item).endswith("painting") for item in motivations):
                yield from ((body, annotation.get("target")) for body in as_list(annotation.get("body")))


def _images(body: Any, base: str, depth: int) -> Iterator[Painting | str]:
    if depth > _MAX_DEPTH:
        yield "choices nested too deeply"
    elif isinstance(body, str):
        yield _bare_image(body, base)
    elif not isinstance(body, dict):
        yield "an annotation without a body"
    elif "items" in body or type_of(body) in ("Choice", "List", "Composite", "Independents"):
        for choice in as_list(body.get("items"))[:MAX_IMAGES]:
            yield from _images(choice, base, depth + 1)
    elif type_of(body) == "SpecificResource" or "source" in body:
        for painting in _images(body.get("source"), base, depth + 1):
            yield painting if isinstance(painting, str) else _selected(painting, body.get("selector"))
    else:
        yield _image(body, base)


def _bare_image(address: str, base: str) -> Painting | str:
    image_uri = web_address(address, base)
    if image_uri is None or not _IMAGE_NAME.search(image_uri):
        return "a body that is only an address, and not that of an image"
    return Painting(image_uri=image_uri, service=None, size=None)


def _image(body: JsonObject, base: str) -> Painting | str:
    image_uri = web_address(id_of(body), base)
    services = [item for item in as_list(body.get("service")) if isinstance(item, dict)]
    service = next(
        (found for item in services if (found := image_service(item, base=base, image_uri=image_uri))), None
    )
    if reason := _why_no_image(body, service):
        return reason
    if service is None and image_uri is None:
        return "an image without an http address"
    if asks_for_login(services):
        return "the image service asks for a login"
    rights = tuple(text for holder in (body, *services) for text in rights_of(holder))
    label = tuple(texts(body.get("label")))
    painting = Painting(image_uri, service, _full_size(body, service, image_uri), label=label, rights=rights)
    return _as_addressed(painting)


def _why_no_image(body: JsonObject, service: ImageService | None) -> str | None:
    kind, media_type = type_of(body), str(body.get("format") or "")
    if media_type.startswith("image/") or (service is not None and kind in ("Image", "StillImage", "")):
        return None
    if kind in ("Image", "StillImage", "") and not media_type:
        return (
            None
            if kind or _IMAGE_NAME.search(id_of(body) or "")
            else "a body of no type that is not an image"
        )
    return f"painted with {kind or media_type}, not with an image"


def _full_size(
    body: JsonObject, service: ImageService | None, image_uri: str | None
) -> tuple[int, int] | None:
    """The size of the full image. The size of a body is that of the image at its address, which may be a
    smaller version."""
    if service is not None and service.width and service.height:
        return service.width, service.height
    width, height = whole_number(body.get("width")), whole_number(body.get("height"))
    if not width or not height:
        return None
    # Some manifests give the address of the service as that of the image.
    is_full = (
        service is None
        or image_uri in (None, service.id)
        or (image_uri is not None and _FULL_SIZE.search(image_uri) is not None)
    )
    return (width, height) if is_full else None


def _as_addressed(painting: Painting) -> Painting | str:
    """The image as its address shows it: a part of the service's image, or rotated."""
    service, address = painting.service, painting.image_uri or ""
    if service is None or not address.startswith(f"{service.id}/"):
        return painting
    match = _API_ADDRESS.fullmatch(address.removeprefix(service.id))
    if match is None or (match["region"] in ("full", "square") and turn_of(match["rotation"]) == UPRIGHT):
        return painting
    # The service is requested without rotation; the image's address would give it already rotated.
    selector = dict(match.groupdict(), type="ImageApiSelector")
    return _selected(dataclasses.replace(painting, image_uri=None), selector)


def _selected(painting: Painting, selector: Any) -> Painting | str:
    """The part of an image that a selector names, with the selector's rotation."""
    for item in objects(selector):
        if rotation := str(item.get("rotation") or ""):
            turn = turn_of(rotation)
            if turn is None:
                return f"an image rotated by {rotation[:12]} degrees, which is not a multiple of 90"
            painting = dataclasses.replace(painting, turn=turn)
        value = item.get("region") or item.get("value")
        if isinstance(value, str):
            painting = _with_region(painting, value, is_api=type_of(item) == "ImageApiSelector")
    return painting


def _with_region(painting: Painting, value: str, *, is_api: bool) -> Painting:
    size = painting.size or _PERCENT_SPACE
    is_percent = value.startswith(("pct:", "percent:", "xywh=percent:", "xywh=pct:"))
    region = api_part(value, size) if is_api else fragment_part(value, size)
    if region is None or (painting.size and _covers(painting.size, region.width, region.height)):
        return painting
    space = size if is_percent and painting.size is None else None
    return dataclasses.replace(painting, region=region, region_space=space)


def _covers(size: tuple[int, int], width: int, height: int) -> bool:
    return width >= size[0] and height >= size[1]
