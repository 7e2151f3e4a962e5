"""Images that a canvas shows turned or mirrored (Image API 3.0, section 4.3: mirrored first,
then turned clockwise).

A turn is a number from 1 to 8, as EXIF numbers orientations: 1 is as it is, 6 is turned by 90 degrees,
2 is mirrored.
"""

from __future__ import annotations

import re
from typing import Final

from iconoclip.record import Region

UPRIGHT: Final = 1
_TURNS: Final = {
    (False, 0): 1, (False, 90): 6, (False, 180): 3, (False, 270): 8,
    (True, 0): 2, (True, 90): 7, (True, 180): 4, (True, 270): 5,
}  # fmt: skip
_MIRRORED: Final = frozenset({2, 4, 5, 7})
_QUARTERS: Final = {1: 0, 2: 0, 6: 1, 7: 1, 3: 2, 4: 2, 8: 3, 5: 3}
_ROTATION: Final = re.compile(r"(!?)(\d{1,3}(?:\.0*)?)")


def turn_of(rotation: str) -> int | None:
    """The EXIF orientation of a rotation such as `90` or `!0`; None for angles that are no multiple of 90."""
    match = _ROTATION.fullmatch(rotation.strip())
    return _TURNS.get((bool(match[1]), int(float(match[2])) % 360)) if match else None


def before_turning(region: Region, size: tuple[int, int], turn: int) -> tuple[Region, tuple[int, int]]:
    """Convert a region of a rotated image to a region of the unrotated image, and the size of the latter.

    Args:
        region: the region after the rotation.
        size: width and height after the rotation, in the same unit.
    """
    x, y, width, height = region.x, region.y, region.width, region.height
    across, down = size
    for _ in range(_QUARTERS[turn]):
        # Rotate back by 90 degrees: the right edge becomes the top.
        x, y, width, height = y, across - x - width, height, width
        across, down = down, across
    if turn in _MIRRORED:
        x = across - x - width
    return Region(x=max(0, x), y=max(0, y), width=width, height=height), (across, down)
