"""Every shipped YAML of this stage is read, and states its purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconoclip.config import build, read_yaml, shipped_config
from retrieval.config import EncodeConfig, IndexConfig

FOLDER = shipped_config("retrieval")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_begins_with_its_purpose(path: Path) -> None:
    if path.stem.startswith("encode"):
        build(EncodeConfig, {"model": "m", "shardset": "s", "out": "x", **read_yaml(path)}, str(path))
    else:
        build(IndexConfig, {"out": "x", **read_yaml(path)}, str(path))
    assert path.read_text().startswith("# ")


def test_configs_import_in_no_time() -> None:
    import subprocess
    import sys

    heavy = "('numpy', 'torch', 'faiss', 'PIL')"
    code = f"import sys, retrieval.config; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
