"""Pages with a picture and printed lines, for Tesseract to read."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage

from builtin_collections.emblems.drawing.lettering import Typeface


def printed_page(text: str, line: float) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A page of paper with a hatched picture and printed lines below it, which `|` divides."""
    page = PillowImage.new("L", (700, 1000), 235)
    picture = (150, 200, 400, 300)
    page.paste(120, (150, 200, 550, 500))
    print_lines(page, text, 230.0, line)
    return np.asarray(page.convert("RGB")), tuple(map(float, picture))


def print_lines(page: PillowImage.Image, text: str, left: float, line: float, size: int = 26) -> None:
    """Print lines with their first baseline at `line`."""
    for number, row in enumerate(text.split("|")):
        x = left
        for each in row.split():
            word = Typeface().word(each, size)
            page.paste(20, (round(x), round(line + 1.4 * size * number) - word.above), word.mask)
            x += word.advance + 8
