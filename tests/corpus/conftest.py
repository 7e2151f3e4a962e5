"""The shard set of the real images, packed once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_shards(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 153 real images of two national libraries with their records. Read only."""
    from data_prep.contribute.config import PackConfig
    from data_prep.contribute.pack import pack
    from iconoclip.config import load, shipped_config

    folder = tmp_path_factory.mktemp("real") / "shards"
    table = material / "images" / "metadata.jsonl"
    settings = {"table": table, "out": folder, "max_side_pixels": 256}
    assert pack(load(PackConfig, shipped_config("harvest/table.yaml"), **settings)) == 0
    return folder
