"""Type: the faces that a machine has, or Pillow's own; words as masks, drawn once and set many times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from builtin_collections.emblems.drawing import strokes

# Regular, italic and bold of families that Debian and others package; those that are there are used.
_FAMILIES = (
    ("EBGaramond12-Regular.otf", "EBGaramond12-Italic.otf", "EBGaramond12-Bold.otf"),
    ("LinLibertine_R.otf", "LinLibertine_RI.otf", "LinLibertine_RB.otf"),
    ("OldStandard-Regular.otf", "OldStandard-Italic.otf", "OldStandard-Bold.otf"),
    ("Junicode.ttf", "Junicode-Italic.ttf", "Junicode-Bold.ttf"),
    ("GentiumPlus-Regular.ttf", "GentiumPlus-Italic.ttf", "GentiumPlus-Bold.ttf"),
    ("FreeSerif.ttf", "FreeSerifItalic.ttf", "FreeSerifBold.ttf"),
    ("LiberationSerif-Regular.ttf", "LiberationSerif-Italic.ttf", "LiberationSerif-Bold.ttf"),
    ("DejaVuSerif.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSerif-Bold.ttf"),
    ("DejaVuSerifCondensed.ttf", "DejaVuSerifCondensed-Italic.ttf", "DejaVuSerifCondensed-Bold.ttf"),
)
_VARIANTS = ("roman", "italic", "bold")
_OWN = ""  # Pillow's own face, Aileron


class Word(NamedTuple):
    """A word to set: a mask (255 is ink), how far its top lies above the baseline, its advance."""

    mask: Image.Image
    above: int
    advance: float


@dataclass(frozen=True)
class Typeface:
    """One face. `family` indexes the families that are there, modulo their number.

    `kind` is roman (printed), gothic (blackletter) or hand (written); the last two need no font file.
    """

    kind: str = "roman"
    family: int = 0
    width: float = 1.0
    weight: float = 1.0

    def word(self, text: str, size: int, variant: str = "roman") -> Word:
        """The word `text`, `size` pixels from descender to ascender."""
        if self.kind == "roman":
            return _printed(text, size, variant, self.family, self.width, self.weight)
        return _written(text, size, self.kind, self.width, self.weight)

    def width_of(self, text: str, size: int, variant: str = "roman") -> float:
        """The width of a line in pixels, its words one space apart."""
        words = text.split(" ")
        return sum(self.word(each, size, variant).advance for each in words) + self.space(size) * (
            len(words) - 1
        )

    def space(self, size: int) -> float:
        """The usual space between words, in pixels."""
        return 0.26 * size * self.width


@cache
def families() -> tuple[tuple[str, str, str], ...]:
    """The families of which this machine has the regular face; Pillow's own where there is none."""
    return tuple(family for family in _FAMILIES if _is_there(family[0])) or ((_OWN, _OWN, _OWN),)


def _is_there(name: str) -> bool:
    try:
        ImageFont.truetype(name, 12)
    except OSError:
        return False
    return True


@lru_cache(512)
def _font(family: int, variant: str, size: int) -> ImageFont.FreeTypeFont:
    there = families()
    name = there[family % len(there)][_VARIANTS.index(variant)]
    if name and _is_there(name):
        return ImageFont.truetype(name, size)
    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont), "Pillow has FreeType"
    return own


@lru_cache(16_384)
def _printed(text: str, size: int, variant: str, family: int, width: float, weight: float) -> Word:
    font = _font(family, variant, size)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    mask = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), text, font=font, fill=255, anchor="ls")
    if width != 1.0:
        narrow = (max(1, round(mask.width * width)), mask.height)
        mask = mask.resize(narrow, Image.Resampling.BILINEAR)
    return Word(_weighted(mask, weight), 1 - int(top), font.getlength(text) * width)


@lru_cache(16_384)
def _written(text: str, size: int, kind: str, width: float, weight: float) -> Word:
    nib, slant = (1.15, 0.0) if kind == "gothic" else (0.55, 0.22)
    mask, above, advance = strokes.word_mask(text, size * 1.1, nib=nib * weight, slant=slant)
    if width != 1.0:
        mask = mask.resize((max(1, round(mask.width * width)), mask.height), Image.Resampling.BILINEAR)
    return Word(mask, above, advance * width)


def _weighted(mask: Image.Image, weight: float) -> Image.Image:
    """Fuller or leaner strokes, as ink spreads or wears: the edge of a letter is moved."""
    if weight == 1.0:
        return mask
    return mask.point(_curve(round(weight, 2)))


@lru_cache(256)
def _curve(weight: float) -> list[int]:
    return [min(255, round(255 * (value / 255) ** (1 / weight))) for value in range(256)]
