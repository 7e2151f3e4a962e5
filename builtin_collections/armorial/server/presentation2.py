"""IIIF Presentation 2.1 documents: paged Collections, and a Manifest for each coat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builtin_collections.armorial.collection import PUBLIC_DOMAIN, Holdings, Item
from builtin_collections.armorial.describe import (
    attribution,
    blazons,
    notations,
    plain_pairs,
    shelfmark,
    title,
)
from builtin_collections.armorial.drawing.texture import SOURCE_SIZE
from builtin_collections.armorial.server.addresses import Addresses

CONTEXT = "http://iiif.io/api/presentation/2/context.json"
CONTENT_TYPE = f'application/ld+json;profile="{CONTEXT}"'
PAGE_SIZE = 60
_WIDTH, _HEIGHT = SOURCE_SIZE

_Document = dict[str, Any]


def _texts(texts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"@value": text, "@language": language} for language, text in texts.items()]


def manifest(holdings: Holdings, item: Item, addresses: Addresses) -> _Document:
    """The sc:Manifest of one coat; each drawing of it is an sc:Canvas."""
    archive = holdings.archive
    document: _Document = {
        "@context": CONTEXT,
        "@id": addresses.manifest(item),
        "@type": "sc:Manifest",
        "label": title(archive, item),
        "description": _texts(blazons(item)),
        "metadata": _metadata(holdings, item),
        "attribution": attribution(archive),
        "license": _license(item),
        "related": {"@id": addresses.page(item), "format": "text/html"},
        "seeAlso": {"@id": addresses.record(item), "format": "application/json"},
        "within": addresses.collection(item.roll),
        "thumbnail": {
            "@id": f"{addresses.image(item, 0)}/full/128,/0/default.jpg",
            "service": _service(addresses, item, 0),
        },
        "sequences": [
            {
                "@id": f"{addresses.manifest(item)}/sequence/normal",
                "@type": "sc:Sequence",
                "canvases": [_canvas(holdings, item, copy, addresses) for copy in range(item.num_copies)],
            }
        ],
    }
    if item.rights is None:
        del document["license"]
    return document


def _license(item: Item) -> str | None:
    """The statement; half of the public-domain marks as the German deed, as libraries do write them."""
    if item.rights == PUBLIC_DOMAIN and item.number % 2:
        return "https://creativecommons.org/publicdomain/mark/1.0/deed.de"
    return item.rights


def _metadata(holdings: Holdings, item: Item) -> list[_Document]:
    archive = holdings.archive
    iconclass = notations(item)
    blazon_label = _texts({archive.language: archive.labels["blazon"], "en": "Blazon"})
    pairs: list[_Document] = [
        {"label": blazon_label, "value": _texts(blazons(item))},
        {"label": archive.labels["iconclass"], "value": iconclass[0] if len(iconclass) == 1 else iconclass},
    ]
    for label, values in plain_pairs(archive, item):
        pairs.append({"label": label, "value": values[0] if len(values) == 1 else values})
    return pairs


def _service(addresses: Addresses, item: Item, copy: int) -> _Document:
    return {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": addresses.image(item, copy),
        "profile": "http://iiif.io/api/image/2/level0.json",
    }


def _canvas(holdings: Holdings, item: Item, copy: int, addresses: Addresses) -> _Document:
    canvas = addresses.canvas(item, copy)
    resource = {
        "@id": f"{addresses.image(item, copy)}/full/full/0/default.jpg",
        "@type": "dctypes:Image",
        "format": "image/jpeg",
        "width": _WIDTH,
        "height": _HEIGHT,
        "service": _service(addresses, item, copy),
    }
    annotation = {"@type": "oa:Annotation", "motivation": "sc:painting", "on": canvas, "resource": resource}
    return {
        "@id": canvas,
        "@type": "sc:Canvas",
        "label": shelfmark(holdings.archive, item) + (f", {copy + 1}" if copy else ""),
        "width": _WIDTH,
        "height": _HEIGHT,
        "images": [annotation],
    }


def top_collection(holdings: Holdings, addresses: Addresses) -> _Document:
    """The sc:Collection of all volumes."""
    archive = holdings.archive
    return {
        "@context": CONTEXT,
        "@id": addresses.collection(),
        "@type": "sc:Collection",
        "label": archive.name,
        "description": archive.notice,
        "collections": [
            {
                "@id": addresses.collection(number),
                "@type": "sc:Collection",
                "label": archive.roll.format(number=number),
            }
            for number in holdings.rolls
        ],
    }


def roll_collection(
    holdings: Holdings, number: int, items: Sequence[Item], addresses: Addresses, page: int | None
) -> _Document:
    """One volume: without `page` the way into its pages, with it that page of Manifests (from 1).

    The odd volumes list them as `manifests`, the even ones as `members` (2.1 section 5.8.1 allows both).
    """
    uri = addresses.collection(number)
    document: _Document = {
        "@context": CONTEXT,
        "@id": uri if page is None else f"{uri}/page-{page}",
        "@type": "sc:Collection",
        "label": holdings.archive.roll.format(number=number),
        "within": addresses.collection() if page is None else uri,
    }
    if page is None:
        return document | {"total": len(items), "first": f"{uri}/page-1"}
    start = (page - 1) * PAGE_SIZE
    listed = [_reference(holdings, item, addresses) for item in items[start : start + PAGE_SIZE]]
    document |= {"startIndex": start, "manifests" if number % 2 else "members": listed}
    if start + PAGE_SIZE < len(items):
        document["next"] = f"{uri}/page-{page + 1}"
    return document


def _reference(holdings: Holdings, item: Item, addresses: Addresses) -> _Document:
    return {"@id": addresses.manifest(item), "@type": "sc:Manifest", "label": title(holdings.archive, item)}


def num_pages(items: Sequence[Item]) -> int:
    """How many pages a volume of `items` has."""
    return -(-len(items) // PAGE_SIZE)
