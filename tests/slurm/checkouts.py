"""Copies of the project in which `iconoclip merge` writes down which code it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from iconoclip.verbs import VERBS
from slurm.freeze import CONFIGS, LEFT_OUT, PACKAGES, package_folders
from slurm.job import JobDir

ROOT = package_folders()["iconoclip"].parent

# Replaces `iconoclip merge` in a user's checkout: it writes down which copies of the code it finds.
MERGE = """
import importlib.util, json, subprocess, sys
from pathlib import Path
from iconoclip.config import shipped_config

def merge(config):
    names = NAMES
    found = {name: importlib.util.find_spec(name).origin for name in names}
    program = [sys.executable, "-c", "import training; print(training.__file__)"]
    found["a child's training"] = subprocess.run(program, capture_output=True, text=True).stdout.strip()
    found["configs"] = str(shipped_config("train/demo.yaml"))
    out = Path(config.out)
    out.mkdir(parents=True)
    (out / "shardset.json").write_text(json.dumps({"version": "VERSION", "found": found}))
"""


def write_merge(checkout: Path, version: str) -> None:
    """Edit the checkout: its merge writes another version."""
    module = VERBS["merge"].function.partition(":")[0]
    path = checkout / (module.replace(".", "/") + ".py")
    path.write_text(MERGE.replace("NAMES", repr(list(PACKAGES))).replace("VERSION", version))


def copy_checkout(root: Path) -> Path:
    """A copy of the project, as a user has it checked out and edits it."""
    for name in (*PACKAGES, CONFIGS):
        shutil.copytree(ROOT / name, root / name, ignore=LEFT_OUT)
    write_merge(root, "at submission")
    return root


def assert_frozen_code_ran(job_dir: JobDir) -> None:
    """The run is finished, and every package and config it found is of the copy in its folder."""
    assert job_dir.work_of(None).state == "finished"
    ran = json.loads((job_dir.run.folder / "out" / "shardset.json").read_text())
    assert ran["version"] == "at submission"
    expected = {name: str(job_dir.code / name / "__init__.py") for name in PACKAGES}
    expected["a child's training"] = expected["training"]
    expected["configs"] = str(job_dir.code / "configs" / "train" / "demo.yaml")
    assert ran["found"] == expected
