"""The evaluation as one HTML file that needs nothing else: tables, bars, and queries answered well and badly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from iconoclip.files import atomic_write
from training.examples import Example

CURVE_SIZE = (420, 200)


def write_report(
    path: Path, evaluation: Mapping[str, Any], well: Sequence[Example], badly: Sequence[Example]
) -> None:
    """Write the report. Everything from a collection is escaped."""
    # Autoescape for every template: captions come from strangers.
    environment = Environment(
        loader=PackageLoader("training", "templates"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html").render(
        evaluation=evaluation, well=well, badly=badly, curves=curves(evaluation), curve_size=CURVE_SIZE
    )
    with atomic_write(path) as file:
        file.write(page.encode())


def curves(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """The points of each language's recall@1 over the interpolation weight, for an SVG polyline."""
    points = evaluation.get("interpolation") or []
    width, height = CURVE_SIZE
    found = {}
    for language in evaluation["languages"]:
        pairs = [(point["weight"], point["languages"][language]["recall@1"]) for point in points]
        found[language] = " ".join(
            f"{weight * width:.1f},{(1 - recall) * height:.1f}" for weight, recall in pairs
        )
    return {language: line for language, line in found.items() if line}
