"""What bindings show: covers, marbled paper, the turn-ins around a pastedown."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing import figures
from builtin_collections.emblems.drawing.ink import Pen
from builtin_collections.emblems.drawing.lettering import Typeface
from builtin_collections.emblems.drawing.plates import cloud

Colour = tuple[int, ...]

# Leather, cloth and parchment.
_COLOURS: Final = (
    (92, 58, 36),
    (116, 76, 44),
    (64, 40, 34),
    (140, 104, 66),
    (70, 76, 62),
    (112, 36, 34),
    (206, 190, 156),
)
_GOLD: Final = (200, 164, 84)


@dataclass(frozen=True)
class _Board:
    """A cover while it is drawn. `spine` is true where the spine is at its left."""

    canvas: Image.Image
    colour: Colour
    gold: Colour
    rng: random.Random
    face: Typeface
    spine: bool

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.canvas)

    def across(self, share: float) -> float:
        """A distance from the spine, as a share of the width, in pixels from the left."""
        return self.canvas.width * (share if self.spine else 1 - share)

    def bar(self, start: float, end: float, top: float, bottom: float, fill: Colour) -> None:
        """A rectangle between two distances from the spine."""
        left, right = sorted((self.across(start), self.across(end)))
        self.draw.rectangle((left, top, right, bottom), fill=fill)


def leather(size: tuple[int, int], colour: Colour) -> Image.Image:
    """Plain leather, cloth or parchment, mode RGB."""
    canvas = Image.new("RGB", size, colour)
    grain = Image.blend(cloud(1, 220, (512, 512)), cloud(2, 40, (512, 512)), 0.5).resize(size)
    return ImageChops.soft_light(canvas, Image.merge("RGB", (grain,) * 3))


def cover(size: tuple[int, int], rng: random.Random, face: Typeface, *, spine: bool) -> Image.Image:
    """A binding's cover in leather, cloth or parchment, mode RGB.

    It has a joint along the spine, worn edges, and at least one of frames, a stamp, bands, ties and a label.
    These tell it from an empty leaf in black and white too.

    Args:
        spine: whether the spine is at the left, as on a front cover.
    """
    colour = rng.choice(_COLOURS)
    gold = rng.choice((_GOLD, _darker(colour, 2 / 3), _darker(colour, 1 / 2)))
    board = _Board(leather(size, colour), colour, gold, rng, face, spine)
    signs = (_frames, _stamp, _bands, _ties, _label)
    for sign in rng.sample(signs, rng.randint(1, 3)):
        sign(board)
    _joint(board)
    worn = Image.radial_gradient("L").resize(size).point(lambda value: 255 - max(0, value - 150) // 2)
    return ImageChops.multiply(board.canvas, Image.merge("RGB", (worn,) * 3))


def _frames(board: _Board) -> None:
    width, height = board.canvas.size
    for share in board.rng.sample((0.04, 0.06, 0.12, 0.16), board.rng.randint(1, 3)):
        inset = share * width
        board.draw.rectangle(
            (inset, inset, width - inset, height - inset), outline=board.gold, width=board.rng.randint(1, 3)
        )


def _stamp(board: _Board) -> None:
    width, height = board.canvas.size
    patch = Image.new("L", (width // 2, width // 2), 255)
    shape = figures.figure(board.rng.choice(("lily", "rose", "crown", "lion", "sun")))
    Pen(patch, 0, 3, board.rng).figure(shape, (width / 4, width / 4), width * 0.16, [255])
    mask = patch.point(lambda value: 255 - value)
    board.canvas.paste(board.gold, (width // 4, height // 2 - width // 4), mask)


def _bands(board: _Board) -> None:
    """The ends of the bands that the leaves are sewn on."""
    height = board.canvas.height
    count = board.rng.randint(3, 6)
    for number in range(count):
        y = height * (number + 1) / (count + 1)
        board.bar(0, 0.07, y, y + height * 0.014, _darker(board.colour, 0.7))


def _ties(board: _Board) -> None:
    """The rests of two pairs of ties at the front edge, or clasps of brass."""
    width, height = board.canvas.size
    is_brass = board.rng.random() < 0.3
    fill = (168, 132, 58) if is_brass else board.rng.choice(((120, 92, 60), (90, 104, 84), (226, 214, 186)))
    for share in (0.25, 0.75):
        y = height * share
        deep = board.rng.uniform(0.05, 0.12)
        board.bar(1 - deep, 1, y - height * 0.009, y + height * 0.009, _darker(fill, 0.6))
        board.bar(1 - deep, 1, y - height * 0.006, y + height * 0.006, fill)
    if not is_brass:
        end = height * (0.25 + board.rng.uniform(0.05, 0.15))
        board.draw.line(
            (board.across(0.99), height * 0.25, board.across(board.rng.uniform(0.86, 0.97)), end),
            fill=fill, width=max(2, width // 90),
        )  # fmt: skip


def _label(board: _Board) -> None:
    """A paper label with a title, or a title in gold."""
    width, height = board.canvas.size
    is_paper = board.rng.random() < 0.7
    size = max(9, round(height * board.rng.uniform(0.018, 0.03)))
    masks = [board.face.word(word, size).mask for word in words.motto(board.rng).split()]
    across, down = max(mask.width for mask in masks) + 2 * size, round((len(masks) * 1.4 + 2) * size)
    x = round((width - across) * board.rng.uniform(0.3, 0.7))
    y = round(height * board.rng.choice((0.06, 0.16, 0.3)))
    if is_paper:
        board.draw.rectangle(
            (x, y, x + across, y + down), fill=(232, 224, 202), outline=(92, 80, 62), width=2
        )
    for number, mask in enumerate(masks):
        at = (x + (across - mask.width) // 2, y + round((number * 1.4 + 1) * size))
        board.canvas.paste((44, 36, 32) if is_paper else board.gold, at, mask)


def _joint(board: _Board) -> None:
    """The groove between the spine and the board: dark, and light next to it."""
    height = board.canvas.height
    at = board.rng.uniform(0.02, 0.05)
    board.bar(at, at + 0.012, 0, height, _darker(board.colour, 0.55))
    board.bar(at + 0.013, at + 0.018, 0, height, tuple(min(255, value + 26) for value in board.colour))


def pastedown(paper: Image.Image, rng: random.Random, *, spine: bool) -> Image.Image:
    """The inside of a cover, mode RGB: a sheet pasted on it, with turn-ins of leather around three sides that
    meet in mitres, their other edges seen through the sheet, and the hinge at the spine.

    Args:
        paper: the sheet; its size is that of the cover.
        spine: whether the spine is at the left.
    """
    colour = rng.choice(_COLOURS)
    board = _Board(leather(paper.size, colour), colour, colour, rng, Typeface(), spine)
    width, height = paper.size
    edge = round(width * rng.uniform(0.025, 0.07))
    inner, under = 1 - edge / width, 1 - (edge / width + rng.uniform(0.03, 0.06))
    for outside, inside in ((0, edge), (height, height - edge)):
        line = (board.across(1), outside, board.across(inner), inside)
        board.draw.line(line, fill=_darker(colour, 0.45), width=max(2, width // 200))
    left, right = sorted((round(board.across(0)), round(board.across(inner))))
    board.canvas.paste(paper.crop((left, edge, right, height - edge)), (left, edge))
    sheet = paper.resize((1, 1)).getpixel((0, 0))
    assert isinstance(sheet, tuple), "the sheet has colours"
    shadow = _darker(sheet, 0.8)
    x, deep = board.across(under), (1 - under) * width
    board.draw.line((left, deep, x, deep) if spine else (x, deep, right, deep), fill=shadow, width=2)
    board.draw.line((x, deep, x, height - deep), fill=shadow, width=2)
    board.bar(0, 0.018, edge, height - edge, _darker(sheet, 0.5))
    return board.canvas


def marbled(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """Marbled paper, mode RGB."""
    wide = Image.merge("RGB", [cloud(rng.randrange(40), cells) for cells in (18, 22, 26)])
    bands = wide.point([(value * 7) % 256 for value in range(256)] * 3).filter(ImageFilter.BoxBlur(1))
    tint = Image.new("RGB", bands.size, rng.choice(((190, 150, 130), (130, 150, 180), (180, 170, 130))))
    return Image.blend(bands, tint, 0.45).resize(size)


def _darker(colour: Sequence[float], share: float) -> Colour:
    return tuple(round(value * share) for value in colour)
