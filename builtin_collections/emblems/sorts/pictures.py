"""Pages with pictures: emblems, pictures in text, title pages, plates."""

from __future__ import annotations

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing import ornaments, scenes
from builtin_collections.emblems.leaf import Area, Leaf
from builtin_collections.emblems.sorts.parts import captioned, columns, frame, stamped
from builtin_collections.emblems.truth import PageKind


def emblem(leaf: Leaf, number: int) -> PageKind:
    """Number and motto, a picture, and verses below: a page of an emblem book."""
    left, top, width, height = frame(leaf, number)
    rng = leaf.rng
    heading = [words.emblem_heading(number, leaf.style.language), words.motto(rng)]
    caption = leaf.centred(heading, left + width / 2, top, leaf.style.display,
                           round(leaf.size * rng.uniform(0.95, 1.3)),
                           kind="caption", width=width)  # fmt: skip
    y = caption.box[1] + caption.box[3] + leaf.size * rng.uniform(0.4, 1.0)
    wide = width * rng.uniform(0.6, 1.0)
    tall = min(wide * rng.uniform(0.6, 1.15), (top + height - y) * rng.uniform(0.5, 0.75))
    scene = scenes.choose(rng, leaf.style.technique)
    image = scenes.draw(scene, (round(wide), round(tall)))
    at = (left + (width - wide) / 2, y)
    leaf.set_picture(
        "illustration", image, at, subjects=scene.subjects, caption=caption, tight=scene.frame == "none"
    )
    y += tall + leaf.size * rng.uniform(0.5, 1.2)
    leaf.paragraph((left + width * 0.08, y, width * 0.86, top + height - y), verse=True,
                   variant=rng.choice(("roman", "italic")))  # fmt: skip
    return "mixed"


def illustrated(leaf: Leaf, number: int) -> PageKind:
    """Text with a picture in it: above, below, between, or at one side; with a caption or without."""
    rng = leaf.rng
    areas = columns(leaf, frame(leaf, number))
    chosen = rng.randrange(len(areas))
    for place, area in enumerate(areas):
        if place == chosen:
            _text_with_picture(leaf, area, number)
        else:
            leaf.paragraph(area)
    return "mixed"


def _text_with_picture(leaf: Leaf, area: Area, number: int) -> None:
    rng = leaf.rng
    left, top, width, height = area
    bottom = top + height
    tall = height * rng.uniform(0.16, 0.55)
    before = rng.choice((0.0, rng.uniform(0.1, 0.6))) * (height - tall)
    y = top
    if before > leaf.line_height * 2:
        y = leaf.paragraph((left, top, width, before)) + leaf.size * 0.5
    wide = min(width, max(width * rng.uniform(0.5, 1.0), tall * 0.6))
    if len(leaf.texts) and rng.random() < 0.2 and wide > width * 0.8:
        wide = width * 0.5
    at_side = wide < width * 0.62 and leaf.style.columns == 1 and rng.random() < 0.8
    x = left if at_side else left + (width - wide) / 2
    scene = scenes.choose(rng, leaf.style.technique)
    image = scenes.draw(scene, (round(wide), round(tall)))
    with_caption = rng.random() < (0.25 if leaf.style.century < 18 else 0.9)
    caption = None
    below = y + tall
    if with_caption:
        text = words.caption(scene.subjects, number, leaf.style.language, rng)
        caption = captioned(
            leaf, x + wide / 2, y + tall + leaf.size * 0.15, wide, [text], max(7, round(leaf.size * 0.78))
        )
        below = caption.box[1] + caption.box[3]
    leaf.set_picture(
        "illustration", image, (x, y), subjects=scene.subjects, caption=caption, tight=scene.frame == "none"
    )
    if at_side:
        side = leaf.size * 0.7
        leaf.paragraph((left + wide + side, y, width - wide - side, below - y))
    y = below + leaf.size * 0.6
    if bottom - y > leaf.line_height:
        leaf.paragraph((left, y, width, bottom - y))


def title_page(leaf: Leaf, number: int) -> PageKind:
    """Title lines of many sizes, a device or a picture, the imprint."""
    rng = leaf.rng
    left, top, width, height = leaf.area
    y = top
    face = leaf.style.display
    for line in words.title_lines(leaf.style.language):
        size = round(leaf.size * rng.choice((0.9, 1.2, 1.7, 2.4)))
        while face.width_of(line, size) > width and size > 8:
            size -= 1
        second = rng.random() < 0.3 and leaf.style.century < 19
        block = leaf.centred(
            [line], left + width / 2, y, face, size, kind="title", width=width, second=second
        )
        y = block.box[1] + block.box[3] + leaf.size * rng.uniform(0.3, 0.9)
    foot = top + height - leaf.size * 3.4
    room = foot - y
    kind: PageKind = "text"
    side = min(room * 0.8, width * 0.8)
    if side > leaf.unit * 60:
        manner = rng.random()
        if manner < 0.35:
            size_px = (round(side * rng.uniform(0.8, 1.2)), round(side))
            scene = scenes.choose(rng, leaf.style.technique)
            image = scenes.draw(scene, (min(round(width), size_px[0]), size_px[1]))
            leaf.set_picture("illustration", image, (left + (width - image.width) / 2,
                                                     y + (room - image.height) / 2),
                             subjects=scene.subjects, tight=scene.frame == "none")  # fmt: skip
            kind = "mixed"
        elif manner < 0.85:
            side *= rng.uniform(0.5, 0.9)
            image = ornaments.device((round(side * rng.uniform(0.8, 1.0)), round(side)), rng)
            leaf.set_picture(
                "ornament",
                image,
                (left + (width - image.width) / 2, y + (room - image.height) / 2),
                tight=True,
            )
    leaf.rule(left + width * 0.1, foot, width * 0.8)
    date = words.roman(leaf.style.century * 100 - rng.randint(1, 99)) + "."
    leaf.centred([words.imprint(leaf.style.language, rng), date], left + width / 2, foot + leaf.size * 0.4,
                 leaf.style.body,
                 leaf.size, kind="title", width=width)  # fmt: skip
    stamped(leaf, 0.5)
    return kind


def plate(leaf: Leaf, number: int) -> PageKind:
    """A full-page plate with a printed caption, most often below it."""
    rng = leaf.rng
    left, top, width, height = leaf.area
    wide, tall = width * rng.uniform(0.85, 1.06), height * rng.uniform(0.6, 0.9)
    if rng.random() < 0.35:
        tall = min(tall, wide * rng.uniform(0.6, 0.8))
    x, y = left + (width - wide) / 2, top + (height * 0.94 - tall) * rng.uniform(0.1, 0.6)
    scene = scenes.choose(rng, leaf.style.technique)
    image = scenes.draw(scene, (round(wide), round(tall)))
    caption = None
    if rng.random() < 0.85:
        text = words.caption(scene.subjects, number, leaf.style.language, rng)
        size = max(8, round(leaf.size * rng.uniform(0.7, 1.0)))
        above = rng.random() < 0.1 and y > top + size * 2
        place = y - size * 2.0 if above else y + tall + size * rng.uniform(0.1, 0.9)
        caption = captioned(leaf, left + width / 2, place, wide, [text], size)
    leaf.set_picture(
        "illustration", image, (x, y), subjects=scene.subjects, caption=caption, tight=scene.frame == "none"
    )
    stamped(leaf, 0.1)
    return "picture"


def small_pictures(leaf: Leaf, number: int) -> PageKind:
    """A plate with two to six small pictures, each with its own caption."""
    rng = leaf.rng
    left, top, width, height = leaf.area
    columns, rows = rng.choice(((1, 2), (2, 1), (2, 2), (2, 3), (1, 3)))
    gap = leaf.size * 1.4
    wide, tall = (width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows
    size = max(7, round(leaf.size * 0.75))
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * (wide + gap), top + row * (tall + gap)
            scene = scenes.choose(rng, leaf.style.technique)
            high = min(tall - size * 3.2, wide * 1.3)
            image = scenes.draw(scene, (round(wide), max(20, round(high))))
            text = words.caption(scene.subjects, number + row * columns + column, leaf.style.language, rng)
            caption = captioned(leaf, x + wide / 2, y + high + size * 0.15, wide, [text], size)
            leaf.set_picture("illustration", image, (x, y), subjects=scene.subjects, caption=caption,
                             tight=scene.frame == "none")  # fmt: skip
    return "picture"
