"""A folder of wheels for a cluster without internet access: collected and checked with pip.

constraints.txt      the versions of the present environment, which the wheels keep to
requirements.lock    what is to be installed, each with its hash: `pip install --no-index --require-hashes -r`
*.whl                the wheels
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from iconoclip.errors import MissingRequirement
from iconoclip.files import atomic_write, sha256_of
from slurm.config import DoctorConfig
from slurm.finding import Finding
from slurm.freeze import checkout

LOCK_NAME, CONSTRAINTS_NAME = "requirements.lock", "constraints.txt"
OLDEST_GLIBC = 5
OWN = "iconoclip"


@dataclass(frozen=True)
class Target:
    """The machine that the wheels are for."""

    python: str
    machine: str
    glibc: str

    @property
    def options(self) -> list[str]:
        """pip's options for it. A wheel for an older glibc runs on a newer one, so all older ones are named.

        Source: PEP 600, and the older names of PEP 599 (manylinux2014) and before.
        """
        newest = int(self.glibc.partition(".")[2])
        tags = [f"manylinux_2_{minor}_{self.machine}" for minor in range(newest, OLDEST_GLIBC - 1, -1)]
        tags += [f"manylinux{name}_{self.machine}" for name in ("2014", "2010", "1")]
        tags += [f"linux_{self.machine}"]
        named = [word for tag in tags for word in ("--platform", tag)]
        return ["--only-binary=:all:", "--python-version", self.python, "--implementation", "cp", *named]


def findings(config: DoctorConfig) -> Iterator[Finding]:
    """Collect the wheels if wanted, and check them. Writes the lock file if none is missing.

    Raises:
        MissingRequirement: there is no pip in this environment, or the folder cannot be written.
    """
    assert config.wheelhouse is not None
    folder = config.wheelhouse.absolute()
    target = Target(
        config.target_python or f"{sys.version_info[0]}.{sys.version_info[1]}",
        config.target_machine or platform.machine(),
        config.target_glibc,
    )
    _require_pip()
    yield Finding("ok", "target", f"Python {target.python} on {target.machine}, glibc {target.glibc}")
    wanted = config.requirements or [f"{OWN}=={version(OWN)}"]
    if config.download:
        _prepare(folder)
        for finding in _collect(folder, wanted, target, is_own=not config.requirements):
            yield finding
            if finding.verdict == "FAILED":
                return
    elif not folder.is_dir():
        raise MissingRequirement(
            "no such folder", where=folder, remedy="run it where there is internet access"
        )
    yield from _check(folder, wanted, target)


def _require_pip() -> None:
    if find_spec("pip") is None:
        raise MissingRequirement(
            "this environment has no pip", where=sys.executable, remedy=f"{sys.executable} -m ensurepip"
        )


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / CONSTRAINTS_NAME) as file:
            file.write("".join(f"{line}\n" for line in present_versions()).encode())
    except OSError as error:
        raise MissingRequirement(
            f"the folder cannot be written: {error.strerror}", where=folder, remedy="choose another"
        ) from error


def present_versions() -> list[str]:
    """The packages of this environment as NAME==VERSION. A suffix such as +cpu is left out: the wheels for
    another machine have another, or none.
    """
    found = {
        re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one.version.partition("+")[0]
        for one in distributions()
        if one.metadata["Name"]
    }
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def _collect(folder: Path, wanted: list[str], target: Target, *, is_own: bool) -> Iterator[Finding]:
    if is_own and (root := checkout()) is not None:
        for old in folder.glob(f"{OWN}-*.whl"):
            old.unlink()
        done = _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(root))
        if done.returncode:
            yield Finding("FAILED", "own wheel", _reason(done), "build it with `pip wheel --no-deps .`")
            return
        yield Finding("ok", "own wheel", f"built from {root}")
    before = set(folder.glob("*.whl"))
    constraints = str(folder / CONSTRAINTS_NAME)
    done = _pip(
        "download", "--dest", str(folder), "--find-links", str(folder), "--constraint", constraints,
        *target.options, *wanted,
    )  # fmt: skip
    if done.returncode:
        remedy = "is there a wheel of this version for that machine? else edit pyproject.toml, or name others"
        yield Finding("FAILED", "download", _reason(done), f"{remedy} with --requirements")
        return
    new = set(folder.glob("*.whl")) - before
    yield Finding("ok", "download", f"{len(new)} wheels, {_megabytes(new):.0f} MB")


def _check(folder: Path, wanted: list[str], target: Target) -> Iterator[Finding]:
    """What pip would install on the other machine, from this folder alone."""
    done = _pip(
        "install", "--dry-run", "--quiet", "--report", "-", "--no-index", "--find-links", str(folder),
        "--ignore-installed", "--target", str(folder / "unused"), *target.options, *wanted,
    )  # fmt: skip
    if done.returncode:
        (folder / LOCK_NAME).unlink(missing_ok=True)
        yield Finding("FAILED", "complete", _reason(done), "run it again where there is internet access")
        return
    installs: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    with atomic_write(folder / LOCK_NAME) as file:
        file.write("".join(_lock_line(one, folder) for one in sorted(installs, key=_name)).encode())
    used = {_wheel(one, folder) for one in installs}
    yield Finding("ok", "complete", f"{len(used)} wheels, {_megabytes(used):.0f} MB: {folder / LOCK_NAME}")
    if others := set(folder.glob("*.whl")) - used:
        names = ", ".join(sorted(path.name for path in others)[:3])
        yield Finding("note", "unused", f"{len(others)} wheels, such as {names}", "they may be removed")
    yield Finding(
        "ok", "install", f"pip install --no-index --find-links {folder.name} --require-hashes -r "
        f"{folder.name}/{LOCK_NAME}"
    )  # fmt: skip


def _name(install: dict[str, Any]) -> str:
    name: str = install["metadata"]["name"].lower()
    return name


def _wheel(install: dict[str, Any], folder: Path) -> Path:
    return folder / Path(unquote(urlparse(install["download_info"]["url"]).path)).name


def _lock_line(install: dict[str, Any], folder: Path) -> str:
    # The pip 23.0 of Debian 12 does not report the hashes of files in a folder.
    digest = sha256_of(_wheel(install, folder))
    return f"{_name(install)}=={install['metadata']['version']} --hash=sha256:{digest}\n"


def _megabytes(paths: set[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / 1e6


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The last error of pip: what it could not find, not where it looked."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return (errors[-1].removeprefix("ERROR: ") if errors else done.stderr.strip()[-300:]) or "pip failed"
