"""A node that fails during a run. This file sorts last, because it waits until nothing else runs on the
cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slurm import scheduler
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster

from .waiting import steps_of, wait_until, wait_until_finished

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]


def test_a_run_continues_when_its_failed_node_is_back(
    cluster: LocalCluster, submit_count: Callable[..., JobDir], tmp_path: Path
) -> None:
    # Other jobs on that node would be interrupted, too.
    wait_until(lambda: not scheduler.queue(), "an empty queue", seconds=600)
    run = tmp_path / "run"
    job_dir = submit_count(run, "num_steps=40", nodes=2)
    wait_until(lambda: len(steps_of(run)) > 3, "started")
    cluster.run("scontrol", "update", "nodename=node2", "state=down", "reason=test")
    wait_until(lambda: cluster.node_states()["node2"] == "down", "down")
    wait_until(lambda: job_dir.work_of(None).state == "interrupted", "interrupted")
    num_done = len(steps_of(run))
    cluster.run("scontrol", "update", "nodename=node2", "state=resume")
    wait_until_finished(job_dir)
    assert 3 < num_done < 40
    assert steps_of(run) == list(range(1, 41))
    assert [attempt.stop for attempt in job_dir.work_of(None).attempts] == ["ended", "none"]
