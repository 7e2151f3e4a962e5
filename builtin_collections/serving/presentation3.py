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
