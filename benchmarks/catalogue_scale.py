"""A catalogue as it grows: time per item and peak memory of the real command, over HTTP on this machine.

A server in a process of its own offers manifests of twenty pages, a thousand manifests per collection.
`iconoclip catalogue` walks them; then `iconoclip harvest --where ... --dry-run` selects one row in ten
thousand. Both are the real commands, each in a new process.

    python benchmarks/catalogue_scale.py --sizes 10000 100000
    python benchmarks/catalogue_scale.py --sizes 10000 100000 1000000 --selections_only

With `--selections_only` nothing walks: the rows are those of one real manifest, read by the real reader and
renamed, and the catalogue's own writer writes them. Two selections of a hundred rows, spread over the file,
go into one ledger as `iconoclip harvest` puts them there, next to the real command as a dry run. A million
rows take about four minutes to write.

While it walks, a line per minute shows how many manifests were served, the processor time and the memory of
the command so far. On two cores a hundred thousand items take about two minutes, a million about twenty-five,
and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PAGES, MANIFESTS_OF_A_COLLECTION = 20, 1_000
NUM_SELECTED = 100
PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
SHARE_SELECTED = 10_000
SECONDS_BETWEEN_LINES = 60
TICKS = os.sysconf("SC_CLK_TCK")


def page(uri: str, number: int) -> dict[str, Any]:
    """A canvas with an image service."""
    service = {"id": f"{uri}/image/{number}", "type": "ImageService3", "profile": "level2"}
    body = {
        "id": f"{uri}/image/{number}/full/max/0/default.jpg",
        "type": "Image",
        "width": 3000,
        "height": 2000,
        "service": [service],
    }
    canvas = f"{uri}/canvas/{number}"
    painting = {
        "id": f"{canvas}/a",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": canvas,
    }
    return {
        "id": canvas,
        "type": "Canvas",
        "width": 3000,
        "height": 2000,
        "label": {"none": [f"f. {number + 1}r"]},
        "items": [{"id": f"{canvas}/p", "type": "AnnotationPage", "items": [painting]}],
    }


def manifest(uri: str, number: int) -> dict[str, Any]:
    """A manifest of twenty pages, with a usual amount of metadata."""
    pairs = {
        "Creator": f"Painter {number % 500}",
        "Date": str(1500 + number % 400),
        "Subject": f"Harbours; ships; storm {number % 90}",
        "Place": f"Town {number % 300}",
    }
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": uri,
        "type": "Manifest",
        "label": {"en": [f"Views of harbours with ships, album {number}, after drawings of a traveller"]},
        "rights": PDM,
        "metadata": [{"label": {"en": [name]}, "value": {"en": [value]}} for name, value in pairs.items()],
        "items": [page(uri, n) for n in range(PAGES)],
    }


def answer(origin: str, path: str, num_manifests: int) -> dict[str, Any] | None:
    """The document at a path; None if there is none."""
    kind, _, name = path.strip("/").partition("/")
    if kind == "manifest":
        return manifest(origin + path, int(name))
    if kind != "collection":
        return None
    if name == "top":
        num_parts = -(-num_manifests // MANIFESTS_OF_A_COLLECTION)
        members = [(f"{origin}/collection/{n}", "Collection") for n in range(num_parts)]
    else:
        first = int(name) * MANIFESTS_OF_A_COLLECTION
        numbers = range(first, min(first + MANIFESTS_OF_A_COLLECTION, num_manifests))
        members = [(f"{origin}/manifest/{n}", "Manifest") for n in numbers]
    items = [{"id": uri, "type": type_, "label": {"en": [uri]}} for uri, type_ in members]
    return {"id": origin + path, "type": "Collection", "label": {"en": [path]}, "items": items}


def serve(num_manifests: int) -> None:
    """Serve until the process ends; the first line of the output is the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                return
            path = head.split(b" ", 2)[1].decode()
            document = answer(f"http://127.0.0.1:{port}", path, num_manifests)
            nonlocal num_served
            num_served += path.startswith("/manifest/")
            if path == "/count":
                document = {"num_served": num_served}
            body = b"" if document is None else json.dumps(document).encode()
            status = "404 Not Found" if document is None else "200 OK"
            lines = (
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(lines.encode() + body)
            await writer.drain()

    async def main() -> None:
        nonlocal port
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        print(port, flush=True)
        await server.serve_forever()

    port = num_served = 0
    asyncio.run(main())


def use_of(pid: int) -> tuple[float, float]:
    """Processor seconds and resident memory in MB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / TICKS, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch(pid: int, began: float, stopped: threading.Event, num_done: Callable[[], int]) -> None:
    """Print the progress of a process until it is stopped."""
    while not stopped.wait(SECONDS_BETWEEN_LINES):
        try:
            processor, memory = use_of(pid)
            line = f"{time.perf_counter() - began:7.0f} s  {num_done():>8,} manifests served"
            print(f"{line}  {processor:7.0f} s of processor  {memory:5.0f} MB", file=sys.stderr, flush=True)
        except OSError:
            return


def command(words: Sequence[object], num_done: Callable[[], int] | None = None) -> dict[str, float]:
    """Run `iconoclip`: elapsed and processor seconds, and peak memory in MB.

    Args:
        num_done: how much is done, for the lines of its progress; None prints none.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "iconoclip.cli", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert process.stderr is not None
    stopped = threading.Event()
    if num_done is not None:
        watching = threading.Thread(target=watch, args=(process.pid, began, stopped, num_done), daemon=True)
        watching.start()
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    stopped.set()
    if os.waitstatus_to_exitcode(status):
        sys.exit(told.decode())
    return {
        "seconds": time.perf_counter() - began,
        "processor": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def measure(num_items: int) -> dict[str, float]:
    """Catalogue as many items, and select from the result."""
    num_manifests = num_items // PAGES
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(num_manifests)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        origin = f"http://127.0.0.1:{int(server.stdout.readline())}"

        def num_served() -> int:
            with urllib.request.urlopen(f"{origin}/count", timeout=10) as found:
                return int(json.load(found)["num_served"])

        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "cat"
            walked = command(["catalogue", f"{origin}/collection/top", "--out", out], num_served)
            file = out / "catalogue.parquet"
            num_rows = pq.read_metadata(file).num_rows
            if num_rows != num_manifests * PAGES:
                sys.exit(f"{num_rows} rows for {num_items} items")
            where = f"ordinal % {SHARE_SELECTED} = 7"
            chosen = command(["harvest", out, "--where", where, "--dry-run"])
            return {
                "seconds": walked["seconds"],
                "milliseconds_per_item": 1000 * walked["seconds"] / num_rows,
                "processor_milliseconds_per_item": 1000 * walked["processor"] / num_rows,
                "peak_mb": walked["peak_mb"],
                "bytes_per_item": file.stat().st_size / num_rows,
                "select_seconds": chosen["seconds"],
                "select_peak_mb": chosen["peak_mb"],
            }
    finally:
        server.terminate()
        server.wait()


def rows_of(num_items: int) -> Iterator[dict[str, Any]]:
    """The rows of a catalogue of many manifests: those of one, with the names of the others."""
    from data_prep.catalogue.columns import Position, row_of
    from data_prep.config_groups import Storing
    from data_prep.harvest.recording import rights_of
    from data_prep.iiif.presentation import read_presentation
    from data_prep.institutions import profile_for
    from iconoclip.record import sample_key

    first = "https://iiif.harbour.example/manifest/0"
    found = read_presentation(json.dumps(manifest(first, 0)).encode(), first, profile_for(first))
    named = ("source_id", "manifest", "canvas", "image", "image_service", "document", "group_id", "candidate")
    shared = []
    for candidate in found.candidates:
        rights = rights_of(candidate, Storing().policy, ())
        shared.append(
            row_of(candidate, "", "iiif.harbour.example", Position(first, 0, 0, ()), rights, None, {})
        )
    for number in range(num_items // PAGES):
        uri = first.removesuffix("0") + str(number)
        for page, one in enumerate(shared):
            row = {**one, **{name: one[name] and one[name].replace(first, uri) for name in named}}
            row |= {"document_ordinal": number, "ordinal": number * PAGES + page}
            row["key"] = sample_key(row["institution"], row["source_id"])
            # Words that no other row has, which do not compress.
            note = "".join(sample_key(str(part), row["key"]) for part in range(8))
            row["raw"] = [*one["raw"], {**one["raw"][0], "label": "Note", "value": note, "field": None}]
            yield row


def select(num_items: int) -> dict[str, float]:
    """Write a catalogue of so many rows, and select a hundred of them, twice."""
    from data_prep.catalogue.files import open_catalogue, write_catalogue
    from data_prep.harvest.config import HarvestConfig
    from data_prep.harvest.selection import Selection
    from data_prep.ledger.ledger import Ledger

    about = {
        "name": "harbours", "sources": ("https://iiif.harbour.example/top",), "policy": "open@1",
        "composition": "default", "created_at": "2026-01-01T00:00:00Z", "created_by": "benchmark",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cat"
        out.mkdir()
        began = time.perf_counter()
        num_rows = write_catalogue(out, rows_of(num_items), about)
        written = time.perf_counter() - began
        print(f"{num_rows:,} rows written in {written:.0f} s", file=sys.stderr, flush=True)
        every = max(1, num_rows // NUM_SELECTED)
        wheres = [f"ordinal % {every} = {rest}" for rest in (every // 2, every // 3)]
        chosen = command(["harvest", out, "--where", wheres[0], "--dry-run"])
        config = HarvestConfig(sources=[str(out)], out=Path(folder) / "set")
        catalogue = open_catalogue(out)
        seconds = []
        with Ledger(Path(folder) / "ledger") as ledger:
            for where in wheres:
                began = time.process_time()
                with ledger.transaction():
                    Selection(catalogue, where).read_into(ledger, config)
                seconds.append(time.process_time() - began)
            (num_items,) = ledger.database.execute("SELECT count(*) FROM items").fetchone()
        if num_items != 2 * NUM_SELECTED:
            sys.exit(f"{num_items} rows selected")
        return {
            "bytes_per_item": (out / "catalogue.parquet").stat().st_size / num_rows,
            "select_seconds": chosen["seconds"],
            "select_processor": chosen["processor"],
            "select_peak_mb": chosen["peak_mb"],
            "first_seconds": seconds[0],
            "second_seconds": seconds[1],
        }


def table_of_selections(results: dict[int, dict[str, float]]) -> str:
    """The results of selections in Markdown."""
    lines = [
        f"| rows | the command: select {NUM_SELECTED} | its processor time | its peak memory "
        "| the selection alone | a second into the same folder | bytes per row |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size, found in results.items():
        lines.append(
            f"| {size:,} | {found['select_seconds']:.1f} s | {found['select_processor']:.1f} s "
            f"| {found['select_peak_mb']:.0f} MB | {found['first_seconds']:.2f} s "
            f"| {found['second_seconds']:.2f} s | {found['bytes_per_item']:.0f} |"
        )
    return "\n".join(lines)


def table(results: dict[int, dict[str, float]]) -> str:
    """The results in Markdown."""
    lines = [
        "| items | per item | processor per item | peak memory | bytes per item | select | its peak memory |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size, found in results.items():
        lines.append(
            f"| {size:,} | {found['milliseconds_per_item']:.2f} ms "
            f"| {found['processor_milliseconds_per_item']:.2f} ms | {found['peak_mb']:.0f} MB "
            f"| {found['bytes_per_item']:.0f} | {found['select_seconds']:.1f} s "
            f"| {found['select_peak_mb']:.0f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure each size, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--selections_only", action="store_true")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    results: dict[int, dict[str, float]] = {}
    for size in options.sizes:
        results[size] = select(size) if options.selections_only else measure(size)
        print(f"{size:,} items: {results[size]}", file=sys.stderr, flush=True)
    print(table_of_selections(results) if options.selections_only else table(results))


if __name__ == "__main__":
    main()
