"""A leaf while it is made: ink on paper in one grey layer, colour over it, and the truth of both."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing.lettering import Typeface, Word
from builtin_collections.emblems.drawing.ornaments import filler
from builtin_collections.emblems.style import Style
from builtin_collections.emblems.truth import (
    Box,
    BoxKind,
    Line,
    PageKind,
    Picture,
    TextBlock,
    TextKind,
    Truth,
)

Area = tuple[float, float, float, float]
"""left, top, width, height"""


class Leaf:
    """One side of a leaf, `height` pixels tall.

    `ink` is black on white. `patches` are coloured pictures that lie on the paper; `tints` are masks of a
    second ink.
    """

    def __init__(self, style: Style, rng: random.Random, height: int, *, recto: bool = True) -> None:
        self.style, self.rng, self.recto = style, rng, recto
        self.width, self.height = round(height * style.proportion), height
        self.unit = height / 1000
        self.ink = Image.new("L", (self.width, height), 255)
        self.patches: list[tuple[Image.Image, int, int]] = []
        self.tints: list[tuple[Image.Image, int, int, tuple[int, int, int]]] = []
        self.pictures: list[Picture] = []
        self.texts: list[TextBlock] = []
        inner, outer, head, foot = style.margins
        left, right = (inner, outer) if recto else (outer, inner)
        self.area: Area = (
            left * self.width, head * height, (1 - left - right) * self.width, (1 - head - foot) * height,
        )  # fmt: skip

    @property
    def size(self) -> int:
        """The size of the body's type in pixels."""
        return max(8, round(self.style.size * self.unit))

    @property
    def line_height(self) -> float:
        """From baseline to baseline, in pixels."""
        return self.size * self.style.leading

    def truth(self, kind: PageKind) -> Truth:
        """What is on the leaf, in its own pixels."""
        return Truth(kind, (self.width, self.height), tuple(self.pictures), tuple(self.texts))

    # Pictures

    def set_picture(
        self, kind: BoxKind, image: Image.Image, at: tuple[float, float], *, subjects: Sequence[str] = (),
        caption: TextBlock | None = None, tight: bool = False, tilt: float = 0.0, note: bool = True,
    ) -> Box:  # fmt: skip
        """Put a picture down: mode L is printed, RGB lies on the paper. Returns its box.

        Args:
            tight: the box is that of the ink, not of the whole image.
            note: whether the picture is one of the truth's.
        """
        x, y = round(at[0]), round(at[1])
        if image.mode == "L":
            place = (x, y, x + image.width, y + image.height)
            self.ink.paste(ImageChops.darker(self.ink.crop(place), image), (x, y))
        else:
            self.patches.append((image, x, y))
        box: Box = (x, y, image.width, image.height)
        if tight and image.mode == "L":
            inked = image.point(lambda value: 255 if value < 160 else 0).getbbox() or (0, 0, *image.size)
            box = (x + inked[0], y + inked[1], inked[2] - inked[0], inked[3] - inked[1])
        if note:
            self.pictures.append(Picture(kind, self._cut(box), tilt, caption, tuple(subjects)))
        return box

    def _cut(self, box: Box) -> Box:
        left, top = max(0, box[0]), max(0, box[1])
        right, bottom = min(self.width, box[0] + box[2]), min(self.height, box[1] + box[3])
        return left, top, max(1, right - left), max(1, bottom - top)

    # Text

    def put(self, word: Word, x: float, baseline: float, tone: int = 0, second: bool = False) -> Box:
        """Print one word; returns the box of its ink."""
        left, top = round(x), round(baseline) - word.above
        if second:
            self.tints.append((word.mask, left, top, self.style.second_ink))
        else:
            self.ink.paste(tone, (left, top), word.mask)
        return left, top, word.mask.width, word.mask.height

    def line(
        self, text: Sequence[str], x: float, baseline: float, face: Typeface, size: int, *,
        width: float | None = None,
        variant: str = "roman", second: bool = False, tone: int = 0,
    ) -> Line:  # fmt: skip
        """Set one line of words from `x`; with a `width`, its spaces are stretched to fill it."""
        masks = [face.word(each, size, variant) for each in text]
        space = face.space(size)
        if width is not None and len(masks) > 1:
            rest = width - sum(word.advance for word in masks)
            space = max(space * 0.5, rest / (len(masks) - 1))
        boxes = []
        for word, each in zip(masks, text, strict=True):
            boxes.append((each, self.put(word, x, baseline, tone, second)))
            x += word.advance + space
        left, top = boxes[0][1][0], min(box[1] for _, box in boxes)
        right = max(box[0] + box[2] for _, box in boxes)
        bottom = max(box[1] + box[3] for _, box in boxes)
        return Line(" ".join(text), (left, top, right - left, bottom - top), tuple(boxes))

    def centred(
        self, texts: Sequence[str], middle: float, top: float, face: Typeface, size: int, *, kind: TextKind,
        width: float, variant: str = "roman", leading: float = 1.3, second: bool = False, note: bool = True,
    ) -> TextBlock:  # fmt: skip
        """Set centred lines, those that are too long broken; returns the block."""
        lines = []
        baseline = top + size
        for text in texts:
            for row in self.broken(text.split(), width, face, size, variant):
                length = face.width_of(" ".join(row), size, variant)
                lines.append(
                    self.line(row, middle - length / 2, baseline, face, size, variant=variant, second=second)
                )
                baseline += size * leading
        block = TextBlock(kind, self.style.language, tuple(lines))
        if note:
            self.texts.append(block)
        return block

    def broken(
        self, text: Sequence[str], width: float, face: Typeface, size: int, variant: str = "roman"
    ) -> list[list[str]]:
        """The words in rows no wider than `width`."""
        rows: list[list[str]] = [[]]
        used = 0.0
        for each in text:
            advance = face.word(each, size, variant).advance + face.space(size)
            if rows[-1] and used + advance > width:
                rows.append([])
                used = 0.0
            rows[-1].append(each)
            used += advance
        return rows

    def words(self) -> list[str]:
        """One sentence in the volume's language, spelled as its time did."""
        text = words.sentence(self.style.language, self.rng)
        if not self.style.long_s:
            return text
        return [_long_s(each) for each in text]

    def paragraph(
        self, area: Area, *, indent: tuple[float, int] = (0.0, 0), kind: TextKind = "body",
        size: int | None = None,
        verse: bool = False, variant: str | None = None, full: bool = True,
    ) -> float:  # fmt: skip
        """Fill `area` with text; returns where it ends.

        Args:
            indent: how much room an initial takes in the first lines: width in pixels, number of lines.
            verse: one sentence per line, not justified.
            full: to the end of the area; otherwise the text may stop early.
        """
        left, top, width, height = area
        size = self.size if size is None else size
        variant = ("italic" if self.style.italic else "roman") if variant is None else variant
        face, step = self.style.body, size * self.style.leading
        num_lines = int(height / step)
        if not full:
            num_lines = max(1, round(num_lines * self.rng.uniform(0.3, 0.95)))
        pending: list[str] = []
        lines: list[Line] = []
        last = 0
        for number in range(num_lines):
            inset = indent[0] if number < indent[1] else 0.0
            room = width - inset
            row, pending, ends = self._row(pending, room, face, size, variant, verse)
            baseline = top + size * 0.8 + number * step
            stretch = None if verse or ends or number == num_lines - 1 else room
            red = self.style.century == 15 and self.rng.random() < 0.015
            lines.append(
                self.line(row, left + inset, baseline, face, size, width=stretch, variant=variant, second=red)
            )
            if ends and not verse and self.style.fillers and kind == "body":
                self._fill_line(lines[-1].box, left + width, size)
            last = number + 1
        if lines:
            self.texts.append(TextBlock(kind, self.style.language, tuple(lines)))
        return top + last * step

    def _row(
        self, pending: list[str], room: float, face: Typeface, size: int, variant: str, verse: bool
    ) -> tuple[list[str], list[str], bool]:
        row: list[str] = []
        used = 0.0
        while True:
            if not pending:
                if row and verse:
                    return row, [], True
                pending = self.words()
                if row and self.rng.random() < (0.2 if self.style.fillers else 0.06):
                    return row, pending, True
            advance = face.word(pending[0], size, variant).advance + (face.space(size) if row else 0)
            if row and used + advance > room:
                return (row, [], True) if verse else (row, pending, False)
            row.append(pending[0])
            pending = pending[1:]
            used += advance

    def _fill_line(self, line: Box, right: float, size: int) -> None:
        """A coloured bar, or a few squares, from the end of a line to the edge of its column."""
        left = line[0] + line[2] + size * 0.4
        wide, high = right - left, size * self.rng.uniform(0.7, 0.95)
        if self.rng.random() < 0.3:
            wide = min(wide, size * self.rng.uniform(0.8, 1.6))
        if wide < size * 0.7:
            return
        bar = filler((round(wide), round(high)), self.rng)
        self.set_picture("ornament", bar, (left, line[1] + (line[3] - high) / 2))

    def line_noted(self, text: str, box: Box) -> None:
        """Note a line of text that a picture brought along, such as the words below a stave."""
        self.texts.append(TextBlock("body", self.style.language, (Line(text, box),)))

    def rule(self, left: float, top: float, width: float, thickness: int = 1) -> None:
        """Print a rule from left to right."""
        ImageDraw.Draw(self.ink).rectangle((left, top, left + width, top + thickness - 1), fill=0)


def _long_s(word: str) -> str:
    """The word with a long s everywhere but at its end."""
    return re.sub(r"s(?=[^\W\d_])", "ſ", word)
