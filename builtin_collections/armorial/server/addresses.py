"""The URLs of an archive's documents. Only this module makes and reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from builtin_collections.armorial.collection import Item


@dataclass(frozen=True)
class Addresses:
    """One archive's URLs below `base` (scheme, host and port; no slash at the end).

    `image_prefix` comes before an image's identifier. If it contains a slash, the identifier is
    percent-encoded, as the Image API requires (3.0 section 3.2).
    """

    base: str
    image_prefix: str = ""

    def collection(self, roll: int | None = None) -> str:
        """The top collection, or the collection of one roll."""
        return f"{self.base}/collection/{'top' if roll is None else f'roll-{roll}'}"

    def manifest(self, item: Item) -> str:
        """The manifest of an item."""
        return f"{self.base}/iiif/{item.identifier}/manifest"

    def canvas(self, item: Item, copy: int) -> str:
        """The canvas of one drawing; an identifier, nothing is served there."""
        return f"{self.base}/iiif/{item.identifier}/canvas/{copy + 1}"

    def image(self, item: Item, copy: int) -> str:
        """The image service of one drawing."""
        identifier = quote(f"{self.image_prefix}{item.identifier}-{copy + 1}", safe="")
        return f"{self.base}/image/{identifier}"

    def page(self, item: Item) -> str:
        """The item's page for people."""
        return f"{self.base}/item/{item.identifier}"

    def record(self, item: Item) -> str:
        """The item's record for programs."""
        return f"{self.base}/record/{item.identifier}.json"

    def image_of(self, encoded: str, items: Mapping[str, Item]) -> tuple[Item, int] | None:
        """The drawing that an encoded image identifier names: its item and copy, from 0."""
        found = re.fullmatch(r"([a-z]{1,8}-\d{1,8})-([12])", unquote(encoded).removeprefix(self.image_prefix))
        item = items.get(found[1]) if found else None
        if found is None or item is None or int(found[2]) > item.num_copies:
            return None
        return item, int(found[2]) - 1
