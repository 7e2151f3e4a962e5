"""The geometry of line charts in reports: round axes, polylines, and labels that do not overlap. A template
draws it as SVG.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LABEL_HEIGHT = 21
# The size of a chart in its own units, and the margins of the plot in it.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 250, 58, 360, 12, 208
MAX_POINTS = 400
NUM_TICKS = 5
DASHES = ("", "7 4", "2 4", "10 3 2 3")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A chart, ready to be drawn.

    Attributes:
        title: what it shows.
        lines: each with name, points, dash, end, label_y and last.
        ticks: y and label of each horizontal line.
        steps: x and label of each mark below the plot.
        marks: x of each vertical line.
        said: the chart in words.
    """

    title: str
    lines: list[dict[str, Any]]
    ticks: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    marks: list[float]
    said: str


def chart(
    title: str, series: Mapping[str, Points], *, marks: Sequence[float] = (), from_zero: bool = False
) -> Chart | None:
    """A chart of lines over training steps; None if there is nothing to draw.

    Args:
        title: what it shows.
        series: the points (step, value) of each line, by its name.
        marks: steps at which a vertical line is drawn.
        from_zero: whether the vertical axis contains zero.
    """
    series = {name: points for name, points in series.items() if points}
    values = [value for points in series.values() for _, value in points]
    if not values:
        return None
    last_step = max(step for points in series.values() for step, _ in points)
    lows = [0.0] if from_zero else []
    low, high, step = axis([*values, *lows])
    steps = axis([0.0, max(last_step, 1.0)])

    def x(at: float) -> float:
        return round(LEFT + at / max(last_step, 1) * (RIGHT - LEFT), 1)

    def y(value: float) -> float:
        return round(BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP), 1)

    lines = []
    for number, (name, points) in enumerate(series.items()):
        drawn = [(x(at), y(value)) for at, value in thinned(points)]
        lines.append(
            {
                "name": name, "points": " ".join(f"{at},{value}" for at, value in drawn), "first": drawn[0],
                "dash": DASHES[number % len(DASHES)], "end": drawn[-1][1], "is_dot": len(drawn) == 1,
                "last": shown(points[-1][1]),
            }
        )  # fmt: skip
    set_labels_apart(lines)
    said = "; ".join(
        f"{name or title}: {shown(points[0][1])} at step {points[0][0]:,.0f}, {shown(points[-1][1])} at step "
        f"{points[-1][0]:,.0f}"
        for name, points in series.items()
    )
    return Chart(
        title, lines,
        [{"y": y(at), "label": _label(at, step)} for at in _ticks(low, high, step)],
        [{"x": x(at), "label": _label(at, steps[2])} for at in _ticks(*steps) if at <= last_step],
        [x(at) for at in marks if 0 <= at <= last_step],
        said,
    )  # fmt: skip


def axis(values: Sequence[float]) -> tuple[float, float, float]:
    """Round end values of an axis that contains the values, and the step between its marks."""
    low, high = min(values), max(values)
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / NUM_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= NUM_TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, max(last, first + 1) * step, step


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [low + step * number for number in range(round((high - low) / step) + 1)]


def _label(value: float, step: float) -> str:
    """A mark of an axis with as many digits as the step needs."""
    if abs(value) < step / 1000:
        return "0"
    if step < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-")
    return f"{value:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def shown(value: float) -> str:
    """A value in three or four digits."""
    if value and abs(value) < 0.001:
        return f"{value:.1e}".replace("e-0", "e-")
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def thinned(points: Points) -> Points:
    """At most MAX_POINTS points: the means of runs of neighbours. The last point is kept as it is."""
    if len(points) <= MAX_POINTS:
        return points
    size = math.ceil((len(points) - 1) / (MAX_POINTS - 1))
    parts = [points[start : min(start + size, len(points) - 1)] for start in range(0, len(points) - 1, size)]
    means = [
        (sum(at for at, _ in part) / len(part), sum(one for _, one in part) / len(part)) for part in parts
    ]
    return [*means, points[-1]]


def set_labels_apart(lines: list[dict[str, Any]]) -> None:
    """Give each curve a label near its end, without overlaps."""
    floor = -math.inf
    for line in sorted(lines, key=lambda one: float(one["end"])):
        line["label_y"] = round(max(line["end"] + 4, floor), 1)
        floor = line["label_y"] + LABEL_HEIGHT
