"""Claim: ten million rows with thirty million captions open in less than 10 s and 1 GB of memory for all
ranks and loader workers of a machine, in addition to the page cache that they share.

    python benchmarks/row_cache_scale.py [--rows 100000 1000000] [--ranks 2] [--workers 4] [--folder FOLDER]

Writes indexes of shard sets without pictures, with three captions of 72 characters per row, and opens them as
a run does: once without a cache, then in `--ranks` processes, each of which draws rows and captions for
twenty batches in `--workers` forked processes. Memory is what these processes have for themselves
(`Pss_Anon` of Linux: a page that several share counts once), the interpreter with its libraries included.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, RECORDS_SCHEMA, Shard, ShardSetManifest, Totals
from training.data.captions import CaptionSampler, caption_weights
from training.data.order import EpochOrder, Schedule
from training.data.samples import load

ROWS_OF_A_PART = 20_000
ROWS_OF_A_SHARD = 10_000
PUBLIC_DOMAIN = "http://creativecommons.org/publicdomain/mark/1.0/"
LANGUAGES = ("en", "fr", "de")
BATCH = 256


def write_index(folder: Path, num_rows: int) -> None:
    """An index of `num_rows` pages of books, twenty to a book, and the manifest that names it."""
    folder.mkdir(parents=True)
    path = folder / RECORDS_NAME
    with pq.ParquetWriter(path, RECORDS_SCHEMA, compression="zstd") as writer:
        for start in range(0, num_rows, ROWS_OF_A_PART):
            writer.write_table(part(start, min(start + ROWS_OF_A_PART, num_rows)))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    num_shards = -(-num_rows // ROWS_OF_A_SHARD)
    manifest = ShardSetManifest(
        name="synthetic",
        records_sha256=digest,
        shards=tuple(
            Shard(name=f"north-{number:06d}.tar", sha256="0" * 64, num_bytes=1, num_samples=ROWS_OF_A_SHARD)
            for number in range(num_shards)
        ),
        totals=Totals(num_samples=num_rows),
        policy="open@1",
        created_at="2026-01-01T00:00:00Z",
        created_by="a benchmark",
    )
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json())


def part(start: int, stop: int, rows_of_a_shard: int = ROWS_OF_A_SHARD) -> pa.Table:
    """The rows from `start` up to `stop`."""
    rows = range(start, stop)
    num = len(rows)
    captions = [
        [
            {
                "text": f"{language}: page {row} of a book of birds, drawn by hand, {row:030x}"[:72],
                "language": language,
                "field": "title",
                "origin": "institution",
                "language_source": "source",
                "level": "page",
                "role": "title",
            }
            for language in LANGUAGES
        ]
        for row in rows
    ]
    values: dict[str, Any] = {
        "key": [f"north-{row:016x}" for row in rows],
        "shard": [f"north-{row // rows_of_a_shard:06d}.tar" for row in rows],
        "captions": captions,
        "iconclass": [[f"25F{row % 9}", f"11H({row % 500})"] for row in rows],
        "group": [f"north-{row // 20}" for row in rows],
        "image_offset": np.arange(num) * 60_000, "image_size": np.full(num, 59_000),
        "record_offset": np.zeros(num), "record_size": np.ones(num),
        "institution": ["north"] * num, "split": ["train"] * num, "train": ["yes"] * num,
        "rights_uri": [PUBLIC_DOMAIN] * num, "rights_raw": [PUBLIC_DOMAIN] * num, "display": ["yes"] * num,
        "opt_out": [[]] * num, "earliest": np.full(num, 1700), "latest": np.full(num, 1800),
        "width": np.full(num, 512), "height": np.full(num, 400), "image_sha256": ["0" * 64] * num,
    }  # fmt: skip
    arrays = [
        pa.array(values[one.name], one.type) if one.name in values else pa.nulls(num, one.type)
        for one in RECORDS_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=RECORDS_SCHEMA)


def in_processes(num: int, work: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    """What `work` returns in `num` forked processes, which end together."""
    pipes = []
    for number in range(num):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            found = json.dumps(work(number)).encode()
            with os.fdopen(writer, "wb") as file:
                file.write(found)
            os._exit(0)
        os.close(writer)
        pipes.append(reader)
    found = []
    for reader in pipes:
        with os.fdopen(reader, "rb") as file:
            found.append(json.loads(file.read()))
    while num:
        os.wait()
        num -= 1
    return found


def anonymous_megabytes() -> float:
    """The memory of this process that is in no file; shared pages count in part."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) / 1000


def a_rank(folder: Path, num_workers: int, barrier: Callable[[], None]) -> dict[str, Any]:
    """Open the rows as a run does, and draw batches in forked workers."""
    started = time.perf_counter()
    samples = load([str(folder)], split="train", policy="open")
    captions = samples.captions
    weights = caption_weights(captions, language_temperature=1, field_weights={}, origin_weights={})
    sampler = CaptionSampler(captions, weights, num_captions=2, seed=0)
    schedule = Schedule(EpochOrder(samples.shard_lengths, 0), BATCH)
    schedule.batch(0)
    seconds = time.perf_counter() - started

    def worker(number: int) -> dict[str, Any]:
        for step in range(number, number + 20):
            positions, rows = zip(*schedule.batch(step), strict=True)
            drawn = sampler.draw(rows, np.array(positions)).ravel().tolist()
            assert all(captions.text[one].as_py() for one in drawn)
            captions.texts_of(np.array(rows))
        barrier()
        return {"mb": anonymous_megabytes()}

    def all_workers() -> list[dict[str, Any]]:
        return in_processes(num_workers, worker)

    found = all_workers()
    return {"seconds": seconds, "mb": anonymous_megabytes(), "workers": [one["mb"] for one in found]}


def measure(folder: Path, num_ranks: int, num_workers: int) -> dict[str, Any]:
    """Seconds of the first opening, of the next ones, and the memory of all processes."""
    started = time.perf_counter()
    (first,) = in_processes(1, lambda _: a_rank(folder, 0, lambda: None) | {"peak": peak_megabytes()})
    first_seconds = time.perf_counter() - started
    reader, writer = os.pipe()

    def barrier() -> None:
        """Wait until all workers of all ranks are here, so that shared pages count as shared."""
        os.write(writer, b".")
        until = time.monotonic() + 60
        while waiting(reader) < num_ranks * num_workers and time.monotonic() < until:
            time.sleep(0.01)

    ranks = in_processes(num_ranks, lambda _: a_rank(folder, num_workers, barrier))
    workers = [one for rank in ranks for one in rank["workers"]]
    return {
        "first_seconds": first_seconds,
        "first_peak_mb": first["peak"],
        "open_seconds": max(rank["seconds"] for rank in ranks),
        "worker_mb": max(workers),
        "node_mb": sum(rank["mb"] for rank in ranks) + sum(workers),
    }


def waiting(descriptor: int) -> int:
    """The number of bytes that wait in a pipe."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def peak_megabytes() -> float:
    """The largest amount of memory that this process has had, mapped files included."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000


def main() -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the indexes are kept for the next time")
    options = parser.parse_args()
    print("| rows | captions | first opening | peak | opened again | a worker | all processes | on disk |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ICONOCLIP_CACHE"] = f"{scratch}/cache"
        for num_rows in options.rows:
            folder = (options.folder or Path(scratch)) / f"index-{num_rows}"
            if not (folder / MANIFEST_NAME).is_file():
                write_index(folder, num_rows)
            found = measure(folder, options.ranks, options.workers)
            size = sum(path.stat().st_size for path in Path(scratch, "cache").rglob("*.bin"))
            shutil.rmtree(f"{scratch}/cache")
            print(
                f"| {num_rows:,} | {3 * num_rows:,} | {found['first_seconds']:.1f} s | "
                f"{found['first_peak_mb']:.0f} MB | {found['open_seconds']:.2f} s | "
                f"{found['worker_mb']:.0f} MB | {found['node_mb']:.0f} MB | {size / 1e6:,.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
