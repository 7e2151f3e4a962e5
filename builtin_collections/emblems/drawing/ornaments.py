"""What printers put around text: head- and tail-pieces, rows of flowers, initials, stamps, bookplates."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from builtin_collections.armorial.drawing.outline import Points, arc, spline
from builtin_collections.emblems.drawing import figures
from builtin_collections.emblems.drawing.ink import Pen
from builtin_collections.emblems.drawing.lettering import Typeface

_FINER = 2


def _blank(size: tuple[int, int], paper: int = 255) -> Image.Image:
    return Image.new("L", (size[0] * _FINER, size[1] * _FINER), paper)


def vine(pen: Pen, box: tuple[float, float, float, float], rng: random.Random, tone: int) -> None:
    """A stem that winds through `box` (x, y, width, height), with curls and leaves on both sides."""
    x, y, width, height = box
    turns = max(1, round(width / height * rng.uniform(0.9, 1.4)))
    reach = 0.22 * height
    nodes = [
        (x + width * (k + 0.5) / turns, y + height / 2 + (reach if k % 2 else -reach)) for k in range(turns)
    ]
    stem = spline([(x, y + height / 2), *nodes, (x + width, y + height / 2)])
    pen.stroke(stem, width=1.6, ink=tone)
    for number, (px, py) in enumerate(nodes):
        side = -1 if number % 2 else 1
        curl = _curl((px, py + side * 0.16 * height), height * rng.uniform(0.2, 0.28), rng.choice((-1, 1)))
        pen.stroke(curl, width=1.2, ink=tone)
        for _ in range(rng.randint(3, 5)):
            leaf = figures.leaf_at(
                px + rng.uniform(-0.3, 0.3) * height, py + side * rng.uniform(0.0, 0.2) * height,
                rng.uniform(0, 360), height * rng.uniform(0.14, 0.3),
            )  # fmt: skip
            pen.fill(np.clip(leaf, (x, y), (x + width, y + height)), tone)
        if rng.random() < 0.6:
            pen.fill(arc((px, py - side * 0.2 * height), height * 0.06, num_points=10), tone)


def _curl(center: tuple[float, float], size: float, way: int) -> Points:
    turn = np.linspace(0, 4.5 * math.pi / 2, 24)
    radius = size * np.linspace(1, 0.12, 24)
    return np.column_stack([center[0] + way * radius * np.cos(turn), center[1] + radius * np.sin(turn)])


def head_piece(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A band at the head of a chapter: foliage in a frame, white on black or black on white, or symmetric."""
    canvas = _blank(size)
    width, height = canvas.size
    dark = rng.random() < 0.45
    pen = Pen(canvas, 0, max(1.5, height / 45), rng, unsteady=1.2)
    if dark:
        ImageDraw.Draw(canvas).rectangle((0, 0, width, height), fill=0)
    _symmetric_band(pen, width, height, rng, 255 if dark else 0)
    if not dark and rng.random() < 0.5:
        mask = Image.new("L", canvas.size, 255)
        under = canvas.copy()
        pen.shade(mask, 0, max(5, round(height / 22)), max(1, round(height / 90)))
        canvas.paste(0, (0, 0), under.point(lambda value: 255 - value))
    if rng.random() < 0.75:
        edge = max(2, round(height / 40))
        ImageDraw.Draw(canvas).rectangle((0, 0, width - 1, height - 1), outline=0, width=edge)
        if dark:
            ImageDraw.Draw(canvas).rectangle(
                (edge, edge, width - edge, height - edge), outline=255, width=edge
            )
    return canvas.reduce(_FINER)


def _symmetric_band(pen: Pen, width: int, height: int, rng: random.Random, tone: int) -> None:
    state = rng.getstate()
    pad = 0.06 * height
    if rng.random() < 0.6:
        state = rng.getstate()
        vine(pen, (pad, pad, width / 2 - pad, height - 2 * pad), rng, tone)
        rng.setstate(state)
        left = pen.canvas.crop((0, 0, width // 2, height))
        pen.canvas.paste(left.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (width - width // 2, 0))
        name = rng.choice(("rose", "shell", "heart", "lily", "sun", "crown"))
        pen.figure(figures.figure(name), (width / 2, height / 2), height * 0.4, [255], shading=None)
    else:
        vine(pen, (pad, pad, width - 2 * pad, height - 2 * pad), rng, tone)


def tail_piece(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """An ornament that narrows to the foot: curls and leaves on both sides of a middle."""
    canvas = _blank(size)
    width, height = canvas.size
    pen = Pen(canvas, 0, max(1.5, width / 130), rng, unsteady=1.0)
    dense = rng.randint(5, 9)
    for level in range(dense):
        share = level / dense
        reach = width / 2 * (1 - share) * rng.uniform(0.75, 0.98)
        y = height * (0.06 + 0.86 * share)
        curl = _curl(
            (width / 2 + reach * 0.6, y + 0.06 * height),
            min(reach, height / dense) * 0.7,
            rng.choice((-1, 1)),
        )
        pen.stroke(curl, width=1.6)
        pen.stroke(
            spline([(width / 2, y), (width / 2 + reach * 0.5, y - 0.03 * height), (width / 2 + reach, y)]),
            width=1.4,
        )
        for _ in range(4):
            leaf = figures.leaf_at(
                width / 2 + rng.uniform(0.1, 0.8) * reach, y, rng.uniform(-90, 90), reach * 0.28 + 4
            )
            pen.fill(np.clip(leaf, (width / 2, 0), (width, height)), rng.choice((0, 0, 255)))
            pen.stroke(leaf)
    right = canvas.crop((width // 2, 0, width, height))
    canvas.paste(right.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (width // 2 - right.width, 0))
    if rng.random() < 0.7:
        name = rng.choice(("vase", "rose", "shell", "heart", "crown", "book", "sun"))
        pen.figure(figures.figure(name), (width / 2, height * 0.36), height * 0.26, [255], shading=(45, 6, 2))
    return canvas.reduce(_FINER)


def flowers(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A row of small printer's flowers, all alike or two in turn."""
    canvas = _blank(size)
    width, height = canvas.size
    pen = Pen(canvas, 0, max(1.2, height / 22), rng, unsteady=0.3)
    pair = rng.sample(("rose", "lily", "heart", "shell", "crown", "sun", "wheel"), 2)
    if rng.random() < 0.5:
        pair = [pair[0]]
    number = max(1, int(width / (height * rng.uniform(0.85, 1.2))))
    for place in range(number):
        center = (width * (place + 0.5) / number, height / 2)
        pen.figure(figures.figure(pair[place % len(pair)]), center, height * 0.44, [rng.choice((255, 255,
                                                            0))],
                   flip=place % 2 == 1)  # fmt: skip
    return canvas.reduce(_FINER)


def device(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A printer's device: a figure in a cartouche."""
    canvas = _blank(size)
    width, height = canvas.size
    side = min(width, height)
    pen = Pen(canvas, 0, max(2, side / 150), rng, unsteady=1.2)
    center = (width / 2, height / 2)
    outer = arc(center, (width * 0.47, height * 0.47), num_points=48)
    pen.stroke(np.vstack([outer, outer[:1]]), width=2)
    inner = arc(center, (width * 0.36, height * 0.36), num_points=48)
    for number in range(24):
        angle = number * 15
        x = center[0] + width * 0.415 * math.cos(math.radians(angle))
        y = center[1] + height * 0.415 * math.sin(math.radians(angle))
        leaf = figures.leaf_at(x, y, angle + rng.choice((70, 110)), side * 0.07)
        pen.fill(leaf, 0)
    pen.stroke(np.vstack([inner, inner[:1]]), width=2)
    mask = Image.new("L", canvas.size)
    ImageDraw.Draw(mask).polygon([tuple(node) for node in inner.tolist()], fill=255)
    pen.shade(mask, rng.choice((0, 90)), max(6, side // 60), max(1, side // 300))
    names = rng.sample(figures.AIRBORNE + figures.GROUNDED, 1)
    pen.figure(figures.figure(names[0]), center, side * 0.27, [255], shading=(45, max(5, side // 70), 2))
    return canvas.reduce(_FINER)


def initial(letter: str, side: int, face: Typeface, rng: random.Random) -> Image.Image:
    """A square initial on foliage: white on black, black on a hatched ground, or in outline."""
    canvas = _blank((side, side))
    width = canvas.width
    manner = rng.choice(("dark", "dark", "hatched", "light"))
    pen = Pen(canvas, 0, max(1.5, width / 70), rng, unsteady=0.8)
    draw = ImageDraw.Draw(canvas)
    tone = 0
    if manner == "dark":
        draw.rectangle((0, 0, width, width), fill=0)
        tone = 255
    elif manner == "hatched":
        pen.shade(
            Image.new("L", canvas.size, 255),
            rng.choice((0, 45, 90)),
            max(5, width // 24),
            max(1, width // 90),
        )
    pad = width * 0.05
    for band in range(2):
        vine(pen, (pad, pad + band * width * 0.45, width - 2 * pad, width * 0.45), rng, tone)
    mask = face.word(letter, round(width * 0.98), "bold").mask
    scale = min(0.84 * width / mask.width, 0.8 * width / mask.height)
    mask = mask.resize((max(1, round(mask.width * scale)), max(1, round(mask.height * scale))))
    at = ((width - mask.width) // 2, (width - mask.height) // 2)
    halo = Image.new("L", canvas.size)
    halo.paste(mask, at)
    grown = halo.reduce(4).resize(halo.size).point(lambda value: 255 if value > 20 else 0)
    canvas.paste(0 if manner == "dark" else 255, (0, 0), grown)
    canvas.paste(255 if manner == "dark" else 0, (0, 0), halo)
    edge = max(2, width // 45)
    draw.rectangle((0, 0, width - 1, width - 1), outline=0, width=edge)
    if manner == "dark":
        draw.rectangle((edge, edge, width - edge, width - edge), outline=255, width=edge)
    return canvas.reduce(_FINER)


def stamp(side: int, rng: random.Random, face: Typeface) -> Image.Image:
    """The mask (255 is ink) of a library's round or oval stamp: a rim, words around it, an emblem."""
    canvas = Image.new("L", (side * _FINER, round(side * rng.choice((1, 1, 0.75))) * _FINER), 0)
    width, height = canvas.size
    draw = ImageDraw.Draw(canvas)
    draw.ellipse((2, 2, width - 3, height - 3), outline=255, width=max(2, width // 50))
    if rng.random() < 0.6:
        inset = 0.22
        draw.ellipse((inset * width, inset * height, (1 - inset) * width, (1 - inset) * height), outline=255,
                     width=max(1, width // 80))  # fmt: skip
    words = rng.choice(
        ("BIBLIOTHECA VALCENDRIENSIS", "BIBLIOTHEQUE DE LVSSIGNY", "LANDESBIBLIOTHEK ALDERSHEIM")
    )
    size = max(8, round(width * 0.13))
    for number, letter in enumerate(words):
        angle = -math.pi / 2 + (number / len(words) - 0.5) * 5.2
        mask = face.word(letter, size).mask if letter != " " else None
        if mask is not None:
            turned = mask.rotate(-math.degrees(angle) - 90, expand=True)
            x = width / 2 + 0.37 * width * math.cos(angle) - turned.width / 2
            y = height / 2 + 0.37 * height * math.sin(angle) - turned.height / 2
            canvas.paste(255, (round(x), round(y)), turned)
    middle = Image.new("L", canvas.size, 255)
    pen = Pen(middle, 0, max(1, width / 90), rng, unsteady=0.2)
    pen.figure(figures.figure(rng.choice(("lily", "crown", "eagle", "lion", "book"))), (width / 2,
                                                            height / 2), height * 0.17,
               [255])  # fmt: skip
    return ImageChops.lighter(canvas, middle.point(lambda value: 255 - value)).reduce(_FINER)


def bookplate(size: tuple[int, int], rng: random.Random, face: Typeface) -> Image.Image:
    """An owner's engraved plate: a figure in a frame above EX LIBRIS and a name."""
    canvas = _blank(size)
    width, height = canvas.size
    pen = Pen(canvas, 0, max(1.5, width / 170), rng, unsteady=0.8)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((6, 6, width - 7, height - 7), outline=0, width=3)
    draw.rectangle((14, 14, width - 15, height - 15), outline=0, width=1)
    pen.shade(Image.new("L", (width - 60, round(height * 0.62)), 255), 0, 9, 1, at=(30, 30))
    pen.figure(figures.figure(rng.choice(("lion", "eagle", "tower", "tree", "book", "stag"))), (width / 2,
                                                            30 + height * 0.31),
               min(width, height) * 0.28, [255], shading=(45, 8, 2))  # fmt: skip
    y = height * 0.78
    for text in ("EX LIBRIS", rng.choice(("I. Mirebel", "P. Aulnoy", "V. Aschenlohr", "J. Tirrick"))):
        word_size = round(height * 0.085)
        x = (width - face.width_of(text, word_size)) / 2
        for each in text.split(" "):
            word = face.word(each, word_size)
            canvas.paste(0, (round(x), round(y) - word.above), word.mask)
            x += word.advance + face.space(word_size)
        y += height * 0.1
    return canvas.reduce(_FINER)


def filler(size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A painted bar that fills the rest of a line in a manuscript or an early print; mode RGB."""
    ground = rng.choice(((172, 44, 40), (48, 66, 150), (176, 136, 60), (120, 52, 92)))
    bar = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(bar)
    light = tuple(min(255, value + 90) for value in ground)
    step = max(3, size[1])
    manner = rng.randrange(3)
    for x in range(0, size[0], step):
        if manner == 0:
            draw.arc((x, 0, x + step, size[1] - 1), 0, 180, fill=light)
        elif manner == 1:
            draw.line((x, size[1] - 1, x + step, 0), fill=light)
        else:
            middle = x + step // 2, size[1] // 2
            draw.ellipse((middle[0] - 1, middle[1] - 1, middle[0] + 1, middle[1] + 1), fill=light)
    return bar
