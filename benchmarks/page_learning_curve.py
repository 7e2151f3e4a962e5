"""What more marked documents give the page model: trained on a part of them, measured on others.

    python benchmarks/page_learning_curve.py PAGES.jsonl... --held_out LIST
                                            [--samples 20000] [--steps_of 4,2,1]

Each row is a new network. It sees the same number of samples, made of every fourth, of every second, and of
all documents of each file that are not in LIST (training/pages/held_out.txt); the documents in LIST measure
it. Thresholds and calibration are fitted on other documents of LIST, as in docs/decisions/0015-pages.md. The
networks see fewer samples than the shipped one, so compare the rows with each other only.

20,000 samples take about a quarter of an hour of one core per row.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from iconoclip.page_layout.table import as_markdown, rows_of
from training.pages.crossval import looked_at, measured
from training.pages.fit import fit
from training.pages.stored import stored
from training.pages.truth import Page, read_pages


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--held_out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--steps_of", default="4,2,1", help="every so many documents of each file")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = set(options.held_out.read_text(encoding="utf-8").split())
    files = [read_pages(path) for path in options.pages]
    tests = [page for pages in files for page in pages if page.document in names]
    for step in map(int, options.steps_of.split(",")):
        chosen = [page for pages in files for page in every(pages, names, step)]
        network = fit([stored(page) for page in chosen], options.samples)
        results = [looked_at(network, page) for page in tests]
        print(f"\nevery {step}: {len({page.document for page in chosen})} documents, {len(chosen)} pages\n")
        print(as_markdown(rows_of(measured(tests, results))))
        sys.stdout.flush()


def every(pages: list[Page], names: set[str], step: int) -> list[Page]:
    """The pages of every so many documents that are not held out; those with the most pages first, so that
    the parts are alike."""
    counts: dict[str, int] = {}
    for page in pages:
        if page.document not in names:
            counts[page.document] = counts.get(page.document, 0) + 1
    documents = sorted(counts, key=lambda name: (-counts[name], name))
    chosen = set(documents[step // 2 :: step])
    return [page for page in pages if page.document in chosen]


if __name__ == "__main__":
    main()
