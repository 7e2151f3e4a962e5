"""Claim: a run over 10,000 shards begins its first step within a minute, and so does one over any number.

    python benchmarks/start_up.py [--shards 10000] [--kilobytes 20] [--ranks 2]

Writes that many small files with their index, opens them as a run does, and compares them with their
checksums in `--ranks` processes, each its share, as before the first step. How long that takes is limited by
the time that `training/data/verification.py` allows; with larger shards, fewer are compared in it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.row_cache_scale import in_processes, part
from iconoclip.files import sha256_of
from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, RECORDS_SCHEMA, Shard, ShardSetManifest, Totals
from training.data.samples import load
from training.data.verification import VerifiedShards

ROWS_OF_A_SHARD = 10


def write_set(folder: Path, num_shards: int, num_bytes: int) -> None:
    """Files in place of shards, with an index of ten rows each."""
    folder.mkdir()
    shards = []
    for number in range(num_shards):
        name, data = f"north-{number:06d}.tar", number.to_bytes(8, "little") * (num_bytes // 8)
        (folder / name).write_bytes(data)
        shards.append(
            Shard(
                name=name,
                sha256=hashlib.sha256(data).hexdigest(),
                num_bytes=len(data),
                num_samples=ROWS_OF_A_SHARD,
            )
        )
    table = part(0, num_shards * ROWS_OF_A_SHARD, ROWS_OF_A_SHARD)
    pq.write_table(table, folder / RECORDS_NAME)
    manifest = ShardSetManifest(
        name="small", records_sha256=sha256_of(folder / RECORDS_NAME), shards=tuple(shards),
        totals=Totals(num_samples=len(table)), policy="open@1", created_at="2026-01-01T00:00:00Z",
        created_by="a benchmark",
    )  # fmt: skip
    assert table.schema == RECORDS_SCHEMA
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json())


def main() -> None:
    """Write the set, open it, compare its shards, and print the seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ICONOCLIP_CACHE"] = f"{scratch}/cache"
        folder = Path(scratch) / "set"
        write_set(folder, options.shards, 1000 * options.kilobytes)

        def a_rank(rank: int) -> dict[str, float]:
            started = time.perf_counter()
            samples = load([str(folder)], split="train", policy="open")
            opened = time.perf_counter()
            places, problems = VerifiedShards(samples.sets).check_share(rank, options.ranks)
            assert not problems
            return {"open": opened - started, "check": time.perf_counter() - opened, "num": len(places)}

        found = in_processes(options.ranks, a_rank)
        print(f"{options.shards:,} shards of {options.kilobytes} kB, {options.ranks} ranks")
        print(f"opening, rows selected:   {max(one['open'] for one in found):6.1f} s")
        print(f"comparing checksums:      {max(one['check'] for one in found):6.1f} s")
        print(f"shards compared:          {sum(one['num'] for one in found):6.0f}")


if __name__ == "__main__":
    main()
