"""The answer of IIIF Content Search in its version 1.0, which Mirador reads.

It says the same as that of version 2 (content_search.py), in the words of Presentation 2: annotations with
the text as `chars`, and hits that show each word found with what is around it. https://iiif.io/api/search/1.0/
"""

from __future__ import annotations

from typing import Any

CONTEXTS = [
    "http://iiif.io/api/presentation/2/context.json",
    "http://iiif.io/api/search/1/context.json",
]
PROFILE = "http://iiif.io/api/search/1/search"

Json = dict[str, Any]
Found = list[tuple[Json, list[Json]]]


def service(address: str) -> Json:
    """The description of the search service, for a manifest."""
    return {"@context": CONTEXTS[1], "@id": address, "@type": "SearchService1", "profile": PROFILE}


def annotation_list(address: str, found: Found, *, total: int, start: int, following: str | None) -> Json:
    """The document.

    Args:
        address: its own address.
        found: annotations of version 3, each with its marks (`highlighting`), of this page.
        total: the number of annotations on all pages.
        start: the position of the first annotation of this page.
        following: the address of the next page, if there is one.
    """
    document: Json = {
        "@context": CONTEXTS,
        "@id": address,
        "@type": "sc:AnnotationList",
        "within": {"@type": "sc:Layer", "total": total},
        "startIndex": start,
        "resources": [_resource(annotation) for annotation, _ in found],
        "hits": [hit for annotation, marks in found for hit in _hits(annotation, marks)],
    }
    return document | ({"next": following} if following else {})


def _resource(annotation: Json) -> Json:
    body = annotation["body"]
    text: Json = {"@type": "cnt:ContentAsText", "format": body["format"], "chars": body["value"]}
    if "language" in body:
        text["language"] = body["language"]
    return {
        "@id": annotation["id"],
        "@type": "oa:Annotation",
        "motivation": "oa:commenting",
        "resource": text,
        "on": annotation["target"],
    }


def _hits(annotation: Json, marks: list[Json]) -> list[Json]:
    """Each word found in a text; for a picture found by meaning, its whole caption."""
    hit: Json = {"@type": "search:Hit", "annotations": [annotation["id"]]}
    if not marks:
        return [hit | {"match": annotation["body"]["value"]}]
    selectors = [mark["target"]["selector"][0] for mark in marks]
    return [
        hit | {"match": each["exact"], "before": each["prefix"], "after": each["suffix"]}
        for each in selectors
    ]
