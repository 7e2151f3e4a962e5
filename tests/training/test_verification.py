"""Shards are compared with their checksums, each once in a run, or each of their pictures when it is read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from iconoclip.errors import DamagedData
from iconoclip.rundir import RunDir
from iconoclip.shardset import ShardSet
from training.config import TrainConfig
from training.data import verification
from training.data.numbers import checksum_number, checksum_numbers
from training.data.samples import load
from training.data.storage import ShardReader
from training.data.verification import VerifiedShards
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]


def test_a_damaged_shard_is_found_before_the_first_step(
    make_config: MakeConfig, shapes_set: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shapes_set, copy)
    shard = sorted(copy.glob("*.tar"))[1]
    content = bytearray(shard.read_bytes())
    content[700] ^= 255
    shard.write_bytes(content)
    with pytest.raises(DamagedData, match="checksum differs") as caught:
        train(make_config(shardsets=[str(copy)]))
    assert caught.value.where == str(shard)
    assert not any("loss" in line for line in RunDir(make_config().run_dir).metrics())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_shard_that_there_was_no_time_for_is_compared_before_it_is_used(
    make_config: MakeConfig, shapes_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], num_workers: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(verification, "SECONDS_BEFORE_THE_FIRST_STEP", 0.0)
    whole = make_config(run_dir=tmp_path / "whole", max_steps=7, num_workers=num_workers)
    train(whole)
    num_shards = len(list(shapes_set.glob("*.tar")))
    assert (
        f"0 of {num_shards} shards match their checksums; of the others each picture"
        in capsys.readouterr().err
    )
    assert "verified_shards" not in RunDir(whole.run_dir).job
    copy = tmp_path / "copy"
    shutil.copytree(shapes_set, copy)
    shard = sorted(copy.glob("*.tar"))[-1]
    table = pq.read_table(copy / "records.parquet", columns=["shard", "image_offset"])
    content = bytearray(shard.read_bytes())
    # In a part of each picture that no decoder reads: the density in the header of a JPEG.
    is_here = pc.equal(table["shard"], shard.name)
    for offset in table.filter(is_here)["image_offset"].to_pylist():
        assert content[offset + 6 : offset + 10] == b"JFIF"
        content[offset + 14] ^= 1
    shard.write_bytes(content)
    damaged = make_config(run_dir=tmp_path / "damaged", shardsets=[str(copy)], num_workers=num_workers)
    with pytest.raises(DamagedData, match="checksum differs") as caught:
        train(damaged)
    assert caught.value.where == str(shard)


def test_pictures_are_compared_instead_of_shards_that_there_was_no_time_for(
    shapes_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shapes_set, copy)
    compared: list[str] = []
    plain = ShardSet.verify_shard
    monkeypatch.setattr(
        ShardSet, "verify_shard", lambda self, shard: (compared.append(shard.name), plain(self, shard))
    )
    samples = load([str(copy)], split="all", policy="open")
    reader = ShardReader(samples, VerifiedShards(samples.sets))
    for row in range(len(samples)):
        reader.image_bytes(row)
    assert not compared
    # A shard that was cut short, and one whose picture differs: then the shard is compared, and refused.
    first, last = sorted(copy.glob("*.tar"))[0], sorted(copy.glob("*.tar"))[-1]
    content = bytearray(first.read_bytes())
    content[int(samples.offset_N[0]) + 14] ^= 1
    first.write_bytes(content)
    last.write_bytes(last.read_bytes()[: int(samples.offset_N[len(samples) - 1]) + 10])
    reader = ShardReader(samples, VerifiedShards(samples.sets))
    for row, shard in ((0, first), (len(samples) - 1, last)):
        with pytest.raises(DamagedData, match=r"checksum differs|size") as caught:
            reader.image_bytes(row)
        assert caught.value.where == str(shard)
    # One whose picture is as it should be is used without the others.
    reader.image_bytes(1)


def test_numbers_of_checksums() -> None:
    pictures = [b"one", b"two" * 1000, b""]
    digits = [hashlib.sha256(one).hexdigest() for one in pictures]
    found = checksum_numbers(pa.array([*digits, None, "f" * 63, "G" * 64]))
    assert found.tolist() == [int(one[:16], 16) for one in digits] + [0, 0, 0]
    assert [checksum_number(one) for one in pictures] == found.tolist()[:3]
    assert len(checksum_numbers(pa.array([], pa.string()))) == 0


def test_shards_are_compared_once_in_a_run(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, shapes_set: Path
) -> None:
    compared: list[str] = []
    plain = ShardSet.verify_shard

    def noted(self: ShardSet, shard: Any) -> None:
        compared.append(shard.name)
        plain(self, shard)

    monkeypatch.setattr(ShardSet, "verify_shard", noted)
    config = make_config(validation_split="none")
    train(changed(config, max_steps=2))
    train(changed(config, max_steps=3))
    assert sorted(compared) == sorted(path.name for path in shapes_set.glob("*.tar"))


def test_ranks_share_what_is_compared(shapes_set: Path) -> None:
    ranks = [VerifiedShards([ShardSet(shapes_set)]) for _ in range(3)]
    found = [one.check_share(rank, 3) for rank, one in enumerate(ranks)]
    assert sorted(place for places, _ in found for place in places) == list(range(len(ranks[0])))
    assert all(not problems for _, problems in found)
    assert len(ranks[0]) > 3 > 0 < ranks[0].num_left
    ranks[0].note([place for places, _ in found for place in places])
    assert ranks[0].num_left == 0


def test_each_start_compares_what_the_earlier_ones_had_no_time_for(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, shapes_set: Path
) -> None:
    compared: list[str] = []
    clock = iter(range(1000))
    monkeypatch.setattr(verification, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr(verification, "MAX_THREADS", 1)
    monkeypatch.setattr(ShardSet, "verify_shard", lambda _self, shard: compared.append(shard.name))
    config = make_config(validation_split="none")
    names = sorted(path.name for path in shapes_set.glob("*.tar"))
    # The clock moves a second each time it is asked: the first start has time for three shards.
    for max_steps, seconds, num in ((2, 3.5, 3), (3, 99.5, len(names))):
        monkeypatch.setattr(verification, "SECONDS_BEFORE_THE_FIRST_STEP", seconds)
        train(changed(config, max_steps=max_steps))
        assert len(compared) == num
    assert sorted(compared) == names
    assert "verified_shards" in RunDir(config.run_dir).job


@pytest.mark.parametrize("recorded", [None, 7, "", "xyz", "f" * 1000, "-1", "0x1"])
def test_a_record_that_is_none_means_that_nothing_was_compared(shapes_set: Path, recorded: object) -> None:
    assert VerifiedShards([ShardSet(shapes_set)]).places_in(recorded) == []
