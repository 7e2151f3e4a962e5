"""The charges that are not beasts, each drawn in the box [-1, 1]²."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from builtin_collections.armorial.drawing.outline import (
    Figure,
    OutlinePart,
    Points,
    arc,
    bezier,
    both_sides,
    limb,
    mirrored,
    part,
    points,
    ring,
    turned,
)


def _star(num_rays: int, inner: float) -> Points:
    angles = np.radians(np.arange(2 * num_rays) * 180.0 / num_rays - 90.0)
    radii = np.where(np.arange(2 * num_rays) % 2 == 0, 1.0, inner)
    return np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])


def mullet() -> Figure:
    """A star of five straight rays; a hair line runs down each ray."""
    star = _star(5, 0.42) * 0.98 + (0.0, 0.06)
    ink = tuple(np.vstack([star[ray], (0.0, 0.06)]) for ray in range(0, 10, 2))
    return Figure((part(star),), ink)


def crescent() -> Figure:
    """A crescent with its horns upwards."""
    outer = arc((0.0, 0.05), 0.9, -52, 232, 40)
    inner = arc((0.0, -0.27), 0.63, 222, -42, 32)
    return Figure((part(np.vstack([outer, inner])),))


def roundel() -> Figure:
    """A plain disc, as large as its box."""
    return Figure((part(arc((0.0, 0.0), 0.86, num_points=40)),))


def lozenge() -> Figure:
    """A rhombus, taller than wide."""
    return Figure((part(points((0, -1), (0.72, 0), (0, 1), (-0.72, 0))),))


def annulet() -> Figure:
    """A ring, drawn as a disc with a hole."""
    return Figure((ring(arc((0, 0), 0.86, num_points=40), arc((0, 0), 0.5, num_points=30)),))


def billet() -> Figure:
    """A rectangle, taller than wide."""
    return Figure((part(points((-0.5, -0.95), (0.5, -0.95), (0.5, 0.95), (-0.5, 0.95))),))


def fleur_de_lis() -> Figure:
    """Three petals bound by a bar, and their feet below it."""
    leaf = mirrored(
        bezier((0, -1), (0.1, -0.72), (0.33, -0.52), (0.3, -0.25), (0.27, -0.02), (0.12, 0.1), (0.11, 0.3))
    )
    petal = bezier(
        (0.1, 0.28),
        (0.16, -0.02),
        (0.34, -0.5),
        (0.68, -0.5),
        (0.98, -0.5),
        (1.04, -0.12),
        (0.88, 0.08),
        (0.8, 0.18),
        (0.66, 0.2),
        (0.56, 0.14),
        (0.7, 0.08),
        (0.74, -0.12),
        (0.62, -0.16),
        (0.46, -0.2),
        (0.36, 0.06),
        (0.3, 0.3),
    )
    foot = bezier(
        (0.09, 0.4),
        (0.12, 0.6),
        (0.2, 0.74),
        (0.36, 0.82),
        (0.48, 0.86),
        (0.56, 0.72),
        (0.46, 0.64),
        (0.38, 0.58),
        (0.3, 0.52),
        (0.27, 0.4),
    )
    stem = mirrored(bezier((0, 0.3), (0.12, 0.5), (0.14, 0.75), (0, 1.0)))
    bar = part(points((-0.36, 0.26), (0.36, 0.26), (0.36, 0.42), (-0.36, 0.42)))
    ink = (bar.contours[0], points((0, -0.6), (0, 0.2)))
    return Figure((part(leaf), part(stem), *both_sides([part(petal), part(foot)]), bar), ink)


def escallop() -> Figure:
    """A shell, hinge upwards, seven ribs."""
    hinge = np.array([0.0, -0.78])
    angles = np.radians(np.linspace(42, 138, 8))
    reach = 1.30 + 0.34 * np.sin(angles) ** 3
    edge = hinge + np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None]
    rim = []
    for start, end in pairwise(edge):
        outward = (start + end) / 2 - hinge
        swell = (start + end) / 2 + 0.17 * outward / np.linalg.norm(outward)
        (ax, ay), (mx, my), (bx, by) = start, swell, end
        rim.append(bezier((ax, ay), (mx + (ax - bx) * 0.42, my + (ay - by) * 0.42),
                          (mx + (bx - ax) * 0.42, my + (by - ay) * 0.42), (bx, by),
                          num_points=7)[:-1])  # fmt: skip
    side = bezier((0.16, -0.80), (0.30, -0.55), (0.62, -0.20), (float(edge[0, 0]), float(edge[0, 1])))
    outline = np.vstack([side[:-1], *rim, side[::-1] * (-1.0, 1.0)])
    ear = part(points((0.0, -0.98), (0.40, -0.94), (0.34, -0.52), (0.0, -0.62)))
    ribs = tuple(np.array([hinge + 0.12 * (at - hinge), at]) for at in edge[1:-1])
    return Figure((*both_sides([ear]), part(outline)), (*ribs, points((-0.2, -0.70), (0.2, -0.70))))


def tower() -> Figure:
    """A round-headed door, two courses of masonry, three merlons."""
    wall = points((-0.5, -0.4), (0.5, -0.4), (0.6, 0.98), (-0.6, 0.98))
    top = points(
        (-0.7, -0.95), (-0.4, -0.95), (-0.4, -0.7), (-0.16, -0.7), (-0.16, -0.95), (0.16, -0.95),
        (0.16, -0.7), (0.4, -0.7), (0.4, -0.95), (0.7, -0.95), (0.7, -0.48), (0.52, -0.3),
        (-0.52, -0.3), (-0.7, -0.48),
    )  # fmt: skip
    door = np.vstack(
        [points((-0.2, 0.96)), arc((0, 0.52), 0.2, 180, 360, 9), points((0.2, 0.96), (-0.2, 0.96))]
    )
    window = np.vstack(
        [arc((0, -0.02), 0.09, 180, 360, 7), points((0.09, 0.16), (-0.09, 0.16), (-0.09, -0.02))]
    )
    courses = tuple(
        points((-0.52, y), (side * 0.24, y)) * (1.0, 1.0) for y, side in ((0.3, -1.0), (0.66, -1.0))
    )
    right = tuple(course * (-1.0, 1.0) for course in courses)
    return Figure(
        (part(wall), part(top)), (door, window, points((-0.52, -0.3), (0.52, -0.3)), *courses, *right)
    )


def cross_patty() -> Figure:
    """Four arms that widen outwards in a curve."""
    arm = np.vstack(
        [
            bezier((0.12, -0.14), (0.16, -0.5), (0.26, -0.76), (0.48, -0.95)),
            bezier((-0.48, -0.95), (-0.26, -0.76), (-0.16, -0.5), (-0.12, -0.14)),
        ]
    )
    return Figure((part(np.vstack([turned(arm[::-1], 90.0 * quarter) for quarter in range(4)])),))


def rose() -> Figure:
    """Five petals with barbs between them, and the seeds."""
    petals, barbs, folds = [], [], []
    for turn in (0.0, 72.0, 144.0, 216.0, 288.0):
        petals.append(part(turned(arc((0, -0.52), (0.44, 0.42), num_points=20), turn)))
        barbs.append(part(turned(points((-0.13, -0.62), (0, -0.98), (0.13, -0.62)), 36 + turn)))
        folds.append(turned(points((0, -0.24), (0, -0.70)), 36 + turn))
        folds.append(turned(arc((0, -0.50), (0.27, 0.25), 205, 335, 8), turn))
    seeds = arc((0, 0), 0.24, num_points=18)
    return Figure((*barbs, *petals, part(seeds)), (*folds, np.vstack([seeds, seeds[:1]])))


def heart() -> Figure:
    """The heart of the playing card."""
    half = bezier((0, -0.5), (0.1, -0.86), (0.5, -1.0), (0.78, -0.74), (1.1, -0.42), (0.86, 0.18), (0, 0.98))
    return Figure((part(mirrored(half)),))


def trefoil() -> Figure:
    """Three leaves and a stalk."""
    leaves = [part(arc(at, 0.4, num_points=24)) for at in ((0.0, -0.52), (-0.48, 0.08), (0.48, 0.08))]
    stalk = limb((0, 0.0, 0.07), (0.02, 0.45, 0.06), (0.2, 0.96, 0.09))
    middle = part(arc((0, -0.08), 0.22, num_points=12))
    veins = (
        points((0, -0.75), (0, -0.2)),
        points((-0.68, 0.1), (-0.16, 0.0)),
        points((0.68, 0.1), (0.16, 0.0)),
    )
    return Figure((stalk, *leaves, middle), veins)


def crown() -> Figure:
    """A band set with stones, and five points with pearls."""
    body = points(
        (-0.72, 0.62), (-0.98, -0.38), (-0.5, 0.06), (-0.42, -0.56), (-0.12, 0.0), (0, -0.66),
        (0.12, 0.0), (0.42, -0.56), (0.5, 0.06), (0.98, -0.38), (0.72, 0.62),
    )  # fmt: skip
    pearls = [
        part(arc(at, 0.11, num_points=12))
        for at in ((-0.96, -0.44), (-0.43, -0.64), (0, -0.75), (0.43, -0.64), (0.96, -0.44))
    ]
    band = np.vstack([bezier((-0.74, 0.44), (-0.3, 0.54), (0.3, 0.54), (0.74, 0.44)),
                      bezier((0.72, 0.74), (0.3, 0.86), (-0.3, 0.86), (-0.72, 0.74))])  # fmt: skip
    stones = tuple(arc((x, 0.655), 0.07, 0, 359, 10) for x in (-0.42, 0.0, 0.42))
    rim = part(band)
    return Figure((part(body), *pearls, rim), (rim.contours[0], *stones))


def bell() -> Figure:
    """Mouth downwards, with its clapper and its loop."""
    half = bezier(
        (0, -0.78), (0.3, -0.78), (0.42, -0.5), (0.44, -0.1), (0.46, 0.3), (0.62, 0.5), (0.84, 0.64)
    )
    body = np.vstack(
        [half, bezier((0.84, 0.74), (0.4, 0.86), (-0.4, 0.86), (-0.84, 0.74)), half[::-1] * (-1.0, 1.0)]
    )
    loop = ring(arc((0, -0.86), 0.16, num_points=14), arc((0, -0.86), 0.07, num_points=10))
    clapper = part(arc((0, 0.86), 0.15, num_points=14))
    bands = (bezier((-0.56, 0.42), (-0.2, 0.52), (0.2, 0.52), (0.56, 0.42)),
             bezier((-0.43, -0.28), (-0.2, -0.22), (0.2, -0.22), (0.43, -0.28)))  # fmt: skip
    return Figure((loop, clapper, part(body)), bands)


def anchor() -> Figure:
    """A ring, a stock across the shank, two flukes."""
    eye = ring(arc((0, -0.82), 0.18, num_points=16), arc((0, -0.82), 0.08, num_points=10))
    shank = part(points((-0.09, -0.66), (0.09, -0.66), (0.11, 0.86), (-0.11, 0.86)))
    stock = limb((-0.52, -0.46, 0.085), (0, -0.44, 0.075), (0.52, -0.46, 0.085))
    arms = limb(
        (-0.72, 0.3, 0.05), (-0.55, 0.66, 0.09), (0, 0.9, 0.12), (0.55, 0.66, 0.09), (0.72, 0.3, 0.05)
    )
    fluke = part(points((0.78, 0.02), (0.98, 0.44), (0.46, 0.42)))
    return Figure((shank, stock, arms, eye, *both_sides([fluke])))


def wheel() -> Figure:
    """A felly, a hub and eight spokes."""
    felly = ring(arc((0, 0), 0.96, num_points=44), arc((0, 0), 0.7, num_points=36))
    spokes: list[OutlinePart] = []
    for turn in range(8):
        spoke = points((-0.055, -0.1), (-0.055, -0.76), (0.055, -0.76), (0.055, -0.1))
        spokes.append(part(turned(spoke, 45.0 * turn)))
    hub = part(arc((0, 0), 0.24, num_points=18))
    return Figure((*spokes, felly, hub), (arc((0, 0), 0.1, 0, 359, 12), hub.contours[0]))
