"""A run longer than its time limit. It starts with the session, and is checked at the end."""

from __future__ import annotations

import pytest

from slurm.job import JobDir

from .waiting import steps_of, wait_until_finished

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]
NUM_STEPS = 400


def test_a_run_that_hits_its_time_limit_is_requeued_until_done(time_limited: JobDir) -> None:
    # 40 s of counting under a limit of one minute, of which SLURM takes half for its warning.
    wait_until_finished(time_limited, seconds=300)
    attempts = time_limited.work_of(None).attempts
    assert len(attempts) >= 2
    assert {attempt.stop for attempt in attempts[:-1]} == {"warned"}
    assert len({attempt.job_id for attempt in attempts}) == 1
    assert steps_of(time_limited.run.folder) == list(range(1, NUM_STEPS + 1))
