"""The sorts of pages of a book of emblems, and what makes each."""

from __future__ import annotations

from collections.abc import Callable

from builtin_collections.emblems.leaf import Leaf
from builtin_collections.emblems.sorts import album, others, pictures, texts
from builtin_collections.emblems.truth import PageKind

Maker = Callable[[Leaf, int], PageKind]

# Sorts of pages and how many of a hundred pages inside a volume they are.
INSIDE: dict[str, tuple[Maker, int]] = {
    "text": (texts.text, 26),
    "verse": (texts.verse, 6),
    "chapter": (texts.chapter, 10),
    "chapter_end": (texts.chapter_end, 7),
    "emblem": (pictures.emblem, 16),
    "illustrated": (pictures.illustrated, 13),
    "plate": (pictures.plate, 9),
    "small_pictures": (pictures.small_pictures, 2),
    "music": (others.music, 3),
    "map": (others.map_page, 2),
    "blank": (others.blank, 5),
}

# Those at the beginning and the end of a volume, and those of albums.
OUTSIDE: dict[str, Maker] = {
    "title": pictures.title_page,
    "binding": others.binding,
    "target": others.target,
    "photographs": album.photographs,
}
