"""The wheel carries what the demo needs, and nothing of the tests; installed elsewhere it runs without the
checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of another environment with the wheel in it.

    The dependencies are lent by this environment through a .pth file (gigabytes need not be installed twice);
    its own .pth files, and so the editable checkout, are not read from there.
    """
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--force-reinstall",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    return folder / "bin"


def run(elsewhere: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    return subprocess.run(
        [str(elsewhere / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_the_packages_and_the_configs_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections"}
    assert "iconoclip/configs/train/demo.yaml" in names
    assert "iconoclip/configs/harvest/demo.yaml" in names
    assert any(name.startswith("retrieval/service/pages/templates/") for name in names)
    assert any(name.startswith("retrieval/service/pages/static/") for name in names)


def test_installed_elsewhere_it_is_the_wheel_that_runs(elsewhere: Path, tmp_path: Path) -> None:
    where = run(
        elsewhere,
        tmp_path,
        "python",
        "-c",
        "import iconoclip, training; print(iconoclip.__file__, training.__file__)",
    )
    assert str(ROOT) + "/" not in where.stdout
    assert str(elsewhere.parent) in where.stdout


def test_the_demo_runs_from_the_wheel(elsewhere: Path, tmp_path: Path) -> None:
    arguments = ["demo", "--no-serve", "--num-arms", "60", "--train", "train/smoke.yaml"]
    done = run(elsewhere, tmp_path, "iconoclip", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "demo" / "evaluation" / "evaluation.json").is_file()
