"""Ledger and manifest parsing as a harvest grows: time an item and peak memory, which must both stay flat.

Each size runs in a process of its own: manifests are read, rows committed in batches as a harvest does, images recorded
as fetched, and the canonical order walked once. No network, no pixels.

    python benchmarks/harvest_scale.py --sizes 10000 100000 1000000

A million items take about an hour of one core and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
HOST = "https://library.example"
MANIFESTS_OF_A_COLLECTION, BATCH = 1_000, 200


def manifest(number: int) -> bytes:
    base = f"{HOST}/iiif/{number}"
    service = {
        "id": f"{base}/image",
        "type": "ImageService3",
        "profile": "level2",
        "width": 3000,
        "height": 2000,
    }
    body = {"id": f"{base}/full.jpg", "type": "Image", "width": 3000, "height": 2000, "service": [service]}
    painting = {
        "id": f"{base}/a",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": f"{base}/c",
    }
    page = {"id": f"{base}/p", "type": "AnnotationPage", "items": [painting]}
    canvas = {"id": f"{base}/c", "type": "Canvas", "width": 3000, "height": 2000, "items": [page]}
    label = {
        "en": [f"View of a harbour with ships, number {number}, after a drawing of the seventeenth century"]
    }
    return json.dumps(
        {"id": base, "type": "Manifest", "label": label, "rights": PDM, "items": [canvas]}
    ).encode()


def measure(num_items: int) -> dict[str, float]:
    """Seconds of each phase and peak memory of this process, in MB."""
    from data_prep.candidate import Found
    from data_prep.config import HarvestConfig
    from data_prep.documents import item_row
    from data_prep.iiif.presentation import read_presentation
    from data_prep.institutions import profile_for
    from data_prep.jobs import DocumentJob, Facts, FoundRows, ItemJob, LinkRow, Outcome
    from data_prep.ledger import Ledger
    from data_prep.walk import places

    config = HarvestConfig(sources=[HOST], dry_run=True)
    profile = profile_for(HOST)
    facts = Facts(500, 333, "a" * 64, "b" * 64, "0" * 16, (0,) * 12, (512, 341))

    def batches(ledger: Ledger, kind: type) -> Iterator[list[Any]]:
        """Jobs as a lane takes them; the batch before is committed when the next is asked for."""
        after = 0
        while found := [
            job for job in ledger.pending("library.example", after, after, BATCH) if isinstance(job, kind)
        ]:
            after = found[-1].id
            yield found

    def read(job: DocumentJob) -> Outcome:
        if "collection" in job.uri:
            first = int(job.uri.rpartition("/")[2]) * MANIFESTS_OF_A_COLLECTION
            numbers = range(first, min(first + MANIFESTS_OF_A_COLLECTION, num_items))
            links = [
                LinkRow(f"{HOST}/iiif/{number}", "presentation", "library.example") for number in numbers
            ]
            return Outcome(job, "fetched", found=Found(), rows=FoundRows([], links))
        found = read_presentation(manifest(int(job.uri.rpartition("/")[2])), job.uri, profile, None)
        rows = [item_row(candidate, config) for candidate in found.candidates]
        return Outcome(job, "fetched", found=found, rows=FoundRows(rows, []))

    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        num_collections = -(-num_items // MANIFESTS_OF_A_COLLECTION)
        ledger.add_roots(
            LinkRow(f"{HOST}/collection/{n}", "presentation", "library.example")
            for n in range(num_collections)
        )
        started = time.perf_counter()
        for batch in batches(ledger, DocumentJob):
            outcomes = [read(job) for job in batch]
            ledger.commit(outcomes, ledger.append(outcomes))
        seconds["read"] = time.perf_counter() - started
        started = time.perf_counter()
        for batch in batches(ledger, ItemJob):
            outcomes = [Outcome(job, "fetched", jpeg=b"x" * 100, facts=facts) for job in batch]
            ledger.commit(outcomes, ledger.append(outcomes))
        seconds["record"] = time.perf_counter() - started
        started = time.perf_counter()
        num_places = sum(1 for _ in places(ledger))
        seconds["walk"] = time.perf_counter() - started
    assert num_places == num_items, (num_places, num_items)
    return {**seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Measure each size in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    print(f"{'items':>10}{'read ms':>10}{'record ms':>11}{'walk ms':>10}{'peak MB':>10}")
    for size in options.sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
        each = [1000 * found[name] / size for name in ("read", "record", "walk")]
        print(
            f"{size:>10}{each[0]:>10.3f}{each[1]:>11.3f}{each[2]:>10.3f}{found['peak_mb']:>10.0f}", flush=True
        )


if __name__ == "__main__":
    main()
