"""The regions of a picture that a table lists: rectangles in pixels or percent, each with its texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from data_prep.sources.table_config import Columns
from iconoclip.pictures import ImageRefused, header_size
from iconoclip.record import Region

MAX_REGIONS: Final = 500


def regions_of(
    listed: Any, file: Path, columns: Columns, min_pixels: int
) -> Iterator[tuple[int, dict[str, Any], Region | str]]:
    """The regions in a cell: number from 1, the region as listed, and its rectangle or why it has none.

    Args:
        listed: a list of regions, or its JSON; anything else holds none.
        file: the picture, whose size bounds the rectangles.
        columns: names the keys of a region's rectangle.
        min_pixels: regions whose shorter side is smaller are refused.
    """
    regions = _listed(listed)
    size = _header_size(file) if regions else None
    for number, region in enumerate(regions[:MAX_REGIONS], 1):
        place = _place(region, columns, size) if isinstance(region, dict) else None
        if place is None:
            yield number, {}, "a region that is no rectangle within the image"
        elif min(place.width, place.height) < min_pixels:
            yield number, region, f"a region of {place.width}x{place.height} pixels, too small"
        else:
            yield number, region, place


def _place(region: dict[str, Any], columns: Columns, size: tuple[int, int] | None) -> Region | None:
    """A region's rectangle in whole pixels, cut to the image; None when there is none."""
    if size is None:
        return None
    for key, units in ((columns.region_pixels, size), (columns.region_percent, (100, 100))):
        numbers = _rectangle(region.get(key))
        if numbers is None:
            continue
        across, down = size[0] / units[0], size[1] / units[1]
        left, top = max(0, round(numbers[0] * across)), max(0, round(numbers[1] * down))
        right = min(size[0], round((numbers[0] + numbers[2]) * across))
        bottom = min(size[1], round((numbers[1] + numbers[3]) * down))
        if right > left and bottom > top:
            return Region(x=left, y=top, width=right - left, height=bottom - top)
    return None


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _rectangle(value: Any) -> tuple[float, float, float, float] | None:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    try:
        x, y, width, height = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    finite = all(abs(number) < 1e9 for number in (x, y, width, height))
    return (x, y, width, height) if finite else None


def _header_size(file: Path) -> tuple[int, int] | None:
    """Width and height of an image from its header alone."""
    try:
        return header_size(file)
    except ImageRefused:  # the image itself is refused when it is read
        return None
