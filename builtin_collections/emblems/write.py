"""Write drawn pages to a folder: `python -m builtin_collections.emblems.write FOLDER --pages 2000`."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from builtin_collections.emblems.book import Volume, page, volume
from builtin_collections.emblems.truth import as_row
from iconoclip.files import atomic_write

PAGES_PER_VOLUME = 24
ONLY: Final[dict[str, Callable[[Volume], bool]]] = {
    "fillers": lambda book: book.style.fillers,
    "photographs": lambda book: any("photographs" in sheet.sorts for sheet in book.sheets),
    "two_shades": lambda book: book.style.scan == "bitonal",
}
"""Volumes that there are few of, so that a model can be shown more of them."""


def write(folder: Path, *, num_pages: int, seed: int = 0, workers: int = 1, only: str | None = None) -> int:
    """Write `num_pages` pages as images/*.jpg, and pages.jsonl last; returns the number of pages.

    The volumes are the first of the collection `seed`, or the first of those that ONLY calls `only`,
    PAGES_PER_VOLUME pages each.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    wanted = (number for number in itertools.count() if only is None or ONLY[only](_volume(seed, number)))
    tasks = [
        (str(folder), seed, number, min(PAGES_PER_VOLUME, num_pages - place))
        for place, number in zip(range(0, num_pages, PAGES_PER_VOLUME), wanted, strict=False)
    ]
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            for found in pool.map(_volume_rows, tasks):
                rows += found
    else:
        for task in tasks:
            rows += _volume_rows(task)
    with atomic_write(folder / "pages.jsonl") as file:
        file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in rows)
    return len(rows)


def _volume(seed: int, number: int) -> Volume:
    return volume(seed, number, num_pages=PAGES_PER_VOLUME)


def _volume_rows(task: tuple[str, int, int, int]) -> list[dict[str, Any]]:
    folder, seed, number, count = task
    return list(_written(Path(folder), seed, number, count))


def _written(folder: Path, seed: int, number: int, count: int) -> Iterator[dict[str, Any]]:
    book = _volume(seed, number)
    for place in range(count):
        image, truth = page(book, place)
        name = f"images/{book.name}_{place:03d}.jpg"
        image.save(folder / name, "JPEG", quality=84)
        century = f"drawn-{book.style.century}th-century"
        yield as_row(truth, file=name, document=book.name, century=century, page=f"{book.name}_{place:03d}",
                     language=book.style.language, scan=book.style.scan,
                     label=book.sheets[place].label)  # fmt: skip


def main() -> int:
    """Read the command line and write the pages."""
    parser = argparse.ArgumentParser(prog="python -m builtin_collections.emblems.write", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for images/ and pages.jsonl")
    parser.add_argument("--pages", type=int, default=480, help="how many pages to draw")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pages")
    parser.add_argument("--only", choices=sorted(ONLY), help="only volumes with these, which are rare")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that draw")
    options = parser.parse_args()
    started = time.monotonic()
    count = write(
        options.folder,
        num_pages=options.pages,
        seed=options.seed,
        workers=options.workers,
        only=options.only,
    )
    seconds = time.monotonic() - started
    print(f"{count} pages in {seconds:.1f} s ({60 * count / seconds:.0f} per minute): {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
