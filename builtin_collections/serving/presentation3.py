"""IIIF Presentation 3.0 documents, built by iiif_prezi3: an invalid document is not published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iiif_prezi3 import Collection, Manifest

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
CONTENT_TYPE = f'application/ld+json;profile="{CONTEXT}"'

Document = dict[str, Any]

# The order in which people read a document; iiif_prezi3 writes properties in the order of its classes.
_ORDER = (
    "@context", "id", "type", "label", "value", "summary", "metadata", "requiredStatement", "rights",
    "provider", "partOf", "homepage", "seeAlso", "thumbnail", "format", "language", "width", "height",
    "motivation", "body", "target", "profile", "service", "items",
)  # fmt: skip
_PLACE = {name: place for place, name in enumerate(_ORDER)}


def text(language: str, *values: str) -> dict[str, list[str]]:
    """A language map with `values` in one language; "none" is for words without one, such as a shelfmark."""
    return {language: list(values)}


def canvas(
    identifier: str, label: str, image: str, size: tuple[int, int], *, level: int = 2, **more: Any
) -> Document:
    """A Canvas that shows one whole image of a service of the Image API 3.0.

    Args:
        identifier: the id of the canvas.
        label: its label, which is in no language.
        image: the base URI of the image service.
        size: width and height of canvas and image in pixels.
        level: the compliance level of the service.
        more: further properties of the canvas.
    """
    width, height = size
    body = {
        "id": f"{image}/full/max/0/default.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": width,
        "height": height,
        "service": image_services(image, level),
    }
    annotation = {
        "id": f"{identifier}/annotation",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": identifier,
    }
    return {
        "id": identifier,
        "type": "Canvas",
        "label": text("none", label),
        "width": width,
        "height": height,
        "items": [{"id": f"{identifier}/page", "type": "AnnotationPage", "items": [annotation]}],
        **more,
    }


def image_services(image: str, level: int = 2) -> list[Document]:
    """The image service with this base URI, as the `service` property of an image."""
    return [{"id": image, "type": "ImageService3", "profile": f"level{level}"}]


def published(properties: Mapping[str, Any]) -> Document:
    """The JSON document of a Manifest or a Collection, its "@context" included.

    Args:
        properties: the properties of the resource, with nested resources as plain values;
            None leaves a property out.

    Raises:
        pydantic.ValidationError: Presentation 3.0 does not allow it.
    """
    kind = {"Manifest": Manifest, "Collection": Collection}[properties["type"]]
    built = kind(**{name: value for name, value in properties.items() if value is not None})
    document = built.model_dump(mode="json", by_alias=True, exclude_none=True)
    ordered: Document = _ordered({"@context": CONTEXT, **document})
    return ordered


def _ordered(value: Any) -> Any:
    """The value with the properties of every resource in reading order; other keys follow as they come."""
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if not isinstance(value, dict):
        return value
    names = sorted(value, key=lambda name: _PLACE.get(name, len(_PLACE)))
    return {name: _ordered(value[name]) for name in names}
