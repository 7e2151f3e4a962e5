"""The load benchmark in short: a server, a load and the commands that change the index, each a process of its
own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "retrieval_load.py"


def test_changes_under_load_show_no_error_no_wrong_answer_and_nothing_withdrawn() -> None:
    root = str(BENCHMARK.parents[1])
    command = [
        sys.executable,
        str(BENCHMARK),
        "--seconds",
        "6",
        "--items",
        "80",
        "--clients",
        "2",
        "--grace",
        "4",
    ]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert done.returncode == 0
    assert report["generation"] == "gen-000003"
    assert report["withdrawn"] == 16
    assert sum(report["asked"].values()) > 50
