"""All tasks of an array share the rate limit of a host: real SLURM, real harvests, a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.submit import submit
from tests.data_prep.harvest.conftest import Archive

from .test_pipeline import num_fetched
from .waiting import wait_until_finished

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]
REQUESTS_PER_MINUTE = 400


@pytest.fixture
def archive() -> Iterator[Archive]:
    server = Archive(num_manifests=12)
    yield server
    server.stop()


def test_the_tasks_of_an_array_share_a_rate_limit(
    cluster: LocalCluster, archive: Archive, tmp_path: Path
) -> None:
    run = tmp_path / "harvest"
    fields = [f"sources=[{archive.collection}]", "num_workers=1"]
    fields += [f"network.requests_per_minute={REQUESTS_PER_MINUTE}"]
    submit(SubmitConfig(stage="harvest", overrides=fields, run_dir=run, num_tasks=2))
    wait_until_finished(JobDir(run))
    ledgers = sorted((run / "out" / ".harvest").glob("task-*/ledger.sqlite"))
    assert [num_fetched(ledger) > 0 for ledger in ledgers] == [True, True]
    assert sum(map(num_fetched, ledgers)) == 12
    times = sorted(seen.at for seen in archive.requests)
    assert len(times) >= 2 * 12
    # Two separate rate limits would take half of it. The delay of one request is tolerated.
    interval = 60 / REQUESTS_PER_MINUTE
    assert times[-1] - times[0] >= (len(times) - 2) * interval
