"""Photographs in greys: a street, a landscape, a portrait, a group."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from builtin_collections.armorial.drawing.outline import spline
from builtin_collections.emblems.drawing.plates import cloud


def photograph(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A photograph in greys: a street, a landscape, or a portrait; mode L."""
    canvas = Image.new("L", size, 200)
    maker = rng.choices((_street, _landscape, _portrait, _group), (30, 30, 20, 20))[0]
    maker(canvas, rng)
    canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6) * max(1.0, size[0] / 400)))
    grain = cloud(rng.randrange(8), 180).resize(size)
    texture = cloud(rng.randrange(8), 24).resize(size)
    canvas = ImageChops.overlay(canvas, Image.blend(grain, texture, 0.5))
    if rng.random() < 0.5:
        shadow = Image.radial_gradient("L").resize(size).point(lambda value: 255 - max(0, value - 90) // 2)
        canvas = ImageChops.multiply(canvas, shadow)
    lowest, highest = rng.randint(12, 60), rng.randint(190, 240)
    return canvas.point([lowest + value * (highest - lowest) // 255 for value in range(256)])


def _sky(canvas: Image.Image, rng: random.Random, until: float) -> None:
    height = max(1, round(canvas.height * until))
    fade = Image.linear_gradient("L").resize((canvas.width, height)).point(lambda value: 150 + value // 3)
    canvas.paste(ImageChops.soft_light(fade, cloud(rng.randrange(8), 6).resize(fade.size)), (0, 0))


def _landscape(canvas: Image.Image, rng: random.Random) -> None:
    width, height = canvas.size
    horizon = rng.uniform(0.3, 0.6)
    _sky(canvas, rng, horizon + 0.15)
    draw = ImageDraw.Draw(canvas)
    for number in range(rng.randint(2, 4)):
        base = horizon + number * 0.1
        nodes = spline([(x, base + rng.gauss(0, 0.04)) for x in np.linspace(-0.1, 1.1, 8)]) * (width, height)
        hill = [*map(tuple, nodes.tolist()), (width * 1.1, height * 1.1), (-width * 0.1, height * 1.1)]
        draw.polygon(hill, fill=max(30, 150 - 36 * number + rng.randint(-15, 15)))
    for _ in range(rng.randint(3, 14)):
        x, y, size = (
            rng.uniform(0, 1) * width,
            rng.uniform(horizon + 0.1, 0.95) * height,
            height * rng.uniform(0.04, 0.2),
        )
        draw.rectangle((x - size * 0.06, y - size * 0.4, x + size * 0.06, y), fill=40)
        for _ in range(8):
            dx, dy, radius = (
                rng.gauss(0, 0.22) * size,
                rng.gauss(-0.7, 0.2) * size,
                size * rng.uniform(0.15, 0.3),
            )
            draw.ellipse(
                (x + dx - radius, y + dy - radius, x + dx + radius, y + dy + radius), fill=rng.randint(30, 90)
            )


def _street(canvas: Image.Image, rng: random.Random) -> None:
    width, height = canvas.size
    _sky(canvas, rng, 0.6)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, height * 0.68, width, height), fill=rng.randint(120, 175))
    x = -0.05 * width
    while x < width:
        wide, top = width * rng.uniform(0.12, 0.3), height * rng.uniform(0.1, 0.45)
        tone = rng.randint(70, 190)
        draw.rectangle((x, top, x + wide, height * 0.72), fill=tone)
        roof = [(x - 4, top), (x + wide / 2, top - height * rng.uniform(0.02, 0.14)), (x + wide + 4, top)]
        draw.polygon(roof, fill=max(20, tone - 60))
        columns, rows = rng.randint(2, 4), rng.randint(2, 5)
        for column in range(columns):
            for row in range(rows):
                left = x + wide * (column + 0.3) / columns
                upper = top + (height * 0.68 - top) * (row + 0.25) / rows
                draw.rectangle((left, upper, left + wide * 0.4 / columns,
                                upper + (height * 0.68 - top) * 0.5 / rows),
                               fill=max(15, tone - 70))  # fmt: skip
        x += wide * rng.uniform(0.95, 1.1)
    _people(draw, rng, width, height, rng.randint(2, 12), (0.05, 0.95), (0.7, 0.95))


def _people(draw: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int, number: int,
            across: tuple[float, float], down: tuple[float, float]) -> None:  # fmt: skip
    for foot in sorted(rng.uniform(*down) for _ in range(number)):
        size = height * 0.3 * (foot - 0.35)
        x, y, tone = rng.uniform(*across) * width, foot * height, rng.randint(15, 80)
        draw.polygon([(x - size * 0.22, y), (x - size * 0.16, y - size * 0.8), (x + size * 0.16,
                                                            y - size * 0.8),
                      (x + size * 0.2, y)], fill=tone)  # fmt: skip
        draw.ellipse(
            (x - size * 0.1, y - size, x + size * 0.1, y - size * 0.76), fill=rng.choice((tone, 150, 180))
        )


def _group(canvas: Image.Image, rng: random.Random) -> None:
    canvas.paste(rng.randint(100, 180), (0, 0, *canvas.size))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, canvas.height * 0.75, *canvas.size), fill=rng.randint(90, 150))
    _people(draw, rng, *canvas.size, rng.randint(5, 16), (0.12, 0.88), (0.8, 1.3))


def _portrait(canvas: Image.Image, rng: random.Random) -> None:
    width, height = canvas.size
    canvas.paste(
        ImageChops.soft_light(
            Image.new("L", canvas.size, rng.randint(60, 190)), cloud(3, 6).resize(canvas.size)
        )
    )
    draw = ImageDraw.Draw(canvas)
    coat = rng.randint(20, 70)
    draw.ellipse((width * 0.12, height * 0.62, width * 0.88, height * 1.5), fill=coat)
    draw.polygon(
        [(width * 0.42, height * 0.62), (width * 0.58, height * 0.62), (width * 0.5, height * 0.85)], fill=220
    )
    face = rng.randint(165, 205)
    draw.rectangle((width * 0.43, height * 0.5, width * 0.57, height * 0.66), fill=face - 25)
    draw.ellipse((width * 0.34, height * 0.18, width * 0.66, height * 0.58), fill=face)
    draw.chord((width * 0.32, height * 0.12, width * 0.68, height * 0.5), 180, 360, fill=coat + 10)
    for x in (0.43, 0.57):
        draw.ellipse((width * (x - 0.03), height * 0.36, width * (x + 0.03), height * 0.385), fill=50)
    draw.line((width * 0.5, height * 0.38, width * 0.49, height * 0.45), fill=face - 50, width=3)
    draw.line((width * 0.45, height * 0.5, width * 0.55, height * 0.5), fill=face - 80, width=3)
