"""Proportions without inline styles: the content security policy allows none, and the gallery needs each
one's.

A picture's ratio is rounded to a step of two per cent and becomes a class; ratios.css says what each class
means.
"""

from __future__ import annotations

import math

STEP = 1.02
# Beyond these a picture keeps its proportions inside a frame of this ratio: a scroll must not fill the page.
NARROWEST, WIDEST = 0.62, 2.6


def ratio_step(width: int, height: int) -> int:
    """The step of `width / height`, rounded, within the bounds of the gallery."""
    ratio = min(max(width / height, NARROWEST), WIDEST)
    return round(math.log(ratio) / math.log(STEP))


def ratio_class(width: int, height: int) -> str:
    """The class of a picture's frame, for example `r-8` or `r8`."""
    return f"r{ratio_step(width, height)}"


def ratios_css() -> str:
    """The stylesheet that gives every class its ratio."""
    steps = range(ratio_step(1, 1_000), ratio_step(1_000, 1) + 1)
    return "\n".join(f".r{step}{{--ar:{STEP**step:.4f}}}" for step in steps) + "\n"
