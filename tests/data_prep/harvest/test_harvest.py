"""The whole harvest over real HTTP: what it stores, refuses, records and requests again."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from data_prep.contribute.config import TakedownConfig
from data_prep.contribute.takedown import takedown
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.verb import harvest
from iconoclip.errors import BadInput, ConfigError, RightsForbid, SomeRefused
from iconoclip.rights import may_train
from iconoclip.shardset import ShardSet
from tests.data_prep.harvest import harvesting
from tests.data_prep.harvest.harvesting import CLOCK, files

# With two processes, so that images are decoded in another order than they are listed in.
config = functools.partial(harvesting.config, num_workers=2)


def test_collection_becomes_a_shard_set(archive, tmp_path):
    assert harvest(config(archive, tmp_path)) == 0
    shardset = ShardSet(tmp_path)
    shardset.verify()
    samples = list(shardset.samples())
    assert [record.source.manifest for record, _ in samples] == [
        f"{archive.origin}/manifest/{n}" for n in range(12)
    ]
    for record, _ in samples:
        assert record.image.width == 64
        assert record.image.received == (64, 53)
        assert record.harvested_at == CLOCK
        assert record.title.startswith("A drawing of a ship")
        assert may_train(record.rights, "open")


def test_sized_images_are_requested_without_their_info(archive, tmp_path):
    harvest(config(archive, tmp_path))
    images = [path for path in archive.paths if path.startswith("/image/")]
    assert len(images) == 12
    assert all("/full/64,53/0/" in path for path in images)


def test_a_finished_harvest_requests_nothing(archive, tmp_path, capsys):
    harvest(config(archive, tmp_path))
    before, num_asked = files(tmp_path), len(archive.requests)
    assert harvest(config(archive, tmp_path)) == 0
    assert "harvested already: 12 samples" in capsys.readouterr().out
    assert len(archive.requests) == num_asked
    assert files(tmp_path) == before


def test_two_harvests_of_one_archive_give_the_same_bytes(archive, tmp_path):
    harvest(config(archive, tmp_path / "one"))
    harvest(config(archive, tmp_path / "two", network={"concurrency": 1}, num_workers=1))
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one["shardset.json"] == two["shardset.json"]
    assert {name for name in one if name.endswith(".tar")} == {"127-0-0-1-000000.tar"}


def test_items_without_rights_are_refused_and_listed(archive, tmp_path):
    archive.rights = {3: None, 5: "http://rightsstatements.org/vocab/InC/1.0/"}
    with pytest.raises(SomeRefused) as refused:
        harvest(config(archive, tmp_path))
    assert refused.value.exit_code == 3
    report = json.loads(Path(refused.value.where or "").read_text())
    assert report["num_samples"] == 10
    assert report["by_reason"] == {
        "rights: missing": 1,
        "rights: forbids: InC allows neither training nor passing on under open@1": 1,
    }
    assert not [path for path in archive.paths if path.startswith(("/image/3/", "/image/5/"))]


def test_noncommercial_items_are_kept_for_search_and_not_for_training(archive, tmp_path):
    archive.rights = {4: "https://creativecommons.org/licenses/by-nc/4.0/deed.de"}
    harvest(config(archive, tmp_path))
    by_manifest = {record.source.manifest: record for record, _ in ShardSet(tmp_path).samples()}
    kept = by_manifest[f"{archive.origin}/manifest/4"]
    assert kept.rights.display == "yes"
    assert not kept.rights.may_train


def test_everything_forbidden_is_its_own_error(archive, tmp_path):
    archive.rights = dict.fromkeys(range(12))
    with pytest.raises(RightsForbid):
        harvest(config(archive, tmp_path))
    assert not (tmp_path / "shardset.json").exists()


def test_another_harvest_in_the_same_folder_is_refused(archive, tmp_path):
    harvest(config(archive, tmp_path))
    with pytest.raises(ConfigError, match="max_side_pixels"):
        harvest(config(archive, tmp_path, max_side_pixels=32))
    with pytest.raises(ConfigError, match=r"another `split\.seed`: 0, now 1"):
        harvest(config(archive, tmp_path, split={"seed": 1}))


def test_a_harvest_that_an_earlier_version_began_is_continued(archive, tmp_path):
    """Before there were groups, the ledger kept these fields under their own names alone."""
    harvest(config(archive, tmp_path, split={"val_share": 0.1, "seed": 7}))
    flat = {
        "sources": [archive.collection], "source": "auto", "institution": None, "name": None,
        "policy": "open", "keep": "usable", "max_side_pixels": 64, "jpeg_quality": 90, "val_share": 0.1,
        "test_share": 0.1,
        "split_seed": 7, "near_duplicate_bits": 0, "max_shard_bytes": 1_000_000_000, "num_tasks": 1,
        "task": None,
    }  # fmt: skip
    with contextlib.closing(sqlite3.connect(tmp_path / ".harvest" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE meta SET value = ? WHERE key = 'config'", (json.dumps(flat),))
    refresh = {"refresh": True, "split": {"val_share": 0.1, "seed": 7}}
    assert harvest(config(archive, tmp_path, **refresh)) == 0
    with pytest.raises(ConfigError, match=r"another `split\.seed`: 7, now 0"):
        harvest(config(archive, tmp_path, split={"val_share": 0.1}))


def test_a_real_host_needs_a_contact(tmp_path):
    with pytest.raises(ConfigError, match="contact"):
        harvest(HarvestConfig(sources=["https://gallica.bnf.fr/iiif/x/manifest.json"], out=tmp_path))


def test_refresh_sends_validators_and_withdraws_what_is_gone(archive, tmp_path):
    harvest(config(archive, tmp_path))
    archive.requests.clear()
    archive.num_manifests = 11
    harvest(config(archive, tmp_path, refresh=True))
    asked = {seen.path: seen.headers.get("if-none-match") for seen in archive.requests}
    assert all(
        etag for path, etag in asked.items() if path.startswith(("/manifest", "/image", "/collection"))
    )
    shardset = ShardSet(tmp_path)
    assert len(shardset) == 11
    assert [stone.reason for stone in shardset.manifest.tombstones] == ["no longer offered by its source"]
    shardset.verify()


def test_sources_that_yield_nothing(server, tmp_path):
    address = f"{server.origin}/nowhere"
    with pytest.raises(BadInput, match="nothing usable"):
        harvest(HarvestConfig(sources=[address], out=tmp_path, network={"retry_seconds": 0.01}))


def test_local_manifest_can_replace_an_address(archive, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(archive.manifest(7)))
    settings = config(archive, tmp_path / "out").model_dump() | {
        "sources": [str(path)],
        "network": {"allow_hosts": ["127.0.0.1"]},
    }
    harvest(HarvestConfig(**settings))
    assert [record.source.manifest for record, _ in ShardSet(tmp_path / "out").samples()] == [
        f"{archive.origin}/manifest/7"
    ]


def test_refresh_of_an_unchanged_archive_changes_no_byte(archive, tmp_path, capsys):
    harvest(config(archive, tmp_path))
    before = files(tmp_path)
    harvest(config(archive, tmp_path, refresh=True, harvested_at="2027-01-01T00:00:00Z"))
    assert files(tmp_path) == before
    assert "nothing has changed" in capsys.readouterr().out


def test_refresh_keeps_the_time_of_what_has_not_changed(archive, tmp_path):
    harvest(config(archive, tmp_path))
    archive.num_manifests = 13
    harvest(config(archive, tmp_path, refresh=True, harvested_at="2027-01-01T00:00:00Z"))
    times = [record.harvested_at for record, _ in ShardSet(tmp_path).samples()]
    assert times == [CLOCK] * 12 + ["2027-01-01T00:00:00Z"]


def test_a_withdrawn_item_does_not_come_back_by_another_harvest(archive, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    harvest(config(archive, first))
    gone, *kept = ShardSet(first).table(["key"])["key"].to_pylist()
    takedown(TakedownConfig(shardset=first, keys=[gone], reason="asked by its maker", purge=True))
    shutil.rmtree(first)
    asked = len(archive.paths)
    # The list of withdrawn keys is in the folder above both sets.
    with pytest.raises(SomeRefused, match="11 samples stored, 1 items refused"):
        harvest(config(archive, second))
    assert [record.key for record, _ in ShardSet(second).samples()] == kept
    assert gone.encode() not in b"".join(path.read_bytes() for path in second.glob("*.tar"))
    # Its picture is not even requested.
    assert sum(path.startswith("/image/") for path in archive.paths[asked:]) == 11
