"""The lion, the eagle and the martlet: limbs and locks joined into one silhouette, facing dexter."""

from __future__ import annotations

import math

import numpy as np

from builtin_collections.armorial.drawing.outline import (
    Figure,
    OutlinePart,
    arc,
    both_sides,
    limb,
    part,
    points,
    spline,
)


def _claws(x: float, y: float, heading_degrees: float, length: float = 0.15) -> list[OutlinePart]:
    """Three toes spread about a heading (0 points right, 90 down)."""
    toes = []
    for spread in (-48.0, 0.0, 48.0):
        angle = math.radians(heading_degrees + spread)
        tip = (x + length * math.cos(angle), y + length * math.sin(angle))
        middle = (x + 0.55 * length * math.cos(angle), y + 0.55 * length * math.sin(angle))
        toes.append(limb((x, y, 0.055), (*middle, 0.05), (*tip, 0.008), steps=3))
    return toes


def _lion_head() -> list[OutlinePart]:
    """An open mouth to dexter, an ear, and a mane in locks down the neck."""
    mane = points(
        (-0.30, -0.90), (-0.12, -0.99), (-0.02, -0.93), (0.10, -0.97), (0.10, -0.84), (0.24, -0.82),
        (0.16, -0.70), (0.30, -0.62), (0.19, -0.53), (0.31, -0.40), (0.17, -0.36), (0.24, -0.20),
        (0.06, -0.24), (-0.02, -0.12), (-0.12, -0.26), (-0.26, -0.22), (-0.26, -0.38),
        (-0.36, -0.46), (-0.26, -0.62),
    )  # fmt: skip
    muzzle = points(
        (-0.14, -0.92), (-0.30, -0.93), (-0.42, -0.86), (-0.58, -0.84), (-0.64, -0.77), (-0.60, -0.71),
        (-0.42, -0.70), (-0.54, -0.62), (-0.50, -0.56), (-0.34, -0.55), (-0.18, -0.60),
    )  # fmt: skip
    tongue = limb((-0.40, -0.66, 0.03), (-0.55, -0.66, 0.025), (-0.66, -0.61, 0.008), steps=4)
    ear = part(points((-0.16, -0.88), (-0.08, -1.02), (0.0, -0.86)))
    return [part(mane), part(muzzle), tongue, ear]


def _lion_legs() -> list[OutlinePart]:
    upper = limb((-0.05, -0.34, 0.15), (-0.34, -0.30, 0.11), (-0.54, -0.42, 0.075), (-0.78, -0.52, 0.07))
    lower = limb((0.0, -0.12, 0.15), (-0.28, -0.02, 0.11), (-0.50, -0.06, 0.075), (-0.74, -0.14, 0.07))
    raised = limb(
        (0.22, 0.40, 0.22),
        (-0.06, 0.36, 0.17),
        (-0.34, 0.30, 0.10),
        (-0.38, 0.52, 0.075),
        (-0.64, 0.56, 0.065),
    )
    planted = limb(
        (0.30, 0.40, 0.22), (0.32, 0.58, 0.17), (0.18, 0.70, 0.10), (0.28, 0.86, 0.075), (0.02, 0.93, 0.065)
    )
    claws = [
        *_claws(-0.78, -0.52, 205), *_claws(-0.74, -0.14, 195),
        *_claws(-0.64, 0.56, 180), *_claws(0.02, 0.93, 178),
    ]  # fmt: skip
    return [upper, lower, raised, planted, *claws]


def _lion_tail() -> list[OutlinePart]:
    tail = limb(
        (0.40, 0.40, 0.05), (0.62, 0.44, 0.045), (0.74, 0.22, 0.045), (0.56, -0.02, 0.045),
        (0.54, -0.28, 0.045), (0.72, -0.46, 0.05), (0.66, -0.66, 0.05),
    )  # fmt: skip
    tuft = [
        limb((0.68, -0.56, 0.07), (0.58, -0.80, 0.08), (0.72, -0.98, 0.01)),
        limb((0.68, -0.58, 0.06), (0.80, -0.74, 0.07), (0.96, -0.80, 0.01)),
        limb((0.66, -0.58, 0.05), (0.50, -0.64, 0.06), (0.38, -0.76, 0.01)),
        limb((0.56, -0.10, 0.05), (0.70, -0.18, 0.055), (0.86, -0.16, 0.01)),
    ]
    return [tail, *tuft]


def lion() -> Figure:
    """Rampant: erect on one hind foot, the forepaws raised, the tail over the back."""
    trunk = limb((0.28, 0.44, 0.22), (0.16, 0.12, 0.17), (0.02, -0.18, 0.24), (-0.06, -0.46, 0.22))
    eye = arc((-0.33, -0.80), 0.03, 0, 359, 8)
    lines = (
        eye,
        points((-0.46, -0.86), (-0.36, -0.87), (-0.28, -0.83)),
        spline([(-0.16, -0.54), (-0.06, -0.42), (-0.12, -0.30)]),
        spline([(0.02, -0.62), (0.10, -0.48), (0.04, -0.34)]),
        spline([(0.08, 0.22), (0.02, 0.36), (0.10, 0.50)]),
        spline([(0.20, 0.30), (0.12, 0.46), (0.22, 0.60)]),
    )
    return Figure((*_lion_tail(), trunk, *_lion_legs(), *_lion_head()), lines)


def _wing() -> list[OutlinePart]:
    """The right-hand wing: a raised arm and seven pinions that fan from it."""
    arm = limb((0.14, -0.26, 0.13), (0.38, -0.52, 0.12), (0.62, -0.82, 0.08), (0.80, -0.90, 0.05))
    feathers = []
    roots = (
        (0.78, -0.86),
        (0.70, -0.78),
        (0.60, -0.68),
        (0.50, -0.58),
        (0.40, -0.46),
        (0.30, -0.34),
        (0.22, -0.24),
    )
    tips = (
        (0.99, -0.60),
        (0.99, -0.30),
        (0.95, -0.02),
        (0.86, 0.22),
        (0.70, 0.38),
        (0.52, 0.44),
        (0.34, 0.40),
    )
    for (x, y), (tip_x, tip_y) in zip(roots, tips, strict=True):
        middle = (0.45 * x + 0.55 * tip_x + 0.02, 0.45 * y + 0.55 * tip_y)
        feathers.append(limb((x, y, 0.06), (*middle, 0.085), (tip_x, tip_y, 0.02), steps=4))
    return [arm, *feathers]


def eagle() -> Figure:
    """Displayed: breast to the viewer, wings spread with their tips up, head to dexter."""
    trunk = limb((0.02, -0.46, 0.13), (0.0, -0.2, 0.24), (0.0, 0.14, 0.2), (0.0, 0.42, 0.1))
    neck = limb((0.02, -0.40, 0.14), (0.05, -0.62, 0.11), (0.0, -0.80, 0.12), (-0.05, -0.84, 0.12))
    beak = part(
        points((-0.10, -0.93), (-0.24, -0.90), (-0.35, -0.78), (-0.33, -0.72), (-0.22, -0.78), (-0.10, -0.74))
    )
    tongue = limb((-0.16, -0.75, 0.02), (-0.25, -0.68, 0.008), steps=3)
    tail = [
        limb(
            (0.0, 0.36, 0.07),
            (spread * 0.55, 0.66, 0.085),
            (spread, 0.99 - 0.25 * abs(spread), 0.025),
            steps=4,
        )
        for spread in (-0.36, -0.18, 0.0, 0.18, 0.36)
    ]
    leg = limb((0.12, 0.22, 0.11), (0.26, 0.42, 0.09), (0.44, 0.60, 0.045))
    talons = _claws(0.46, 0.62, 62, 0.2)
    sides = both_sides([*_wing(), leg, *talons])
    breast = tuple(
        arc((x, y), 0.07, 20, 160, 6) for x, y in ((-0.08, -0.12), (0.08, -0.12), (0, 0.02), (0, -0.26))
    )
    quills = tuple(
        points((side * x, y), (side * tip_x, tip_y))
        for side in (-1, 1)
        for (x, y), (tip_x, tip_y) in (((0.60, -0.68), (0.86, -0.12)), ((0.44, -0.5), (0.68, 0.22)))
    )
    eye = arc((-0.08, -0.86), 0.025, 0, 359, 8)
    return Figure((*tail, *sides, trunk, neck, beak, tongue), (eye, *breast, *quills))


def martlet() -> Figure:
    """A swallow without feet."""
    body = part(
        spline(
            [
                (-0.62, -0.34), (-0.40, -0.44), (-0.12, -0.30), (0.2, -0.16), (0.5, 0.04), (0.42, 0.26),
                (0.1, 0.42), (-0.24, 0.40), (-0.48, 0.18), (-0.58, -0.06),
            ],
            closed=True,
        )
    )  # fmt: skip
    head = part(arc((-0.52, -0.42), (0.25, 0.23), num_points=20))
    beak = part(points((-0.70, -0.54), (-0.98, -0.38), (-0.70, -0.30)))
    tail = [
        limb((0.36, 0.06, 0.12), (0.66, 0.10, 0.09), (0.99, 0.0, 0.015)),
        limb((0.34, 0.12, 0.12), (0.62, 0.26, 0.09), (0.94, 0.36, 0.015)),
    ]
    wing = limb((-0.26, -0.12, 0.16), (0.12, -0.10, 0.17), (0.5, -0.30, 0.09), (0.84, -0.56, 0.015))
    thighs = [
        limb((-0.12, 0.34, 0.11), (-0.10, 0.56, 0.07), (-0.14, 0.70, 0.012)),
        limb((0.12, 0.32, 0.11), (0.16, 0.54, 0.07), (0.14, 0.68, 0.012)),
    ]
    lines = (
        wing.contours[0],
        arc((-0.58, -0.46), 0.035, 0, 359, 8),
        spline([(-0.1, -0.06), (0.2, -0.06), (0.5, -0.22)]),
        spline([(-0.14, 0.02), (0.2, 0.04), (0.42, -0.06)]),
    )
    return Figure((*tail, *thighs, body, head, beak, wing), tuple(np.asarray(line) for line in lines))
