"""Proportions as classes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from retrieval.service.pages.layout import NARROWEST, WIDEST, ratio_class, ratios_css

RATIOS = {name: float(ratio) for name, ratio in re.findall(r"\.(r-?\d+)\{--ar:([\d.]+)\}", ratios_css())}


@given(st.integers(1, 60_000), st.integers(1, 60_000))
def test_a_frame_has_the_pictures_proportions_within_a_per_cent(width: int, height: int) -> None:
    ratio = min(max(width / height, NARROWEST), WIDEST)
    assert abs(RATIOS[ratio_class(width, height)] / ratio - 1) < 0.011


def test_a_square_is_a_square() -> None:
    assert RATIOS[ratio_class(7, 7)] == 1.0
