"""Memory and speed of an export of 100,000 hits, against the same table made with openpyxl as a whole.

    python benchmarks/export_memory.py INDEX [--hits 100000]

Each format is written in a process of its own. The matches of the index are repeated until there are enough;
each hit's record is read and unpacked as in the service. `growth` is the peak memory over that before the
first row. Compared with: openpyxl's ordinary workbook (`pip install openpyxl`), which holds all cells until
it is saved.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable

import numpy as np

from retrieval.answers import Hit
from retrieval.engine import SearchEngine
from retrieval.query.whole_set import WholeSet
from retrieval.questions import Query
from retrieval.service.api.export_formats import (
    COLUMNS,
    csv_pieces,
    jsonld_pieces,
    selection_pieces,
    xlsx_pieces,
)

BASE = "https://search.example"


def with_openpyxl(hits: Iterable[Hit], _num_hits: int) -> Iterable[bytes]:
    """The same table, held in memory until the last row is there."""
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(COLUMNS)
    for hit in hits:
        sheet.append([hit.rank, hit.score, hit.key, hit.title, *[""] * (len(COLUMNS) - 4)])
    saved = io.BytesIO()
    workbook.save(saved)
    return [saved.getvalue()]


FORMATS: dict[str, Callable[[Iterable[Hit], int], Iterable[str | bytes]]] = {
    "csv": lambda hits, _num: csv_pieces(hits, BASE),
    "xlsx": lambda hits, _num: xlsx_pieces(hits, BASE),
    "jsonld": lambda hits, num: jsonld_pieces(hits, num, BASE),
    "selection": lambda hits, num: selection_pieces(hits, num, {}),
    "openpyxl, four columns": with_openpyxl,
}


def measure(index: str, name: str, num_hits: int) -> None:
    """Write one format, and print what it took."""
    with SearchEngine.open(index) as engine:
        whole = repeated(engine.whole_set(Query(), num_hits), num_hits)
        before, started, num_bytes = peak_mb(), time.perf_counter(), 0
        first_seconds = 0.0
        for piece in FORMATS[name](whole.hits(), num_hits):
            first_seconds = first_seconds or time.perf_counter() - started
            num_bytes += len(piece)
        seconds = time.perf_counter() - started
    print(
        f"{name:24} {len(whole):7} hits {num_bytes / 1e6:7.1f} MB  growth {peak_mb() - before:6.1f} MB"
        f"  first bytes {first_seconds:6.2f} s  {len(whole) / seconds:7.0f} hits/s",
        flush=True,
    )


def repeated(whole: WholeSet, num_hits: int) -> WholeSet:
    """The same matches again and again, up to `num_hits`."""
    if not len(whole):
        raise SystemExit("the index is empty")
    return dataclasses.replace(
        whole, rows_M=np.resize(whole.rows_M, num_hits), scores_M=np.resize(whole.scores_M, num_hits)
    )


def peak_mb() -> float:
    """The largest resident memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure every format, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index")
    parser.add_argument("--hits", type=int, default=100_000)
    given = parser.parse_args()
    for name in FORMATS:
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(given.index, name, given.hits)
        )
        process.start()
        process.join()


if __name__ == "__main__":
    main()
