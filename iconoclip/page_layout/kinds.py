"""The kinds of pages and of boxes on them, and the classes of the model's maps."""

from __future__ import annotations

from typing import Final, Literal

PageKind = Literal["picture", "mixed", "text", "music", "map", "blank", "binding", "target", "spread"]
PAGE_KINDS: Final[tuple[PageKind, ...]] = (
    "picture", "mixed", "text", "music", "map", "blank", "binding", "target", "spread",
)  # fmt: skip
BoxKind = Literal["illustration", "initial", "ornament", "photograph", "map", "stamp", "bookplate"]
BOX_KINDS: Final[tuple[BoxKind, ...]] = (
    "illustration", "initial", "ornament", "photograph", "map", "stamp", "bookplate",
)  # fmt: skip
# The kinds that readers call pictures, in contrast to initials, ornaments and stamps.
PICTURE_KINDS: Final[frozenset[str]] = frozenset({"illustration", "photograph", "map", "bookplate"})
# What SegmOnto (segmonto.github.io) calls a GraphicZone.
GRAPHIC_KINDS: Final[frozenset[str]] = PICTURE_KINDS | {"ornament"}

# One channel of the model's maps each.
CLASSES: Final = (
    "other", "text", "illustration", "ornament", "initial", "photograph", "map", "stamp", "bookplate",
)  # fmt: skip
OTHER, TEXT = 0, 1
CLASS_OF_KIND: Final[dict[str, int]] = {name: number for number, name in enumerate(CLASSES)}
