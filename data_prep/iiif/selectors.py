"""Finds the part of a canvas that an annotation is about: `#xywh=`, FragmentSelector, ImageApiSelector,
SvgSelector."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data_prep.iiif.document import JsonObject, as_list, id_of, type_of
from iconoclip.record import Region

MAX_SVG_CHARS = 50_000
_MAX_SIDE = 1_000_000

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_XYWH = re.compile(rf"xywh=(?:(pixel|percent|pct):)?({_NUMBER}),({_NUMBER}),({_NUMBER}),({_NUMBER})")
_API_REGION = re.compile(rf"(pct:)?({_NUMBER}),({_NUMBER}),({_NUMBER}),({_NUMBER})")
_PATH = re.compile(r"<path\b[^>]*?\sd\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE)
_POLYGON = re.compile(r"<poly(?:gon|line)\b[^>]*?\spoints\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE)
_RECT = re.compile(r"<(rect|circle|ellipse)\b([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(rf"\b(x|y|width|height|cx|cy|r|rx|ry)\s*=\s*[\"']\s*({_NUMBER})")
_TOKEN = re.compile(rf"([MmLlHhVvCcSsQqTtAaZz])|({_NUMBER})")
# The number of arguments of each path command.
_ARITY = {"m": 2, "l": 2, "h": 1, "v": 1, "c": 6, "s": 4, "q": 4, "t": 2, "a": 7}

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class CanvasPart:
    """The part of `source` that an annotation is about."""

    source: str
    """Address of the canvas or the image, without a fragment."""
    region: Region | None
    """None for the whole canvas or image."""
    is_image_space: bool = False
    """Whether the region is measured in pixels of the image (ImageApiSelector), not on the canvas."""


def parts_of(
    target: Any, size: tuple[int, int] | None, image_size: tuple[int, int] | None = None
) -> Iterator[CanvasPart]:
    """The parts that a target names; none if it names a point, a time, or nothing that can be read.

    Args:
        size: width and height of the canvas, for regions in percent.
        image_size: width and height of the image, for an ImageApiSelector in percent.
    """
    for item in as_list(target):
        if isinstance(item, str):
            source, _, fragment = item.partition("#")
            if part := _of_fragment(source, fragment, size):
                yield part
        elif isinstance(item, dict):
            yield from _of_object(item, size, image_size)


def _of_object(
    item: JsonObject, size: tuple[int, int] | None, image_size: tuple[int, int] | None
) -> Iterator[CanvasPart]:
    source, _, fragment = (id_of(item.get("source")) or id_of(item) or "").partition("#")
    if type_of(item) == "Annotation":
        return
    selectors = list(_flat(item.get("selector"), 0))
    if not selectors:
        if part := _of_fragment(source, fragment, size):
            yield part
        return
    for selector in selectors:
        if part := _of_selector(source, selector, size, image_size):
            yield part
            return


def _flat(value: Any, depth: int) -> Iterator[JsonObject | str]:
    for item in as_list(value) if depth < 4 else []:
        if isinstance(item, list):
            yield from _flat(item, depth + 1)
        elif isinstance(item, dict) and type_of(item) == "Choice":
            # Several ways to mark the same part; the first that can be read counts.
            yield from _flat([item.get(name) for name in ("default", "item", "items")], depth + 1)
        elif isinstance(item, (dict, str)):
            yield item


def _of_fragment(source: str, fragment: str, size: tuple[int, int] | None) -> CanvasPart | None:
    if not source:
        return None
    if not fragment:
        return CanvasPart(source, None)
    region = fragment_part(fragment, size) if "xywh=" in fragment else None
    return CanvasPart(source, region) if region else None


def _of_selector(
    source: str, selector: JsonObject | str, size: tuple[int, int] | None, image_size: tuple[int, int] | None
) -> CanvasPart | None:
    if isinstance(selector, str):
        return _of_fragment(source, selector, size)
    kind, value = type_of(selector), selector.get("value", selector.get("region"))
    if not isinstance(value, str):
        return None
    if kind == "ImageApiSelector":
        region = api_part(value, image_size)
        return CanvasPart(source, region, is_image_space=True) if region else None
    if kind == "SvgSelector" or value.lstrip().startswith("<svg"):
        box = bounding_box(value)
        found = _as_region(box) if box else None
        return CanvasPart(source, found) if found else None
    return _of_fragment(source, value, size)


def api_part(value: str, size: tuple[int, int] | None) -> Region | None:
    """The region of an Image API parameter (`x,y,w,h`, `pct:x,y,w,h`); None for the whole image or an invalid
    value.

    Args:
        size: width and height of the image, for regions in percent.
    """
    match = _API_REGION.fullmatch(value)
    return _region("percent" if match[1] else "pixel", match.groups()[1:], size) if match else None


def fragment_part(value: str, size: tuple[int, int] | None) -> Region | None:
    """The region of a fragment (`xywh=...`, in pixels or percent of `size`); None if it has none."""
    match = _XYWH.search(value if "xywh=" in value else f"xywh={value}")
    return _region(match[1] or "pixel", match.groups()[1:], size) if match else None


def _region(unit: str, numbers: tuple[Any, ...], size: tuple[int, int] | None) -> Region | None:
    x, y, width, height = (float(number) for number in numbers)
    if unit in ("percent", "pct"):
        if size is None:
            return None
        across, down = size[0] / 100, size[1] / 100
        x, y, width, height = x * across, y * down, width * across, height * down
    return _as_region((x, y, x + width, y + height))


def _as_region(box: Box) -> Region | None:
    if not all(math.isfinite(side) and abs(side) <= _MAX_SIDE for side in box):
        return None
    left, top, right, bottom = max(0, round(box[0])), max(0, round(box[1])), round(box[2]), round(box[3])
    if right <= left or bottom <= top:
        return None
    return Region(x=left, y=top, width=right - left, height=bottom - top)


def bounding_box(svg: str) -> Box | None:
    """The box around the shapes of an SVG; for curved paths, around their control points."""
    svg = svg[:MAX_SVG_CHARS]
    points = [point for path in _PATH.findall(svg) for point in _path_points(path)]
    for polygon in _POLYGON.findall(svg):
        numbers = [float(number) for number in re.findall(_NUMBER, polygon)]
        points += list(zip(numbers[::2], numbers[1::2], strict=False))
    for kind, attributes in _RECT.findall(svg):
        points += _corners(
            kind.lower(), {name: float(value) for name, value in _ATTRIBUTE.findall(attributes)}
        )
    if not points:
        return None
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def _corners(kind: str, values: dict[str, float]) -> list[tuple[float, float]]:
    if kind == "rect":
        x, y = values.get("x", 0.0), values.get("y", 0.0)
        return [(x, y), (x + values.get("width", 0.0), y + values.get("height", 0.0))]
    x, y = values.get("cx", 0.0), values.get("cy", 0.0)
    across, down = values.get("rx", values.get("r", 0.0)), values.get("ry", values.get("r", 0.0))
    return [(x - across, y - down), (x + across, y + down)]


def _path_points(path: str) -> Iterator[tuple[float, float]]:
    command, numbers = "m", list[float]()
    x = y = 0.0
    for letter, number in _TOKEN.findall(path):
        if letter:
            command, numbers = letter, []
            continue
        numbers.append(float(number))
        if len(numbers) < _ARITY.get(command.lower(), 2):
            continue
        for point in _step(command, numbers, x, y):
            yield point
            end = point
        (x, y), numbers = end, []


def _step(command: str, numbers: list[float], x: float, y: float) -> list[tuple[float, float]]:
    """The points of one step of a path; the last one is the end of the step."""
    kind, origin = command.lower(), (x, y) if command.islower() else (0.0, 0.0)
    if kind == "h":
        return [(numbers[0] + origin[0], y)]
    if kind == "v":
        return [(x, numbers[0] + origin[1])]
    if kind == "a":
        numbers = numbers[5:]
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [(across + origin[0], down + origin[1]) for across, down in pairs]
