"""What every engine must do; the tests of each engine call this."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as PillowImage

from data_prep.segment.engines.interface import PageEngine
from iconoclip.page_layout.findings import MAX_BOXES
from iconoclip.page_layout.kinds import BOX_KINDS, PAGE_KINDS
from iconoclip.pictures import ImageRefused
from tests.data_prep.segment.conftest import PICTURE, page


def encoded(image: PillowImage.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def odd_pages() -> dict[str, bytes]:
    """Unusual pages: tiny, empty, very long, full, of other modes."""
    noise = np.random.default_rng(0).integers(0, 255, (700, 500, 3)).astype(np.uint8)
    return {
        "one pixel": encoded(PillowImage.new("RGB", (1, 1), "white"), "PNG"),
        "empty": encoded(PillowImage.new("L", (600, 800), 255)),
        "black": encoded(PillowImage.new("L", (600, 800), 0)),
        "20,000 pixels long": encoded(PillowImage.new("L", (20_000, 300), 230)),
        "20,000 pixels high": encoded(PillowImage.new("1", (40, 20_000), 1), "PNG"),
        "noise": encoded(PillowImage.fromarray(noise)),
        "CMYK": encoded(PillowImage.new("CMYK", (300, 400), (10, 20, 30, 40))),
        "transparent": encoded(PillowImage.new("RGBA", (300, 400), (0, 0, 0, 0)), "PNG"),
    }


def check_engine(engine: PageEngine) -> None:
    """Hold an engine to the behaviour of the interface."""
    assert engine.name
    assert len(engine.digest) == 64
    samples = [*odd_pages().values(), page(PICTURE), page()]
    alone = [engine.find(data) for data in samples]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine.find, samples))
    assert together == alone, "the same page gives the same finding, in threads too"
    for finding in alone:
        assert finding.kind in PAGE_KINDS
        assert 0 <= finding.probability <= 1
        assert finding.origin == "model"
        assert len(finding.boxes) <= MAX_BOXES
        assert [box.score for box in finding.boxes] == sorted((b.score for b in finding.boxes), reverse=True)
        for box in finding.boxes:
            assert box.kind in BOX_KINDS
            assert 0 <= box.left < box.right <= 1
            assert 0 <= box.top < box.bottom <= 1
            assert 0 <= box.score <= 1
            assert abs(box.tilt) <= 45
    for bad in (b"", b"<html>blocked</html>", b"GIF89a", page(PICTURE)[:3000]):
        with pytest.raises(ImageRefused):
            engine.find(bad)
