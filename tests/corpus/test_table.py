"""The 153 real images with their real captions, rights and regions become a shard set."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.contribute.check import Checker
from iconoclip.progress import Meter
from iconoclip.shardset import ShardSet

pytestmark = pytest.mark.corpus


def test_real_images_and_captions(real_shards: Path) -> None:
    shardset = ShardSet(real_shards)
    assert len(shardset) == 153
    assert shardset.manifest.totals.by_institution == {"gallica": 93, "kb": 60}
    assert shardset.manifest.totals.num_trainable == 153
    assert not list(Checker(shardset).findings(Meter("check", None, "samples")))
    records = [record for record, _ in shardset.samples()]
    # "Dedicatie" designates a page of an album; nothing else is said of it.
    assert [record.source.id for record in records if not record.captions] == [
        "images/kb-heyblocq/KB131H26_007.jpg"
    ]
    # The end of a title (" : [dessin] / [Albrecht Dürer]") does not describe the picture.
    assert "Tête de jeune garçon penchée vers la droite" in {record.title for record in records}
