"""Claims: submitting adds less than two seconds to `sbatch`, and `status` over 200 runs
takes less than one second.

    python benchmarks/slurm_overheads.py [--runs 200] [--repeats 7]

Whole processes on a two-node SLURM that this script starts on this machine (slurmctld, slurmd,
slurm-client, munge). The peers are SLURM's own commands: `sbatch` of the very script that `iconoclip
submit` writes, and `squeue`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shards import picture_set
from slurm.local_cluster import LocalCluster

ICONOCLIP = [sys.executable, "-m", "iconoclip.cli"]


def main() -> None:
    """Measure each command and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    # A short path, because the path of a socket is limited to 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    cluster = LocalCluster(folder / "slurm", ends_with_parent=True)
    cluster.start()
    environment = {**os.environ, **cluster.environment, "ICONOCLIP_SITE": "local"}
    try:
        rows = submissions(folder, environment, options.repeats)
        copy_runs(folder / "runs", options.runs)
        rows["squeue"] = [timed(["squeue"], folder, environment) for _ in range(options.repeats)]
        rows[f"iconoclip status, {options.runs} runs"] = [
            timed([*ICONOCLIP, "status", "runs"], folder, environment) for _ in range(options.repeats)
        ]
    finally:
        subprocess.run(["scancel", "--user", str(os.getuid())], env=environment, check=False)
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"seconds, {options.repeats} runs each        median    least     most")
    for name, seconds in rows.items():
        print(f"{name:32s} {statistics.median(seconds):8.2f} {min(seconds):8.2f} {max(seconds):8.2f}")


def submissions(folder: Path, environment: dict[str, str], repeats: int) -> dict[str, list[float]]:
    """Seconds of submitting, with and without iconoclip. The jobs are held, so that none
    runs during the measurement.
    """
    picture_set(folder / "shards", num_samples=20, side=64)
    rows: dict[str, list[float]] = {"sbatch": [], "iconoclip submit": []}
    for number in range(repeats):
        run = f"runs/first-{number}"
        submit = [*ICONOCLIP, "submit", "train", "train/smoke.yaml", "shardsets=[shards]", "--run_dir", run]
        rows["iconoclip submit"].append(timed(submit, folder, environment))
        script = str(folder / run / "job" / "script.sbatch")
        rows["sbatch"].append(timed(["sbatch", "--hold", script], folder, environment))
    return rows


def copy_runs(runs: Path, num_runs: int) -> None:
    """Write `num_runs` runs, each with a log and the metrics of a day."""
    first = runs / "first-0"
    for number in range(num_runs - len(list(runs.iterdir()))):
        run = runs / f"copy-{number:04d}"
        shutil.copytree(first, run, ignore=shutil.ignore_patterns("code"))
        (run / "job" / "logs").mkdir(exist_ok=True)
        (run / "job" / "logs" / "1.log").write_text("a line of a log\n" * 1_000)
        lines = (json.dumps({"step": step, "samples": step * 64, "loss": 0.5}) for step in range(5_000))
        (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """The wall-clock seconds of a process."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
