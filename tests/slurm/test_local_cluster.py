"""Which of several SLURMs the local cluster runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.local_cluster import program


def install(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    return folder


def test_daemons_are_of_the_slurm_whose_sbatch_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the daemons of another one are on PATH, and those of the first are not."""
    new = install(tmp_path / "new", "bin/sbatch", "sbin/slurmctld", "sbin/slurmd")
    old = install(tmp_path / "old", "bin/sbatch", "sbin/slurmctld", "sbin/slurmd", "sbin/munged")
    monkeypatch.setenv("PATH", f"{new}/bin:{old}/bin:{old}/sbin")
    assert program("slurmctld") == f"{new}/sbin/slurmctld"
    assert program("slurmd") == f"{new}/sbin/slurmd"
    assert program("munged") == f"{old}/sbin/munged"
    monkeypatch.setenv("PATH", f"{old}/bin:{new}/bin:{new}/sbin")
    assert program("slurmctld") == f"{old}/sbin/slurmctld"


def test_daemons_elsewhere_are_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "commands/bin/sbatch", "daemons/slurmctld")
    monkeypatch.setenv("PATH", f"{tmp_path}/commands/bin:{tmp_path}/daemons")
    assert program("slurmctld") == f"{tmp_path}/daemons/slurmctld"
