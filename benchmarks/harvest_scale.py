"""Ledger and manifest parsing as a harvest grows: time an item and peak memory, which must both stay flat.

Each size runs in a process of its own: manifests are read, rows committed in batches as a harvest does, images recorded
as fetched, and the canonical order walked once. No network, no pixels.

    python benchmarks/harvest_scale.py --sizes 10000 100000 1000000 --docs docs

A million items take some minutes of one core and 2 GB of disk. With `--docs`, the table and the chart of docs/scale.md
are written anew (between its two markers, and as docs/images/harvest-scale.svg).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
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
PHASES = {
    "read": "a manifest read and committed",
    "record": "an image recorded",
    "walk": "its place found in the order",
}
BEGIN, END = "<!-- harvest_scale begins -->", "<!-- harvest_scale ends -->"


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
        is_item = kind is ItemJob
        while found := [
            job
            for job in ledger.pending("library.example", after, after, BATCH, with_items=is_item)
            if isinstance(job, kind)
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
        before = time.process_time()
        for batch in batches(ledger, DocumentJob):
            outcomes = [read(job) for job in batch]
            ledger.commit(outcomes, ledger.append(outcomes))
        seconds["read"] = time.process_time() - before
        before = time.process_time()
        for batch in batches(ledger, ItemJob):
            outcomes = [Outcome(job, "fetched", jpeg=b"x" * 100, facts=facts) for job in batch]
            ledger.commit(outcomes, ledger.append(outcomes))
        seconds["record"] = time.process_time() - before
        before = time.process_time()
        num_places = sum(1 for _ in places(ledger))
        seconds["walk"] = time.process_time() - before
    if num_places != num_items:
        sys.exit(f"{num_places} places found of {num_items} items")
    return {**seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def table(results: dict[int, dict[str, float]]) -> str:
    """The results in Markdown: processor milliseconds an item, megabytes."""
    head = " | ".join(PHASES.values())
    lines = [f"| items | {head} | together | peak memory |", "|---:|" + "---:|" * (len(PHASES) + 2)]
    for size, found in results.items():
        each = [1000 * found[name] / size for name in PHASES]
        cells = " | ".join(f"{milliseconds:.2f} ms" for milliseconds in each)
        lines.append(f"| {size:,} | {cells} | {sum(each):.2f} ms | {found['peak_mb']:.0f} MB |")
    return "\n".join(lines)


STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1c1a17 }
.quiet { fill: #635c52 } .axis { stroke: #8a8174 } .grid { stroke: #ddd6ca }
.time { stroke: #8a2432; fill: #8a2432 } .memory { stroke: #1a5fb4; fill: #1a5fb4 }
polyline { fill: none !important; stroke-width: 2.5 } circle { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #ece7dd } .quiet { fill: #aaa294 } .axis { stroke: #7d7568 } .grid { stroke: #35312b }
  .time { stroke: #e6a97e; fill: #e6a97e } .memory { stroke: #8fbcff; fill: #8fbcff }
}
"""


def chart(results: dict[int, dict[str, float]]) -> str:
    """Two small charts side by side over the number of items: time an item, and peak memory. Both begin at nought."""
    times = {size: 1000 * sum(found[name] for name in PHASES) / size for size, found in results.items()}
    memory = {size: found["peak_mb"] for size, found in results.items()}
    panels = panel(times, "time", "processor time an item, ms", 0) + panel(
        memory, "memory", "peak memory, MB", 370
    )
    words = "Processor time an item and peak memory of the ledger as a harvest grows"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 260" role="img" aria-label="{words}">'
        f"<title>{words}</title><style>{STYLE}</style>{panels}</svg>\n"
    )


def panel(values: dict[int, float], name: str, title: str, left: int) -> str:
    """One chart: sizes on a logarithmic axis, values from nought to a round number above the largest."""
    x0, x1, y0, y1 = left + 48, left + 345, 215, 45
    step = next(
        base * 10**power
        for power in range(-3, 6)
        for base in (1, 2, 5)
        if max(values.values()) <= 4 * base * 10**power
    )
    low, high = math.log10(min(values)), math.log10(max(values))
    points = [
        (x0 + 20 + (x1 - x0 - 40) * ((math.log10(size) - low) / ((high - low) or 1)), y0 - (y0 - y1) * value / (4 * step), size, value)
        for size, value in sorted(values.items())
    ]  # fmt: skip
    parts = [f'<text x="{left + 8}" y="22">{title}</text>']
    for number in range(5):
        y = y0 - (y0 - y1) * number / 4
        parts.append(
            f'<line x1="{x0}" x2="{x1}" y1="{y:.1f}" y2="{y:.1f}" class="{"grid" if number else "axis"}"/>'
        )
        parts.append(
            f'<text x="{x0 - 8}" y="{y + 4:.1f}" text-anchor="end" class="quiet">{number * step:g}</text>'
        )
    parts.append(f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in points)}"/>')
    for x, y, size, value in points:
        parts.append(f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 12:.1f}" text-anchor="middle">{value:.3g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{y0 + 20}" text-anchor="middle" class="quiet">{size:,}</text>')
    parts.append(
        f'<text x="{(x0 + x1) / 2:.0f}" y="{y0 + 40}" text-anchor="middle" class="quiet">items</text>'
    )
    return "".join(parts)


def write_docs(folder: Path, results: dict[int, dict[str, float]]) -> None:
    """The table into scale.md, between its markers, and the chart beside the other pictures."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / "harvest-scale.svg").write_text(chart(results))
    page = folder / "scale.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{page} lacks the markers {BEGIN} and {END}")
    where = f"{os.cpu_count()} cores of {processor()}, Python {platform.python_version()}"
    words = (
        f"Processor time of one process, on a machine with {where}.\n\n{table(results)}\n\n"
        "![Time an item and peak memory over the number of items](images/harvest-scale.svg)"
    )
    page.write_text(f"{before}{BEGIN}\n\n{words}\n\n{END}{after}")


def processor() -> str:
    """The processor's name, where the system tells it."""
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
