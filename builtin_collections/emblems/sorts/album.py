"""Sheets of card with photographs pasted on them."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing import photographs as shots
from builtin_collections.emblems.leaf import Area, Leaf
from builtin_collections.emblems.truth import PageKind, TextBlock

# Photographs on a sheet: columns and rows, and how many of a hundred sheets have so many.
_GRIDS = {
    1: ((1, 1), 52),
    2: ((1, 2), 20),
    4: ((2, 2), 12),
    6: ((2, 3), 8),
    12: ((3, 4), 5),
    30: ((5, 6), 3),
}


def _spotted(card: Image.Image, rng: random.Random) -> None:
    """Spots of damp and glue, darker or lighter than the card."""
    draw = ImageDraw.Draw(card, "RGBA")
    for _ in range(rng.randint(5, 120)):
        x, y = rng.uniform(0, card.width), rng.uniform(0, card.height)
        radius = rng.expovariate(6 / card.width * 10) + 1
        tone = rng.choice(((70, 52, 34), (240, 232, 214), (40, 36, 34)))
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius * rng.uniform(0.5, 1.5)),
            fill=(*tone, rng.randint(20, 90)),
        )


def photographs(leaf: Leaf, number: int) -> PageKind:
    """A sheet of grey card with one photograph or several pasted on it, a line of caption below each."""
    rng = leaf.rng
    grey = rng.randint(96, 214)
    warm = rng.randint(0, 22)
    card = Image.new("RGB", (leaf.width, leaf.height), (grey, grey - warm // 2, grey - warm))
    if rng.random() < 0.5:
        _spotted(card, rng)
    leaf.patches.append((card, 0, 0))
    count = rng.choices(list(_GRIDS), [share for _, share in _GRIDS.values()])[0]
    columns, rows = _GRIDS[count][0]
    pad = leaf.width * rng.uniform(0.05, 0.11) / max(1, columns / 2)
    wide, tall = (leaf.width - pad * (columns + 1)) / columns, (leaf.height - pad * (rows + 1)) / rows
    for place in range(count):
        x, y = pad + place % columns * (wide + pad), pad + place // columns * (tall + pad)
        _pasted(leaf, (x, y, wide, tall), number + place)
    return "picture"


def _pasted(leaf: Leaf, area: Area, number: int) -> None:
    rng = leaf.rng
    x, y, wide, tall = area
    # A caption of two lines fits below the photograph.
    size = max(8, round(min(15 * leaf.unit * rng.uniform(0.85, 1.3), wide / 11)))
    high = (tall - size * 2.4) * rng.uniform(0.75, 1.0)
    across = min(wide, high * rng.uniform(0.7, 1.5)) * rng.uniform(0.9, 1.0)
    high = min(high, across * rng.uniform(0.66, 1.4))
    shot = Image.merge("RGB", [shots.photograph((max(24, round(across)), max(24, round(high))), rng)] * 3)
    if rng.random() < 0.7:
        tint = rng.choice(((255, 240, 214), (255, 232, 196), (255, 255, 255)))
        shot = shot.point([value * part // 255 for part in tint for value in range(256)])
    if rng.random() < 0.4:
        border = max(2, round(across * 0.03))
        ImageDraw.Draw(shot).rectangle(
            (0, 0, shot.width - 1, shot.height - 1), outline=(236, 232, 222), width=border
        )
    left, top = x + (wide - across) / 2, y + (tall - size * 2.4 - high) / 2
    caption = None
    if rng.random() < 0.85:
        text = words.view(leaf.style.language, rng)
        if rng.random() < 0.3:
            text = words.caption((), number, leaf.style.language, rng)
        caption = _label(leaf, text, (x, top + high + size * 0.3, wide), size)
    tilt = rng.choice((0.0, rng.gauss(0, 1.6)))
    _paste_turned(leaf, shot, (left, top), tilt, caption)


def _label(leaf: Leaf, text: str, place: tuple[float, float, float], size: int) -> TextBlock:
    """A caption on card: on a pasted white slip, or written on the card itself."""
    left, top, width = place
    block = leaf.centred(
        [text], left + width / 2, top, leaf.style.body, size, kind="caption", width=width, leading=1.15
    )
    x, y, w, h = block.box
    card = leaf.patches[0][0]
    slip = leaf.rng.random() < 0.5
    if slip:
        ImageDraw.Draw(card).rectangle((x - 5, y - 4, x + w + 5, y + h + 4), fill=(238, 232, 216))
    mask = leaf.ink.crop((x, y, x + w, y + h)).point(lambda value: 255 - value)
    card.paste((34, 30, 30), (x, y), mask)
    return block


def _paste_turned(
    leaf: Leaf, shot: Image.Image, at: tuple[float, float], tilt: float, caption: TextBlock | None
) -> None:
    mask = Image.new("L", shot.size, 255)
    turned = shot.rotate(-tilt, Image.Resampling.BILINEAR, expand=True) if tilt else shot
    mask = mask.rotate(-tilt, expand=True) if tilt else mask
    x, y = round(at[0] - (turned.width - shot.width) / 2), round(at[1] - (turned.height - shot.height) / 2)
    card = leaf.patches[0][0]
    shadow = card.crop((0, 0, 1, 1)).resize(turned.size).point(lambda value: value * 7 // 10)
    card.paste(shadow, (x + 2, y + 3), mask)
    card.paste(turned, (x, y), mask)
    leaf.set_picture(
        "photograph", Image.new("L", turned.size, 255), (x, y), caption=caption, tilt=round(tilt, 2)
    )
