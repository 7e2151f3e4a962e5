"""The pages of a book of emblems, one function per sort of page: what is set and drawn where."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing import ornaments, plates, scenes
from builtin_collections.emblems.leaf import Area, Leaf
from builtin_collections.emblems.truth import PageKind, TextBlock

Maker = Callable[[Leaf, int], PageKind]


def _frame(leaf: Leaf, number: int, *, running: bool = True) -> Area:
    """Running title, page number, signature and rules; returns the area that is left for the text."""
    left, top, width, height = leaf.area
    style, rng = leaf.style, leaf.rng
    size = leaf.size
    if style.framed:
        pad = size * 0.6
        ImageDraw.Draw(leaf.ink).rectangle(
            (left - pad, top - pad, left + width + pad, top + height + pad), outline=0
        )
    if running and rng.random() < 0.75:
        title = words.title_lines(style.language)[rng.choice((0, 2))]
        leaf.centred([title], left + width / 2, top - size * 0.2, style.body, round(size * 0.9),
                             kind="running",
                             width=width, variant=rng.choice(("roman", "italic")))  # fmt: skip
    if rng.random() < 0.8:
        text = str(number) if style.century > 15 else words.roman(number).lower()
        at = left + width - style.body.width_of(text, size) if leaf.recto else left
        line = leaf.line([text], at, top + size * 0.8, style.body, size)
        leaf.texts.append(TextBlock("number", style.language, (line,)))
    if running and rng.random() < 0.3:
        text = f"{rng.choice('ABCDEFGHIKLM')} {rng.choice(('ij', 'iij', 'iv', '2', '3'))}"
        line = leaf.line(text.split(), left + width * 0.6, top + height + size * 0.9, style.body, size)
        leaf.texts.append(TextBlock("signature", style.language, (line,)))
    inset = size * 1.6
    if rng.random() < 0.12 and style.columns == 1:
        _margin_notes(leaf, inset)
    return left, top + inset, width, height - inset


def _margin_notes(leaf: Leaf, inset: float) -> None:
    left, top, width, height = leaf.area
    room = leaf.width - left - width if leaf.recto else left
    x = left + width + room * 0.08 if leaf.recto else room * 0.1
    for _ in range(leaf.rng.randint(1, 3)):
        y = top + inset + leaf.rng.uniform(0, 0.85) * (height - inset)
        leaf.paragraph((x, y, room * 0.8, leaf.line_height * leaf.rng.randint(1, 3)), kind="margin",
                       size=max(7, round(leaf.size * 0.62)), variant="italic")  # fmt: skip


def _columns(leaf: Leaf, area: Area) -> list[Area]:
    left, top, width, height = area
    if leaf.style.columns == 1:
        return [area]
    gap = leaf.size * 1.1
    half = (width - gap) / 2
    if leaf.rng.random() < 0.1:
        leaf.rule(left + half + gap / 2, top, 1, round(height))
    return [(left, top, half, height), (left + half + gap, top, half, height)]


def _initial(leaf: Leaf, at: tuple[float, float]) -> tuple[float, int]:
    """An initial at the start of a text; returns the space that it takes: width, number of lines."""
    rng, step = leaf.rng, leaf.line_height
    num_lines = rng.choice((2, 2, 3, 4, 5, 6, 7))
    side = round(step * num_lines - step * 0.22)
    letter = rng.choice("ABCDEFGHILMNOPQRSTV")
    manner = rng.random()
    if num_lines >= 3 and manner < 0.6 and leaf.style.body.kind != "hand":
        image = ornaments.initial(letter, side, leaf.style.display, rng)
        leaf.set_picture("initial", image, at)
        return side + leaf.size * 0.35, num_lines
    face = leaf.style.display if leaf.style.body.kind != "hand" else leaf.style.body
    word = face.word(letter, round(side * 1.35), "roman")
    if word.mask.width > 3.0 * side or word.mask.width < 2:
        return 0.0, 0
    coloured = leaf.style.century < 17 and rng.random() < 0.6
    box = word.mask.getbbox() or (0, 0, *word.mask.size)
    mask = word.mask.crop(box)
    if coloured:
        colour = rng.choice(((178, 40, 34), (44, 66, 146)))
        leaf.tints.append((mask, round(at[0]), round(at[1]), colour))
    printed = Image.new("L", mask.size, 255)
    if not coloured:
        printed.paste(0, (0, 0), mask)
    leaf.set_picture("initial", printed, at)
    return mask.width + leaf.size * 0.3, max(1, -(-mask.height // max(1, round(step))))


def text(leaf: Leaf, number: int) -> PageKind:
    """A page of text, in one or two columns, perhaps with an initial or a heading."""
    for place, area in enumerate(_columns(leaf, _frame(leaf, number))):
        left, top, width, height = area
        if place == 0 and leaf.rng.random() < 0.2:
            top = _heading(leaf, (left, top, width, height))
        height -= top - area[1]
        if leaf.rng.random() < 0.4:
            split = leaf.rng.uniform(0.0, 0.6) * height
            if split > leaf.line_height * 2:
                end = leaf.paragraph((left, top, width, split), full=True)
                height -= end - top
                top = end
            indent = _initial(leaf, (left, top))
            leaf.paragraph((left, top, width, height), indent=indent)
        else:
            leaf.paragraph((left, top, width, height), full=leaf.rng.random() < 0.9)
    _stamped(leaf, 0.04)
    return "text"


def verse(leaf: Leaf, number: int) -> PageKind:
    """Lines of verse with air around them."""
    left, top, width, height = _frame(leaf, number)
    if leaf.rng.random() < 0.5:
        top2 = _heading(leaf, (left, top, width, height))
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


def _heading(leaf: Leaf, area: Area) -> float:
    left, top, width, _ = area
    lines = [leaf.rng.choice(words.title_lines(leaf.style.language)), words.motto(leaf.rng).title()]
    size = round(leaf.size * leaf.rng.uniform(1.1, 1.7))
    block = leaf.centred(
        lines[: leaf.rng.randint(1, 2)],
        left + width / 2,
        top,
        leaf.style.display,
        size,
        kind="heading",
        width=width,
    )
    return block.box[1] + block.box[3] + leaf.size * 0.9


def chapter(leaf: Leaf, number: int) -> PageKind:
    """The first page of a chapter: a head-piece, a heading, an initial, text."""
    left, top, width, height = _frame(leaf, number, running=False)
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
    top = _heading(leaf, (left, top, width, bottom - top))
    indent = _initial(leaf, (left, top)) if leaf.rng.random() < 0.85 else (0.0, 0)
    leaf.paragraph((left, top, width, bottom - top), indent=indent)
    _stamped(leaf, 0.08)
    return "text"


def chapter_end(leaf: Leaf, number: int) -> PageKind:
    """The last page of a chapter: text, often tapering off, and a tail-piece."""
    left, top, width, height = _frame(leaf, number)
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


def _captioned(leaf: Leaf, middle: float, top: float, width: float, lines: list[str], size: int) -> TextBlock:
    variant = leaf.rng.choice(("roman", "italic", "italic"))
    return leaf.centred(
        lines, middle, top, leaf.style.body, size, kind="caption", width=width, variant=variant, leading=1.2
    )


def emblem(leaf: Leaf, number: int) -> PageKind:
    """Number and motto, a picture, and verses below: a page of an emblem book."""
    left, top, width, height = _frame(leaf, number)
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
    columns = _columns(leaf, _frame(leaf, number))
    chosen = rng.randrange(len(columns))
    for place, area in enumerate(columns):
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
        caption = _captioned(
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
    _stamped(leaf, 0.5)
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
        caption = _captioned(leaf, left + width / 2, place, wide, [text], size)
    leaf.set_picture(
        "illustration", image, (x, y), subjects=scene.subjects, caption=caption, tight=scene.frame == "none"
    )
    _stamped(leaf, 0.1)
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
            caption = _captioned(leaf, x + wide / 2, y + high + size * 0.15, wide, [text], size)
            leaf.set_picture("illustration", image, (x, y), subjects=scene.subjects, caption=caption,
                             tight=scene.frame == "none")  # fmt: skip
    return "picture"


def photographs(leaf: Leaf, number: int) -> PageKind:
    """A sheet of grey card with one photograph or several pasted on it, a line of caption below each."""
    rng = leaf.rng
    grey = rng.randint(96, 214)
    warm = rng.randint(0, 22)
    card = Image.new("RGB", (leaf.width, leaf.height), (grey, grey - warm // 2, grey - warm))
    leaf.patches.append((card, 0, 0))
    count = rng.choices((1, 2, 4, 6), (60, 22, 12, 6))[0]
    columns, rows = {1: (1, 1), 2: (1, 2), 4: (2, 2), 6: (2, 3)}[count]
    pad = leaf.width * rng.uniform(0.05, 0.11)
    wide, tall = (leaf.width - pad * (columns + 1)) / columns, (leaf.height - pad * (rows + 1)) / rows
    for place in range(count):
        x, y = pad + place % columns * (wide + pad), pad + place // columns * (tall + pad)
        _pasted(leaf, (x, y, wide, tall), number + place)
    return "picture"


def _pasted(leaf: Leaf, area: Area, number: int) -> None:
    rng = leaf.rng
    x, y, wide, tall = area
    size = max(8, round(15 * leaf.unit * rng.uniform(0.85, 1.3)))
    high = (tall - size * 2.4) * rng.uniform(0.75, 1.0)
    across = min(wide, high * rng.uniform(0.7, 1.5)) * rng.uniform(0.9, 1.0)
    high = min(high, across * rng.uniform(0.66, 1.4))
    shot = Image.merge("RGB", [plates.photograph((max(24, round(across)), max(24, round(high))), rng)] * 3)
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
        caption = _label(leaf, text, (left, top + high + size * 0.3, across), size)
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
    left, top, width, height = _frame(leaf, number)
    if leaf.rng.random() < 0.6:
        top2 = _heading(leaf, (left, top, width, height))
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
    _stamped(leaf, 0.1)
    return "blank"


def _stamped(leaf: Leaf, chance: float) -> None:
    """A library's stamp, perhaps, in red, blue or black."""
    rng = leaf.rng
    if rng.random() >= chance:
        return
    mask = ornaments.stamp(round(leaf.unit * rng.uniform(48, 90)), rng, leaf.style.display)
    faded = mask.point(lambda value: value * 4 // 5)
    x, y = (
        rng.uniform(0.08, 0.85) * (leaf.width - mask.width),
        rng.uniform(0.05, 0.92) * (leaf.height - mask.height),
    )
    leaf.tints.append((faded, round(x), round(y), rng.choice(((150, 40, 50), (50, 60, 120), (40, 40, 44)))))
    leaf.set_picture("stamp", Image.new("L", mask.size, 255), (x, y))


def binding(leaf: Leaf, number: int) -> PageKind:
    """A cover, marbled paper, or a pastedown with an owner's bookplate."""
    rng = leaf.rng
    size = (leaf.width, leaf.height)
    manner = rng.random()
    if manner < 0.6:
        leaf.patches.append((plates.cover(size, rng, leaf.style.display), 0, 0))
        return "binding"
    if manner < 0.75:
        leaf.patches.append((plates.marbled(size, rng), 0, 0))
    leather = plates.cover(size, rng, leaf.style.display)
    mask = Image.new("L", size, 255)
    edge = round(leaf.width * rng.uniform(0.02, 0.06))
    ImageDraw.Draw(mask).rectangle(
        (edge, edge, leaf.width - (0 if leaf.recto else edge), leaf.height - edge), fill=0
    )
    base = leaf.patches[0][0] if leaf.patches else Image.new("RGB", size, leaf.style.paper)
    base.paste(leather, (0, 0), mask)
    leaf.patches[:] = [(base, 0, 0)]
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


# Sorts of pages and how many of a hundred pages inside a volume they are.
INSIDE: dict[str, tuple[Maker, int]] = {
    "text": (text, 26), "verse": (verse, 6), "chapter": (chapter, 10), "chapter_end": (chapter_end, 7),
    "emblem": (emblem, 16), "illustrated": (illustrated, 13), "plate": (plate, 9),
    "small_pictures": (small_pictures, 2), "music": (music, 3), "map": (map_page, 2), "blank": (blank, 5),
}  # fmt: skip


def any_inside(rng: random.Random) -> Maker:
    """A sort of page at random, by its usual share."""
    return rng.choices([maker for maker, _ in INSIDE.values()], [share for _, share in INSIDE.values()])[0]
