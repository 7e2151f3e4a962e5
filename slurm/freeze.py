"""Freezes config, code and script of a run at submission, so that later edits do not change the run.

The packages are copied into the run's folder (a megabyte or two) and come first on the job's PYTHONPATH; the
commit and the uncommitted edits are recorded next to them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

import iconoclip
from iconoclip import clock
from iconoclip.config import Config, digest, read_yaml, to_yaml
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.files import atomic_write, write_json
from slurm.job import JobDir, JobRecord
from slurm.plan import Plan, render
from slurm.request import Request

PACKAGES = ("iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections")
# In a checkout the shipped configs are at its root; in a wheel they are inside `iconoclip`.
CONFIGS = "configs"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "node_modules")
MAX_DIFF_BYTES = 20_000_000


def freeze(request: Request, plan: Plan) -> None:
    """Write config, code, plan, script and record into the run's folder.

    Raises:
        MissingRequirement: the folder cannot be written.
    """
    job_dir = JobDir(plan.run_dir)
    try:
        for folder in (job_dir.logs, job_dir.tasks):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingRequirement(
            f"the run's folder cannot be written: {error.strerror}",
            where=job_dir.folder,
            remedy="choose another --run_dir",
        ) from error
    _write_config(job_dir.config_path, request.config)
    if request.join_config is not None:
        _write_config(job_dir.join_config_path, request.join_config)
    freeze_code(job_dir)
    write_script(job_dir, plan)
    if not job_dir.exists:
        job_dir.write(_first_record(request, plan))


def _write_config(path: Path, config: BaseModel) -> None:
    """Write a resolved config in the format of --config."""
    with atomic_write(path) as file:
        file.write(to_yaml(config).encode())


def write_script(job_dir: JobDir, plan: Plan) -> None:
    """Write the plan and its script."""
    with atomic_write(job_dir.plan_path) as file:
        file.write((plan.model_dump_json(indent=2) + "\n").encode())
    with atomic_write(job_dir.script_path) as file:
        file.write(render(plan).encode())


def _first_record(request: Request, plan: Plan) -> JobRecord:
    return JobRecord(
        stage=request.stage.verb,
        site=plan.site,
        submitted_at=clock.wall_now(),
        nodes=plan.nodes,
        tasks_per_node=plan.tasks_per_node,
        num_tasks=plan.num_tasks,
        joins=bool(plan.join_command),
        config_digest=digest(request.config),
        output=str(request.output),
        evidence=request.stage.evidence,
        command=plan.command,
        needs=request.needs,
    )


def check_same_run(job_dir: JobDir, request: Request) -> None:
    """Refuse to continue a run with another config or another number of tasks than it began with.

    Raises:
        ConfigError: they differ; the message names the first field.
    """
    begun, asked = job_dir.read().num_tasks, request.asked.num_tasks
    if begun != asked:
        raise ConfigError(
            f"this run began with {begun or 'no'} tasks and cannot continue with {asked or 'none'}: "
            "each task would get other work",
            where=job_dir.run.folder,
            remedy="use the same number, or choose another --run_dir",
        )
    if differing := differing_fields(
        type(request.config).from_older(read_yaml(job_dir.config_path)), request.config
    ):
        name, before, present = differing[0]
        more = f" (and {len(differing) - 1} more)" if differing[1:] else ""
        raise ConfigError(
            f"this folder holds a run with another {name}: {before!r}, not {present!r}{more}",
            where=job_dir.config_path,
            remedy="choose another --run_dir, or remove this one if nothing in it is worth keeping; "
            "`iconoclip resume` continues the run as it is",
        )


def differing_fields(frozen: dict[str, Any], config: Config) -> list[tuple[str, Any, Any]]:
    """The fields whose values differ, by dotted name, with both values.

    A field that a newer version added does not differ if it has its default, so that a chain continues after
    an upgrade. A field that a newer version moved into a group is found by its old name.
    """
    differing = []
    for name, (default, value) in _with_defaults(config).items():
        old = _value_at(frozen, name, _value_at(frozen, name.rpartition(".")[2], default))
        if old != value:
            differing.append((name, old, value))
    return differing


def _value_at(fields: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """The value with a dotted name, which may be a mapping."""
    value: Any = fields
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return otherwise
        value = value[part]
    return value


def _with_defaults(config: BaseModel, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Default and value of every field, by dotted name, in the types of JSON."""
    values = config.model_dump(mode="json")
    found: dict[str, tuple[Any, Any]] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            found |= _with_defaults(value, f"{prefix}{name}.")
        else:
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            found[f"{prefix}{name}"] = (to_jsonable_python(default), values[name])
    return found


def print_if_code_differs(job_dir: JobDir) -> None:
    """Print a line when the run's frozen code is not the present code."""
    frozen = code_facts(job_dir)
    present, diff = code_version()
    old_diff = job_dir.diff_path.read_bytes() if job_dir.diff_path.exists() else b""
    if frozen.get("commit") != present.get("commit") or old_diff != diff:
        print(
            f"continues with the code frozen at {frozen.get('frozen_at')} ({describe(frozen)}); "
            "--new-code takes the code as it is now"
        )


def freeze_code(job_dir: JobDir) -> None:
    """Copy packages and configs to job/code, and record their commit and edits in code.json and code.diff."""
    partial = job_dir.folder / "code.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for name, source in package_folders().items():
        shutil.copytree(source, partial / name, ignore=LEFT_OUT)
    configs = _root() / CONFIGS
    if configs.is_dir() and not (partial / "iconoclip" / CONFIGS).exists():
        shutil.copytree(configs, partial / CONFIGS, ignore=LEFT_OUT)
    shutil.rmtree(job_dir.code, ignore_errors=True)
    partial.rename(job_dir.code)
    facts, diff = code_version()
    write_json(
        job_dir.code_facts_path, {**facts, "frozen_at": clock.wall_now(), "digest": digest_of(job_dir.code)}
    )
    with atomic_write(job_dir.diff_path) as file:
        file.write(diff)


def _root() -> Path:
    """The folder that contains our packages: the root of a checkout, or site-packages."""
    return Path(iconoclip.__file__).resolve().parent.parent


def checkout() -> Path | None:
    """The root of the checkout that runs; None if iconoclip was installed from a wheel."""
    return _root() if (_root() / "pyproject.toml").is_file() else None


def package_folders() -> dict[str, Path]:
    """The folder of each of our packages, next to the one that runs. The import path is not used, because a
    folder called `training` in the working folder may come first on it.
    """
    folders = {name: _root() / name for name in PACKAGES}
    return {name: folder for name, folder in folders.items() if (folder / "__init__.py").is_file()}


def code_version() -> tuple[dict[str, object], bytes]:
    """The version, commit and edits of the code that would be frozen now, and the edits as a diff.

    Outside a checkout there is only the version.
    """
    root = _root()
    facts: dict[str, object] = {"version": version("iconoclip"), "from": str(root)}
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None or _git(root, "ls-files", "--error-unmatch", "iconoclip/__init__.py") is None:
        return {**facts, "commit": None, "edited": None, "untracked": []}, b""
    ours = ("--", *PACKAGES, CONFIGS)
    diff = _git(root, "diff", "HEAD", "--binary", *ours) or b""
    untracked = (_git(root, "ls-files", "--others", "--exclude-standard", *ours) or b"").decode()
    facts.update(commit=commit.decode().strip(), edited=bool(diff), untracked=untracked.splitlines())
    if len(diff) > MAX_DIFF_BYTES:
        diff = b"the diff is larger than 20 MB; the code itself is in job/code\n"
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
    """The SHA-256 over the names and bytes of all files below `folder`, without compiled ones."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def code_facts(job_dir: JobDir) -> dict[str, object]:
    """The contents of job/code.json; empty if no code was frozen."""
    path = job_dir.code_facts_path
    facts: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return facts


def describe(facts: dict[str, object]) -> str:
    """The version of the code in a few words, for a line of output."""
    commit = facts.get("commit")
    if not commit:
        return f"version {facts.get('version', 'unknown')}"
    edits = " with uncommitted edits" if facts.get("edited") or facts.get("untracked") else ""
    return f"commit {str(commit)[:12]}{edits}"
