"""How a volume looks: its century, type, paper, ink, and how it was photographed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from builtin_collections.emblems import words
from builtin_collections.emblems.drawing.lettering import Typeface
from builtin_collections.emblems.drawing.scenes import Technique

Colour = tuple[int, int, int]
Scan = Literal["colour", "grey", "bitonal"]
_PAPERS: tuple[Colour, ...] = (
    (236, 226, 202), (228, 214, 184), (242, 236, 220), (214, 198, 168), (232, 222, 206), (244, 240, 230),
    (206, 186, 152), (226, 206, 180),
)  # fmt: skip
_INKS: tuple[Colour, ...] = ((38, 30, 26), (26, 24, 24), (58, 44, 34), (44, 40, 44))


@dataclass(frozen=True)
class Style:
    """One volume's looks. Sizes are per thousandth of the height of a leaf."""

    century: int
    language: str
    body: Typeface
    display: Typeface
    size: int
    leading: float
    columns: int
    paper: Colour
    ink: Colour
    second_ink: Colour
    proportion: float
    """width of a leaf by its height"""
    margins: tuple[float, float, float, float]
    """inner, outer, head and foot, as shares of the leaf's width and height"""
    scan: Scan
    bed: Colour
    """what the leaf lies on when it is photographed"""
    technique: Technique
    framed: bool
    """whether a rule surrounds every page"""
    italic: bool
    show_through: float
    foxing: float
    skew: float
    """usual angle of a leaf in its image, degrees"""
    long_s: bool
    fillers: bool
    """whether coloured bars fill the rest of lines at which a sentence ends"""


def choose(rng: random.Random) -> Style:
    """A volume's style: first the century, then what was usual in it."""
    century = rng.choices((15, 16, 17, 18, 19, 20), (18, 20, 24, 16, 12, 10))[0]
    kind = rng.choices(("roman", "gothic", "hand"), _type_weights(century))[0]
    language = rng.choice(words.LANGUAGES)
    face = Typeface(kind, rng.randrange(100), rng.uniform(0.74, 0.98), rng.uniform(0.75, 1.7))
    scan: Scan = rng.choices(("colour", "grey", "bitonal"), (66, 16, 18))[0]
    grey = rng.choice((10, 24, 60, 190, 250))
    bed = (255, 255, 255) if scan == "bitonal" else rng.choice(((grey,) * 3, (grey,) * 3, (34, 30, 28)))
    return Style(
        century=century,
        language=language,
        body=face,
        display=Typeface("gothic" if kind == "gothic" and rng.random() < 0.7 else "roman", rng.randrange(100),
                         rng.uniform(0.8, 1.0), rng.uniform(0.9, 1.4)),
        size=rng.randint(17, 31) if century < 19 else rng.randint(15, 22),
        leading=rng.uniform(1.0, 1.25) if kind != "roman" else rng.uniform(1.08, 1.45),
        columns=rng.choices((1, 2), (76, 24))[0],
        paper=rng.choice(_PAPERS),
        ink=rng.choice(_INKS),
        second_ink=rng.choice(((168, 44, 36), (168, 44, 36), (44, 70, 140), rng.choice(_INKS))),
        proportion=rng.choice((0.58, 0.62, 0.66, 0.7, 0.74, 0.8)),
        margins=_margins(rng),
        scan=scan,
        bed=bed,
        technique=_technique(century, rng),
        framed=rng.random() < 0.12,
        italic=kind == "roman" and rng.random() < 0.15,
        show_through=max(0.0, rng.gauss(0.1, 0.09)),
        foxing=max(0.0, rng.gauss(0.25, 0.35)),
        skew=rng.gauss(0, 0.7),
        long_s=century < 19 and language != "it" and rng.random() < 0.7,
        fillers=century == 15 and rng.random() < 0.4,
    )  # fmt: skip


def _type_weights(century: int) -> tuple[int, int, int]:
    return {15: (15, 45, 40), 16: (60, 32, 8), 17: (80, 15, 5), 18: (85, 10, 5)}.get(century, (96, 4, 0))


def _margins(rng: random.Random) -> tuple[float, float, float, float]:
    return rng.uniform(0.07, 0.14), rng.uniform(0.1, 0.22), rng.uniform(0.06, 0.11), rng.uniform(0.09, 0.18)


def _technique(century: int, rng: random.Random) -> Technique:
    if century == 15:
        return rng.choice(("woodcut", "woodcut", "miniature"))
    if century == 16:
        return rng.choice(("woodcut", "woodcut", "woodcut", "engraving"))
    return rng.choice(("engraving", "engraving", "woodcut"))
