"""Curves as point lists: the pen strokes from which figures are made.

Every outline is a float array of shape (num_points, 2), x to the right and y down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OutlinePart:
    """A filled shape. `contours` are its inked edges: the fill's own, unless it has a hole."""

    fill: Points
    contours: tuple[Points, ...]


@dataclass(frozen=True)
class Figure:
    """A charge in the box [-1, 1]²: parts painted as one silhouette, then `ink` lines over them."""

    parts: tuple[OutlinePart, ...]
    ink: tuple[Points, ...] = ()


def points(*pairs: tuple[float, float]) -> Points:
    """The pairs as an outline."""
    return np.array(pairs, dtype=np.float64)


def part(fill: Points) -> OutlinePart:
    """A part without a hole: its edge is inked all round."""
    return OutlinePart(fill, (np.vstack([fill, fill[:1]]),))


def ring(outer: Points, inner: Points) -> OutlinePart:
    """`outer` with `inner` cut out, as one outline that crosses over and back at a seam."""
    closed_outer, closed_inner = (np.vstack([edge, edge[:1]]) for edge in (outer, inner))
    return OutlinePart(np.vstack([closed_outer, closed_inner[::-1]]), (closed_outer, closed_inner))


def arc(
    center: tuple[float, float],
    radius: float | tuple[float, float],
    start_degrees: float = 0.0,
    end_degrees: float = 360.0,
    num_points: int = 24,
) -> Points:
    """Points on a circle or ellipse; 0 degrees points right, 90 down. A full turn is left open."""
    radius_x, radius_y = radius if isinstance(radius, tuple) else (radius, radius)
    whole = abs(end_degrees - start_degrees) >= 360.0
    angles = np.radians(np.linspace(start_degrees, end_degrees, num_points, endpoint=not whole))
    return np.column_stack([center[0] + radius_x * np.cos(angles), center[1] + radius_y * np.sin(angles)])


def bezier(*controls: tuple[float, float], num_points: int = 10) -> Points:
    """A cubic Bézier path: a start, then three control points for each segment."""
    nodes = np.array(controls, dtype=np.float64)
    t = np.linspace(0.0, 1.0, num_points)[:, None]
    pieces = [nodes[:1]]
    for start in range(0, len(nodes) - 1, 3):
        a, b, c, d = nodes[start : start + 4]
        curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        pieces.append(curve[1:])
    return np.vstack(pieces)


def spline(nodes: Sequence[Sequence[float]], *, closed: bool = False, steps: int = 6) -> Points:
    """A uniform Catmull-Rom curve through the nodes (of any dimension)."""
    knots = np.array(nodes, dtype=np.float64)
    if closed:
        knots = np.vstack([knots[-1:], knots, knots[:2]])
    else:
        knots = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        cubic = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
        pieces.append(cubic / 2)
    if not closed:
        pieces.append(knots[-2:-1])
    return np.vstack(pieces)


def limb(*nodes: tuple[float, float, float], steps: int = 5) -> OutlinePart:
    """A tapering stroke: a spline through (x, y, half width) nodes, round at its ends."""
    path = spline(nodes, steps=steps)
    center, half_width = path[:, :2], np.maximum(path[:, 2:], 0.004)
    tangent = np.gradient(center, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    caps = []
    for end, sign in ((-1, 1.0), (0, -1.0)):
        heading = math.degrees(math.atan2(tangent[end, 1] * sign, tangent[end, 0] * sign))
        where = (float(center[end, 0]), float(center[end, 1]))
        caps.append(arc(where, float(half_width[end, 0]), heading + 90, heading - 90, 7)[1:-1])
    right, left = center + normal * half_width, (center - normal * half_width)[::-1]
    return part(np.vstack([right, caps[0], left, caps[1]]))


def mirrored(half: Points) -> Points:
    """A closed outline from its right half, given from the top of the axis to its foot."""
    other = half[::-1] * (-1.0, 1.0)
    return np.vstack([half, other])


def both_sides(shapes: Iterable[OutlinePart]) -> tuple[OutlinePart, ...]:
    """The parts and their reflections in the upright axis."""
    kept = tuple(shapes)
    flipped = tuple(
        OutlinePart(shape.fill * (-1.0, 1.0), tuple(edge * (-1.0, 1.0) for edge in shape.contours))
        for shape in kept
    )
    return kept + flipped


def turned(outline: Points, degrees: float) -> Points:
    """The outline turned clockwise (as seen) about the origin."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotated: Points = outline @ np.array([[cosine, sine], [-sine, cosine]])
    return rotated


def densified(outline: Points, spacing: float, *, closed: bool = True) -> Points:
    """The outline with points added so that no step is longer than `spacing`."""
    ends = np.roll(outline, -1, axis=0) if closed else outline[1:]
    pieces = []
    for a, b in zip(outline, ends, strict=False):
        num_steps = max(1, math.ceil(float(np.hypot(*(b - a))) / spacing))
        pieces.append(a + (b - a) * np.linspace(0.0, 1.0, num_steps, endpoint=False)[:, None])
    if not closed:
        pieces.append(outline[-1:])
    return np.vstack(pieces)
