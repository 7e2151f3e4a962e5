"""Charts of measures that grow with a size, as SVG that follows the reader's light or dark page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count

WIDTH, HEIGHT, GAP = 370, 260, 48
NUM_GRID_LINES = 4
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1c1a17 }
.quiet { fill: #635c52 } .axis { stroke: #8a8174 } .grid { stroke: #ddd6ca }
.first { stroke: #8a2432; fill: #8a2432 } .second { stroke: #1a5fb4; fill: #1a5fb4 }
polyline { fill: none !important; stroke-width: 2.5 } circle { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #ece7dd } .quiet { fill: #aaa294 } .axis { stroke: #7d7568 } .grid { stroke: #35312b }
  .first { stroke: #e6a97e; fill: #e6a97e } .second { stroke: #8fbcff; fill: #8fbcff }
}
"""


@dataclass(frozen=True)
class Panel:
    """One chart: its title, and the value at each size."""

    title: str
    values: dict[int, float]


def chart(about: str, panels: list[Panel], unit: str) -> str:
    """An SVG of at most two panels; `about` is its description for screen readers, `unit`
    names what the sizes count.
    """
    drawn = "".join(
        _panel(panel, colour, unit, WIDTH * number)
        for number, (panel, colour) in enumerate(zip(panels, ("first", "second"), strict=False))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}" role="img"'
        f' aria-label="{about}"><title>{about}</title><style>{STYLE}</style>{drawn}</svg>\n'
    )


def _panel(panel: Panel, colour: str, unit: str, left: int) -> str:
    """Sizes on a logarithmic axis, values from zero to a round number above the largest."""
    x0, x1, y0, y1 = left + GAP, left + WIDTH - 25, 215, 45
    step = _grid_step(max(panel.values.values()))
    points = [
        (x, y0 - (y0 - y1) * value / (NUM_GRID_LINES * step), size, value)
        for x, (size, value) in zip(
            _across(sorted(panel.values), x0 + 20, x1 - 20), sorted(panel.values.items()), strict=True
        )
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in points)
    return "".join(
        [
            f'<text x="{left + 8}" y="22">{panel.title}</text>',
            *(
                _grid_line(number, step, x0, x1, y0 - (y0 - y1) * number / NUM_GRID_LINES)
                for number in range(NUM_GRID_LINES + 1)
            ),
            f'<polyline class="{colour}" points="{line}"/>',
            *(_point(x, y, size, value, colour, y0) for x, y, size, value in points),
            f'<text x="{(x0 + x1) / 2:.0f}" y="{y0 + 40}" text-anchor="middle" class="quiet">{unit}</text>',
        ]
    )


def _grid_step(largest: float) -> float:
    """The smallest of 1, 2, 5, 10, ... with which the grid includes the largest value."""
    return next(
        base * 10.0**power
        for power in count(-3)
        for base in (1, 2, 5)
        if largest <= NUM_GRID_LINES * base * 10.0**power
    )


def _across(sizes: list[int], left: float, right: float) -> list[float]:
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])
    return [left + (right - left) * ((math.log10(size) - low) / ((high - low) or 1)) for size in sizes]


def _grid_line(number: int, step: float, x0: int, x1: int, y: float) -> str:
    kind = "grid" if number else "axis"
    return (
        f'<line x1="{x0}" x2="{x1}" y1="{y:.1f}" y2="{y:.1f}" class="{kind}"/>'
        f'<text x="{x0 - 8}" y="{y + 4:.1f}" text-anchor="end" class="quiet">{number * step:g}</text>'
    )


def _short(size: int) -> str:
    """400,000 as 400 k, so that labels on the axis do not overlap."""
    if size >= 10**6:
        return f"{size / 10**6:g} M"
    return f"{size / 1000:g} k" if size >= 1000 else str(size)


def _point(x: float, y: float, size: int, value: float, colour: str, axis: int) -> str:
    return (
        f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        f'<text x="{x:.1f}" y="{y - 12:.1f}" text-anchor="middle">{value:.3g}</text>'
        f'<text x="{x:.1f}" y="{axis + 20}" text-anchor="middle" class="quiet">{_short(size)}</text>'
    )
