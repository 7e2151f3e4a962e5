"""The help of every verb: fast, because its contents are shipped, and never outdated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from iconoclip import help_page
from iconoclip.cli import help_of
from iconoclip.help_page import rendered, shipped
from iconoclip.help_text import page_of, write_pages
from iconoclip.verbs import VERBS, config_model

HELP_OF_ALL = """
import sys
from pathlib import Path
from iconoclip import help_page
from iconoclip.cli import main
from iconoclip.verbs import VERBS

help_page.PAGES = Path(sys.argv[1])
codes = {main(words) for words in (["--help"], ["--version"], *([name, "--help"] for name in VERBS))}
print(codes, sorted(set(sys.modules) & set(sys.argv[2:])), file=sys.stderr)
"""
LARGE = (
    "torch", "faiss", "lightning", "open_clip", "httpx2", "fastapi", "webdataset", "numpy", "pyarrow",
    # These are small, but each is a tenth of the time that the help takes.
    "cyclopts", "yaml", "iconoclip.record",
)  # fmt: skip


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages that are up to date, in place of the shipped ones."""
    write_pages(tmp_path / "pages.json")
    monkeypatch.setattr(help_page, "PAGES", tmp_path / "pages.json")
    return tmp_path / "pages.json"


def test_the_shipped_pages_are_those_of_the_config_models(pages: Path) -> None:
    assert {name: shipped(name) for name in VERBS} == {
        name: page_of(name, config_model(name)) for name in VERBS
    }


def test_an_outdated_page_is_made_again(pages: Path) -> None:
    stored = json.loads(pages.read_text())
    assert "iconoclip/config.py" in stored["sources"]
    stored["pages"]["train"]["usage"] = "usage: as it was before"
    pages.write_text(json.dumps(stored))
    assert help_of("train").startswith("usage: as it was before")
    pages.write_text(json.dumps(stored | {"checksum": stored["checksum"] ^ 1}))
    wanted = rendered(page_of("train", config_model("train")), VERBS["train"].summary)
    assert help_of("train") == wanted
    assert "--optimizer.learning_rate" in wanted
    for damaged in ("", "[]", '{"pages": {}}', json.dumps(stored | {"sources": ["nothing/here.py"]})):
        pages.write_text(damaged)
        assert help_of("train") == wanted


@pytest.mark.parametrize("is_shipped", [True, False])
def test_help_loads_nothing_large(pages: Path, tmp_path: Path, is_shipped: bool) -> None:
    path = pages if is_shipped else tmp_path / "none.json"
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_ALL, str(path), *LARGE, "pydantic"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ("{0} []\n" if is_shipped else "{0} ['pydantic']\n")
