"""Presentation 3 documents that the service publishes: built, and so validated, by iiif_prezi3.

Records come from outside. A property that Presentation 3 does not allow (text that is not an address, a
language that is not a tag) is left out of its canvas; the canvas is published without it.
"""

from __future__ import annotations

from typing import Any

from iiif_prezi3 import AnnotationPage, Canvas, Collection, Manifest
from pydantic import ValidationError

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
# iiif_prezi3 takes 1 to 2 ms per canvas. Results have at most 200. In an object with more pages, the further
# canvases are made by the same code, but not validated.
MAX_VALIDATED = 200

Json = dict[str, Any]


def manifest(properties: Json, canvases: list[Json]) -> Json:
    """The document of a Manifest.

    Args:
        properties: the properties of the manifest itself.
        canvases: its canvases, at least one.

    Raises:
        pydantic.ValidationError: a property of ours that Presentation 3 does not allow.
    """
    built = [_allowed(Canvas, canvas) for canvas in canvases[:MAX_VALIDATED]]
    document = _dumped(Manifest(**properties, items=built))
    document["items"] += canvases[MAX_VALIDATED:]
    return {"@context": CONTEXT, **document}


def collection(properties: Json, manifests: list[Json]) -> Json:
    """The document of a Collection that refers to manifests; references without a valid address are left out.

    Raises:
        pydantic.ValidationError: the same case as for `manifest`.
    """
    built = Collection(**properties, items=[])
    references = [each for each in manifests if _is_allowed({**properties, "items": [each]})]
    return {"@context": CONTEXT, **_dumped(built), "items": references}


def annotation_page(properties: Json, notes: list[Json]) -> Json:
    """The document of an AnnotationPage, without a context.

    Raises:
        pydantic.ValidationError: the same case as for `manifest`.
    """
    return _dumped(AnnotationPage(**properties, items=notes))


def _allowed(kind: type[Any], properties: Json) -> Any:
    """The resource with only those properties that Presentation 3 allows."""
    try:
        return kind(**properties)
    except ValidationError as error:
        refused = {str(each["loc"][0]) for each in error.errors()} - _REQUIRED
        label = {"none": [text for texts in properties["label"].values() for text in texts][:1]}
        return kind(
            **{name: value for name, value in properties.items() if name not in refused} | {"label": label}
        )


_REQUIRED = {"id", "type", "width", "height", "items"}


def _is_allowed(properties: Json) -> bool:
    try:
        Collection(**properties)
    except ValidationError:
        return False
    return True


def _dumped(resource: Any) -> Json:
    document: Json = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
    document.pop("@context", None)
    return document
