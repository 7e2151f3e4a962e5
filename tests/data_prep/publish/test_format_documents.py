"""The documents about the format and about rights are true: their code runs, their tables are the code's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from iconoclip.cli import main
from iconoclip.record import Record
from iconoclip.rights import POLICIES, TERMS, UNKNOWN, judge
from iconoclip.shardset import RECORDS_NAME, ShardSet
from tests.conftest import ROOT
from tests.data_prep.publish.conftest import key, picture

FORMAT = ROOT / "docs" / "shard-format.md"
RIGHTS = ROOT / "docs" / "rights.md"


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """The reader that the specification shows."""
    (block,) = re.findall(r"^```python\n(.*?)^```", FORMAT.read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 32
    path = tmp_path / "read_shards.py"
    path.write_text(block)
    return path


def run(reader: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The reader in a Python that has no packages at all."""
    command = [sys.executable, "-I", "-S", str(reader), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_reader_of_the_specification_reads_a_set(reader: Path, make_set: Callable[..., ShardSet]) -> None:
    folder = make_set().folder
    assert main(["takedown", str(folder), key(3), "--reason", "asked for"]) == 0
    done = run(reader, folder)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [record.key for record, _ in ShardSet(folder).samples()]
    found = {line[0]: line[1:] for line in lines}
    # Of an even number there is no caption; number 4 is in copyright.
    assert found[key(1)] == [str(len(picture(1))), "train", "Kuh 1"]
    assert found[key(4)] == [str(len(picture(4))), "-", key(4)]


def test_the_reader_of_the_specification_refuses_a_damaged_shard(
    reader: Path, make_set: Callable[..., ShardSet]
) -> None:
    folder = make_set().folder
    shard = folder / "gallery-000000.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    done = run(reader, folder)
    assert done.returncode != 0
    assert "gallery-000000.tar is damaged" in done.stderr


def test_the_specification_names_the_columns_and_versions_of_the_code(
    make_set: Callable[..., ShardSet],
) -> None:
    text = FORMAT.read_text()
    section = text[text.index("## The index") : text.index("## What every reader must do")]
    columns = pq.read_schema(make_set().folder / RECORDS_NAME).names
    assert set(re.findall(r"`([a-z_0-9]+)`", section)) - {"records"} == set(columns)
    assert f"Version {Record.model_fields['schema_version'].default} is the present one" in text


def test_rights_md_is_the_table_of_the_code() -> None:
    text = RIGHTS.read_text()
    section = text[text.index("## Statement by statement") :]
    rows = re.findall(r"^\| ([A-Z][\w-]*|none) \| (.*) \|$", section, re.MULTILINE)
    told = {name: cells.split(" | ") for name, cells in rows}
    assert set(told) == {*TERMS, "none"}
    for name, cells in told.items():
        terms = TERMS.get(name, UNKNOWN)
        trains = ["yes" if policy in terms.train_under else terms.otherwise for policy in POLICIES]
        credit = "yes" if terms.needs_attribution else "no"
        assert cells == [*trains, terms.redistribute, terms.display, credit], name
    assert f"`{judge(None).policy}` in every record" in text
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(POLICIES)


def test_the_template_agreement_names_what_is_there() -> None:
    text = (ROOT / "docs" / "agreement-template.md").read_text()
    # One page, as a start for lawyers.
    assert len(text.split()) < 800
    for name in re.findall(r"`(docs/[\w.-]+)`", text):
        assert (ROOT / name).is_file(), name
    schema = json.loads((ROOT / "docs" / "schemas" / "shardset.schema.json").read_text())
    assert f"version [{schema['properties']['schema_version']['default']}]" in text
