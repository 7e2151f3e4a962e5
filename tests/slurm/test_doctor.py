"""How the doctor evaluates the ranks' answers: good ones pass, and each possible error is found."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from typing import Any

import pytest

from slurm import doctor
from slurm.config import DoctorConfig
from slurm.plan import Plan
from slurm.stages import STAGES
from tests.without_locks import take_locks_away

from .conftest import plan_for

RUN = "/scratch/probe"


def plan(site: str = "generic") -> Plan:
    return plan_for(STAGES["train"], site, RUN, nodes=2, account="a")


def rank(number: int, **changes: Any) -> dict[str, Any]:
    sound = {
        "rank": number, "host": f"host{number}", "node": f"node{number}", "clock": 1_000.0,
        "python": "3.11.7", "package": f"{RUN}/job/code/iconoclip", "torch": "2.14.1", "num_gpus": 0,
        "backend": "gloo", "all_reduce": True, "seconds": 0.2,
    }  # fmt: skip
    return {**sound, **changes}


def verdicts(*ranks: dict[str, Any], site: str = "generic") -> dict[str, str]:
    return {finding.check: finding.verdict for finding in doctor._about_ranks(list(ranks), plan(site))}


def test_good_ranks_pass() -> None:
    assert verdicts(rank(0), rank(1)) == dict.fromkeys(["nodes", "on nodes", "clock", "all-reduce"], "ok")


@pytest.mark.parametrize(
    ("second", "check", "verdict"),
    [
        ({"node": "node0"}, "nodes", "FAILED"),
        ({"package": "/usr/lib/python3/site-packages/iconoclip"}, "on nodes", "FAILED"),
        ({"python": "3.12.1"}, "on nodes", "FAILED"),
        ({"torch": "2.10.0"}, "on nodes", "FAILED"),
        ({"clock": 1_030.0}, "clock", "note"),
        ({"all_reduce": False}, "all-reduce", "FAILED"),
        ({"all_reduce": None}, "all-reduce", "FAILED"),
    ],
)
def test_what_is_wrong_with_a_rank_is_found(second: dict[str, Any], check: str, verdict: str) -> None:
    found = verdicts(rank(0), rank(1, **second))
    assert found.pop(check) == verdict
    assert set(found.values()) == {"ok"}


def test_a_rank_that_never_answered_is_reported() -> None:
    assert verdicts(rank(0))["nodes"] == "FAILED"


def test_a_folder_that_cannot_be_written_and_a_full_disk_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor._about_writing(tmp_path).verdict == "ok"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert doctor._about_writing(tmp_path / "file").verdict == "FAILED"
    monkeypatch.setattr(doctor, "FREE_BYTES_WANTED", 0)
    assert doctor._about_disk(tmp_path).verdict == "ok"
    monkeypatch.setattr(doctor, "FREE_BYTES_WANTED", 1 << 62)
    assert doctor._about_disk(tmp_path).verdict == "note"


def test_a_file_system_with_another_clock_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 60)
    finding = doctor._about_writing(tmp_path)
    assert (finding.verdict, finding.check) == ("note", "clock")


def test_commands_without_a_cluster_are_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian's sbatch answers where there is no slurm.conf."""
    (tmp_path / "sbatch").write_text(
        "#!/bin/bash\necho 'sbatch: fatal: Could not establish a configuration source' >&2; exit 1\n"
    )
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    failed = [one for one in doctor.findings(DoctorConfig()) if one.verdict == "FAILED"]
    assert [one.check for one in failed] == ["slurm"]
    assert "belongs to no cluster" in failed[0].found
    assert "log in to a cluster" in failed[0].remedy


def test_gpus_that_were_asked_for_must_be_seen() -> None:
    ranks = [rank(number, node=f"node{number // 4}", num_gpus=4) for number in range(8)]
    assert verdicts(*ranks, site="leonardo")["GPUs"] == "ok"
    ranks[5]["num_gpus"] = 0
    assert verdicts(*ranks, site="leonardo")["GPUs"] == "FAILED"


def test_a_file_system_without_file_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [finding.verdict for finding in doctor._about_locks(tmp_path)] == ["ok"]
    take_locks_away(monkeypatch, errno.ENOSYS)
    (finding,) = doctor._about_locks(tmp_path)
    assert (finding.verdict, "ENOSYS" in finding.found) == ("note", True)
