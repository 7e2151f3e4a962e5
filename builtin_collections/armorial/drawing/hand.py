"""The hand that draws: everything that differs between two drawings of one coat.

Everything is random from (seed, coat, copy), in source pixels, and independent of the requested size, so that
a thumbnail is the same drawing as the full picture.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from builtin_collections.armorial.drawing.outline import Points
from builtin_collections.armorial.drawing.shield import OUTLINES
from builtin_collections.armorial.drawing.texture import NUM_GROUNDS
from builtin_collections.armorial.tinctures import Tincture

Colour = tuple[int, int, int]

# Pigments of four workshops: bright, faded, dark, and a printed book coloured by hand.
_WORKSHOPS: tuple[Mapping[Tincture, Colour], ...] = (
    {
        Tincture.OR: (232, 186, 52), Tincture.ARGENT: (242, 241, 238), Tincture.GULES: (192, 36, 36),
        Tincture.AZURE: (36, 78, 164), Tincture.VERT: (38, 122, 66), Tincture.SABLE: (38, 36, 38),
        Tincture.PURPURE: (122, 46, 126),
    },
    {
        Tincture.OR: (226, 188, 84), Tincture.ARGENT: (236, 236, 232), Tincture.GULES: (196, 66, 54),
        Tincture.AZURE: (70, 108, 170), Tincture.VERT: (78, 134, 84), Tincture.SABLE: (58, 54, 54),
        Tincture.PURPURE: (138, 76, 136),
    },
    {
        Tincture.OR: (206, 156, 44), Tincture.ARGENT: (228, 228, 226), Tincture.GULES: (156, 30, 34),
        Tincture.AZURE: (30, 56, 124), Tincture.VERT: (28, 92, 52), Tincture.SABLE: (30, 28, 30),
        Tincture.PURPURE: (96, 34, 102),
    },
    {
        Tincture.OR: (240, 202, 70), Tincture.ARGENT: (246, 246, 242), Tincture.GULES: (210, 56, 44),
        Tincture.AZURE: (54, 112, 186), Tincture.VERT: (60, 146, 78), Tincture.SABLE: (48, 44, 44),
        Tincture.PURPURE: (148, 66, 146),
    },
)  # fmt: skip
_PARCHMENTS: tuple[Colour, ...] = (
    (226, 208, 172),
    (217, 196, 158),
    (232, 219, 190),
    (208, 190, 160),
    (222, 206, 182),
)
_INKS: tuple[Colour, ...] = ((44, 30, 22), (30, 26, 26), (66, 42, 26), (24, 24, 34))


@dataclass(frozen=True)
class Hand:
    """One drawing's choices. Lengths in source pixels."""

    outline: Points
    palette: Mapping[Tincture, Colour]
    parchment: Colour
    ink: Colour
    ink_width: float
    ground: int
    ground_flip: int
    shadow: float
    turn_degrees: float
    scale: tuple[float, float]
    shift: tuple[float, float]
    charge_scale: float
    waves: Points
    """Six waves of displacement, one a row: (kx, ky, phase, amplitude x, amplitude y)."""

    def traced(self, shapes: Points) -> Points:
        """Source points (about the middle) as this hand sets them down, from the upper left corner."""
        kx, ky, phase, amplitude_x, amplitude_y = self.waves.T
        swing = np.sin(np.outer(shapes[:, 0], kx) + np.outer(shapes[:, 1], ky) + phase)
        x = shapes[:, 0] * self.scale[0] + swing @ amplitude_x
        y = shapes[:, 1] * self.scale[1] + swing @ amplitude_y
        cosine, sine = math.cos(math.radians(self.turn_degrees)), math.sin(math.radians(self.turn_degrees))
        traced = np.empty_like(shapes)
        traced[:, 0] = x * cosine - y * sine + self.shift[0]
        traced[:, 1] = x * sine + y * cosine + self.shift[1]
        return traced


def hand(*, seed: int, coat: int, copy: int) -> Hand:
    """The hand of one drawing: `copy` of the coat numbered `coat`."""
    rng = random.Random(f"hand {seed} {coat} {copy}")
    scale = rng.uniform(0.94, 1.0)
    return Hand(
        outline=rng.choice(OUTLINES),
        palette=_palette(rng),
        parchment=_near(rng, rng.choice(_PARCHMENTS), 5),
        ink=rng.choice(_INKS),
        ink_width=rng.uniform(3.0, 5.2),
        ground=rng.randrange(NUM_GROUNDS),
        ground_flip=rng.randrange(4),
        shadow=rng.choice((0.0, 5.0, 8.0)),
        turn_degrees=rng.gauss(0.0, 1.6),
        scale=(scale * rng.uniform(0.97, 1.02), scale),
        shift=(256 + rng.uniform(-9, 9), 298 + rng.uniform(-9, 9)),
        charge_scale=rng.uniform(0.95, 1.04),
        waves=_waves(rng),
    )


def _waves(rng: random.Random) -> Points:
    rows = []
    for wavelength, amplitude in ((320, 3.0), (240, 2.4), (130, 1.5), (80, 0.9), (44, 0.5), (28, 0.35)):
        angle, length = rng.uniform(0, math.tau), wavelength * rng.uniform(0.8, 1.25)
        kx, ky = math.tau / length * math.cos(angle), math.tau / length * math.sin(angle)
        rows.append((kx, ky, rng.uniform(0, math.tau), rng.gauss(0, amplitude), rng.gauss(0, amplitude)))
    return np.array(rows)


def _palette(rng: random.Random) -> Mapping[Tincture, Colour]:
    workshop = rng.choice(_WORKSHOPS)
    return {tincture: _near(rng, colour, 9) for tincture, colour in workshop.items()}


def _near(rng: random.Random, colour: Colour, spread: int) -> Colour:
    red, green, blue = (max(0, min(255, channel + rng.randint(-spread, spread))) for channel in colour)
    return red, green, blue
