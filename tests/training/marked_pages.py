"""Small marked pages for tests: grey paper with dark rectangles."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from training.pages.stored import Stored, stored
from training.pages.truth import read_pages


def write_pages(folder, rows: list[dict[str, object]], size: tuple[int, int] = (300, 400)):
    (folder / "images").mkdir(exist_ok=True)
    for row in rows:
        pixels = np.full((size[1], size[0], 3), 220, np.uint8)
        for zone in (*row.get("zones", ()), *row.get("boxes", ())):
            x, y, width, height = zone["xywh"]
            pixels[y : y + height, x : x + width] = 60
        Image.fromarray(pixels).save(folder / str(row["file"]))
    path = folder / "pages.jsonl"
    path.write_text("".join(json.dumps({"width": size[0], "height": size[1], **row}) + "\n" for row in rows))
    return path


def zone(label: str, *xywh: int) -> dict[str, object]:
    return {"label": label, "xywh": list(xywh)}


def lines_of_text(tmp_path, spaces=()) -> Stored:
    """A page whose text is rows of 20 dark pixels, 48 apart."""
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("MainZone", 100, 100, 600, 900), *spaces]}
    (page,) = read_pages(write_pages(tmp_path, [row], (800, 1100)))
    pixels = np.full((1100, 800, 3), 235, np.uint8)
    for top in range(104, 980, 48):
        pixels[top : top + 20, 100:700] = 30
    Image.fromarray(pixels).save(page.path, quality=95)
    return stored(page)
