"""`iconoclip doctor` on a real cluster: all checks pass, or it reports what fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconoclip.errors import MissingRequirement
from slurm.config import DoctorConfig
from slurm.doctor import doctor
from slurm.local_cluster import LocalCluster

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_a_working_account_passes_every_check(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor(DoctorConfig(site="local")) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 processes on node1, node2" in printed
    assert "gloo" in printed
    assert "the code that was submitted, Python" in printed
    assert "FAILED" not in printed
    assert printed.endswith("nothing is missing for a first job\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_check_that_the_cluster_refuses_quotes_it(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingRequirement, match="1 check"):
        doctor(DoctorConfig(site="local", partition="nowhere"))
    assert "SLURM refuses the job: invalid partition specified: nowhere;" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
