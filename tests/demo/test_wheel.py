"""The wheel contains what the demo needs and no tests; installed elsewhere, it runs without the checkout."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.conftest import ROOT
from tests.demo.conftest import Environment, Walked


def test_the_wheel_holds_the_packages_and_the_configs_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections"}
    assert "iconoclip/configs/train/demo.yaml" in names
    assert "iconoclip/configs/harvest/demo.yaml" in names
    assert any(name.startswith("retrieval/service/pages/templates/") for name in names)
    assert any(name.startswith("retrieval/service/pages/static/") for name in names)


def test_installed_elsewhere_it_is_the_wheel_that_runs(elsewhere: Environment, tmp_path: Path) -> None:
    names = ("iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections")
    program = f"import {', '.join(names)}; print(*[{', '.join(f'{name}.__file__' for name in names)}])"
    code, output = elsewhere.run(tmp_path, "python", "-c", program)
    assert code == 0, output
    assert str(ROOT) + "/" not in output
    assert output.count(str(elsewhere.folder)) == len(names)


def test_the_demo_runs_from_the_wheel(walked: Walked) -> None:
    """All tests of the demo use the same run."""
    assert (walked.folder / "demo" / "evaluation" / "evaluation.json").is_file()
