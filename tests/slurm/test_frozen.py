"""A job runs the code as it was at submission, whatever is edited, or on the path, later.

The real command submits and the rendered script runs in bash; `sbatch`, `squeue` and `srun` are stubs.
tests/cluster does the same on a real SLURM.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurm.freeze import PACKAGES
from slurm.job import JobDir

from .checkouts import assert_frozen_code_ran, copy_checkout, write_merge


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project, as a user has it checked out and edits it."""
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working folder in which a user has folders of our names and a module of the standard library's."""
    folder = tmp_path / "work"
    for name in PACKAGES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise RuntimeError('the user's own folder')\n")
    (folder / "json.py").write_text("raise RuntimeError('the user's own module')\n")
    return folder


@pytest.fixture
def stubs(tmp_path: Path) -> str:
    """A PATH on which SLURM's commands do nothing but start what they are given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in {"sbatch": "echo 1", "squeue": ":", "srun": 'shift 2; exec "$@"'}.items():
        (folder / name).write_text(f"#!/bin/bash\n{line}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def submit_edit_and_run(
    checkout: Path, cwd: Path, path: str, *, site: dict[str, object], pythonpath: str
) -> Path:
    """Submit from `cwd`, edit the checkout, run the script, and return the run's folder."""
    run = checkout.parent / "run"
    site_file = checkout.parent / "site.yaml"
    site_file.write_text(json.dumps({"extends": "generic", **site}))
    environment = {"PATH": path, "HOME": str(checkout.parent), "PYTHONPATH": pythonpath}
    # -P is how the `iconoclip` script starts; `-m` from a checkout's root finds the checkout.
    how = ["-m"] if cwd == checkout else ["-P", "-m"]
    words = ["submit", "merge", "shardsets=[a]", "--run_dir", str(run), "--site", str(site_file)]
    program = [sys.executable, *how, "iconoclip.cli", *words]
    subprocess.run(program, cwd=cwd, env=environment, check=True)
    write_merge(checkout, "edited since")
    slurm = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "node1"}
    subprocess.run(["bash", str(JobDir(run).script_path)], cwd="/", env={**environment, **slurm}, check=True)
    return run


@pytest.mark.parametrize(
    ("where", "site", "pythonpath"),
    [
        pytest.param("checkout", {}, "", id="from the root of the checkout"),
        pytest.param("elsewhere", {}, "checkout", id="next to folders of the same names"),
        pytest.param(
            "checkout",
            {},
            ":checkout:",
            id="with the checkout on the user's own path",
            marks=pytest.mark.long,
        ),
        pytest.param("checkout", {"environment": "checkout"}, "", id="with the checkout on the site's path"),
        pytest.param(
            "checkout",
            {"container": "env -i"},
            "",
            id="in a container with a clean environment",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_job_runs_the_code_of_its_submission(
    where: str,
    site: dict[str, object],
    pythonpath: str,
    checkout: Path,
    elsewhere: Path,
    stubs: str,
) -> None:
    cwd = checkout if where == "checkout" else elsewhere
    if "environment" in site:
        site = {"environment": {"PYTHONPATH": str(checkout)}}
    pythonpath = pythonpath.replace("checkout", str(checkout))
    run = submit_edit_and_run(checkout, cwd, stubs, site=site, pythonpath=pythonpath)
    assert_frozen_code_ran(JobDir(run))
