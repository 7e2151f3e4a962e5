"""What a run froze at submission: its config and its code. Edits made while it waits or runs change nothing.

The packages are copied into the run's folder (a megabyte or two) and come first on the job's PYTHONPATH; the
commit and the uncommitted edits are recorded beside them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

from iconoclip.config import to_yaml
from iconoclip.files import atomic_write, write_json
from slurm.job import JobDir, now

PACKAGES = ("iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "node_modules")
MAX_DIFF_BYTES = 20_000_000


def freeze_config(path: Path, config: BaseModel) -> None:
    """Write a resolved config, as a verb's --config reads it."""
    with atomic_write(path) as file:
        file.write(to_yaml(config).encode())


def freeze_code(job_dir: JobDir) -> None:
    """Copy the packages to job/code, and say in code.json and code.diff which commit and edits they are."""
    partial = job_dir.folder / "code.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for name, source in package_folders().items():
        shutil.copytree(source, partial / name, ignore=LEFT_OUT)
    checkout_configs = package_folders()["iconoclip"].parent / "configs"
    if checkout_configs.is_dir() and not (partial / "iconoclip" / "configs").exists():
        shutil.copytree(checkout_configs, partial / "configs", ignore=LEFT_OUT)
    shutil.rmtree(job_dir.code, ignore_errors=True)
    partial.rename(job_dir.code)
    facts, diff = code_version()
    write_json(job_dir.folder / "code.json", {**facts, "frozen_at": now(), "digest": digest_of(job_dir.code)})
    with atomic_write(job_dir.folder / "code.diff") as file:
        file.write(diff)


def package_folders() -> dict[str, Path]:
    """Where each package of the project is imported from; found without importing it."""
    folders = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations:
            folders[name] = Path(next(iter(spec.submodule_search_locations)))
    return folders


def code_version() -> tuple[dict[str, object], bytes]:
    """The version, commit and edits of the code that would be frozen now, and the edits as a diff.

    Outside a checkout there is only the version.
    """
    root = package_folders()["iconoclip"].parent
    facts: dict[str, object] = {"version": version("iconoclip"), "from": str(root)}
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None or _git(root, "ls-files", "--error-unmatch", "iconoclip/__init__.py") is None:
        return {**facts, "commit": None, "edited": None, "untracked": []}, b""
    diff = _git(root, "diff", "HEAD", "--binary", "--", *PACKAGES) or b""
    untracked = (_git(root, "ls-files", "--others", "--exclude-standard", "--", *PACKAGES) or b"").decode()
    facts.update(commit=commit.decode().strip(), edited=bool(diff), untracked=untracked.splitlines())
    if len(diff) > MAX_DIFF_BYTES:
        diff = b"the diff is larger than 20 MB; the code itself lies in job/code\n"
    return facts, diff


def _git(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def digest_of(folder: Path) -> str:
    """The SHA-256 over the names and bytes of all Python files below `folder`."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def code_facts(job_dir: JobDir) -> dict[str, object]:
    """The contents of job/code.json; empty when nothing was frozen."""
    path = job_dir.folder / "code.json"
    facts: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return facts


def describe(facts: dict[str, object]) -> str:
    """The code version in a few words."""
    commit = facts.get("commit")
    if not commit:
        return f"version {facts.get('version', 'unknown')}"
    edits = " with uncommitted edits" if facts.get("edited") or facts.get("untracked") else ""
    return f"commit {str(commit)[:12]}{edits}"
