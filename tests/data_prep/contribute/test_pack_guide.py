"""The commands and configs of the partner guide, word for word, through the real command."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from data_prep.contribute import table_mapping
from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from tests.conftest import ROOT
from tests.data_prep.contribute.packing import picture, records


def test_the_steps_of_the_guide(museum: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new user types, in the order of the guide: who we are, a trial, the set, its check, its card."""
    guide = (ROOT / "docs" / "partner-guide.md").read_text()
    steps = [
        "iconoclip institution new --out ours.profile.yaml",
        "iconoclip pack catalogue.csv --institution ours.profile.yaml --dry-run",
        "iconoclip pack catalogue.csv --institution ours.profile.yaml --out shards/ours --yes",
        "iconoclip check shards/ours",
        "iconoclip card shards/ours",
    ]
    (museum / "ours.profile.yaml").unlink()
    picture(museum / "Scans" / "M 1.tif")
    (museum / "catalogue.csv").write_bytes(
        "Export;;;\r\nInv.-Nr.;Bild;Objekttitel;Lizenz\r\nM 1;M 1.tif;Mühle am Bach;CC0\r\n".encode("cp1252")
    )
    answers = iter(["Mühlenmuseum Musterstadt", "", "", "de", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _="": next(answers))
    monkeypatch.setattr(table_mapping, "_is_terminal", lambda: False)
    for step in steps:
        assert step in guide.splitlines()
        assert main(step.split()[1:]) == 0, step
    (record,) = records("shards/ours").values()
    assert record.institution.name == "Mühlenmuseum Musterstadt"  # type: ignore[attr-defined]
    assert record.title == "Mühle am Bach"  # type: ignore[attr-defined]


def test_the_ten_minutes_of_the_guide(museum: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the section, in its order, word for word, with a table that needs all of it."""
    guide = (ROOT / "docs" / "partner-guide.md").read_text()
    section = guide[guide.index("## Ten minutes") : guide.index("## What is shared")]
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]
    (museum / "ours.profile.yaml").unlink()
    for number in range(3):
        picture(museum / "Scans" / f"M {number}.tif", number)
    rows = "".join(f"M {n};Scans\\M {n}.tif;Mühle {n} am Bach;frei nutzbar\r\n" for n in range(3))
    (museum / "catalogue.csv").write_bytes(f"Inv.-Nr.;Bild;Objekttitel;Rechte\r\n{rows}".encode("cp1252"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ours_key"], check=True)
    assert len(lines) == 9
    for line in lines[:7]:
        assert main(shlex.split(line)[1:]) == 0, line
    assert len(ShardSet("published")) == 3
    gone = next(image for record, image in ShardSet("published").samples() if record.source.id == "M 2")
    for line in lines[7:]:
        assert main(shlex.split(line)[1:]) == 0, line
    assert sorted(records("published")) == ["M 0", "M 1"]
    assert not any(gone in path.read_bytes() for path in Path("published").rglob("*") if path.is_file())
    capsys.readouterr()
    assert main(["check", "published"]) == 0
    assert "signed with" in capsys.readouterr().out


def test_the_guides_default_table_and_config_work_word_for_word(museum: Path) -> None:
    """The block of the guide, its commands, and a table with the columns that it names."""
    guide = (ROOT / "docs" / "partner-guide.md").read_text()
    block = next(
        text for text in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if text.startswith("# ours.yaml")
    )
    (museum / "ours.yaml").write_text(block)
    picture(museum / "a.jpg")
    (museum / "catalogue.csv").write_text(
        "Signatur,Bilddatei,Titel,Beschreibung,Schlagworte,Urheber,Datierung,Rechte,Link\n"
        'A 1,a.jpg,Ansicht der Stadt; im Hintergrund der Dom,Blick vom Fluss,Stadt;Fluss,"Merian, M.",'
        "um 1650,CC0,https://example.org/1;jsessionid=9\n"
    )
    commands = [
        line for line in guide.splitlines() if line.startswith("iconoclip pack catalogue.csv --config")
    ]
    assert len(commands) == 2
    for command in commands:
        assert main(command.split()[1:]) == 0
    (record,) = records("shards/ours").values()
    assert record.institution.slug == "musterstadt"  # type: ignore[attr-defined]
    assert record.title == "Ansicht der Stadt; im Hintergrund der Dom. Fluss. M. Merian, um 1650"  # type: ignore[attr-defined]
    assert record.source.homepage == "https://example.org/1;jsessionid=9"  # type: ignore[attr-defined]
