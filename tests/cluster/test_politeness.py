"""Many tasks of an array request from a host at the rate of one: real SLURM, real harvests, a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.submit import submit
from tests.data_prep.harvest.conftest import Archive

from .test_whole_road import num_fetched
from .waiting import wait_until_finished

# Bounds on failures, not on how long it takes: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
REQUESTS_A_MINUTE = 400


@pytest.fixture
def archive() -> Iterator[Archive]:
    server = Archive(num_manifests=12)
    yield server
    server.stop()


def test_the_tasks_of_an_array_keep_one_pace(cluster: LocalCluster, archive: Archive, tmp_path: Path) -> None:
    run = tmp_path / "harvest"
    fields = [f"sources=[{archive.collection}]", "num_workers=1"]
    fields += [f"network.requests_per_minute={REQUESTS_A_MINUTE}"]
    submit(SubmitConfig(stage="harvest", overrides=fields, run_dir=run, num_tasks=2))
    wait_until_finished(JobDir(run))
    ledgers = sorted((run / "out" / ".harvest").glob("task-*/ledger.sqlite"))
    assert [num_fetched(ledger) > 0 for ledger in ledgers] == [True, True]
    assert sum(map(num_fetched, ledgers)) == 12
    times = sorted(seen.at for seen in archive.requests)
    assert len(times) >= 2 * 12
    # Two paces side by side would take half of it. One request's delay on the way is forgiven.
    interval = 60 / REQUESTS_A_MINUTE
    assert times[-1] - times[0] >= (len(times) - 2) * interval
