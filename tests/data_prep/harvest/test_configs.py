"""Every shipped harvest config is read, begins with its purpose, and is a config of its verb."""

from __future__ import annotations

import pytest

from data_prep.contribute.config import PackConfig
from data_prep.harvest.config import HarvestConfig
from iconoclip.config import load, shipped_config

PATHS = sorted(shipped_config("harvest/demo.yaml").parent.glob("*.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_config_is_read(path, tmp_path):
    assert path.read_text().startswith("# ")
    if path.stem == "table":
        assert load(PackConfig, path, table=tmp_path, out=tmp_path).columns.file == "file"
    else:
        config = load(HarvestConfig, path, sources=["https://example.org/top.json"], out=tmp_path)
        assert config.source in ("auto", path.stem)


def test_there_is_one_for_every_source():
    assert {"iiif", "discovery", "oai-pmh", "europeana", "sru", "table", "demo"} <= {
        path.stem for path in PATHS
    }
