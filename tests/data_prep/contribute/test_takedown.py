"""Withdrawals: immediate, with a reason, by key or by address."""

from __future__ import annotations

import pytest

from data_prep.contribute.config import TakedownConfig
from data_prep.contribute.takedown import takedown
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.shardset import ShardSet


def withdraw(shardset: ShardSet, *names: str, **values: object) -> ShardSet:
    takedown(TakedownConfig(shardset=shardset.folder, keys=list(names), reason="the heir asked", **values))
    return ShardSet(shardset.folder)


def keys(shardset: ShardSet) -> list[str]:
    return [record.key for record, _ in shardset.samples()]


def test_by_key(make_set):
    shardset = make_set()
    first, *rest = keys(shardset)
    after = withdraw(shardset, first, at="2026-03-04T00:00:00Z")
    assert keys(after) == rest
    assert len(after) == 5
    assert after.manifest.tombstones[0].at == "2026-03-04T00:00:00Z"
    after.verify()


def test_by_manifest(make_set):
    shardset = make_set()
    record = [record for record, _ in shardset.samples()][2]
    assert record.key not in keys(withdraw(shardset, record.source.manifest))


def test_twice_keeps_the_first_reason(make_set):
    shardset = make_set()
    first = keys(shardset)[0]
    before = withdraw(shardset, first).digest
    assert withdraw(shardset, first, at="2027-01-01T00:00:00Z").digest == before


def test_unknown_names_withdraw_nothing(make_set):
    shardset = make_set()
    digest = shardset.digest
    with pytest.raises(BadInput, match="nothing was withdrawn"):
        withdraw(shardset, keys(shardset)[0], "house-0123456789abcdef")
    assert ShardSet(shardset.folder).digest == digest


def test_keys_from_a_file(make_set, tmp_path):
    shardset = make_set()
    names = keys(shardset)[:2]
    (tmp_path / "keys.txt").write_text("\n".join(names) + "\n")
    assert len(withdraw(shardset, keys_file=tmp_path / "keys.txt")) == 4
    with pytest.raises(MissingRequirement):
        withdraw(shardset, keys_file=tmp_path / "nowhere.txt")
    with pytest.raises(BadInput, match="nothing to withdraw"):
        withdraw(shardset)
