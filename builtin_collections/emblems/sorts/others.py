"""Maps, music, blank pages, bindings, colour targets."""

from __future__ import annotations

from PIL import Image

from builtin_collections.emblems.drawing import covers, ornaments, plates
from builtin_collections.emblems.leaf import Leaf
from builtin_collections.emblems.sorts.parts import frame, heading, stamped
from builtin_collections.emblems.truth import PageKind, TextBlock


def map_page(leaf: Leaf, number: int) -> PageKind:
    """A map that fills the sheet."""
    rng = leaf.rng
    pad = leaf.width * rng.uniform(0.015, 0.08)
    size = (round(leaf.width - 2 * pad), round(leaf.height - 2 * pad * rng.uniform(0.8, 1.6)))
    image = plates.map_sheet(
        size, rng, leaf.style.display if leaf.style.display.kind == "roman" else leaf.style.body
    )
    at = (pad, (leaf.height - size[1]) / 2)
    if rng.random() < 0.4 and leaf.style.scan == "colour":
        tint = Image.new("RGB", image.size, rng.choice(((244, 226, 196), (226, 234, 214), (240, 216, 204))))
        wash = (
            plates.cloud(rng.randrange(20), 5)
            .resize(image.size)
            .point(lambda value: 255 if value > 140 else 0)
        )
        paper = Image.new("RGB", image.size, leaf.style.paper)
        paper.paste(tint, (0, 0), wash)
        inked = Image.new("RGB", image.size, leaf.style.ink)
        paper.paste(inked, (0, 0), image.point(lambda value: 255 - value))
        image = paper
    leaf.set_picture("map", image, at)
    return "map"


def music(leaf: Leaf, number: int) -> PageKind:
    """A page of music, often with words below the staves."""
    left, top, width, height = frame(leaf, number)
    if leaf.rng.random() < 0.6:
        top2 = heading(leaf, (left, top, width, height))
        height -= top2 - top
        top = top2
    image, sung = plates.staves((round(width), round(height)), leaf.rng, leaf.style.language, leaf.style.body)
    leaf.set_picture("ornament", image, (left, top), note=False)
    for text, (x, y, w, h) in sung:
        leaf.line_noted(text, (round(left) + x, round(top) + y, w, h))
    return "music"


def blank(leaf: Leaf, number: int) -> PageKind:
    """An empty page: nothing, a pencilled number, or a stamp."""
    if leaf.rng.random() < 0.3:
        line = leaf.line(
            [str(number)],
            leaf.width * 0.86,
            leaf.height * 0.05,
            leaf.style.body,
            round(16 * leaf.unit),
            tone=110,
        )
        leaf.texts.append(TextBlock("number", leaf.style.language, (line,)))
    stamped(leaf, 0.1)
    return "blank"


def binding(leaf: Leaf, number: int) -> PageKind:
    """A cover, or a pastedown of plain or marbled paper, perhaps with an owner's bookplate."""
    rng = leaf.rng
    size = (leaf.width, leaf.height)
    manner = rng.random()
    if manner < 0.6:
        board = covers.cover(size, rng, leaf.style.display, spine=leaf.recto)
        leaf.patches.append((board, 0, 0))
        return "binding"
    paper = covers.marbled(size, rng) if manner < 0.75 else Image.new("RGB", size, leaf.style.paper)
    leaf.patches.append((covers.pastedown(paper, rng, spine=leaf.recto), 0, 0))
    if rng.random() < 0.6:
        _bookplate(leaf)
    return "binding"


def _bookplate(leaf: Leaf) -> None:
    rng = leaf.rng
    size = (round(leaf.unit * rng.uniform(150, 260)), round(leaf.unit * rng.uniform(190, 330)))
    print_ = ornaments.bookplate(size, rng, leaf.style.display)
    coloured = Image.new("RGB", print_.size, (244, 240, 228))
    coloured.paste((40, 34, 32), (0, 0), print_.point(lambda value: 255 - value))
    x, y = (leaf.width - size[0]) * rng.uniform(0.3, 0.7), (leaf.height - size[1]) * rng.uniform(0.15, 0.7)
    leaf.set_picture("bookplate", coloured, (x, y))


def target(leaf: Leaf, number: int) -> PageKind:
    """The colour target at the end of a digitised volume."""
    leaf.patches.append((plates.target((leaf.width, leaf.height), leaf.rng), 0, 0))
    return "target"
