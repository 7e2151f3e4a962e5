"""What engines find on marked pages, and how quickly: the table of docs/decisions/0015-pages.md.

    python benchmarks/page_pictures.py PAGES.jsonl [--engine shipped] [--engine none] [--engine tesseract]
                                       [--model FILE] [--documents A,B] [--every N] [--workers 2]

PAGES.jsonl is a file of marked pages (training/pages/truth.py lists the formats), or a folder with one.
F1 is followed by precision and recall. A graphic is a picture or an ornament, as SegmOnto's GraphicZone. Only
documents that a model has not seen measure it: name them with --documents. The engine `tesseract` takes
Tesseract's own picture blocks; it needs a second per page, so --every 6 measures every sixth page.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import time
from pathlib import Path

from data_prep.candidate import Refusal
from data_prep.page_text.hocr import read_hocr
from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.interface import PageEngine
from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.page_layout.table import Measured, as_markdown, rows_of
from iconoclip.pictures import ImageRefused
from iconoclip.side_by_side import side_by_side
from training.pages.truth import Page, read_pages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--engine", action="append", choices=("shipped", "hugging_face", "none", "tesseract"))
    parser.add_argument("--model")
    parser.add_argument("--documents", default="", help="only these, separated by commas")
    parser.add_argument("--every", type=int, default=1, help="measure every so many pages")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pages = [
        page for path in options.pages for page in read_pages(path / "pages.jsonl" if path.is_dir() else path)
    ]
    chosen = {name for name in options.documents.split(",") if name}
    pages = [page for page in pages if not chosen or page.document in chosen][:: options.every]
    print(f"{len(pages)} pages of {len({page.document for page in pages})} documents\n")
    for name in options.engine or ["shipped"]:
        measure(_engine(name, options.model), pages, options.workers)


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


def measure(engine: PageEngine, pages: list[Page], workers: int) -> None:
    """Print the table of one engine."""

    def found(page: Page) -> Finding:
        try:
            return engine.find(page.read())
        except ImageRefused as error:
            print(f"{page.path}: {error}")
            return Finding("blank", 0.0)

    start, busy = time.perf_counter(), time.process_time()
    findings = list(side_by_side(pages, found, workers))
    took, used = time.perf_counter() - start, time.process_time() - busy
    rows = [
        Measured(
            page.group,
            str(page.path),
            [(zone.kind, page.shares(zone)) for zone in page.zones],
            page.kind,
            one,
        )
        for page, one in zip(pages, findings, strict=True)
    ]
    print(f"engine {engine.name}\n")
    print(as_markdown(rows_of(rows)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"\n{len(pages) / took:.1f} pages/s with {workers} threads, decoding included;"
        f" {len(pages) / used:.1f} pages per second of processor time; {memory:.0f} MB at most\n"
    )


if __name__ == "__main__":
    main()
