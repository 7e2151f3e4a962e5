"""The evaluation as one self-contained HTML file: tables, drawn intervals, and queries
with good and bad results.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel import Locale, UnknownLocaleError
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from iconoclip.files import atomic_write
from training.charts import set_labels_apart

if TYPE_CHECKING:
    from training.evaluation.examples import Example

MEASURES = ("recall@1", "recall@5", "recall@10", "mrr", "map")
# The size of the drawing of the curves, in its own units.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 330, 48, 640, 12, 280
DASHES = ("", "7 4", "2 4", "10 3 2 3")


def environment(*folders: str) -> Environment:
    """Templates of the packages `folders`, and those of this one; everything is escaped."""
    packages = (*folders, "training.evaluation")
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in packages]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def write_report(
    path: Path, evaluation: Mapping[str, Any], well: Sequence[Example], badly: Sequence[Example]
) -> None:
    """Write the report. Everything from a collection is escaped."""
    # Captions come from outside.
    page = environment().get_template("report.html").render(
        evaluation=evaluation, before=evaluation.get("before"), title=Path(evaluation["model"]).name,
        well=well, badly=badly, measures=MEASURES, curves=curves(evaluation), names=_names(evaluation),
    )  # fmt: skip
    with atomic_write(path) as file:
        file.write(page.encode())


def _names(evaluation: Mapping[str, Any]) -> dict[str, str]:
    tags = {*evaluation["languages"], *(tag for one in evaluation["zero_shot"].values() for tag in one)}
    return language_names(tags)


def language_names(tags: Iterable[str]) -> dict[str, str]:
    """The English name of each language; its tag if it has none."""
    tags = list(tags)
    names = {}
    for tag in tags:
        with contextlib.suppress(ValueError, UnknownLocaleError):
            names[tag] = Locale.parse(tag, sep="-").get_display_name("en") or tag
    return {tag: names.get(tag, tag) for tag in tags}


def curves(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The coordinates of each language's recall@1 over the interpolation weight; None
    without an interpolation.
    """
    points = evaluation.get("interpolation")
    if not points:
        return None
    recalls = {
        language: [point["languages"][language]["recall@1"] for point in points]
        for language in evaluation["languages"]
    }
    weights = [point["weight"] for point in points]
    low, high, step = _axis([value for values in recalls.values() for value in values])

    def x(weight: float) -> float:
        return round(LEFT + weight * (RIGHT - LEFT), 1)

    def y(recall: float) -> float:
        return round(BOTTOM - (recall - low) / (high - low) * (BOTTOM - TOP), 1)

    ticks = [low + step * number for number in range(round((high - low) / step) + 1)]
    lines = []
    for number, (language, values) in enumerate(recalls.items()):
        best = max(range(len(values)), key=values.__getitem__)
        dots = [
            {"x": x(weight), "y": y(value), "is_best": at == best}
            for at, (weight, value) in enumerate(zip(weights, values, strict=True))
        ]
        lines.append(
            {
                "language": language,
                "dots": dots,
                "points": " ".join(f"{dot['x']},{dot['y']}" for dot in dots),
                "dash": DASHES[number % len(DASHES)],
                "end": dots[-1]["y"],
                "said": f"{values[0]:.3f} at the base, {values[-1]:.3f} here, "
                f"best {values[best]:.3f} at {weights[best]:.2f}",
            }
        )
    set_labels_apart(lines)
    return {
        "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "lines": lines,
        "ticks": [{"y": y(tick), "label": f"{tick:.2f}"} for tick in ticks],
        "weights": [{"x": x(weight), "label": f"{weight:.1f}"} for weight in (0, 0.2, 0.4, 0.6, 0.8, 1)],
    }  # fmt: skip


def _axis(values: Sequence[float]) -> tuple[float, float, float]:
    """Round end values of an axis that contains the values, and the step between its marks."""
    span = max(max(values) - min(values), 0.05)
    step = next(one for one in (0.01, 0.02, 0.05, 0.1, 0.2) if span / one <= 6)
    low = math.floor(min(values) / step) * step
    high = math.ceil(max(values) / step) * step
    return low, max(high, low + step), step
