"""Ledger and manifest parsing as a harvest grows: time per item and peak memory, which must not grow with it.

Each size runs in a separate process: manifests are read, rows are committed in batches as in a harvest,
images are recorded as downloaded, and the canonical order is walked once. No network, no pixels.

    python benchmarks/harvest_scale.py --sizes 10000 100000 1000000 --docs docs

A million items take some minutes of one core and 2 GB of disk. With `--docs`, the table and the chart of
docs/scale.md are written again (between its two markers, and as docs/images/harvest-scale.svg).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth_chart import Panel, chart
from benchmarks.manifests import one_picture
from data_prep.candidate import Found
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.documents import item_row
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import profile_for
from data_prep.ledger.jobs import DocumentJob, FoundRows, ImageFacts, ItemJob, LinkRow, Outcome
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.walk import places

HOST_NAME = "library.example"
HOST = f"https://{HOST_NAME}"
CONFIG, PROFILE = HarvestConfig(sources=[HOST], dry_run=True), profile_for(HOST)
FACTS = ImageFacts(500, 333, "a" * 64, "b" * 64, "0" * 16, (0,) * 12, (512, 341))
MANIFESTS_OF_A_COLLECTION, BATCH = 1_000, 200
PHASES = {
    "read": "a manifest read and committed",
    "record": "an image recorded",
    "walk": "its place found in the order",
}
BEGIN, END = "<!-- harvest_scale begins -->", "<!-- harvest_scale ends -->"


def manifest(number: int) -> bytes:
    """A manifest as the bytes that a server sends."""
    uri = f"{HOST}/iiif/{number}"
    label = f"View of a harbour with ships, number {number}, after a drawing of the seventeenth century"
    return json.dumps(
        one_picture(uri, label, f"{uri}/full.jpg", (3000, 2000), service=f"{uri}/image")
    ).encode()


def read(job: DocumentJob, num_items: int) -> Outcome:
    """A parsed document of the collection: a thousand links, or the one image of a manifest."""
    number = int(job.uri.rpartition("/")[2])
    if "collection" in job.uri:
        first = number * MANIFESTS_OF_A_COLLECTION
        numbers = range(first, min(first + MANIFESTS_OF_A_COLLECTION, num_items))
        links = [LinkRow(f"{HOST}/iiif/{n}", "presentation", HOST_NAME) for n in numbers]
        return Outcome(job, "fetched", found=Found(), rows=FoundRows([], links))
    found = read_presentation(manifest(number), job.uri, PROFILE, None)
    rows = [item_row(candidate, CONFIG) for candidate in found.candidates]
    return Outcome(job, "fetched", found=found, rows=FoundRows(rows, []))


def batches(ledger: Ledger, kind: type) -> Iterator[list[Any]]:
    """Jobs as a host's queue returns them; a batch is committed when the next one is requested."""
    after = 0
    while found := [
        job
        for job in ledger.pending(HOST_NAME, after, after, BATCH, with_items=kind is ItemJob)
        if isinstance(job, kind)
    ]:
        after = found[-1].id
        yield found


def work_off(ledger: Ledger, kind: type, do: Callable[[Any], Outcome]) -> None:
    """Do all jobs of a kind and commit the results, batch by batch."""
    for batch in batches(ledger, kind):
        outcomes = [do(job) for job in batch]
        ledger.commit(outcomes, ledger.append(outcomes))


def measure(num_items: int) -> dict[str, float]:
    """Processor seconds of each phase and peak memory of this process, in MB."""
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        num_collections = -(-num_items // MANIFESTS_OF_A_COLLECTION)
        ledger.add_roots(
            LinkRow(f"{HOST}/collection/{n}", "presentation", HOST_NAME) for n in range(num_collections)
        )
        phases: dict[str, Callable[[], object]] = {
            "read": lambda: work_off(ledger, DocumentJob, lambda job: read(job, num_items)),
            "record": lambda: work_off(
                ledger, ItemJob, lambda job: Outcome(job, "fetched", jpeg=b"x" * 100, facts=FACTS)
            ),
            "walk": lambda: sum(1 for _ in places(ledger)),
        }
        seconds: dict[str, float] = {}
        for name, phase in phases.items():
            before = time.process_time()
            result = phase()
            seconds[name] = time.process_time() - before
    if result != num_items:
        sys.exit(f"{result} places found of {num_items} items")
    return {**seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def table(results: dict[int, dict[str, float]]) -> str:
    """The results in Markdown: processor milliseconds per item, megabytes."""
    head = " | ".join(PHASES.values())
    lines = [f"| items | {head} | together | peak memory |", "|---:|" + "---:|" * (len(PHASES) + 2)]
    for size, found in results.items():
        each = [1000 * found[name] / size for name in PHASES]
        cells = " | ".join(f"{milliseconds:.2f} ms" for milliseconds in each)
        lines.append(f"| {size:,} | {cells} | {sum(each):.2f} ms | {found['peak_mb']:.0f} MB |")
    return "\n".join(lines)


def write_docs(folder: Path, results: dict[int, dict[str, float]]) -> None:
    """Write the table into scale.md, between its markers, and the chart into docs/images."""
    (folder / "images").mkdir(exist_ok=True)
    times = {size: 1000 * sum(found[name] for name in PHASES) / size for size, found in results.items()}
    memory = {size: found["peak_mb"] for size, found in results.items()}
    panels = [Panel("processor time per item, ms", times), Panel("peak memory, MB", memory)]
    about = "Processor time per item and peak memory of the ledger as a harvest grows"
    (folder / "images" / "harvest-scale.svg").write_text(chart(about, panels, "items"))
    page = folder / "scale.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{page} lacks the markers {BEGIN} and {END}")
    where = f"{os.cpu_count()} cores of {processor()}, Python {platform.python_version()}"
    words = (
        f"Processor time of one process, on a machine with {where}.\n\n{table(results)}\n\n"
        "![Time per item and peak memory over the number of items](images/harvest-scale.svg)"
    )
    page.write_text(f"{before}{BEGIN}\n\n{words}\n\n{END}{after}")


def processor() -> str:
    """The processor's name, if the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Measure each size in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--docs", type=Path, help="the folder of the documentation, to write table and chart into"
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    results: dict[int, dict[str, float]] = {}
    for size in options.sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        results[size] = json.loads(done.stdout)
        print(f"{size:,} items: {results[size]}", file=sys.stderr, flush=True)
    print(table(results))
    if options.docs:
        write_docs(options.docs, results)


if __name__ == "__main__":
    main()
