"""Claim: a run over 10,000 shards begins its first step within a minute, and so does one over any number.

    python benchmarks/start_up.py [--shards 10000] [--kilobytes 20] [--ranks 2] [--batch 256]

Writes that many small files with their index, opens them as a run does, and compares them with their
checksums in `--ranks` processes, each its share, as before the first step. How long that takes is limited by
the time that `training/data/verification.py` allows; with larger shards, fewer are compared in it. Then it
reads a rank's part of the first batch as if there had been no time: each picture is compared. In
the same run, all shards of that part are compared as a whole, as earlier versions did.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.row_cache_scale import in_processes, part
from iconoclip.files import sha256_of
from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, RECORDS_SCHEMA, Shard, ShardSetManifest, Totals
from training.data.order import Schedule
from training.data.samples import Samples, load
from training.data.storage import ShardReader
from training.data.streams import StreamOrder
from training.data.verification import VerifiedShards

ROWS_OF_A_SHARD = 10


def write_set(folder: Path, num_shards: int, num_bytes: int) -> None:
    """Files in place of shards, with an index of ten rows each."""
    folder.mkdir()
    shards = []
    sums = []
    for number in range(num_shards):
        name, data = f"north-{number:06d}.tar", number.to_bytes(8, "little") * (num_bytes // 8)
        (folder / name).write_bytes(data)
        sums += [hashlib.sha256(data[: num_bytes // ROWS_OF_A_SHARD]).hexdigest()] * ROWS_OF_A_SHARD
        shards.append(
            Shard(
                name=name,
                sha256=hashlib.sha256(data).hexdigest(),
                num_bytes=len(data),
                num_samples=ROWS_OF_A_SHARD,
            )
        )
    table = part(0, num_shards * ROWS_OF_A_SHARD, ROWS_OF_A_SHARD)
    for name, values in (
        ("image_offset", np.zeros(len(table), dtype=np.int64)),
        ("image_size", np.full(len(table), num_bytes // ROWS_OF_A_SHARD)),
        ("image_sha256", sums),
    ):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), [pa.array(values, table.schema.field(at).type)])
    pq.write_table(table, folder / RECORDS_NAME)
    manifest = ShardSetManifest(
        name="small", records_sha256=sha256_of(folder / RECORDS_NAME), shards=tuple(shards),
        totals=Totals(num_samples=len(table)), policy="open@1", created_at="2026-01-01T00:00:00Z",
        created_by="a benchmark",
    )  # fmt: skip
    assert table.schema == RECORDS_SCHEMA
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json())


def _first_batch(samples: Samples, batch_size: int, rank: int, num_ranks: int) -> dict[str, float]:
    """The seconds until a rank has read its part, with nothing compared before: by pictures and by shards."""
    order = StreamOrder(samples.shard_lengths, 0, batch_size)
    rows = sorted(row for _, row in Schedule(order, batch_size).batch(0, rank, num_ranks))
    reader, started = ShardReader(samples, VerifiedShards(samples.sets)), time.perf_counter()
    for row in rows:
        reader.image_bytes(row)
    pictures, whole = time.perf_counter(), VerifiedShards(samples.sets)
    shards = sorted({int(samples.shard_N[row]) for row in rows})
    for number in shards:
        whole.check(samples.shards[number].set_number, samples.shards[number].name)
    return {
        "pictures": pictures - started,
        "whole": time.perf_counter() - pictures,
        "shards": len(shards),
    }


def main() -> None:
    """Write the set, open it, compare its shards, and print the seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
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
            found = {"open": opened - started, "check": time.perf_counter() - opened, "num": len(places)}
            return found | _first_batch(samples, options.batch, rank, options.ranks)

        found = in_processes(options.ranks, a_rank)
        print(f"{options.shards:,} shards of {options.kilobytes} kB, {options.ranks} ranks")
        print(f"opening, rows selected:   {max(one['open'] for one in found):6.1f} s")
        print(f"comparing checksums:      {max(one['check'] for one in found):6.1f} s")
        print(f"shards compared:          {sum(one['num'] for one in found):6.0f}")
        print(f"first batch of {options.batch}, a rank's part, of {found[0]['shards']:.0f} shards:")
        print(f"  pictures read and compared: {max(one['pictures'] for one in found):8.3f} s")
        print(f"  shards compared:            {max(one['whole'] for one in found):8.3f} s")


if __name__ == "__main__":
    main()
