"""IIIF Change Discovery 1.0: what was created, updated and deleted, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

CONTEXT = "http://iiif.io/api/discovery/1/context.json"
CONTENT_TYPE = f'application/ld+json;profile="{CONTEXT}"'
PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One activity: what happened to a manifest, and when it ended."""

    ended: datetime
    kind: Literal["Create", "Update", "Delete"]
    manifest: str
    """its URL"""
    record: str
    """URL of the JSON record that describes the same item"""


class ChangeStream:
    """The change stream of one archive, below `base` (scheme, host and port; no slash at the end).

    Args:
        changes: the changes, the oldest first.
    """

    def __init__(self, base: str, changes: Sequence[Change]) -> None:
        self._base, self._changes = base, changes

    @property
    def num_pages(self) -> int:
        """The number of pages of the stream; an empty stream has one."""
        return max(1, -(-len(self._changes) // PAGE_SIZE))

    def collection(self) -> dict[str, Any]:
        """The OrderedCollection, with links to its first and last page."""
        return {
            "@context": CONTEXT,
            "id": f"{self._base}/activity/all-changes",
            "type": "OrderedCollection",
            "totalItems": len(self._changes),
            "first": self._page_link(1),
            "last": self._page_link(self.num_pages),
        }

    def page(self, number: int) -> dict[str, Any]:
        """One OrderedCollectionPage, numbered from 1."""
        start = (number - 1) * PAGE_SIZE
        document: dict[str, Any] = {
            "@context": CONTEXT,
            **self._page_link(number),
            "partOf": {"id": f"{self._base}/activity/all-changes", "type": "OrderedCollection"},
            "startIndex": start,
            "orderedItems": [
                self._activity(start + offset, change)
                for offset, change in enumerate(self._changes[start : start + PAGE_SIZE])
            ],
        }
        if number > 1:
            document["prev"] = self._page_link(number - 1)
        if number < self.num_pages:
            document["next"] = self._page_link(number + 1)
        return document

    def _page_link(self, number: int) -> dict[str, str]:
        return {"id": f"{self._base}/activity/page-{number}", "type": "OrderedCollectionPage"}

    def _activity(self, position: int, change: Change) -> dict[str, Any]:
        return {
            "id": f"{self._base}/activity/change-{position}",
            "type": change.kind,
            "endTime": change.ended.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "object": {
                "id": change.manifest,
                "type": "Manifest",
                "canonical": change.manifest,
                "seeAlso": [{"id": change.record, "type": "Dataset", "format": "application/json"}],
            },
        }
