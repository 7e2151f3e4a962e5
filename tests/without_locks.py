"""A machine whose file systems have no file locks, for tests: `flock` answers as Lustre without `-o flock`
does."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import commands

PATCH = """
import errno, fcntl, os
def flock(file, operation):
    number = int(os.environ["FLOCK_ERRNO"])
    raise OSError(number, os.strerror(number))
fcntl.flock = flock
"""
NUMBERS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]
# A command takes seconds; which number the system gives is the same to all of them.
NUMBERS_FOR_COMMANDS = [NUMBERS[0], *(pytest.param(number, marks=pytest.mark.long) for number in NUMBERS[1:])]


def take_locks_away(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Replace the locks in this process."""

    def flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def run(folder: Path, *words: object, number: int = errno.ENOSYS) -> subprocess.CompletedProcess[str]:
    """Run the command, or Python with `-c`, in a process that finds no file locks; `folder` is for its
    patch."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(PATCH)
    program = [] if words[0] == "-c" else ["-m", "iconoclip.cli"]
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        env=_environment(folder, number),
        capture_output=True,
        text=True,
        timeout=120,
    )


def run_forked(folder: Path, *words: object, number: int = errno.ENOSYS) -> subprocess.CompletedProcess[str]:
    """As run(), for a command that imports torch; see tests/commands.py."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(PATCH)
    script = folder / "patched.py"
    script.write_text(f"{PATCH}\nfrom iconoclip.cli import console\nconsole()\n")
    command = commands.Command([script, *words], env=_environment(folder, number))
    code = command.wait()
    return subprocess.CompletedProcess(command.words, code, command.stdout, command.stderr)


def _environment(folder: Path, number: int) -> dict[str, str]:
    path = os.pathsep.join([str(folder), *sys.path])
    return {**os.environ, "PYTHONPATH": path, "FLOCK_ERRNO": str(number)}
