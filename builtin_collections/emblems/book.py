"""Volumes: the order of their pages, and each page as an image with its truth.

The same seed gives the same volume.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from builtin_collections.emblems import pages, paper
from builtin_collections.emblems.leaf import Leaf
from builtin_collections.emblems.sorts import texts
from builtin_collections.emblems.style import Style, choose
from builtin_collections.emblems.truth import Placement, Truth

LONG_SIDE = 1100
"""The longer side of a page's image, in pixels."""
DRAWING_VERSION = 2
"""Raised whenever the same seed would give other pixels."""


@dataclass(frozen=True)
class Sheet:
    """One image of a volume: the sorts of page that it shows (two in a spread), and its label."""

    number: int
    sorts: tuple[str, ...]
    label: str
    recto: bool = True


@dataclass(frozen=True)
class Volume:
    """A volume of a collection: `seed` is the collection's, `number` the volume's within it."""

    seed: int
    number: int
    style: Style
    sheets: Sequence[Sheet]

    @property
    def name(self) -> str:
        """The identifier of the volume, as emblems-0-0007."""
        return f"emblems-{self.seed}-{self.number:04d}"


MAKERS: dict[str, pages.Maker] = {
    **{name: maker for name, (maker, _) in pages.INSIDE.items()},
    **pages.OUTSIDE,
}
"""What makes each sort of page."""


@lru_cache(256)
def volume(seed: int, number: int, *, num_pages: int = 48) -> Volume:
    """The volume `number` of the collection `seed`, with `num_pages` images (at least 8)."""
    rng = random.Random(f"volume {seed} {number}")
    style = choose(rng)
    album = style.century >= 19 and rng.random() < 0.4
    spreads = not album and rng.random() < 0.14
    return Volume(seed, number, style, tuple(_sheets(rng, num_pages, album=album, spreads=spreads)))


def _sheets(rng: random.Random, num_pages: int, *, album: bool, spreads: bool) -> list[Sheet]:
    first = [
        ("binding", "front cover"),
        ("binding", "front pastedown"),
        ("blank", "flyleaf"),
        ("title", "title page"),
    ]
    last = [
        ("blank", "end leaf"),
        ("binding", "back pastedown"),
        ("binding", "back cover"),
        ("target", "colour target"),
    ]
    found = [Sheet(place, (sort,), label, place % 2 == 0) for place, (sort, label) in enumerate(first)]
    for number in range(1, num_pages - len(first) - len(last) + 1):
        recto = number % 2 == 1
        label = f"{(number + 1) // 2}{'r' if recto else 'v'}"
        sorts: tuple[str, ...] = (_inside(rng, album),)
        if spreads:
            sorts, label = (*sorts, _inside(rng, album)), f"{number}v-{number + 1}r"
        found.append(Sheet(len(found), sorts, label, recto))
    return found + [Sheet(len(found) + place, (sort,), label) for place, (sort, label) in enumerate(last)]


def _inside(rng: random.Random, album: bool) -> str:
    if album:
        return rng.choices(("photographs", "text", "blank", "plate"), (70, 12, 8, 10))[0]
    return rng.choices(list(pages.INSIDE), [share for _, share in pages.INSIDE.values()])[0]


def view_of(book: Volume, number: int) -> paper.Camera:
    """How the image `number` was taken, which gives its size before it is drawn."""
    rng = random.Random(f"camera {book.seed} {book.number} {number}")
    return paper.camera(book.style, rng, len(book.sheets[number].sorts), LONG_SIDE)


def page(book: Volume, number: int) -> tuple[Image.Image, Truth]:
    """The image of one page (mode RGB, its longer side at most LONG_SIDE), and what is on it."""
    sheet, view = book.sheets[number], view_of(book, number)
    rng = random.Random(f"page {book.seed} {book.number} {number}")
    if len(sheet.sorts) > 1:
        image, truth = _spread(book, sheet, view.leaf_height, rng)
    else:
        leaf, truth = leaf_of(book, sheet, rng, view.leaf_height)
        bare = truth.kind in ("binding", "target")
        image = _finished(leaf, rng, bare=bare)
        if not bare and rng.random() < 0.6:
            image = paper.gutter(image, at_left=sheet.recto, rng=rng)
    return paper.photographed(image, truth, book.style, view, rng)


def leaf_of(book: Volume, sheet: Sheet, rng: random.Random, height: int) -> tuple[Leaf, Truth]:
    """The leaf of a sheet, `height` pixels tall, before it is laid on paper."""
    leaf = Leaf(book.style, rng, height, recto=sheet.recto)
    kind = MAKERS[sheet.sorts[0]](leaf, sheet.number)
    return leaf, leaf.truth(kind)


def _finished(leaf: Leaf, rng: random.Random, *, bare: bool) -> Image.Image:
    verso = None
    if not bare and leaf.style.show_through > 0.03 and leaf.style.scan != "bitonal":
        # The other side is drawn at half the size: nobody reads it.
        other = Leaf(leaf.style, random.Random(rng.random()), leaf.height // 2, recto=not leaf.recto)
        texts.text(other, 1)
        verso = other.ink
    return paper.on_paper(leaf, verso)


def _spread(book: Volume, sheet: Sheet, height: int, rng: random.Random) -> tuple[Image.Image, Truth]:
    """Two facing pages next to each other."""
    images, truths = [], []
    for recto, sort in ((False, sheet.sorts[0]), (True, sheet.sorts[1])):
        side = Sheet(sheet.number * 2 + recto, (sort,), sheet.label, recto)
        leaf, truth = leaf_of(book, side, rng, height)
        images.append(paper.gutter(_finished(leaf, rng, bare=False), at_left=recto, rng=rng))
        truths.append(truth)
    width = images[0].width
    both = Image.new("RGB", (width * 2, height))
    both.paste(images[0], (0, 0))
    both.paste(images[1], (width, 0))
    moved = truths[1].moved(Placement((width, height), (width, 0)), both.size)
    return both, Truth(
        "spread", both.size, truths[0].pictures + moved.pictures, truths[0].texts + moved.texts
    )
