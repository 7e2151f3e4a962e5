"""Shards are compared with their checksums before a sample of them is used, and each once in a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iconoclip.errors import DamagedData
from iconoclip.rundir import RunDir
from iconoclip.shardset import ShardSet
from training.config import TrainConfig
from training.data import verification
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
    assert f"0 of {num_shards} shards match their checksums; each of the others" in capsys.readouterr().err
    assert "verified_shards" not in RunDir(whole.run_dir).job
    copy = tmp_path / "copy"
    shutil.copytree(shapes_set, copy)
    shard = sorted(copy.glob("*.tar"))[-1]
    content = bytearray(shard.read_bytes())
    # Not in a picture's bytes that a decoder would notice: in the padding after the last file.
    content[-1] ^= 255
    shard.write_bytes(content)
    damaged = make_config(run_dir=tmp_path / "damaged", shardsets=[str(copy)], num_workers=num_workers)
    with pytest.raises(DamagedData, match="checksum differs") as caught:
        train(damaged)
    assert caught.value.where == str(shard)


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
