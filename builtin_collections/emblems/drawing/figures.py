"""The figures of the emblems in the box [-1, 1]²: the armorial's charges, and what a landscape
needs beyond."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from builtin_collections.armorial.arms import Charge
from builtin_collections.armorial.drawing.figures import figure as charge_figure
from builtin_collections.armorial.drawing.outline import (
    Figure,
    OutlinePart,
    Points,
    arc,
    bezier,
    limb,
    part,
    points,
    ring,
    spline,
)

_CHARGES = {
    "lion": Charge.LION, "eagle": Charge.EAGLE, "swallow": Charge.MARTLET, "tower": Charge.TOWER,
    "rose": Charge.ROSE, "heart": Charge.HEART, "crown": Charge.CROWN, "bell": Charge.BELL,
    "anchor": Charge.ANCHOR, "wheel": Charge.WHEEL, "shell": Charge.ESCALLOP, "lily": Charge.FLEUR_DE_LIS,
}  # fmt: skip
# What rests on the ground, and what may float in the air.
GROUNDED = (
    "lion", "tower", "tree", "ship", "column", "house", "man", "woman", "dog", "stag", "vase", "anchor",
    "book", "wheel", "snake", "bell",
)  # fmt: skip
AIRBORNE = ("eagle", "swallow", "heart", "crown", "sun", "hand", "rose", "sword", "globe", "key", "torch",
            "lily",
            "shell", "fish")  # fmt: skip


@cache
def figure(name: str) -> Figure:
    """The figure called `name`."""
    if name in _CHARGES:
        return charge_figure(_CHARGES[name])
    return _MAKERS[name]()


def tree() -> Figure:
    """A trunk with roots and a crown of leaves in billows."""
    trunk = limb((0.02, 1.0, 0.16), (0.0, 0.5, 0.1), (0.04, 0.0, 0.09), (0.0, -0.3, 0.05))
    branches = [
        limb((0.02, 0.25, 0.06), (0.3, -0.05, 0.04), (0.5, -0.2, 0.02)),
        limb((0.0, 0.3, 0.06), (-0.28, 0.0, 0.04), (-0.5, -0.15, 0.02)),
        limb((0.0, 0.9, 0.09), (0.25, 1.0, 0.03)), limb((0.0, 0.9, 0.09), (-0.25, 1.0, 0.03)),
    ]  # fmt: skip
    billows = []
    for x, y, size in ((-0.5, -0.25, 0.34), (0.5, -0.25, 0.34), (-0.3, -0.6, 0.36), (0.32, -0.6, 0.36),
                       (0.0, -0.4, 0.4), (0.0, -0.78, 0.24)):  # fmt: skip
        turn = np.linspace(0, 2 * math.pi, 40, endpoint=False)
        radius = size * (1 + 0.12 * np.sin(9 * turn + 7 * x))
        billows.append(part(np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)])))
    leaves = tuple(
        arc((x, y), 0.07, 20, 200, 6)
        for x, y in ((-0.55, -0.3), (-0.3, -0.65), (0.1, -0.5), (0.5, -0.35), (0.3, -0.7), (0.0, -0.85),
                     (-0.1, -0.3), (-0.4, -0.45), (0.35, -0.2), (0.6, -0.15))
    )  # fmt: skip
    return Figure((trunk, *branches, *billows), leaves)


def ship() -> Figure:
    """A carrack on the waves: hull, castles, mast, a full sail and a pennant."""
    hull = part(bezier((-0.95, 0.25), (-0.8, 0.75), (-0.5, 0.85), (0.0, 0.85), (0.55, 0.85), (0.8, 0.7),
                       (0.98, 0.1),
                       (0.8, 0.2), (0.66, 0.3), (0.6, 0.42), (0.2, 0.5), (-0.3, 0.5), (-0.6, 0.42), (-0.66,
                                                            0.3),
                       (-0.8, 0.25), (-0.95, 0.25)))  # fmt: skip
    mast = limb((0.0, 0.5, 0.035), (0.0, -0.98, 0.02))
    yard = limb((-0.62, -0.62, 0.02), (0.62, -0.66, 0.02))
    sail = part(bezier((-0.55, -0.6), (-0.2, -0.55), (0.2, -0.6), (0.55, -0.64), (0.75, -0.3), (0.72, 0.0),
                       (0.5, 0.22),
                       (0.15, 0.3), (-0.25, 0.3), (-0.55, 0.22), (-0.35, -0.05), (-0.35, -0.35), (-0.55,
                                                            -0.6)))  # fmt: skip
    pennant = part(points((0.0, -0.98), (0.5, -0.92), (0.3, -0.86), (0.5, -0.8), (0.0, -0.84)))
    ropes = (points((0.0, -0.8), (0.85, 0.2)), points((0.0, -0.8), (-0.85, 0.3)), points((-0.6, 0.5), (0.6,
                                                            0.55)),
             points((-0.7, 0.62), (0.62, 0.68)), spline([(-0.2, -0.55), (-0.02, -0.1), (-0.2, 0.28)]),
             spline([(0.2, -0.6), (0.4, -0.2), (0.2, 0.26)]))  # fmt: skip
    waves = tuple(
        spline([(x, 0.9 + 0.06 * k), (x + 0.15, 0.84 + 0.06 * k), (x + 0.3, 0.92 + 0.06 * k)])
        for k in (0, 1)
        for x in (-1.0, -0.65, -0.3, 0.05, 0.4, 0.7)
    )
    return Figure((hull, mast, sail, yard, pennant), ropes + waves)


def sun() -> Figure:
    """A disc with a face, and rays straight and wavy in turn."""
    rays: list[OutlinePart] = []
    for number in range(16):
        angle = math.radians(number * 22.5)
        cosine, sine = math.cos(angle), math.sin(angle)
        reach = 0.98 if number % 2 == 0 else 0.8
        base = 0.1
        rays.append(part(points((0.5 * cosine - base * sine, 0.5 * sine + base * cosine), (reach * cosine,
                                                            reach * sine),
                                (0.5 * cosine + base * sine, 0.5 * sine - base * cosine))))  # fmt: skip
    face = (arc((-0.18, -0.1), (0.08, 0.05), 0, 359, 10), arc((0.18, -0.1), (0.08, 0.05), 0, 359, 10),
            spline([(0.0, -0.1), (-0.05, 0.12), (0.05, 0.14)]), spline([(-0.16, 0.25), (0, 0.31), (0.16,
                                                            0.25)]))  # fmt: skip
    return Figure((*rays, part(arc((0, 0), 0.52, num_points=32))), face)


def hand() -> Figure:
    """A hand that reaches to the left out of a cloud."""
    cloud = [part(arc((x, y), size, num_points=18)) for x, y, size in (
        (0.8, -0.25, 0.24), (0.8, 0.3, 0.26), (0.55, 0.42, 0.2), (0.55, -0.35, 0.22), (0.9, 0.05, 0.3),
        (0.62, 0.05, 0.26))]  # fmt: skip
    sleeve = part(points((0.65, -0.25), (0.2, -0.2), (0.2, 0.25), (0.65, 0.3)))
    palm = limb((0.25, 0.02, 0.17), (-0.1, 0.0, 0.19), (-0.3, 0.0, 0.14))
    fingers = [
        limb((-0.25, -0.12, 0.06), (-0.6, -0.15, 0.055), (-0.95, -0.1, 0.04)),
        limb((-0.28, -0.03, 0.06), (-0.6, -0.02, 0.05), (-0.8, 0.08, 0.04)),
        limb((-0.28, 0.06, 0.06), (-0.52, 0.1, 0.05), (-0.62, 0.22, 0.04)),
        limb((-0.2, 0.13, 0.06), (-0.4, 0.2, 0.05), (-0.45, 0.3, 0.04)),
        limb((0.0, -0.14, 0.07), (-0.2, -0.34, 0.06), (-0.42, -0.36, 0.04)),
    ]
    folds = (points((0.2, -0.12), (0.5, -0.1)), points((0.2, 0.1), (0.52, 0.14)))
    return Figure((sleeve, palm, *fingers, *cloud), folds)


def column() -> Figure:
    """A fluted column on its base."""
    shaft = part(points((-0.3, -0.72), (0.3, -0.72), (0.36, 0.72), (-0.36, 0.72)))
    capital = [part(points((-0.5, -0.98), (0.5, -0.98), (0.5, -0.86), (-0.5, -0.86))),
               part(points((-0.44, -0.86), (0.44, -0.86), (0.3, -0.7), (-0.3, -0.7)))]  # fmt: skip
    base = [part(points((-0.42, 0.7), (0.42, 0.7), (0.46, 0.82), (-0.46, 0.82))),
            part(points((-0.58, 0.82), (0.58, 0.82), (0.58, 1.0), (-0.58, 1.0)))]  # fmt: skip
    flutes = tuple(points((x, -0.7), (x * 1.18, 0.7)) for x in (-0.18, -0.06, 0.08, 0.2))
    return Figure((shaft, *capital, *base), flutes)


def snake() -> Figure:
    """A snake in three bends, its head raised."""
    body = limb((-0.95, 0.7, 0.02), (-0.6, 0.5, 0.07), (-0.3, 0.8, 0.1), (0.1, 0.5, 0.11), (0.45, 0.8, 0.11),
                (0.75, 0.4, 0.1), (0.45, 0.05, 0.09), (0.2, -0.2, 0.08), (0.35, -0.55, 0.07), (0.15, -0.7,
                                                            0.09),
                (-0.1, -0.62, 0.05))  # fmt: skip
    tongue = (points((-0.14, -0.62), (-0.3, -0.6), (-0.38, -0.66)), points((-0.3, -0.6), (-0.38, -0.54)),
              arc((0.1, -0.72), 0.025, 0, 359, 6))  # fmt: skip
    scales = tuple(arc((x, y), 0.05, 200, 340, 5) for x, y in ((-0.3, 0.8), (-0.1, 0.66), (0.1, 0.52), (0.3,
                                                            0.68),
                                                               (0.5, 0.78), (0.7, 0.55), (0.6, 0.2), (0.3,
                                                            -0.1)))  # fmt: skip
    return Figure((body,), scales + tongue)


def book() -> Figure:
    """An open book with lines of text."""
    left = part(bezier((0.0, -0.3), (-0.3, -0.55), (-0.7, -0.5), (-0.95, -0.35), (-0.95, 0.0), (-0.95, 0.3),
                       (-0.95, 0.6),
                       (-0.7, 0.45), (-0.3, 0.4), (0.0, 0.65)))  # fmt: skip
    right = OutlinePart(left.fill * (-1, 1), tuple(edge * (-1, 1) for edge in left.contours))
    lines = tuple(
        spline([(side * 0.12, y), (side * 0.45, y - 0.14), (side * 0.82, y - 0.08)])
        for side in (-1, 1)
        for y in (-0.2, -0.05, 0.1, 0.25, 0.4)
    )
    return Figure((left, right), lines)


def torch() -> Figure:
    """A torch with three flames."""
    staff = part(points((-0.1, -0.2), (0.1, -0.2), (0.05, 1.0), (-0.05, 1.0)))
    cup = part(points((-0.25, -0.32), (0.25, -0.32), (0.12, -0.1), (-0.12, -0.1)))
    flames = [limb((0.0, -0.3, 0.2), (0.06, -0.6, 0.14), (-0.05, -0.98, 0.01)),
              limb((-0.14, -0.3, 0.1), (-0.25, -0.55, 0.08), (-0.2, -0.8, 0.01)),
              limb((0.14, -0.3, 0.1), (0.26, -0.55, 0.08), (0.28, -0.84, 0.01))]  # fmt: skip
    return Figure(
        (*flames, staff, cup), (points((-0.08, 0.1), (0.08, 0.2)), points((-0.07, 0.4), (0.07, 0.5)))
    )


def fish() -> Figure:
    """A fish with scales, swimming to the left."""
    body = part(bezier((-0.95, 0.0), (-0.5, -0.5), (0.1, -0.45), (0.6, -0.06), (0.6, 0.0), (0.6, 0.0), (0.6,
                                                            0.06),
                       (0.1, 0.45), (-0.5, 0.5), (-0.95, 0.0)))  # fmt: skip
    tail = part(points((0.5, 0.0), (0.95, -0.4), (0.82, 0.0), (0.95, 0.4)))
    fin = part(points((-0.2, -0.36), (0.1, -0.62), (0.3, -0.28)))
    scales = tuple(arc((x, y), 0.1, 100, 260, 6) for x in (-0.3, -0.1, 0.1, 0.3) for y in (-0.15, 0.02, 0.18))
    return Figure(
        (tail, fin, body), (arc((-0.68, -0.08), 0.05, 0, 359, 8), arc((-0.6, 0.0), 0.3, -60, 60, 8), *scales)
    )


def house() -> Figure:
    """A house with a pitched roof, a chimney, a door and windows."""
    front = part(points((-0.8, 0.0), (0.1, 0.0), (0.1, 0.95), (-0.8, 0.95)))
    side = part(points((0.1, 0.0), (0.9, 0.05), (0.9, 0.85), (0.1, 0.95)))
    gable = part(points((-0.88, 0.02), (-0.35, -0.7), (0.18, 0.02)))
    roof = part(points((-0.35, -0.7), (0.5, -0.62), (0.98, 0.06), (0.18, 0.02)))
    chimney = part(points((0.3, -0.9), (0.48, -0.9), (0.48, -0.5), (0.3, -0.55)))
    holes = tuple(points((x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)) for x, y, w, h in (
        (-0.5, 0.5, 0.28, 0.45), (-0.68, 0.15, 0.2, 0.2), (-0.15, 0.15, 0.16, 0.2), (0.3, 0.3, 0.16, 0.2),
        (0.6, 0.3, 0.14, 0.2)))  # fmt: skip
    tiles = tuple(points((-0.3 + k * 0.16, -0.65 + k * 0.01), (0.24 + k * 0.16, 0.0)) for k in range(5))
    return Figure((chimney, front, side, roof, gable), holes + tiles)


def _head(x: float, y: float, size: float) -> list[OutlinePart]:
    return [part(arc((x, y), (size * 0.8, size), num_points=20))]


def man() -> Figure:
    """An upright man with a hat, a cloak and a staff."""
    legs = [limb((-0.1, 0.3, 0.12), (-0.14, 0.65, 0.09), (-0.16, 0.95, 0.06), (-0.3, 0.98, 0.03)),
            limb((0.1, 0.3, 0.12), (0.12, 0.65, 0.09), (0.12, 0.95, 0.06), (0.0, 0.98, 0.03))]  # fmt: skip
    tunic = part(points((-0.22, -0.5), (0.22, -0.5), (0.3, 0.0), (0.36, 0.42), (-0.36, 0.42), (-0.28, 0.0)))
    cloak = part(points((0.05, -0.5), (0.26, -0.5), (0.5, 0.2), (0.52, 0.7), (0.24, 0.6)))
    arms = [limb((-0.2, -0.42, 0.09), (-0.42, -0.15, 0.08), (-0.55, -0.3, 0.06)),
            limb((0.2, -0.42, 0.09), (0.36, -0.1, 0.08), (0.2, 0.1, 0.06))]  # fmt: skip
    staff = limb((-0.56, -0.85, 0.025), (-0.56, 0.98, 0.025))
    hat = part(
        points((-0.3, -0.78), (0.3, -0.78), (0.14, -0.84), (0.1, -0.99), (-0.1, -0.99), (-0.14, -0.84))
    )
    lines = (points((-0.3, 0.02), (0.3, 0.02)), spline([(-0.05, -0.4), (-0.1, 0.0), (-0.05, 0.4)]),
             spline([(0.12, -0.4), (0.16, 0.0), (0.2, 0.4)]), points((-0.08, -0.68), (-0.03, -0.68)),
             points((0.03, -0.68), (0.08, -0.68)), points((-0.05, -0.57), (0.05, -0.57)))  # fmt: skip
    return Figure((cloak, *legs, tunic, staff, *arms, *_head(0, -0.66, 0.15), hat), lines)


def woman() -> Figure:
    """An upright woman in a long gown, one arm raised."""
    gown = part(bezier((-0.16, -0.5), (-0.25, -0.2), (-0.1, -0.1), (-0.14, 0.0), (-0.3, 0.4), (-0.45, 0.7),
                       (-0.5, 0.98),
                       (-0.2, 1.0), (0.2, 1.0), (0.5, 0.98), (0.45, 0.7), (0.3, 0.4), (0.14, 0.0), (0.1,
                                                            -0.1),
                       (0.25, -0.2), (0.16, -0.5)))  # fmt: skip
    arms = [limb((-0.16, -0.42, 0.08), (-0.4, -0.5, 0.07), (-0.55, -0.78, 0.05)),
            limb((0.16, -0.42, 0.08), (0.36, -0.15, 0.08), (0.22, 0.08, 0.05))]  # fmt: skip
    hair = part(arc((0.0, -0.72), (0.2, 0.22), 150, 390, 20))
    folds = tuple(
        spline([(x * 0.3, -0.05), (x * 0.7, 0.4), (x, 0.95)]) for x in (-0.36, -0.18, 0.02, 0.2, 0.36)
    )
    face = (
        points((-0.07, -0.7), (-0.03, -0.7)),
        points((0.03, -0.7), (0.07, -0.7)),
        points((-0.04, -0.6), (0.04, -0.6)),
    )
    return Figure((hair, gown, *arms, *_head(0, -0.68, 0.15)), folds + face)


def _beast(
    neck: tuple[float, float], head_size: float, tail: OutlinePart, extra: list[OutlinePart]
) -> Figure:
    trunk = limb((-0.5, -0.02, 0.2), (0.0, 0.05, 0.19), (0.5, 0.0, 0.22))
    legs = [limb((x, 0.1, 0.11), (x + bend, 0.5, 0.06), (x, 0.95, 0.045), (x - 0.1, 0.97, 0.03))
            for x, bend in ((-0.5, -0.04), (-0.3, 0.05), (0.42, 0.06), (0.6, 0.1))]  # fmt: skip
    throat = limb((-0.5, -0.05, 0.17), (neck[0] + 0.1, neck[1] + 0.15, 0.11), (*neck, 0.1))
    muzzle = limb((*neck, head_size), (neck[0] - 0.16, neck[1] + 0.06, head_size * 0.7),
                  (neck[0] - 0.3, neck[1] + 0.14, head_size * 0.4))  # fmt: skip
    lines = (arc((neck[0] - 0.04, neck[1] - 0.02), 0.02, 0, 359, 6), spline([(-0.3, 0.1), (-0.2, 0.2),
                                                            (-0.25, 0.28)]),
             spline([(0.4, -0.1), (0.32, 0.05), (0.42, 0.2)]))  # fmt: skip
    return Figure((tail, *legs, trunk, throat, *extra, muzzle), lines)


def dog() -> Figure:
    """A hound on its four legs, seen from its left."""
    tail = limb((0.66, -0.05, 0.05), (0.85, -0.3, 0.04), (0.8, -0.6, 0.015))
    ear = limb((-0.62, -0.46, 0.05), (-0.55, -0.3, 0.06), (-0.56, -0.2, 0.02))
    return _beast((-0.66, -0.42), 0.13, tail, [ear])


def stag() -> Figure:
    """A stag on its four legs, seen from its left, with antlers."""
    tail = limb((0.66, -0.08, 0.05), (0.76, 0.05, 0.03))
    antlers = []
    for lean in (-0.12, 0.12):
        antlers.append(limb((-0.62, -0.6, 0.03), (-0.55 + lean, -0.8, 0.03), (-0.62 + 2 * lean, -1.0, 0.015)))
        antlers.append(limb((-0.56 + lean, -0.78, 0.025), (-0.42 + lean, -0.92, 0.012)))
    return _beast((-0.66, -0.55), 0.12, tail, antlers)


def sword() -> Figure:
    """An upright sword, its point above."""
    blade = part(points((-0.07, 0.45), (-0.07, -0.8), (0.0, -1.0), (0.07, -0.8), (0.07, 0.45)))
    guard = limb((-0.36, 0.48, 0.05), (0.36, 0.48, 0.05))
    grip = limb((0.0, 0.5, 0.05), (0.0, 0.85, 0.05))
    return Figure((blade, grip, guard, part(arc((0, 0.9), 0.09))), (points((0, -0.85), (0, 0.4)),))


def globe() -> Figure:
    """A globe with its circles, topped by a cross."""
    ball = part(arc((0.0, 0.2), 0.75, num_points=40))
    cross = [limb((0, -0.55, 0.04), (0, -1.0, 0.04)), limb((-0.18, -0.82, 0.04), (0.18, -0.82, 0.04))]
    lines = (arc((0, 0.2), (0.75, 0.2), 0, 180, 20), arc((0, 0.2), (0.3, 0.75), -90, 90, 20),
             arc((0, -0.15), (0.66, 0.12), 0, 180, 20))  # fmt: skip
    return Figure((ball, *cross), lines)


def vase() -> Figure:
    """A vase with three flowers."""
    stems = [limb((0, 0.0, 0.02), (x * 0.5, -0.4, 0.02), (x, -0.7, 0.02)) for x in (-0.5, 0.0, 0.5)]
    flowers = [part(arc((x + 0.14 * math.cos(a), -0.75 + 0.14 * math.sin(a)), 0.12, num_points=12))
               for x in (-0.5, 0.0, 0.5) for a in (0.3, 1.55, 2.8, 4.1, 5.3)]  # fmt: skip
    body = part(bezier((-0.22, 0.0), (-0.6, 0.3), (-0.5, 0.75), (-0.15, 0.85), (-0.3, 0.95), (-0.3, 0.98),
                       (-0.3, 1.0),
                       (0.0, 1.0), (0.2, 1.0), (0.3, 1.0), (0.3, 0.98), (0.3, 0.95), (0.15, 0.85), (0.5,
                                                            0.75), (0.6, 0.3),
                       (0.22, 0.0)))  # fmt: skip
    return Figure(
        (*stems, *flowers, body),
        (arc((0, 0.3), (0.42, 0.08), 10, 170, 12), arc((0, 0.5), (0.44, 0.08), 10, 170, 12)),
    )


def key() -> Figure:
    """An upright key, its bow above."""
    shaft = limb((0.0, -0.4, 0.06), (0.0, 0.95, 0.06))
    bow = ring(arc((0, -0.65), 0.32, num_points=24), arc((0, -0.65), 0.18, num_points=18))
    bit = part(
        points(
            (0.04, 0.55),
            (0.36, 0.55),
            (0.36, 0.68),
            (0.2, 0.68),
            (0.2, 0.78),
            (0.36, 0.78),
            (0.36, 0.9),
            (0.04, 0.9),
        )
    )
    return Figure((shaft, bow, bit))


def leaf_at(x: float, y: float, degrees: float, size: float) -> Points:
    """The outline of one leaf that grows from (x, y)."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    half = np.array([(0, 0), (0.3, -0.24), (0.65, -0.2), (1, 0), (0.65, 0.2), (0.3, 0.24)]) * size
    return np.column_stack(
        [x + half[:, 0] * cosine - half[:, 1] * sine, y + half[:, 0] * sine + half[:, 1] * cosine]
    )


_MAKERS: dict[str, Callable[[], Figure]] = {
    "tree": tree, "ship": ship, "sun": sun, "hand": hand, "column": column, "snake": snake, "book": book,
    "torch": torch, "fish": fish, "house": house, "man": man, "woman": woman, "dog": dog, "stag": stag,
    "sword": sword, "globe": globe, "vase": vase, "key": key,
}  # fmt: skip
