"""The load benchmark in short: a server, a load and the commands that change the index, each a process of its
own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.commands import Command

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "retrieval_load.py"


@pytest.mark.long
def test_changes_under_load_show_no_error_no_wrong_answer_and_nothing_withdrawn() -> None:
    options = ["--seconds", "6", "--items", "80", "--clients", "2", "--grace", "4"]
    load = Command([BENCHMARK, *options], env={**os.environ, "OMP_NUM_THREADS": "1"})
    code = load.wait(300)
    report = json.loads(load.stdout)
    assert report["wrong"] == []
    assert code == 0, load.stderr
    assert report["generation"] == "gen-000003"
    assert report["withdrawn"] == 16
    assert sum(report["asked"].values()) > 50
