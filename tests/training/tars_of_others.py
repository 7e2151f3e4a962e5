"""Tars as other programs write them, for the tests that train on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import webdataset

from .conftest import jpeg

COLOURS = ("red", "green", "blue", "black", "white", "orange", "pink", "grey", "cyan", "navy")


def write_tar(path: Path, samples: list[dict[str, Any]]) -> Path:
    """A tar as webdataset's own writer makes it."""
    path.parent.mkdir(exist_ok=True)
    with webdataset.TarWriter(str(path)) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def plain(first: int, num: int) -> list[dict[str, Any]]:
    """Samples of an image and its text."""
    return [
        {
            "__key__": f"{number:06d}",
            "jpg": jpeg(COLOURS[number % 10], COLOURS[number // 10 % 10], "disc"),
            "txt": f"picture number {number}",
        }
        for number in range(first, first + num)
    ]


def of_tars(*words: Path | str, rights: str | None = "CC0", **more: Any) -> dict[str, Any]:
    return {"shards": [str(word) for word in words], "rights": rights, **more}


def laion_tars(folder: Path) -> Path:
    """Three plain tars of ten samples each, in a folder of their own."""
    for number in range(3):
        write_tar(folder / "laion" / f"laion-{number:05d}.tar", plain(10 * number, 10))
    return folder / "laion"
