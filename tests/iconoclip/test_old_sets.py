"""Sets of older versions stay readable: one that was written before records kept what their source said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from data_prep.contribute.check import check
from data_prep.contribute.config import CheckConfig, MergeConfig
from data_prep.contribute.merge import merge
from iconoclip.shardset import RECORDS_NAME, RECORDS_SCHEMA, ShardSet
from training.data.selection import COLUMNS

OLD = Path(__file__).parent / "sets" / "before_raw_pairs"


def test_the_index_is_read_as_if_it_had_todays_columns() -> None:
    on_disk = pq.read_schema(OLD / RECORDS_NAME).names
    assert "raw" not in on_disk
    table = ShardSet(OLD).table()
    assert set(table.schema.names) == set(RECORDS_SCHEMA.names)
    assert table["raw"].to_pylist() == [[], []]
    assert table["captions"].to_pylist()[1] == [
        {
            "text": text,
            "language": language,
            "field": field,
            "origin": "institution",
            "language_source": None,
            "level": None,
            "role": None,
        }
        for text, language, field in (
            ("A red cow, 1", "en", "title"),
            ("Une vache rouge", "fr", "description"),
        )
    ]
    assert ShardSet(OLD).table(COLUMNS).schema.field("captions").type == RECORDS_SCHEMA.field("captions").type


def test_its_records_are_checked_and_merged(tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(OLD, old)
    assert check(CheckConfig(shardset=old)) == 0
    assert merge(MergeConfig(shardsets=[old], out=tmp_path / "merged")) == 0
    merged = ShardSet(tmp_path / "merged")
    assert check(CheckConfig(shardset=merged.folder)) == 0
    before = [record.captions for record, _ in ShardSet(old).samples()]
    assert [record.captions for record, _ in merged.samples()] == before
    assert [record.raw for record, _ in merged.samples()] == [(), ()]
