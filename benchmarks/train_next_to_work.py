"""Claim: next to other work on the same cores, training keeps its fair share of its speed.

    python benchmarks/train_next_to_work.py [--shardset SET] [--steps 20] [--rounds 3]

One busy process per core runs next to the training, so that half of the machine is the fair share. Both ways
of waiting are measured, with and without that work: OpenMP threads that spin (GNU's default, 300,000 times)
and threads that sleep (what `iconoclip` sets). The model is that of train_throughput.py. Prints medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from benchmarks.train_throughput import MODEL, run_ours
from iconoclip.machine import num_cores

# GOMP_SPINCOUNT for each way of waiting; it goes before OMP_WAIT_POLICY.
SPINS = {"spin": "300000", "sleep (ours)": "0"}


def main() -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shardset", default="", help="a shard set; one is drawn if not given")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.set_defaults(workers=0, precision="float32")
    options = parser.parse_args()
    rates: dict[tuple[str, bool], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shards = Path(options.shardset or picture_set(folder / "set", num_samples=1024, side=96))
        model = folder / "bench-vit.json"
        model.write_text(json.dumps(MODEL))
        for number in range(options.rounds):
            for policy, spins in SPINS.items():
                for is_shared in (False, True):
                    os.environ["GOMP_SPINCOUNT"] = spins
                    run = folder / f"{policy}-{is_shared}-{number}"
                    run.mkdir()
                    with busy_cores() if is_shared else contextlib.nullcontext():
                        rate, _ = run_ours(shards, model, run, options)
                    rates.setdefault((policy, is_shared), []).append(rate)
    print(f"{'waiting threads':<20}{'idle machine':>16}{'next to work':>16}{'share kept':>12}")
    for policy in SPINS:
        idle, shared = (statistics.median(rates[policy, is_shared]) for is_shared in (False, True))
        print(f"{policy:<20}{idle:>12.1f} /s {shared:>12.1f} /s {100 * shared / idle:>10.0f} %")


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Run one process per core that does nothing but compute."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_cores())]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
