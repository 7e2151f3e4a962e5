"""What Tesseract gets, and which of the lines that it reads are captions."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from data_prep.page_text import ocr
from data_prep.page_text.captions import tie_captions
from data_prep.page_text.ocr_pixels import prepared
from data_prep.page_text.zones import PageText, TextLine, Zone
from tests.data_prep.page_text.printed import print_lines

needs_tesseract = pytest.mark.skipif(
    ocr.program() is None, reason="Tesseract is not installed (apt-get install tesseract-ocr)"
)


def strokes(paper: np.ndarray) -> np.ndarray:
    """Grey paper [H, W] with dark strokes of two pixels, half as light as what is around them: [H, W, 3]."""
    page = paper.astype(float)
    for left in range(6, page.shape[1] - 6, 11):
        page[20:40, left : left + 2] *= 0.45
    return np.repeat(page.astype(np.uint8)[..., None], 3, 2)


LEVEL = np.full((60, 240), 210)
SHADED = np.tile(np.linspace(90, 230, 240), (60, 1))
ON_BLACK = np.where(np.arange(240) < 60, 8, LEVEL)


@pytest.mark.parametrize("paper", [
    pytest.param(LEVEL, id="even light"), pytest.param(SHADED, id="the fold of a book"),
    pytest.param(ON_BLACK, id="a black table"),
])  # fmt: skip
@pytest.mark.parametrize("scale", [1, 3])
def test_paper_becomes_white_and_ink_stays_dark(paper, scale):
    page = strokes(paper)
    found = prepared(page, scale)
    assert found.shape == (60 * scale, 240 * scale)
    is_paper = paper > 50
    is_ink = is_paper & (page[..., 0] < 0.5 * paper)
    in_page = found.reshape(60, scale, 240, scale).mean((1, 3))
    bare = is_paper & ~is_ink
    bare[15:45] = False
    assert in_page[bare].min() > 225
    assert in_page[is_ink].mean() < 120
    assert (in_page[:, :40] > 250).all() or not (paper[:, :40] < 50).any(), "the table is white, too"


@needs_tesseract
def test_a_caption_on_a_page_that_lies_on_black_cloth_is_read():
    page = PillowImage.new("L", (700, 1000), 205)
    page.paste(120, (150, 200, 550, 500))
    print_lines(page, "Tavola 11. Una campana.", 250.0, 530.0, 20)
    pixels = np.asarray(page.convert("RGB")).astype(float)
    # The ink is pale, the paper darker at the fold, and the other side of the leaf shines through.
    pixels = 205 - (205 - pixels) * 0.6
    pixels[:, :, :] *= np.linspace(0.72, 1.0, 700)[None, :, None]
    for top in range(90, 960, 26):
        pixels[top : top + 8, 80:640] *= 0.93
    pixels[:, :80], pixels[:, 640:] = 6, 6
    found = ocr.read_around(pixels.astype(np.uint8), [(150.0, 200.0, 400.0, 300.0)], ["it"])
    assert isinstance(found, PageText), found
    assert [zone.text for zone in found.zones] == ["Tavola 11. Una campana."]


def line(text: str, x: float, y: float, width: float, height: float = 20.0) -> TextLine:
    return TextLine(text, (x, y, width, height))


def page_of_text(y: float, left: float = 100, width: float = 600) -> list[TextLine]:
    """Lines of text down to the foot of a strip of 300 pixels."""
    return [
        line("the ship of the prince goes by the sea", left, top, width) for top in range(int(y), 290, 30)
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([line("Fig. 3. A ship", 300, 40, 200), *page_of_text(66)], ["Fig. 3. A ship"],
                     id="a label as close to the text as its lines to each other"),
        pytest.param([line("Fig. 3. A ship of the prince", 200, 40, 400), *page_of_text(66)],
                     ["Fig. 3. A ship of the prince"], id="a long one"),
        pytest.param([line("The ship", 330, 20, 140), *page_of_text(70)], ["The ship"],
                     id="centred, without a label"),
        pytest.param([line("Fig. 3. A ship of", 300, 40, 200), line("the prince", 340, 66, 120),
                      *page_of_text(120)], ["Fig. 3. A ship of the prince"], id="two lines"),
        pytest.param([line("Fig. 3. A ship", 300, 40, 200), *page_of_text(20, 0, 150),
                      *page_of_text(90, 200)], ["Fig. 3. A ship"], id="another column at its side"),
        pytest.param(page_of_text(40), [], id="text of the page"),
        pytest.param([line("and so it ends.", 100, 40, 180), *page_of_text(66)], [],
                     id="the end of a paragraph before another"),
        pytest.param([line("by the sea", 100, 40, 580), line("Fig. 3. A ship", 300, 285, 200)],
                     ["by the sea"], id="a label at the edge of the strip, which may be cut"),
    ],
)  # fmt: skip
def test_captions_are_told_from_the_text_below_them(lines, expected):
    blocks = ocr._without_text_of_the_page(ocr._blocks(lines, is_above=False), 300)
    assert [zone.text for zone in blocks] == expected


def test_a_label_and_its_title_above_a_picture_are_judged_as_one():
    """A running head above both, and verse below the picture."""

    def zone(text: str, x: float, y: float, width: float, height: float) -> Zone:
        return Zone("text", (x, y, width, height), text, None, lines=(line(text, x, y, width, height),))

    page = PageText("OCR", (
        zone("A BOOKE", 453, 128, 77, 14), zone("Emblem IX.", 440, 167, 104, 18),
        zone("FIDES SEMPER VINCIT", 379, 199, 228, 17),
    ), (980.0, 1100.0))  # fmt: skip
    found = tie_captions([(252.0, 230.0, 478.0, 465.0)], page)
    assert found[0].text == "Emblem IX. FIDES SEMPER VINCIT"
