"""From ink to an image: paper, age, the verso that shines through, the gutter, the camera."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from builtin_collections.emblems.drawing.plates import cloud
from builtin_collections.emblems.leaf import Leaf
from builtin_collections.emblems.style import Colour, Style
from builtin_collections.emblems.truth import Placement, Truth

_GROUND = (1400, 1400)


@lru_cache(6)
def _ground(number: int) -> Image.Image:
    """The unevenness of paper, mean 244, grey in mode RGB."""
    rng = np.random.default_rng([77, number])
    values = 244 + 5.0 * rng.standard_normal((_GROUND[1], _GROUND[0]), dtype=np.float32)
    for cells, weight in ((4, 0.06), (20, 0.035), (120, 0.03)):
        values += weight * (np.asarray(cloud(number * 7 + cells, cells, _GROUND), dtype=np.float32) - 128)
    if number % 2:  # laid paper: the lines of the mould
        values += 2.0 * np.sin(np.arange(_GROUND[0], dtype=np.float32) / (3.1 + number * 0.2))[None, :]
    grey = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return Image.merge("RGB", (grey,) * 3)


def on_paper(leaf: Leaf, verso: Image.Image | None) -> Image.Image:
    """The leaf as it looks, mode RGB.

    Args:
        verso: the ink of the other side (mode L, 255 is paper); it may be smaller.
    """
    style, rng = leaf.style, leaf.rng
    ink = leaf.ink
    if style.scan != "bitonal" and rng.random() < 0.6:
        ink = ink.filter(ImageFilter.BoxBlur(0.5))
    if verso is not None and style.show_through > 0.02:
        ink = ImageChops.multiply(ink, _shining_through(verso, ink.size, style.show_through))
    sheet = _coloured(ink, style.paper, style.ink)
    for mask, x, y, colour in leaf.tints:
        sheet.paste(colour, (x, y), mask)
    for patch, x, y in leaf.patches:
        sheet.paste(patch, (x, y))
    ground = _ground(rng.randrange(6))
    left, top = rng.randrange(_GROUND[0] - sheet.width + 1), rng.randrange(_GROUND[1] - sheet.height + 1)
    shade = ground.crop((left, top, left + sheet.width, top + sheet.height))
    return _aged(ImageChops.multiply(sheet, shade), style, rng)


def _coloured(ink: Image.Image, paper: Colour, black: Colour) -> Image.Image:
    tables: list[int] = []
    for light, dark in zip(paper, black, strict=True):
        tables += [dark + (light - dark) * value // 255 for value in range(256)]
    return Image.merge("RGB", (ink,) * 3).point(tables)


def _shining_through(verso: Image.Image, size: tuple[int, int], strength: float) -> Image.Image:
    small = verso.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.BoxBlur(1)).resize(size)
    return small.point([round(255 - (255 - value) * min(0.4, strength)) for value in range(256)])


def _aged(sheet: Image.Image, style: Style, rng: random.Random) -> Image.Image:
    draw = ImageDraw.Draw(sheet, "RGBA")
    width, height = sheet.size
    for _ in range(int(rng.random() * 40 * style.foxing)):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.expovariate(0.6) + 0.6
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=(120, 78, 40, rng.randint(30, 110))
        )
    if rng.random() < 0.25 * (0.3 + style.foxing):
        _water_stain(sheet, rng)
    if rng.random() < 0.5:
        edges = (
            Image.radial_gradient("L")
            .resize(sheet.size)
            .point(lambda value: 255 - max(0, value - 170) * 5 // 12)
        )
        sheet = ImageChops.multiply(
            sheet, Image.merge("RGB", (edges, edges, edges.point(lambda value: max(0, value - 4))))
        )
    return sheet


def _water_stain(sheet: Image.Image, rng: random.Random) -> None:
    width, height = sheet.size
    corner = (rng.choice((0, width)), rng.choice((0, height)))
    mask = Image.new("L", (width // 4, height // 4))
    draw = ImageDraw.Draw(mask)
    for _ in range(5):
        x, y = corner[0] / 4 + rng.gauss(0, width / 20), corner[1] / 4 + rng.gauss(0, height / 20)
        radius = width / 4 * rng.uniform(0.15, 0.5)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rng.randint(24, 60))
    sheet.paste((120, 88, 50), (0, 0), mask.filter(ImageFilter.BoxBlur(2)).resize(sheet.size))


def gutter(sheet: Image.Image, *, at_left: bool, rng: random.Random) -> Image.Image:
    """The sheet with the shadow of the fold along one side."""
    width = max(4, round(sheet.width * rng.uniform(0.02, 0.12)))
    dark = rng.randint(60, 190)
    row = bytes(255 - dark + dark * place // width for place in range(width))
    fade = Image.frombytes("L", (width, 1), row if at_left else row[::-1]).resize((width, sheet.height))
    x = 0 if at_left else sheet.width - width
    strip = sheet.crop((x, 0, x + width, sheet.height))
    sheet.paste(ImageChops.multiply(strip, Image.merge("RGB", (fade,) * 3)), (x, 0))
    return sheet


@dataclass(frozen=True)
class Camera:
    """How a leaf (or two) lies in its image. `margins`: left, right, top and bottom, in pixels."""

    leaf_height: int
    leaves: int
    size: tuple[int, int]
    margins: tuple[int, int, int, int]
    degrees: float


def camera(style: Style, rng: random.Random, leaves: int, long_side: int) -> Camera:
    """A view of one leaf or two whose image has `long_side` pixels on its longer side."""
    shares = [max(0.0, rng.gauss(0.015, 0.015)) for _ in range(4)]
    if style.scan == "bitonal" and rng.random() < 0.3:
        shares = [share + rng.uniform(0, 0.18) for share in shares]
    degrees = style.skew * 0.5 + rng.gauss(0, 0.5) if rng.random() < 0.65 else 0.0
    left, right, top, bottom = shares
    height = int(long_side / max(1 + top + bottom, leaves * style.proportion + left + right)) - 1
    margins = (round(left * height), round(right * height), round(top * height), round(bottom * height))
    size = (
        leaves * round(height * style.proportion) + margins[0] + margins[1],
        height + margins[2] + margins[3],
    )
    return Camera(height, leaves, size, margins, degrees if abs(degrees) >= 0.2 else 0.0)


def photographed(
    sheet: Image.Image, truth: Truth, style: Style, view: Camera, rng: random.Random
) -> tuple[Image.Image, Truth]:
    """The sheet as it lies under the camera: on a bed, a little askew; and the truth moved along."""
    width, height = sheet.size
    left, _, top, _ = view.margins
    image = Image.new("RGB", view.size, style.bed)
    image.paste(sheet, (left, top))
    if view.degrees:
        middle = (left + width / 2, top + height / 2)
        image = image.rotate(-view.degrees, Image.Resampling.BILINEAR, center=middle, fillcolor=style.bed)
    place = Placement((width, height), (left, top), view.degrees, view.size)
    return as_scanned(image, style, rng), truth.moved(place, view.size)


def as_scanned(image: Image.Image, style: Style, rng: random.Random) -> Image.Image:
    """The image in colour, in grey with the contrast of a film, or in black and white."""
    if style.scan == "colour":
        return image
    grey = image.convert("L")
    if style.scan == "grey":
        low, high = rng.randint(10, 50), rng.randint(190, 235)
        return grey.point(
            [max(0, min(255, (value - low) * 255 // (high - low))) for value in range(256)]
        ).convert("RGB")
    light = sum(style.paper) / 3
    threshold = light * rng.uniform(0.52, 0.74)
    return grey.point([255 if value > threshold else 0 for value in range(256)]).convert("RGB")
