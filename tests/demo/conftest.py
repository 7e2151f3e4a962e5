"""The wheel, installed elsewhere, and one run of the whole demo from there, for all tests of this folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

SMALL = ["--num-arms", "60", "--num-pages", "24", "--train", "train/smoke.yaml"]


@dataclass(frozen=True)
class Environment:
    """Another environment of Python, with the wheel in it."""

    folder: Path

    def start(self, folder: Path, *command: str) -> subprocess.Popen[str]:
        """Start one of its programs in a folder; stdout and stderr come together."""
        return subprocess.Popen(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=folder,
            env={
                name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, folder: Path, *command: str) -> tuple[int, str]:
        """Run one of its programs in a folder; returns the exit code and what it wrote."""
        with self.start(folder, *command) as process:
            output, _ = process.communicate()
        return process.returncode, output


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Another environment with the wheel in it.

    The dependencies are shared from this environment through a .pth file (gigabytes need not be installed
    twice);
    its own .pth files, and so the editable checkout, are not read from there. So is pip, which takes longer
    to install than the wheel.
    """
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    options = ["--quiet", "--no-deps", "--force-reinstall"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True, capture_output=True)
    return Environment(folder)


@dataclass(frozen=True)
class Walked:
    """A demo that was interrupted in its harvests, and run again until it served its page."""

    folder: Path
    """where the commands ran"""
    code_when_interrupted: int
    output_when_interrupted: str
    page: str
    """the address it serves at, while the tests of this folder run"""


@pytest.fixture(scope="session")
def walked(elsewhere: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """A small demo, run from the wheel to its page."""
    folder = tmp_path_factory.mktemp("demo")
    with elsewhere.start(folder, "iconoclip", "demo", "--no-serve", *SMALL) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if "documents" in line:  # the first progress of a harvest
                break
        first.send_signal(signal.SIGINT)
        output = first.stdout.read()
    command = ("python", "-u", "-m", "iconoclip.cli", "demo", "--port", "0", *SMALL)
    with elsewhere.start(folder, *command) as second:
        assert second.stdout is not None
        lines = []
        for line in second.stdout:
            lines.append(line)
            if found := re.search(r"serving at (http://127\.0\.0\.1:\d+)", line):
                break
        assert found, "".join(lines)[-4000:]
        try:
            yield Walked(folder, first.returncode, output, found[1])
        finally:
            second.send_signal(signal.SIGINT)
            second.wait(20)
