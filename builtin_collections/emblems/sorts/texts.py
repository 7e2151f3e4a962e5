"""Pages of text: prose, verse, the first and the last page of a chapter."""

from __future__ import annotations

from builtin_collections.emblems.drawing import ornaments
from builtin_collections.emblems.leaf import Leaf
from builtin_collections.emblems.sorts.parts import columns, frame, heading, initial, stamped
from builtin_collections.emblems.truth import PageKind


def text(leaf: Leaf, number: int) -> PageKind:
    """A page of text, in one or two columns, perhaps with an initial or a heading."""
    for place, area in enumerate(columns(leaf, frame(leaf, number))):
        left, top, width, height = area
        if place == 0 and leaf.rng.random() < 0.2:
            top = heading(leaf, (left, top, width, height))
        height -= top - area[1]
        if leaf.rng.random() < 0.4:
            split = leaf.rng.uniform(0.0, 0.6) * height
            if split > leaf.line_height * 2:
                end = leaf.paragraph((left, top, width, split), full=True)
                height -= end - top
                top = end
            indent = initial(leaf, (left, top))
            leaf.paragraph((left, top, width, height), indent=indent)
        else:
            leaf.paragraph((left, top, width, height), full=leaf.rng.random() < 0.9)
    stamped(leaf, 0.04)
    return "text"


def verse(leaf: Leaf, number: int) -> PageKind:
    """Lines of verse with air around them."""
    left, top, width, height = frame(leaf, number)
    if leaf.rng.random() < 0.5:
        top2 = heading(leaf, (left, top, width, height))
        height -= top2 - top
        top = top2
    while height > leaf.line_height * 3:
        used = min(height, leaf.line_height * leaf.rng.randint(4, 12))
        end = leaf.paragraph(
            (left + width * 0.06, top, width * 0.9, used),
            verse=True,
            variant=leaf.rng.choice(("roman", "italic")),
        )
        height -= end - top + leaf.line_height
        top = end + leaf.line_height
    return "text"


def chapter(leaf: Leaf, number: int) -> PageKind:
    """The first page of a chapter: a head-piece, a heading, an initial, text."""
    left, top, width, height = frame(leaf, number, running=False)
    bottom = top + height
    if leaf.rng.random() < 0.8:
        band = round(leaf.unit * leaf.rng.uniform(34, 100))
        if leaf.rng.random() < 0.3:
            band = round(leaf.unit * leaf.rng.uniform(12, 22))
            image = ornaments.flowers((round(width), band), leaf.rng)
        else:
            image = ornaments.head_piece((round(width), band), leaf.rng)
        leaf.set_picture("ornament", image, (left, top), tight=True)
        top += band + leaf.size * 0.8
    top = heading(leaf, (left, top, width, bottom - top))
    indent = initial(leaf, (left, top)) if leaf.rng.random() < 0.85 else (0.0, 0)
    leaf.paragraph((left, top, width, bottom - top), indent=indent)
    stamped(leaf, 0.08)
    return "text"


def chapter_end(leaf: Leaf, number: int) -> PageKind:
    """The last page of a chapter: text, often tapering off, and a tail-piece."""
    left, top, width, height = frame(leaf, number)
    share = leaf.rng.uniform(0.2, 0.68)
    end = leaf.paragraph((left, top, width, height * share))
    room = top + height - end
    side = min(room * 0.8, leaf.unit * leaf.rng.uniform(70, 240), width * 0.7)
    if side > leaf.unit * 40:
        wide = round(side * leaf.rng.uniform(0.9, 1.6))
        wide = min(wide, round(width))
        image = ornaments.tail_piece((wide, round(side)), leaf.rng)
        leaf.set_picture(
            "ornament", image, (left + (width - wide) / 2, end + (room - side) * 0.35), tight=True
        )
    return "text"
