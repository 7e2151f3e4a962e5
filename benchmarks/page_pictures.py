"""What engines find on marked pages, and how quickly: the table of docs/decisions/0015-pages.md.

    python benchmarks/page_pictures.py PAGES.jsonl [--engine shipped] [--engine none] [--engine tesseract]
                                       [--model FILE] [--documents A,B] [--every N] [--workers 2]
                                       [--failures FOLDER]

PAGES.jsonl is a file of marked pages (training/pages/truth.py lists the formats), or a folder with one.
F1 is followed by its 95 % interval (documents are resampled), by precision and recall. A graphic is a
picture or an ornament, as SegmOnto's GraphicZone; a second table has each kind of box. Only documents that a
model has not seen measure it: name them with --documents. With --failures, sheets of the worst pages are
written, with what people marked in green and what was found in red. The engine `tesseract` takes Tesseract's
own picture blocks; it needs a second per page, so --every 6 measures every sixth page.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import time
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageDraw

from data_prep.candidate import Refusal
from data_prep.page_text.hocr import read_hocr
from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.interface import PageEngine
from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.page_layout.inputs import MAX_PIXELS
from iconoclip.page_layout.kinds import BOX_KINDS, GRAPHIC_KINDS
from iconoclip.page_layout.measure import box_score
from iconoclip.page_layout.table import Measured, as_markdown, kinds_as_markdown, rows_of
from iconoclip.pictures import ImageRefused, decode
from iconoclip.side_by_side import side_by_side
from training.pages.truth import Page, read_pages

# Of the sheets of failures: pixels of a page, pages per row and per sheet, and how many sheets at most.
TILE, SHEET_COLUMNS, PER_SHEET, MAX_SHEETS = 420, 6, 24, 8


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--engine", action="append", choices=("shipped", "hugging_face", "none", "tesseract"))
    parser.add_argument("--model")
    parser.add_argument("--documents", default="", help="only these, separated by commas")
    parser.add_argument("--every", type=int, default=1, help="measure every so many pages")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--failures", type=Path, help="folder for sheets of the worst pages")
    options = parser.parse_args()
    pages = [
        page for path in options.pages for page in read_pages(path / "pages.jsonl" if path.is_dir() else path)
    ]
    chosen = {name for name in options.documents.split(",") if name}
    pages = [page for page in pages if not chosen or page.document in chosen][:: options.every]
    print(f"{len(pages)} pages of {len({page.document for page in pages})} documents\n")
    for name in options.engine or ["shipped"]:
        engine = _engine(name, options.model)
        rows = measure(engine, pages, options.workers)
        if options.failures:
            write_sheets(options.failures, engine.name, pages, rows)


class TesseractBlocks:
    """The picture blocks of Tesseract's page segmentation."""

    name = "tesseract"
    digest = ""

    def find(self, page: bytes) -> Finding:
        """What is on a page.

        Raises:
            ImageRefused: Tesseract could not read it.
        """
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        command = ["tesseract", "stdin", "stdout", "--psm", "3", "hocr"]
        done = subprocess.run(command, input=page, capture_output=True, env=environment, timeout=300)
        text = read_hocr(done.stdout, "tesseract")
        if isinstance(text, Refusal) or not text.size:
            raise ImageRefused(text.reason if isinstance(text, Refusal) else "no size")
        width, height = text.size
        found = [zone.box for zone in text.zones if zone.kind == "photograph" and zone.box]
        boxes = [
            FoundBox("illustration", x / width, y / height, (x + w) / width, (y + h) / height, 1.0)
            for x, y, w, h in found
        ]
        return Finding("mixed" if boxes else "text", 0.5, tuple(boxes))


def _engine(name: str, model: str | None) -> PageEngine:
    if name == "tesseract":
        return TesseractBlocks()
    return engine_called(name, model if name != "none" else None, None)


def measure(engine: PageEngine, pages: list[Page], workers: int) -> list[Measured]:
    """Print the tables of one engine; returns what it found."""

    def found(page: Page) -> Finding:
        try:
            return engine.find(page.read())
        except ImageRefused as error:
            print(f"{page.path}: {error}")
            return Finding("blank", 0.0)

    # User and system time of this process and of those that it started, such as Tesseract.
    start, busy = time.perf_counter(), sum(os.times()[:4])
    findings = list(side_by_side(pages, found, workers))
    took, used = time.perf_counter() - start, sum(os.times()[:4]) - busy
    rows = [
        Measured(
            page.group,
            str(page.path),
            [(zone.kind, page.shares(zone)) for zone in page.zones],
            page.kind,
            one,
            page.document,
        )
        for page, one in zip(pages, findings, strict=True)
    ]
    print(f"engine {engine.name}\n")
    print(as_markdown(rows_of(rows)))
    print(f"\n{kinds_as_markdown(rows)}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"\n{len(pages) / took:.1f} pages/s with {workers} threads, decoding included;"
        f" {len(pages) / used:.1f} pages per second of processor time; {memory:.0f} MB at most\n"
    )
    return rows


def num_errors(row: Measured) -> tuple[int, int]:
    """How many graphics of a page were missed or invented at an IoU of 0.5, and how many initials and stamps.

    A wrong kind of page counts as one of the latter.
    """
    graphics, others = (
        box_score(
            [box.corners for box in row.finding.boxes if box.kind in kinds],
            [corners for kind, corners in row.wanted if kind in kinds],
            0.5,
        )
        for kinds in (GRAPHIC_KINDS, frozenset(BOX_KINDS) - GRAPHIC_KINDS)
    )
    is_wrong_kind = row.kind not in (None, row.finding.kind)
    return graphics.num_wrong + graphics.num_missed, others.num_wrong + others.num_missed + is_wrong_kind


def write_sheets(folder: Path, engine: str, pages: list[Page], rows: list[Measured]) -> None:
    """Write sheets of the pages with the most errors, `PER_SHEET` on each."""
    folder.mkdir(parents=True, exist_ok=True)
    both = [pair for pair in zip(pages, rows, strict=True) if any(num_errors(pair[1]))]
    both.sort(key=lambda pair: num_errors(pair[1]), reverse=True)
    for number in range(0, min(len(both), MAX_SHEETS * PER_SHEET), PER_SHEET):
        shown = both[number : number + PER_SHEET]
        sheet = PillowImage.new(
            "RGB", (SHEET_COLUMNS * TILE, -(-len(shown) // SHEET_COLUMNS) * TILE), "white"
        )
        for place, (page, row) in enumerate(shown):
            sheet.paste(_drawn(page, row), (place % SHEET_COLUMNS * TILE, place // SHEET_COLUMNS * TILE))
        sheet.quantize(160).save(folder / f"{engine}-{number // PER_SHEET + 1}.png")
    print(f"{len(both)} of {len(pages)} pages with errors; sheets of the worst in {folder}\n")


def _drawn(page: Page, row: Measured) -> PillowImage.Image:
    """A page with its boxes: what people marked in green, what was found in red, with their kinds."""
    image = decode(page.read(), max_pixels=MAX_PIXELS, max_side=TILE - 14)
    draw = ImageDraw.Draw(image)
    boxes = [(kind, corners, "green", 0.0) for kind, corners in row.wanted if kind != "text"]
    boxes += [(box.kind, box.corners, "red", box.score) for box in row.finding.boxes]
    for kind, (left, top, right, bottom), colour, score in boxes:
        place = left * image.width, top * image.height, right * image.width, bottom * image.height
        draw.rectangle(place, outline=colour, width=2)
        label = f"{kind[:3]} {score:.2f}" if score else kind[:3]
        draw.text((place[0] + 3, place[1] + (2 if score else -11)), label, fill=colour)
    tile = PillowImage.new("RGB", (TILE, TILE), "white")
    tile.paste(image, (0, 12))
    said = f"{page.document}: {row.kind} -> {row.finding.kind} {row.finding.probability:.2f}"
    ImageDraw.Draw(tile).text((2, 0), said, fill="black")
    return tile


if __name__ == "__main__":
    main()
