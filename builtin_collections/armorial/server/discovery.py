"""IIIF Change Discovery 1.0: what was created, updated and deleted, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from builtin_collections.armorial.collection import Holdings, Item
from builtin_collections.armorial.server.addresses import Addresses

CONTEXT = "http://iiif.io/api/discovery/1/context.json"
CONTENT_TYPE = f'application/ld+json;profile="{CONTEXT}"'
PAGE_SIZE = 100

_Activity = tuple[datetime, str, Item]


def activities(holdings: Holdings) -> list[_Activity]:
    """Every change in the order it ended: each item's creation, and its change or deletion if it had one."""
    found: list[_Activity] = [(item.created, "Create", item) for item in holdings.by_modified]
    for item in holdings.by_modified:
        if item.withdrawn:
            found.append((item.modified, "Delete", item))
        elif item.modified > item.created:
            found.append((item.modified, "Update", item))
    return sorted(found, key=lambda activity: (activity[0], activity[2].number))


def stream(found: Sequence[_Activity], addresses: Addresses) -> dict[str, Any]:
    """The OrderedCollection."""
    return {
        "@context": CONTEXT,
        "id": f"{addresses.base}/activity/all-changes",
        "type": "OrderedCollection",
        "totalItems": len(found),
        "first": _page_link(1, addresses),
        "last": _page_link(num_pages(found), addresses),
    }


def page(found: Sequence[_Activity], number: int, addresses: Addresses) -> dict[str, Any]:
    """One OrderedCollectionPage, numbered from 1."""
    start = (number - 1) * PAGE_SIZE
    document: dict[str, Any] = {
        "@context": CONTEXT,
        **_page_link(number, addresses),
        "partOf": {"id": f"{addresses.base}/activity/all-changes", "type": "OrderedCollection"},
        "startIndex": start,
        "orderedItems": [
            _activity(start + offset, activity, addresses)
            for offset, activity in enumerate(found[start : start + PAGE_SIZE])
        ],
    }
    if number > 1:
        document["prev"] = _page_link(number - 1, addresses)
    if number < num_pages(found):
        document["next"] = _page_link(number + 1, addresses)
    return document


def num_pages(found: Sequence[_Activity]) -> int:
    """How many pages the stream has; an empty one has one."""
    return max(1, -(-len(found) // PAGE_SIZE))


def _page_link(number: int, addresses: Addresses) -> dict[str, str]:
    return {"id": f"{addresses.base}/activity/page-{number}", "type": "OrderedCollectionPage"}


def _activity(position: int, activity: _Activity, addresses: Addresses) -> dict[str, Any]:
    ended, kind, item = activity
    return {
        "id": f"{addresses.base}/activity/change-{position}",
        "type": kind,
        "endTime": ended.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "object": {
            "id": addresses.manifest(item),
            "type": "Manifest",
            "canonical": addresses.manifest(item),
            "seeAlso": [{"id": addresses.record(item), "type": "Dataset", "format": "application/json"}],
        },
    }
