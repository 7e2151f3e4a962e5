"""Claim: in an epoch of 64 ranks on 8 nodes, each shard is read by one node, and pages of one object meet in
a batch no more often than in a uniform shuffle.

    python benchmarks/order_reads.py [--rows 10000000] [--batch 16384]
    python benchmarks/order_reads.py --one_rank

Simulates one epoch over shards of 10,000 pictures of 60 kB, in objects of 20 pages, without reading anything.
For the order of `training/data/streams.py` and the one of earlier versions it counts what each rank and node
reads, and, for shards at addresses, what a node downloads if it keeps the 333 shards (200 GB) that it used
last. Rates are for 500 pictures per second and rank. The spread is the variance of how many samples of a
batch come from each hundredth of the set, relative to independent draws. `--one_rank` shows the same of 300
batches of one rank, spread over an epoch of 10 to 1,000 such shards.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.data.order import EpochOrder, Order, Schedule
from training.data.streams import StreamOrder

RANKS, NODES = 64, 8
ROWS_OF_A_SHARD, PAGES = 10_000, 20
BYTES_OF_A_PICTURE = 60_000
CACHED_SHARDS = 333
PICTURES_PER_SECOND = 500 * RANKS
IntArray = npt.NDArray[np.int64]


def batches(order: Order, batch_size: int) -> Iterator[IntArray]:
    """The rows of each whole batch of an epoch."""
    schedule = Schedule(order, batch_size)
    for step in range(order.num_samples // batch_size):
        yield np.array([row for _, row in schedule.batch(step)])


def pairs_of_an_object(rows: IntArray) -> int:
    """How many pairs of a batch are of one object."""
    counts = np.unique(rows // PAGES, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def spread_of(rows: IntArray, num_rows: int) -> float:
    """How evenly a batch draws from all parts of the set: the variance over that of independent draws."""
    return float(np.bincount(rows * 100 // num_rows, minlength=100).var() / (len(rows) / 100))


class Node:
    """A node's cache of shards, which keeps those that were used last."""

    def __init__(self) -> None:
        self.num_downloads = 0
        self._kept: OrderedDict[int, None] = OrderedDict()

    def use(self, shards: IntArray) -> None:
        """Read from some shards; those that are not here are downloaded."""
        for shard in shards.tolist():
            if shard in self._kept:
                self._kept.move_to_end(shard)
                continue
            self.num_downloads += 1
            self._kept[shard] = None
            if len(self._kept) > CACHED_SHARDS:
                self._kept.popitem(last=False)


def measure(name: str, found: Iterator[IntArray], num_rows: int, batch_size: int) -> None:
    """Simulate an epoch and print a line of the table."""
    nodes = [Node() for _ in range(NODES)]
    by_rank, by_node, pairs, spread = [], [], [], []
    started = time.process_time()
    for rows in found:
        shard_RB = (rows // ROWS_OF_A_SHARD).reshape(RANKS, -1)
        by_rank.append(np.mean([len(np.unique(one)) for one in shard_RB[::8]]))
        for node, shard_B in zip(nodes, shard_RB.reshape(NODES, -1), strict=True):
            shards = np.unique(shard_B)
            by_node.append(len(shards))
            node.use(shards)
        pairs.append(pairs_of_an_object(rows))
        spread.append(spread_of(rows, num_rows))
    uniform = batch_size * (batch_size - 1) / 2 * (PAGES - 1) / (num_rows - 1)
    downloads = sum(node.num_downloads for node in nodes)
    num_shards = num_rows // ROWS_OF_A_SHARD
    seconds = num_rows / PICTURES_PER_SECOND
    megabytes = downloads * ROWS_OF_A_SHARD * BYTES_OF_A_PICTURE / 1e6
    print(
        f"| {name} | {np.mean(by_rank):.0f} | {batch_size / RANKS / np.mean(by_rank):.1f} | "
        f"{batch_size / NODES / np.mean(by_node):.1f} | "
        f"{np.mean(pairs):.1f} | {np.mean(pairs) / uniform:.2f} | "
        f"{np.mean(spread):.1f} | {downloads / num_shards:.2f} | {downloads / seconds:.2f} | "
        f"{megabytes / seconds:,.0f} | {time.process_time() - started:.0f} |",
        flush=True,
    )


def one_rank() -> None:
    """Print a line for the batches of one rank, for each size of the set and of the batch."""
    print("| shards | batch | shards of a batch | pairs of an object | over uniform | spread |")
    print("|---:|---:|---:|---:|---:|---:|")
    for num_shards in (10, 100, 1000):
        num_rows = num_shards * ROWS_OF_A_SHARD
        for batch_size in (256, 2048):
            schedule = Schedule(StreamOrder((ROWS_OF_A_SHARD,) * num_shards, 0, batch_size), batch_size)
            steps = np.unique(np.linspace(0, num_rows // batch_size - 1, 300).astype(int)).tolist()
            found = [np.array([row for _, row in schedule.batch(step)]) for step in steps]
            pairs = np.mean([pairs_of_an_object(rows) for rows in found])
            uniform = batch_size * (batch_size - 1) / 2 * (PAGES - 1) / (num_rows - 1)
            spread = np.mean([spread_of(rows, num_rows) for rows in found])
            shards = np.mean([len(np.unique(rows // ROWS_OF_A_SHARD)) for rows in found])
            print(
                f"| {num_shards:,} | {batch_size:,} | {shards:.0f} | {pairs:.3g} | {pairs / uniform:.2f} "
                f"| {spread:.2f} |"
            )


def main() -> None:
    """Measure both orders and a uniform shuffle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=16_384)
    parser.add_argument("--one_rank", action="store_true")
    options = parser.parse_args()
    if options.one_rank:
        one_rank()
        return
    lengths = (ROWS_OF_A_SHARD,) * (options.rows // ROWS_OF_A_SHARD)
    print(
        "| order | shards of a rank's batch | pictures per shard, rank | the same, node | pairs of an object"
        " | over uniform | spread | downloads per shard | per second | MB/s | processor s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")

    def uniform() -> Iterator[IntArray]:
        shuffled = np.random.default_rng(0).permutation(options.rows)
        for start in range(0, options.rows - options.batch + 1, options.batch):
            yield shuffled[start : start + options.batch]

    orders: dict[str, Order] = {
        "streams": StreamOrder(lengths, 0, options.batch),
        "streams, stream_samples 65,536": StreamOrder(lengths, 0, options.batch, 64, 65_536),
        "windows (before)": EpochOrder(lengths, 0),
    }
    for name, order in orders.items():
        measure(name, batches(order, options.batch), options.rows, options.batch)
    measure("uniform", uniform(), options.rows, options.batch)


if __name__ == "__main__":
    main()
