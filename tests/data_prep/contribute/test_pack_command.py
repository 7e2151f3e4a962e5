"""`iconoclip pack` as the partner guide writes it, through the real command."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from iconoclip.cli import main
from iconoclip.shardset import ShardSet

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
WORDS = ["--institution", "kb", "--num_workers", "1"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The guide's default table: `file`, `caption` and `rights`, next to its images."""
    for number in range(4):
        Image.new("RGB", (64, 48), (60 * number, 90, 30)).save(tmp_path / f"{number}.jpg")
    path = tmp_path / "catalogue.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "caption", "rights"])
        rows.writerows([f"{number}.jpg", f"A ship, a cow, and {number} gulls", PDM] for number in range(4))
    return path


def test_the_default_table_is_packed(table: Path, tmp_path: Path) -> None:
    assert main(["pack", str(table), "--out", str(tmp_path / "set"), *WORDS]) == 0
    samples = list(ShardSet(tmp_path / "set").samples())
    assert sorted(record.captions[0].text for record, _ in samples) == [
        f"A ship, a cow, and {number} gulls" for number in range(4)
    ]


def test_a_printed_config_packs_the_same(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pack", str(table), "--out", str(tmp_path / "set"), *WORDS]
    assert main([*words, "--print_config"]) == 0
    (tmp_path / "ours.yaml").write_text(capsys.readouterr().out)
    assert main(["pack", "--config", str(tmp_path / "ours.yaml")]) == 0
    assert len(ShardSet(tmp_path / "set")) == 4


@pytest.mark.parametrize(
    "columns",
    [
        ["--columns.captions.title", "Titel"],
        ["--columns", "{captions: {title: Titel}}"],
        ["--columns.captions", "{title: Titel}"],
        ["--columns.rights", "Rechte"],
    ],
)
def test_a_column_that_was_named_must_be_there(
    columns: list[str], table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pack", str(table), "--out", str(tmp_path / "set"), *columns, *WORDS]) == 2
    assert (
        f"no column '{'Rechte' if 'Rechte' in columns else 'Titel'}' in the table" in capsys.readouterr().err
    )
