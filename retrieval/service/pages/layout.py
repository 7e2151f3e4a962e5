"""Proportions of pictures for the gallery, without inline styles, which the content security policy forbids.

The ratio of a picture is rounded to a step of two per cent and becomes a CSS class;
ratios.css defines these classes.
"""

from __future__ import annotations

import math

STEP = 1.02
# Narrower or wider pictures are fitted into a frame of this ratio, so that a scroll does not fill the page.
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
