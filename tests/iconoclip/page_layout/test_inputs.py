"""What a page model is shown: bare borders cut off, whole cells; and sheets with nothing on them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from iconoclip.page_layout.inputs import INPUT_SIDE, content_box, is_bare, model_input, page_pixels


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("bare", [255, 0])
def test_bare_borders_are_cut_off(bare):
    page = np.full((1000, 800), bare, np.uint8)
    page[300:700, 200:500] = np.arange(400)[:, None] % 160 + 40
    decoded = page_pixels(jpeg(page), 10_000_000)
    left, top, right, bottom = decoded.place
    assert 0.2 < left < 0.25
    assert 0.27 < top < 0.3
    assert 0.62 < right < 0.66
    assert 0.7 < bottom < 0.73
    # 400 rows and a margin of 3 % on both sides, enlarged to twice that and no further.
    assert max(decoded.pixels_HWC.shape) == pytest.approx(2 * 428, abs=8)


@pytest.mark.parametrize(
    ("size", "longer"), [((1500, 900), 1100), ((700, 600), 1100), ((90, 300), 600), ((8, 8), 16)]
)
def test_pages_come_to_the_scale_that_the_model_knows(size, longer):
    page = np.full((size[1], size[0]), 180, np.uint8)
    shown = page_pixels(jpeg(page), 10_000_000)
    height, width = shown.pixels_HWC.shape[:2]
    assert max(width, height) == longer
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    assert shown.place == (0, 0, 1, 1)
    own = page_pixels(jpeg(page), 10_000_000, most_enlarged=1.0)
    assert max(own.pixels_HWC.shape) == min(max(size), 1100)


def test_a_bare_page_is_kept_whole():
    assert content_box(np.full((90, 70, 3), 255, np.uint8)) == (0, 0, 70, 90)


def test_the_input_is_padded_to_whole_steps():
    batch = model_input(np.zeros((INPUT_SIDE, 391, 3), np.uint8))
    assert batch.shape == (1, 3, 1104, 392)
    assert batch[0, 0, 0, 0] == -1
    with pytest.raises(ValueError):
        model_input(np.zeros((INPUT_SIDE + 1, 10, 3), np.uint8))


@pytest.mark.parametrize("paper", [(225, 205, 170), (250, 240, 220), (60, 80, 140), (128, 128, 128)])
@pytest.mark.parametrize(("grain", "light"), [(0, 0), (4, 0), (3, 14)])
def test_a_sheet_in_one_colour_is_bare_and_one_with_a_mark_is_not(paper, grain, light):
    random = np.random.default_rng(0)
    page = np.zeros((1100, 800, 3)) + paper + random.normal(0, grain, (1100, 800, 1))
    page += np.linspace(-light, light, 800)[:, None]
    sheet = page.clip(0, 255).astype(np.uint8)
    assert is_bare(sheet)
    for mark in ((40, 40), (8, 120), (120, 8)):
        marked = sheet.copy()
        marked[400 : 400 + mark[0], 300 : 300 + mark[1]] //= 2
        assert not is_bare(marked), mark
    assert is_bare(sheet[:1, :1])
    assert is_bare(sheet[:3, :200])
