"""Manifests to read in tests: one painting, as versions 2 and 3 of the standard describe it."""

from __future__ import annotations

import json
from typing import Any

from data_prep.candidate import Found
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import InstitutionProfile

URI = "https://iiif.example.org/m/1"
ANY = InstitutionProfile(slug="example", name="Example Museum", hosts={"example.org": {}})  # type: ignore[dict-item]


def read(value: Any, profile: InstitutionProfile = ANY, context: dict[str, Any] | None = None) -> Found:
    return read_presentation(json.dumps(value).encode(), URI, profile, context)


def image_3(name: str, **changes: Any) -> dict[str, Any]:
    service = {"id": f"https://img.example.org/{name}", "type": "ImageService3", "profile": "level2"}
    body = {
        "id": f"https://img.example.org/{name}/full/max/0/default.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": 3000,
        "height": 2000,
        "service": [service],
    }
    return {**body, **changes}


def canvas_3(name: str, *bodies: Any, **changes: Any) -> dict[str, Any]:
    annotations = [
        {
            "id": f"{URI}/a/{name}/{number}",
            "type": "Annotation",
            "motivation": "painting",
            "body": body,
            "target": name,
        }
        for number, body in enumerate(bodies)
    ]
    page = {"id": f"{URI}/p/{name}", "type": "AnnotationPage", "items": annotations}
    return {
        "id": f"{URI}/canvas/{name}",
        "type": "Canvas",
        "width": 1500,
        "height": 1000,
        "items": [page],
        **changes,
    }


def manifest_3(*canvases: Any, **changes: Any) -> dict[str, Any]:
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": URI,
        "type": "Manifest",
        "label": {"en": ["Portrait of a Lady"], "nl": ["Portret van een dame"]},
        "rights": "http://creativecommons.org/licenses/by/4.0/",
        "requiredStatement": {"label": {"en": ["Credit"]}, "value": {"en": ["<b>Example</b> Museum"]}},
        "homepage": [{"id": "https://example.org/lady", "type": "Text", "format": "text/html"}],
        "metadata": [
            {"label": {"en": ["Artist"]}, "value": {"none": ["Anna Painter"]}},
            {"label": {"en": ["Object type"]}, "value": {"en": ["painting"]}},
            {"label": {"en": ["Shelfmark"]}, "value": {"none": ["SK-A-1"]}},
        ],
        "items": list(canvases),
        **changes,
    }


MANIFEST_2: dict[str, Any] = {
    "@context": "http://iiif.io/api/presentation/2/context.json",
    "@id": URI,
    "@type": "sc:Manifest",
    "label": [
        {"@value": "Portrait of a Lady", "@language": "en"},
        {"@value": "Portret van een dame", "@language": "nl"},
    ],
    "license": "http://creativecommons.org/licenses/by/4.0/",
    "attribution": "<b>Example</b> Museum",
    "related": {"@id": "https://example.org/lady", "format": "text/html"},
    "metadata": [
        {"label": "Artist", "value": "Anna Painter"},
        {
            "label": [{"@value": "Objekttyp", "@language": "de"}],
            "value": [{"@value": "painting", "@language": "en"}],
        },
        {"label": "Shelfmark", "value": "SK-A-1"},
    ],
    "sequences": [
        {
            "@type": "sc:Sequence",
            "canvases": [
                {
                    "@id": f"{URI}/canvas/1",
                    "@type": "sc:Canvas",
                    "label": "f. 1r",
                    "width": 1500,
                    "height": 1000,
                    "images": [
                        {
                            "@type": "oa:Annotation",
                            "motivation": "sc:painting",
                            "on": f"{URI}/canvas/1",
                            "resource": {
                                "@id": "https://img.example.org/a/full/full/0/default.jpg",
                                "@type": "dctypes:Image",
                                "format": "image/jpeg",
                                "width": 3000,
                                "height": 2000,
                                "service": {
                                    "@context": "http://iiif.io/api/image/2/context.json",
                                    "@id": "https://img.example.org/a",
                                    "profile": "http://iiif.io/api/image/2/level2.json",
                                },
                            },
                        }
                    ],
                }
            ],
        }
    ],
}
