"""Everything that can be wrong with a shard set is found, and a sound one passes."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from data_prep.contribute.check import Checker, check
from data_prep.contribute.config import CheckConfig
from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import sha256_of, write_json
from iconoclip.progress import Meter
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet


def findings(shardset: ShardSet, **options: object) -> list[str]:
    return [
        f"{one.where}: {one.what}"
        for one in Checker(shardset, **options).findings(Meter("check", None, "samples"))
    ]


def test_sound_set(make_set, capsys):
    shardset = make_set()
    assert check(CheckConfig(shardset=shardset.folder)) == 0
    assert "sound: 6 samples" in capsys.readouterr().out


def test_no_set(tmp_path):
    with pytest.raises(MissingRequirement):
        check(CheckConfig(shardset=tmp_path))


def test_flipped_byte_in_a_shard(make_set, tmp_path):
    shardset = make_set()
    path = shardset.folder / shardset.manifest.shards[0].name
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedData):
        check(CheckConfig(shardset=shardset.folder, report=tmp_path / "found.json"))
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["findings"][0]["where"] == path.name
    assert "checksum" in found["findings"][0]["what"]


def test_index_that_was_changed(make_set):
    shardset = make_set()
    (shardset.folder / "records.parquet").write_bytes(b"PAR1")
    assert "does not match" in findings(shardset)[0]


def resign(shardset: ShardSet) -> ShardSet:
    """Make the checksums fit again, as a forger would."""
    path = shardset.folder / "shardset.json"
    value = json.loads(path.read_text())
    value["records_sha256"] = sha256_of(shardset.folder / "records.parquet")
    for shard in value["shards"]:
        shard["sha256"] = sha256_of(shardset.folder / shard["name"])
    write_json(path, value)
    return ShardSet(shardset.folder)


def test_index_that_promises_more_rights_than_the_record(make_set):
    shardset = make_set(rights_2="http://rightsstatements.org/vocab/InC/1.0/")
    path = shardset.folder / "records.parquet"
    rows = pq.read_table(path)
    column = rows.schema.get_field_index("train")
    rows = rows.set_column(column, rows.schema.field("train"), [["yes"] * rows.num_rows])
    pq.write_table(rows, path)
    found = findings(resign(shardset))
    assert any("record and index differ in train" in line for line in found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {
                "rights": judge("http://rightsstatements.org/vocab/InC/1.0/").model_copy(
                    update={"train": "yes"}
                )
            },
            "may not",
        ),
        (
            {
                "rights": judge("In Copyright, ask us").model_copy(
                    update={"uri": "http://creativecommons.org/publicdomain/zero/1.0/"}
                )
            },
            "its rights are not",
        ),
        ({"key": "house-0123456789abcdef"}, "does not follow from its source"),
        ({"group": "https://house.example/1/manifest", "split": "val"}, "two sides of the split"),
    ],
)
def test_records_that_do_not_hold(make_set, changes, expected):
    other = {1: {"split": "train"}} if "group" in changes else {}
    assert any(expected in line for line in findings(make_set(changes={3: changes, **other})))


def test_image_that_is_not_the_records(make_set):
    shardset = make_set()
    path = shardset.folder / shardset.manifest.shards[0].name
    data = bytearray(path.read_bytes())
    row = shardset.table().to_pylist()[0]
    start = row["image_offset"]
    data[start + row["image_size"] - 20 : start + row["image_size"]] = b"\0" * 20
    path.write_bytes(data)
    found = findings(resign(shardset))
    assert len(found) == 1
    assert "does not match the checksum" in found[0]


def test_sample_unknown_to_the_index(make_set):
    shardset = make_set()
    path = shardset.folder / "records.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    found = findings(resign(shardset))
    assert any("the index does not know" in line for line in found)
    assert any("totals" in line for line in found)


def test_a_stricter_policy_is_reported(make_set):
    shardset = make_set(
        changes={
            2: {"rights": judge("https://creativecommons.org/licenses/by-nc/4.0/", policy="noncommercial")}
        }
    )
    assert not findings(shardset, policy="noncommercial")
    assert any("under open@1 it may not" in line for line in findings(shardset, policy="open"))
