"""Parts that several sorts of pages share: running titles, columns, initials, headings, captions, stamps."""

from __future__ import annotations

from PIL import Image, ImageDraw

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing import ornaments
from builtin_collections.emblems.leaf import Area, Leaf
from builtin_collections.emblems.truth import TextBlock


def frame(leaf: Leaf, number: int, *, running: bool = True) -> Area:
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


def columns(leaf: Leaf, area: Area) -> list[Area]:
    """The columns of an area: one or two, as in the volume's style."""
    left, top, width, height = area
    if leaf.style.columns == 1:
        return [area]
    gap = leaf.size * 1.1
    half = (width - gap) / 2
    if leaf.rng.random() < 0.1:
        leaf.rule(left + half + gap / 2, top, 1, round(height))
    return [(left, top, half, height), (left + half + gap, top, half, height)]


def initial(leaf: Leaf, at: tuple[float, float]) -> tuple[float, int]:
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


def heading(leaf: Leaf, area: Area) -> float:
    """Set a heading at the top of an area; returns the position below it."""
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


def captioned(leaf: Leaf, middle: float, top: float, width: float, lines: list[str], size: int) -> TextBlock:
    """Set centred lines as a caption."""
    variant = leaf.rng.choice(("roman", "italic", "italic"))
    return leaf.centred(
        lines, middle, top, leaf.style.body, size, kind="caption", width=width, variant=variant, leading=1.2
    )


def stamped(leaf: Leaf, chance: float) -> None:
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
