"""The 153 real images with their real captions, rights and regions become a shard set."""

from __future__ import annotations

import pytest

from data_prep.contribute.check import Checker
from data_prep.contribute.config import PackConfig
from data_prep.contribute.pack import pack
from iconoclip.config import load, shipped_config
from iconoclip.progress import Meter
from iconoclip.shardset import ShardSet

pytestmark = pytest.mark.corpus


def test_real_images_and_captions(material, tmp_path):
    table = material / "images" / "metadata.jsonl"
    config = load(
        PackConfig, shipped_config("harvest/table.yaml"), table=table, out=tmp_path, max_side_pixels=256
    )
    assert pack(config) == 0
    shardset = ShardSet(tmp_path)
    assert len(shardset) == 153
    assert shardset.manifest.totals.by_institution == {"gallica": 93, "kb": 60}
    assert shardset.manifest.totals.num_trainable == 153
    assert not list(Checker(shardset).findings(Meter("check", None, "samples")))
    records = [record for record, _ in shardset.samples()]
    # "Dedicatie" designates a page of an album; nothing else is said of it.
    assert [record.source.id for record in records if not record.captions] == [
        "images/kb-heyblocq/KB131H26_007.jpg"
    ]
    # A title's tail (" : [dessin] / [Albrecht Dürer]") is no part of what one sees.
    assert "Tête de jeune garçon penchée vers la droite" in {record.title for record in records}
