"""What fills a sheet: maps, staves of music, a colour target."""

from __future__ import annotations

import math
import random
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from builtin_collections.armorial.drawing.outline import arc, spline
from builtin_collections.emblems import words
from builtin_collections.emblems.drawing import figures
from builtin_collections.emblems.drawing.ink import Pen
from builtin_collections.emblems.drawing.lettering import Typeface

_FINER = 2


@lru_cache(32)
def cloud(seed: int, cells: int, size: tuple[int, int] = (512, 512)) -> Image.Image:
    """Smooth noise of mean 128, mode L, with about `cells` patches across."""
    coarse = np.random.default_rng([seed, cells]).normal(128, 46, (cells + 1, cells + 1))
    return Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def map_sheet(size: tuple[int, int], rng: random.Random, face: Typeface) -> Image.Image:
    """An engraved map with coasts, rivers, hills, towns, a compass, a cartouche, a graduated frame."""
    canvas = Image.new("L", (size[0] * _FINER, size[1] * _FINER), 255)
    width, height = canvas.size
    pen = Pen(canvas, 0, max(1.5, width / 900), rng, unsteady=2.5)
    coast = _coast(rng, width, height)
    land = Image.new("L", canvas.size)
    ImageDraw.Draw(land).polygon(pen.traced(coast), fill=255)
    sea = land.point(lambda value: 255 - value)
    near = (
        land.reduce(16)
        .filter(ImageFilter.BoxBlur(2))
        .resize(land.size)
        .point(lambda value: 255 if value > 8 else 0)
    )
    pen.shade(ImageChops.multiply(sea, near), 0, 8, 2)
    pen.stroke(np.vstack([coast, coast[:1]]), width=2)
    inside = np.asarray(land.reduce(8)) > 128
    spots = [(int(x) * 8, int(y) * 8) for y, x in np.argwhere(inside)[:: max(1, int(inside.sum() // 400))]]
    rng.shuffle(spots)
    for x, y in spots[:60]:
        hump = arc((x, y), (width * 0.008, width * 0.01), 180, 360, 8)
        pen.stroke(hump)
        pen.stroke(np.add(hump[4:], (width * 0.002, 0)))
    for x, y in spots[60:100]:
        pen.stroke(arc((x, y), width * 0.003, num_points=8), width=1.5)
        _write(
            canvas, words.place(rng), (x + width * 0.006, y), max(14, round(width * 0.013)), face, "italic"
        )
    for x, y in spots[100:106]:
        bends = [
            (x + k * width * 0.03, y + rng.gauss(0, 0.012) * height + k * rng.choice((-1, 1)) * 0.02 * height)
            for k in range(7)
        ]
        pen.stroke(spline(bends), width=1.2)
    for x, y in spots[106:150]:
        size_px = width * 0.006
        pen.figure(figures.figure("tree"), (x, y), size_px, [255])
    _compass(pen, (width * rng.choice((0.12, 0.88)), height * rng.choice((0.15, 0.85))), width * 0.06)
    _graduated(canvas, rng)
    _cartouche(canvas, pen, rng, face)
    return canvas.reduce(_FINER)


def _coast(rng: random.Random, width: int, height: int) -> np.ndarray:
    turn = np.linspace(0, 2 * math.pi, 160, endpoint=False)
    radius = np.full_like(turn, rng.uniform(0.36, 0.5))
    for wave in (2, 3, 5, 9, 17, 31):
        radius += 0.11 / wave**0.8 * rng.uniform(0.4, 1.0) * np.sin(wave * turn + rng.uniform(0, 6))
    center = (rng.uniform(0.4, 0.6) * width, rng.uniform(0.4, 0.6) * height)
    return np.column_stack(
        [center[0] + radius * width * np.cos(turn), center[1] + radius * height * np.sin(turn)]
    )


def _write(
    canvas: Image.Image, text: str, at: tuple[float, float], size: int, face: Typeface, variant: str
) -> None:
    x = at[0]
    for each in text.split(" "):
        word = face.word(each, size, variant)
        canvas.paste(0, (round(x), round(at[1]) - word.above), word.mask)
        x += word.advance + face.space(size)


def _compass(pen: Pen, center: tuple[float, float], size: float) -> None:
    for number in range(8):
        angle = number * math.pi / 4
        reach = size if number % 2 == 0 else size * 0.6
        tip = (center[0] + reach * math.cos(angle), center[1] + reach * math.sin(angle))
        for side, tone in ((0.35, 0), (-0.35, 255)):
            waist = (
                center[0] + 0.22 * size * math.cos(angle + side),
                center[1] + 0.22 * size * math.sin(angle + side),
            )
            outline = np.array([center, waist, tip, center])
            pen.fill(outline, tone)
            pen.stroke(outline, width=0.6)
    pen.stroke(arc(center, size * 0.75, 0, 360, 40), width=0.8)


def _graduated(canvas: Image.Image, rng: random.Random) -> None:
    width, height = canvas.size
    draw = ImageDraw.Draw(canvas)
    edge = round(width * rng.uniform(0.012, 0.025))
    draw.rectangle((0, 0, width - 1, height - 1), outline=0, width=4)
    for x, y, w, h in ((0, 0, width, edge), (0, height - edge, width, edge), (0, 0, edge, height),
                       (width - edge, 0, edge, height)):  # fmt: skip
        draw.rectangle((x, y, x + w, y + h), fill=255, outline=0, width=2)
        long = max(w, h)
        for number in range(0, 40, 2):
            start, end = long * number / 40, long * (number + 1) / 40
            part = (x + start, y + edge * 0.35, x + end, y + edge * 0.65) if w > h else (
                x + edge * 0.35, y + start, x + edge * 0.65, y + end)  # fmt: skip
            draw.rectangle(part, fill=0)
    draw.rectangle((edge, edge, width - edge, height - edge), outline=0, width=3)


def _cartouche(canvas: Image.Image, pen: Pen, rng: random.Random, face: Typeface) -> None:
    width, height = canvas.size
    w, h = round(width * rng.uniform(0.22, 0.34)), round(height * rng.uniform(0.12, 0.18))
    x = round(width * 0.05) if rng.random() < 0.5 else round(width * 0.95) - w
    y = round(height * 0.06) if rng.random() < 0.5 else round(height * 0.94) - h
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((x, y, x + w, y + h), fill=255, outline=0, width=4)
    inset = round(h * 0.16)
    pen.shade(Image.new("L", (w, h), 255), 45, 9, 2, at=(x, y))
    draw.rectangle((x + inset, y + inset, x + w - inset, y + h - inset), fill=255, outline=0, width=3)
    size = round(h * 0.22)
    for line, text in enumerate((rng.choice(("CARTE DV PAYS", "TABVLA NOVA", "EIGENTLICHE KARTE",
                                             "A NEW MAP")),
                                 f"de {words.place(rng)}")):  # fmt: skip
        at = (x + inset + h * 0.1, y + inset + h * (0.26 + 0.26 * line))
        while face.width_of(text, size) > w - 2 * inset - h * 0.15 and size > 8:
            size -= 1
        _write(canvas, text, at, size, face, "roman")


def staves(
    size: tuple[int, int], rng: random.Random, language: str, face: Typeface
) -> tuple[Image.Image, list[tuple[str, tuple[int, int, int, int]]]]:
    """Staves with notes and the words sung below them; also the lines of words with their boxes."""
    canvas = Image.new("L", (size[0] * _FINER, size[1] * _FINER), 255)
    width, height = canvas.size
    old = rng.random() < 0.4
    num_lines, gap = (4 if old else 5), max(8, round(width / rng.randint(75, 105)))
    step = gap * rng.uniform(9.5, 12.5)
    lines = []
    y = gap * 2.0
    draw = ImageDraw.Draw(canvas)
    with_words = rng.random() < 0.8
    while y + step < height:
        for number in range(num_lines):
            draw.line((0, y + number * gap, width, y + number * gap), fill=0, width=max(1, gap // 8))
        _notes(draw, rng, width, y, gap, num_lines, old)
        if with_words:
            text = _sung(rng, language, face, round(gap * 2.2), width)
            at = (gap * 2.0, y + gap * (num_lines + 2.6))
            _write(canvas, text, at, round(gap * 2.2), face, "roman")
            box = (round(at[0] / _FINER), round((at[1] - gap * 1.6) / _FINER),
                   round(face.width_of(text, round(gap * 2.2)) / _FINER),
                   round(gap * 2.2 / _FINER))  # fmt: skip
            lines.append((text, box))
        y += step
    return canvas.reduce(_FINER), lines


def _sung(rng: random.Random, language: str, face: Typeface, size: int, width: int) -> str:
    text = " ".join(words.sentence(language, rng))
    while face.width_of(text, size) < width * 0.8:
        text += " " + " ".join(words.sentence(language, rng))
    while face.width_of(text, size) > width * 0.92:
        text = text.rpartition(" ")[0]
    return text


def _notes(
    draw: ImageDraw.ImageDraw, rng: random.Random, width: int, y: float, gap: int, num_lines: int, old: bool
) -> None:
    draw.line((0, y, 0, y + (num_lines - 1) * gap), fill=0, width=max(2, gap // 4))
    draw.arc((gap, y - gap, gap * 2.6, y + gap * num_lines), 90, 400, fill=0, width=max(2, gap // 4))
    x, place = gap * 4.5, rng.randint(0, 2 * num_lines - 2)
    while x < width - gap * 2:
        place = min(2 * num_lines, max(-2, place + rng.choice((-2, -1, -1, 1, 1, 2))))
        cy = y + place * gap / 2
        if old:
            draw.rectangle((x - gap * 0.5, cy - gap * 0.45, x + gap * 0.5, cy + gap * 0.45), fill=0)
            if rng.random() < 0.3:
                draw.line((x + gap * 0.5, cy, x + gap * 0.5, cy + gap * 2), fill=0, width=2)
        else:
            hollow = rng.random() < 0.3
            draw.ellipse((x - gap * 0.6, cy - gap * 0.42, x + gap * 0.6, cy + gap * 0.42),
                         fill=None if hollow else 0, outline=0, width=max(2, gap // 5))  # fmt: skip
            up = place > num_lines
            stem = x + gap * 0.55 if up else x - gap * 0.55
            end = cy - gap * 3.2 if up else cy + gap * 3.2
            draw.line((stem, cy, stem, end), fill=0, width=max(2, gap // 7))
            if rng.random() < 0.3 and not hollow:
                draw.line(
                    (stem, end, stem + gap, end + (gap if up else -gap)), fill=0, width=max(2, gap // 4)
                )
        x += gap * rng.choice((2.2, 2.8, 3.4))
        if rng.random() < 0.12:
            draw.line((x, y, x, y + (num_lines - 1) * gap), fill=0, width=2)
            x += gap * 1.6


def target(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A colour target: patches of colour and grey, a ruler, on black or grey; mode RGB."""
    width, height = size
    canvas = Image.new("RGB", size, rng.choice(((18, 18, 18), (110, 110, 110), (60, 60, 62))))
    draw = ImageDraw.Draw(canvas)
    columns = rng.choice((6, 10, 14))
    rows = max(2, round(columns * height / width * rng.uniform(0.5, 0.9)))
    side = min(width * 0.86 / columns, height * 0.7 / rows)
    left, top = (width - side * columns) / 2, (height - side * rows) / 2 * rng.uniform(0.5, 1.2)
    draw.rectangle(
        (left - side * 0.3, top - side * 0.3, left + side * (columns + 0.3), top + side * (rows + 0.3)),
        fill=(24, 24, 24),
    )
    gap = side * 0.06
    for row in range(rows):
        for column in range(columns):
            grey = 255 - round(245 * column / max(1, columns - 1))
            colour = (grey, grey, grey) if row == rows - 1 else tuple(rng.randint(20, 245) for _ in range(3))
            x, y = left + side * column, top + side * row
            draw.rectangle((x + gap, y + gap, x + side - gap, y + side - gap), fill=colour)
    ruler(canvas, rng)
    return canvas


def ruler(canvas: Image.Image, rng: random.Random) -> None:
    """A ruler along the foot of the image."""
    width, height = canvas.size
    draw = ImageDraw.Draw(canvas)
    y, h = height * 0.93, height * 0.05
    draw.rectangle(
        (width * 0.06, y, width * 0.94, y + h), fill=rng.choice(((240, 240, 236), (220, 200, 120)))
    )
    for number in range(61):
        x = width * (0.08 + 0.84 * number / 60)
        draw.line((x, y, x, y + h * (0.6 if number % 10 == 0 else 0.35)), fill=(20, 20, 20), width=1)
