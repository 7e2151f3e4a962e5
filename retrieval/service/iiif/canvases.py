"""Hits and records as IIIF Presentation 3 canvases, for Universal Viewer, Mirador and Clover.

A canvas is the picture as stored here. For a record about a part of a page, the canvas is the whole page if
the institution serves it, and the part is an annotation on it. A picture that may not be shown has an empty
canvas that links to its institution. https://iiif.io/api/presentation/3.0/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from iconoclip.record import Caption, Record
from retrieval.answers import Hit
from retrieval.service.hit_links import home_of, is_shown, outward

THUMB_SIDE_PIXELS = 400
# Large enough to read a page. Image API 2 and 3 both support this form of size at level 1 (sizeByW).
PAGE_WIDTH_PIXELS = 1_500
CAPTION_MOTIVATION = "commenting"

Json = dict[str, Any]


@dataclass(frozen=True)
class WholePage:
    """The image that a record is a part of, at its institution; sizes of the full image in pixels."""

    image: str
    width: int
    height: int


def whole_page(record: Record) -> WholePage | None:
    """The page around a record's region. None if the record is not about a part of a page, or the
    page has no known address.
    """
    source, image = record.source, record.image
    if source.region is None or image.source_width is None or image.source_height is None:
        return None
    if source.region.x + source.region.width > image.source_width:
        return None
    if service := outward(source.image_service):
        width = min(PAGE_WIDTH_PIXELS, image.source_width)
        address: str | None = f"{service.rstrip('/')}/full/{width},/0/default.jpg"
    else:
        address = outward(source.image)
    return WholePage(address, image.source_width, image.source_height) if address else None


def canvas_id(key: str, base: str) -> str:
    """The id of an item's canvas in this service."""
    return f"{base}/iiif/{key}/canvas"


def canvas_of(hit: Hit, base: str, page: WholePage | None = None) -> Json:
    """The canvas of a hit.

    Args:
        hit: the hit.
        base: the address of this service.
        page: the whole page that contains the hit's region, if the institution serves it.
    """
    identity = canvas_id(hit.key, base)
    page = page if is_shown(hit) else None
    canvas: Json = {
        "id": identity,
        "type": "Canvas",
        "label": label_of(hit.captions, hit.title),
        "width": page.width if page else hit.width,
        "height": page.height if page else hit.height,
        "metadata": _metadata(hit),
        "requiredStatement": {
            "label": {"en": ["Attribution"]},
            "value": {"none": [hit.rights.attribution or hit.institution_name]},
        },
        "seeAlso": _see_also(hit, base),
    }
    if hit.rights.uri:
        canvas["rights"] = hit.rights.uri
    if home := home_of(hit):
        label = {"none": [hit.institution_name]}
        canvas["homepage"] = [{"id": home, "type": "Text", "label": label, "format": "text/html"}]
    if is_shown(hit):
        canvas["thumbnail"] = [*_of_institution(hit, page), _thumbnail(hit, base)]
    canvas["items"] = [_painting(hit, identity, base, page) if is_shown(hit) else empty_page(identity)]
    if notes := _captions(hit, identity, page):
        canvas["annotations"] = [{"id": f"{identity}/notes", "type": "AnnotationPage", "items": notes}]
    return canvas


def empty_page(canvas: str) -> Json:
    """An annotation page without a picture: a canvas must have one (section 5.3)."""
    return {"id": f"{canvas}/page", "type": "AnnotationPage", "items": []}


def _painting(hit: Hit, canvas: str, base: str, page: WholePage | None) -> Json:
    body = {
        "id": page.image if page else f"{base}/image/{hit.key}.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": page.width if page else hit.width,
        "height": page.height if page else hit.height,
    }
    annotation = {
        "id": f"{canvas}/painting",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": canvas,
    }
    return {"id": f"{canvas}/page", "type": "AnnotationPage", "items": [annotation]}


def _thumbnail(hit: Hit, base: str) -> Json:
    width, height = _small(hit.width, hit.height)
    address = f"{base}/thumb/{hit.key}.jpg"
    return {"id": address, "type": "Image", "format": "image/jpeg", "width": width, "height": height}


def _of_institution(hit: Hit, page: WholePage | None) -> list[Json]:
    """The thumbnail that the institution's own image service makes, in the size that is needed and never
    enlarged: what is stored here was received from it. None for a part of a page that is not known.
    """
    service = (outward(hit.image_service) or "").rstrip("/")
    if not service or (hit.region and not page):
        return []
    width, height = _small(page.width, page.height) if page else _small(hit.width, hit.height)
    return [
        {
            "id": f"{service}/full/{width},/0/default.jpg",
            "type": "Image",
            "format": "image/jpeg",
            "width": width,
            "height": height,
            "service": [{"id": service, "type": _service_type(service), "profile": "level1"}],
        }
    ]


def _service_type(service: str) -> str:
    """Version 3 of the Image API, if the address of a service says so. Both have this form of a size."""
    return "ImageService3" if re.search(r"/(iiif-?|v)?3(\.0)?/", f"{service}/") else "ImageService2"


def _small(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, THUMB_SIDE_PIXELS / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _captions(hit: Hit, canvas: str, page: WholePage | None) -> list[Json]:
    """The captions as annotations that viewers list next to the picture; on the region, if the hit is one."""
    where = f"{canvas}#xywh={hit.region}" if hit.region and page else canvas
    return [caption_note(canvas, number, caption, where) for number, caption in enumerate(hit.captions, 1)]


def caption_note(canvas: str, number: int, caption: Caption, target: str) -> Json:
    """The annotation of a caption: the same in a manifest and in a search within it."""
    return {
        "id": f"{canvas}/caption/{number}",
        "type": "Annotation",
        "motivation": CAPTION_MOTIVATION,
        "body": text_body(caption),
        "target": target,
    }


def text_body(caption: Caption) -> Json:
    """A caption as the body of an annotation."""
    body = {"type": "TextualBody", "value": caption.text, "format": "text/plain"}
    return body if caption.language == "und" else body | {"language": caption.language}


def _see_also(hit: Hit, base: str) -> list[Json]:
    """Links for programs: to the record here, and to the institution's own manifest.

    They are not linking annotations, because viewers list those as notes without text.
    """
    record = {"id": f"{base}/api/v1/items/{hit.key}", "type": "Dataset", "format": "application/json"}
    manifest = outward(hit.manifest)
    return (
        [record, {"id": manifest, "type": "Manifest", "format": "application/ld+json"}]
        if manifest
        else [record]
    )


def source_target(hit: Hit) -> str:
    """The institution's canvas, or the region of it that the hit shows."""
    return f"{hit.canvas}#xywh={hit.region}" if hit.region else str(hit.canvas)


def _metadata(hit: Hit) -> list[Json]:
    facts = {
        "Institution": [hit.institution_name],
        "Date": [hit.date] if hit.date else [],
        "Creator": list(hit.creators),
        "Type": [hit.object_type] if hit.object_type else [],
        "Iconclass": list(hit.iconclass),
        "Rights": [hit.rights.label],
        "Canvas of the institution": [source_target(hit)] if outward(hit.canvas) else [],
    }
    return [{"label": {"en": [name]}, "value": {"none": values}} for name, values in facts.items() if values]


def label_of(captions: tuple[Caption, ...], title: str) -> dict[str, list[str]]:
    """The label in every language in which there is one."""
    label: dict[str, list[str]] = {}
    for caption in captions:
        label.setdefault("none" if caption.language == "und" else caption.language, []).append(caption.text)
    return {language: texts[:1] for language, texts in label.items()} or {"none": [title]}
