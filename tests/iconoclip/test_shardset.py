"""Shard sets: round trips, canonical bytes, damage is named, withdrawn samples are not returned."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.files import write_json
from iconoclip.record import Record
from iconoclip.shardset import (
    MANIFEST_NAME,
    RECORDS_NAME,
    ShardSet,
    ShardSetWriter,
    Tombstone,
    with_tombstones,
)
from tests.iconoclip.strategies import records

SAMPLES = st.lists(
    st.tuples(records(), st.binary(min_size=1, max_size=2000)),
    min_size=1,
    max_size=12,
    unique_by=lambda s: s[0].key,
)
FACTS = {
    "name": "bnf",
    "policy": "open@1",
    "created_at": "2026-01-01T00:00:00Z",
    "created_by": "iconoclip test",
}


def write(folder: Path, samples: list[tuple[Record, bytes]], **options: int) -> ShardSet:
    with ShardSetWriter(folder, **FACTS, **options) as writer:  # type: ignore[arg-type]
        for record, image in samples:
            writer.add(record, image)
    return ShardSet(folder)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(samples=SAMPLES, max_shard_bytes=st.sampled_from([5_000, 20_000, 10**9]))
def test_samples_are_read_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[Record, bytes]], max_shard_bytes: int
) -> None:
    shardset = write(tmp_path_factory.mktemp("set"), samples, max_shard_bytes=max_shard_bytes)
    shardset.verify()
    assert list(shardset.samples()) == samples
    assert len(shardset) == len(samples)
    assert sum(shard.num_samples for shard in shardset.manifest.shards) == len(samples)


@settings(max_examples=10, deadline=None)
@given(samples=SAMPLES)
def test_the_same_samples_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[Record, bytes]]
) -> None:
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    write(first, samples)
    write(second, samples)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


@pytest.fixture
def samples() -> list[tuple[Record, bytes]]:
    from tests.iconoclip.strategies import records as strategy

    found: dict[str, tuple[Record, bytes]] = {}

    @settings(max_examples=40, database=None, derandomize=True)
    @given(strategy())
    def collect(record: Record) -> None:
        found.setdefault(record.key, (record, record.key.encode() * 30))

    collect()
    return list(found.values())[:10]


def test_a_shard_is_a_plain_tar_with_adjacent_members(
    tmp_path: Path, samples: list[tuple[Record, bytes]]
) -> None:
    write(tmp_path, samples)
    with tarfile.open(tmp_path / "bnf-000000.tar") as tar:
        names = tar.getnames()
        assert names == [f"{record.key}.{kind}" for record, _ in samples for kind in ("jpg", "json", "txt")]
        assert all(
            m.uid == 0 and m.mtime == 0 and m.mode == 0o644 and m.uname == "" for m in tar.getmembers()
        )
        extracted = tar.extractfile(names[0])
        assert extracted is not None
        assert extracted.read() == samples[0][1]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 20_000])
def test_a_shard_is_byte_for_byte_what_tarfile_writes(
    tmp_path: Path, samples: list[tuple[Record, bytes]], size: int
) -> None:
    key = f"{'a' * 78}-0123456789abcdef"
    assert len(key) == 95
    shardset = write(tmp_path, [(samples[0][0].model_copy(update={"key": key}), bytes(size)), *samples[1:]])
    shard = tmp_path / "bnf-000000.tar"
    with (
        tarfile.open(shard) as ours,
        tarfile.open(tmp_path / "other.tar", "w", format=tarfile.USTAR_FORMAT) as other,
    ):
        for name in ours.getnames():
            content = ours.extractfile(name)
            assert content is not None
            member = tarfile.TarInfo(name)
            data = content.read()
            member.size, member.mode, member.mtime = len(data), 0o644, 0
            other.addfile(member, io.BytesIO(data))
    assert (tmp_path / "other.tar").read_bytes() == shard.read_bytes()
    assert len(shardset) == len(samples)


def test_the_index_points_at_the_bytes(tmp_path: Path, samples: list[tuple[Record, bytes]]) -> None:
    shardset = write(tmp_path, samples, max_shard_bytes=15_000)
    assert len(shardset.manifest.shards) > 1
    for row, (record, image) in zip(pq.read_table(tmp_path / RECORDS_NAME).to_pylist(), samples, strict=True):
        assert shardset.read_bytes(row["shard"], row["image_offset"], row["image_size"]) == image
        assert shardset.read_record(row["shard"], row["record_offset"], row["record_size"]) == record


def test_totals_count_what_is_there(tmp_path: Path, samples: list[tuple[Record, bytes]]) -> None:
    totals = write(tmp_path, samples).manifest.totals
    assert totals.num_samples == len(samples)
    assert totals.num_trainable == sum(record.rights.may_train for record, _ in samples)
    assert sum(totals.by_institution.values()) == sum(totals.by_rights.values()) == len(samples)
    assert sum(totals.by_language.values()) == sum(len(record.captions) for record, _ in samples)


def test_a_changed_shard_is_named(tmp_path: Path, samples: list[tuple[Record, bytes]]) -> None:
    shardset = write(tmp_path, samples)
    shard = tmp_path / "bnf-000000.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DamagedData, match="checksum differs") as caught:
        shardset.verify()
    assert "bnf-000000.tar" in str(caught.value)
    assert "remedy" in str(caught.value)


def test_a_missing_shard_and_a_changed_index_are_named(
    tmp_path: Path, samples: list[tuple[Record, bytes]]
) -> None:
    shardset = write(tmp_path, samples)
    (tmp_path / "bnf-000000.tar").unlink()
    with pytest.raises(DamagedData, match="shard is missing"):
        shardset.verify()
    with pytest.raises(DamagedData, match="shard is missing"):
        list(shardset.samples())
    (tmp_path / RECORDS_NAME).write_bytes(b"PAR1")
    with pytest.raises(DamagedData, match="index does not match"):
        shardset.table()


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 3}', '{"shards": 5'])
def test_a_foreign_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(DamagedData, match=r"not a shardset\.json"):
        ShardSet(tmp_path)


def test_a_folder_without_a_set_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no shard set here"):
        ShardSet(tmp_path)


def test_a_shard_name_cannot_leave_the_folder(tmp_path: Path, samples: list[tuple[Record, bytes]]) -> None:
    shardset = write(tmp_path, samples)
    with pytest.raises(DamagedData, match="names a shard"):
        shardset.read_bytes("../bnf-000000.tar", 0, 1)


def test_no_reader_returns_a_withdrawn_sample(tmp_path: Path, samples: list[tuple[Record, bytes]]) -> None:
    shardset = write(tmp_path, samples)
    gone = samples[3][0].key
    stone = Tombstone(key=gone, reason="asked by the institution", at="2026-02-01T00:00:00Z")
    write_json(
        tmp_path / MANIFEST_NAME, with_tombstones(shardset.manifest, [stone, stone]).model_dump(mode="json")
    )
    after = ShardSet(tmp_path)
    assert gone not in [record.key for record, _ in after.samples()]
    assert gone not in after.table()["key"].to_pylist()
    assert len(after) == len(samples) - 1
    after.verify()


def test_a_key_twice_and_an_empty_set_leave_nothing_behind(
    tmp_path: Path, samples: list[tuple[Record, bytes]]
) -> None:
    with pytest.raises(BadInput, match="appears twice"):
        write(tmp_path / "twice", [samples[0], samples[0]])
    with pytest.raises(BadInput, match="no sample"):
        write(tmp_path / "empty", [])
    assert list((tmp_path / "twice").iterdir()) == []
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_shorter_set_written_over_a_longer_one_leaves_no_old_shard(
    tmp_path: Path, samples: list[tuple[Record, bytes]]
) -> None:
    write(tmp_path, samples, max_shard_bytes=5_000)
    shardset = write(tmp_path, samples[:1], max_shard_bytes=5_000)
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == [
        shard.name for shard in shardset.manifest.shards
    ]
