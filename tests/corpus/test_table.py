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
    assert all(record.captions for record in records)
    # A title of one word is followed by the maker and the date of the picture.
    (dedication,) = (record for record in records if record.source.id.endswith("/KB131H26_007.jpg"))
    assert [caption.text for caption in dedication.captions] == ["Dedicatie. Jacobus Heyblocq, 1645"]
    # The end of a title (" : [dessin] / [Albrecht Dürer]") does not describe the picture.
    assert "Tête de jeune garçon penchée vers la droite" in {
        str(record.title).partition(". ")[0] for record in records
    }
