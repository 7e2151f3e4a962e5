"""IIIF Presentation 3.0 documents of an archive: Collections of rolls, and a Manifest for each coat."""

from __future__ import annotations

from collections.abc import Sequence

from builtin_collections.armorial.collection import Holdings, Item
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
from builtin_collections.serving.presentation3 import Document, canvas, image_services, published, text


def manifest(holdings: Holdings, item: Item, addresses: Addresses, level: int) -> Document:
    """The Manifest of one coat, a Canvas per drawing; `level` is that of its image services."""
    archive = holdings.archive
    language = archive.language
    return published(
        {
            "id": addresses.manifest(item),
            "type": "Manifest",
            "label": text(language, title(archive, item)),
            "summary": {tag: [blazon] for tag, blazon in blazons(item).items()},
            "metadata": _metadata(holdings, item),
            "requiredStatement": {
                "label": text("en", "Attribution"),
                "value": text(language, attribution(archive)),
            },
            "rights": item.rights,
            "provider": [_provider(holdings, addresses)],
            "homepage": [_page(addresses.page(item), language, title(archive, item))],
            "seeAlso": [{"id": addresses.record(item), "type": "Dataset", "format": "application/json"}],
            "thumbnail": [_thumbnail(addresses, item, level)],
            "items": [_canvas(holdings, item, copy, addresses, level) for copy in range(item.num_copies)],
        }
    )


def _metadata(holdings: Holdings, item: Item) -> list[Document]:
    archive = holdings.archive
    language, labels = archive.language, archive.labels
    pairs: list[Document] = [
        {
            "label": text(language, labels["blazon"]),
            "value": {tag: [blazon] for tag, blazon in blazons(item).items()},
        },
        {"label": text(language, labels["iconclass"]), "value": text("none", *notations(item))},
    ]
    untranslated = (labels["date"], labels["painter"], labels["shelfmark"], labels["family"], labels["place"])
    for label, values in plain_pairs(archive, item):
        spoken = "none" if label in untranslated else language
        pairs.append({"label": text(language, label), "value": text(spoken, *values)})
    return pairs


def _provider(holdings: Holdings, addresses: Addresses) -> Document:
    archive = holdings.archive
    return {
        "id": f"{addresses.base}/",
        "type": "Agent",
        "label": text(archive.language, archive.name),
        "homepage": [_page(f"{addresses.base}/", archive.language, archive.name)],
    }


def _page(uri: str, language: str, label: str) -> Document:
    return {
        "id": uri,
        "type": "Text",
        "label": text(language, label),
        "format": "text/html",
        "language": [language],
    }


def _thumbnail(addresses: Addresses, item: Item, level: int) -> Document:
    return {
        "id": f"{addresses.image(item, 0)}/full/128,150/0/default.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": 128,
        "height": 150,
        "service": image_services(addresses.image(item, 0), level),
    }


def _canvas(holdings: Holdings, item: Item, copy: int, addresses: Addresses, level: int) -> Document:
    label = shelfmark(holdings.archive, item) + (f", {copy + 1}" if copy else "")
    image = addresses.image(item, copy)
    return canvas(addresses.canvas(item, copy), label, image, SOURCE_SIZE, level=level)


def top_collection(holdings: Holdings, addresses: Addresses) -> Document:
    """The Collection of all rolls."""
    archive = holdings.archive
    return published(
        {
            "id": addresses.collection(),
            "type": "Collection",
            "label": text(archive.language, archive.name),
            "summary": text(archive.language, archive.notice),
            "provider": [_provider(holdings, addresses)],
            "items": [
                {
                    "id": addresses.collection(number),
                    "type": "Collection",
                    "label": text(archive.language, archive.roll.format(number=number)),
                }
                for number in holdings.rolls
            ],
        }
    )


def roll_collection(holdings: Holdings, number: int, items: Sequence[Item], addresses: Addresses) -> Document:
    """The Collection of one roll's Manifests."""
    archive = holdings.archive
    return published(
        {
            "id": addresses.collection(number),
            "type": "Collection",
            "label": text(archive.language, archive.roll.format(number=number)),
            "partOf": [{"id": addresses.collection(), "type": "Collection"}],
            "items": [
                {
                    "id": addresses.manifest(item),
                    "type": "Manifest",
                    "label": text(archive.language, title(archive, item)),
                }
                for item in items
            ],
        }
    )
