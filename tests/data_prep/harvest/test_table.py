"""A folder of images and a table become a shard set."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.contribute.config import PackConfig
from data_prep.contribute.pack import HOW_TO_ASK, pack, settings_left_out
from data_prep.sources.table import TableReader
from data_prep.sources.table_config import Columns
from data_prep.sources.tables.files import rows as read_rows
from data_prep.sources.tables.files import table_files
from iconoclip.config import digest
from iconoclip.errors import BadInput, ConfigError, DamagedData, MissingRequirement, SomeRefused
from iconoclip.record import Region
from iconoclip.shardset import ShardSet
from tests import without_locks

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
COLUMNS = {
    "file": "Datei",
    "captions": {"title": "Titel", "subject": "Thema"},
    "rights": "Rechte",
    "creators": "Maler",
}


@pytest.fixture
def folder(tmp_path, picture) -> Path:
    """Three pictures in a folder."""
    (tmp_path / "in" / "scans").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "in" / "scans" / f"{number}.jpg").write_bytes(picture(number, (120, 90)))
    return tmp_path / "in"


def rows() -> list[dict[str, str]]:
    return [
        {
            "Datei": f"scans/{n}.jpg",
            "Titel": f"Ein Segelschiff vor der Küste, {n}",
            "Thema": "Schiffe; Küsten",
            "Rechte": PDM,
            "Maler": "Dürer, Albrecht",
        }
        for n in range(3)
    ]


def write_csv(folder: Path, values: list[dict[str, str]], delimiter: str = ",") -> Path:
    path = folder / "metadata.csv"
    lines = [delimiter.join(values[0])] + [
        delimiter.join(f'"{cell}"' for cell in row.values()) for row in values
    ]
    path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    return path


def config(table: Path, out: Path | None, **values: object) -> PackConfig:
    defaults = {
        "columns": COLUMNS, "institution_names": {}, "language": "de", "list_separator": ";",
        "institution": "kb", "harvested_at": "2026-01-02T03:04:05Z", "num_workers": 1,
    }  # fmt: skip
    return PackConfig(table=table, out=out, **{**defaults, **values})


@pytest.mark.parametrize("line", ["sep=|", "sep=;", '"SEP=;"', "sep=\t"])
def test_a_first_line_that_names_the_separator_is_no_header(folder: Path, line: str) -> None:
    separator = line.strip('"')[-1]
    table = write_csv(folder, rows(), separator)
    text = table.read_text(encoding="utf-8-sig")
    # More commas than separators in the header: only the first line tells.
    text = text.replace("Titel", "Titel, wie er auf dem Blatt steht, gek\u00fcrzt, ohne, die, Artikel")
    table.write_text(f"\ufeff{line}\r\n{text}", encoding="utf-8")
    found = [row for _, row in read_rows(table)]
    assert [row["Maler"] for row in found if isinstance(row, dict)] == ["D\u00fcrer, Albrecht"] * 3


@pytest.mark.parametrize("kind", ["csv", "semicolons", "jsonl", "parquet", "folder"])
def test_every_kind_of_table_gives_the_same_set(folder, tmp_path, kind):
    values = rows()
    if kind == "jsonl":
        table = folder / "metadata.jsonl"
        table.write_text("\n".join(json.dumps(row) for row in values))
    elif kind == "parquet":
        table = folder / "metadata.parquet"
        pq.write_table(pa.Table.from_pylist(values), table)
    else:
        table = write_csv(folder, values, ";" if kind == "semicolons" else ",")
    separator = None if kind == "semicolons" else ";"
    pack(config(folder if kind == "folder" else table, tmp_path / "out", list_separator=separator or "; "))
    records = [record for record, _ in ShardSet(tmp_path / "out").samples()]
    assert [record.source.id for record in records] == ["scans/0.jpg", "scans/1.jpg", "scans/2.jpg"]
    first = records[0]
    assert first.institution.slug == "kb"
    assert first.creators == ("Dürer, Albrecht",)
    assert first.rights.uri == PDM
    texts = [(caption.text, caption.language, caption.field) for caption in first.captions]
    assert texts[0] == ("Ein Segelschiff vor der Küste, 0. Schiffe; Küsten. Albrecht Dürer", "de", "title")
    assert texts[1] == ("Schiffe; Küsten. Albrecht Dürer", "de", "subject")


def test_a_mapped_column_that_is_missing(folder, tmp_path):
    table = write_csv(folder, rows())
    columns = {**COLUMNS, "file": "Datie"}
    with pytest.raises(ConfigError) as wrong:
        pack(config(table, tmp_path / "out", columns=columns))
    assert "Datei" in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../secret.jpg", "outside of the table's folder"),
        ("/etc/hostname", "outside of the table's folder"),
        ("scans/link.jpg", "outside of the table's folder"),
        ("scans/9.jpg", "no such file"),
        ("scans/broken.jpg", "cannot be decoded"),
        ("scans/page.jpg", "HTML"),
        ("scans/0.jpg", "an earlier row has the same id"),
        ("scans/0\0.jpg", "not a file name"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(folder, tmp_path, name, reason):
    (tmp_path / "secret.jpg").write_bytes((folder / "scans" / "0.jpg").read_bytes())
    (folder / "scans" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "scans" / "broken.jpg").write_bytes((folder / "scans" / "0.jpg").read_bytes()[:-300])
    (folder / "scans" / "page.jpg").write_bytes(b"<!doctype html><title>Login</title>")
    table = folder / "metadata.jsonl"
    bad = {**rows()[0], "Datei": name}
    table.write_text("\n".join(json.dumps(row) for row in [*rows(), bad]))
    with pytest.raises(SomeRefused):
        pack(config(table, tmp_path / "out"))
    refused = [json.loads(line) for line in (tmp_path / "out" / "refused.jsonl").read_text().splitlines()]
    assert len(refused) == 1
    assert reason in refused[0]["reason"]
    assert len(ShardSet(tmp_path / "out")) == 3


def test_lines_that_are_no_objects_are_refused(folder, tmp_path):
    table = folder / "metadata.jsonl"
    table.write_text("\n".join(["{broken", "[1, 2]", *(json.dumps(row) for row in rows())]))
    with pytest.raises(SomeRefused):
        pack(config(table, tmp_path / "out"))
    assert len(ShardSet(tmp_path / "out")) == 3


def test_rows_without_rights_are_refused_unless_the_config_states_them(folder, tmp_path):
    values = [{**row, "Rechte": ""} for row in rows()]
    values[0]["Rechte"] = PDM
    table = write_csv(folder, values)
    with pytest.raises(SomeRefused, match="1 samples stored, 2 items refused"):
        pack(config(table, tmp_path / "one"))
    pack(config(table, tmp_path / "two", rights=PDM))
    assert len(ShardSet(tmp_path / "two")) == 3


def test_regions_become_samples_of_their_own(folder, tmp_path):
    regions = [
        {"xywh_percent": [50, 0, 50, 50], "label": ["Ein Schiff"]},
        {"xywh": [0, 0, 60, 45], "label": "Wolken"},
        {"xywh_percent": [0, 0, 1, 1], "label": ["Initiale"]},
        {"xywh_percent": ["a", 0, 1, 1]},
    ]
    table = folder / "metadata.jsonl"
    table.write_text(json.dumps({**rows()[0], "Orte": regions}))
    with pytest.raises(SomeRefused):
        pack(config(table, tmp_path / "out", columns={**COLUMNS, "regions": "Orte"}, regions="records"))
    records = [record for record, _ in ShardSet(tmp_path / "out").samples()]
    assert [record.source.region for record in records] == [
        None, Region(x=60, y=0, width=60, height=45), Region(x=0, y=0, width=60, height=45),
    ]  # fmt: skip
    assert [record.image.width for record in records] == [120, 60, 60]
    assert records[1].title == "Ein Schiff"
    assert {record.group for record in records} == {"scans/0.jpg"}
    assert len({record.key for record in records}) == 3


def test_a_finished_pack_says_so(folder, tmp_path, capsys):
    table = write_csv(folder, rows())
    pack(config(table, tmp_path / "out"))
    assert pack(config(table, tmp_path / "out")) == 0
    assert "already" in capsys.readouterr().out


@pytest.mark.parametrize("number", without_locks.NUMBERS_FOR_COMMANDS)
def test_a_table_is_packed_where_there_are_no_file_locks(folder, tmp_path, number):
    table = write_csv(folder, rows())
    words = [
        "--out",
        tmp_path / "out",
        "--institution",
        "kb",
        "--columns",
        json.dumps(COLUMNS),
        "--language",
        "de",
    ]
    done = without_locks.run(tmp_path / "patch", "pack", table, *words, number=number)
    assert done.returncode == 0, done.stderr
    assert "no file locks" in done.stderr
    assert len(ShardSet(tmp_path / "out")) == 3
    assert not list((tmp_path / "out" / ".harvest").rglob("*.marker"))


def test_dry_run_lists_records_as_json(folder, tmp_path, capsys):
    table = write_csv(folder, rows())
    before = sorted(tmp_path.rglob("*"))
    pack(config(table, None, dry_run=True, json=True))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["record"]["source"]["id"] for line in lines] == [f"scans/{n}.jpg" for n in range(3)]
    assert sorted(tmp_path.rglob("*")) == before


def test_which_table_is_meant(folder):
    with pytest.raises(MissingRequirement):
        table_files(folder)
    write_csv(folder, rows())
    (folder / "other.jsonl").write_text("{}")
    with pytest.raises(BadInput, match="2 tables"):
        table_files(folder)
    with pytest.raises(BadInput, match="not a table"):
        table_files(folder / "scans" / "0.jpg")


@pytest.mark.parametrize("text", [b"\x89PNG\r\n\x1a\n\x00\x01\x02\x03\x04\x05", b""])
def test_unreadable_tables(folder, tmp_path, text):
    path = folder / "metadata.csv"
    path.write_bytes(text)
    with pytest.raises(BadInput):
        TableReader(config(path, tmp_path / "out", columns=Columns(file="Datei")))


def test_a_pack_that_lacked_a_contact_is_resumed_with_one(folder, tmp_path):
    values = [{**row, "Datei": "http://127.0.0.1:9/a.jpg"} for row in rows()[:1]]
    table, out = write_csv(folder, values), tmp_path / "out"
    with pytest.raises(BadInput, match="nothing usable"):
        pack(config(table, out))  # a private address that nobody has allowed
    known = config(table, out, contact="me@library.org", network={"allow_hosts": ["127.0.0.1:9"]})
    assert digest(known, HOW_TO_ASK) == digest(config(table, out), HOW_TO_ASK)
    assert digest(known) != digest(config(table, out))


def test_a_pack_that_an_earlier_version_began_is_continued(folder, tmp_path):
    """Before there were groups, the digest of the settings was that of the flat fields."""
    settings = config(write_csv(folder, rows()), tmp_path / "out", split={"seed": 3})
    pack(settings)
    flat = settings.model_dump(mode="json")
    storage, split = flat.pop("storage"), flat.pop("split")
    # Fields of later versions, which change nothing in the result.
    for name in settings_left_out(settings):
        del flat[name]
    flat |= {**storage, **split, "split_seed": split["seed"]}
    del flat["seed"]
    canonical = json.dumps(flat, sort_keys=True, separators=(",", ":"))
    values = [(hashlib.sha256(canonical.encode()).hexdigest(),), ("0" * 64,)]
    with contextlib.closing(sqlite3.connect(tmp_path / "out/.harvest/ledger.sqlite")) as ledger, ledger:
        ledger.execute("DELETE FROM meta WHERE key = 'finished'")
        ledger.execute("UPDATE meta SET value = ? WHERE key = 'pack_config'", values[0])
    assert pack(settings) == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "out/.harvest/ledger.sqlite")) as ledger, ledger:
        ledger.execute("DELETE FROM meta WHERE key = 'finished'")
        ledger.execute("UPDATE meta SET value = ? WHERE key = 'pack_config'", values[1])
    with pytest.raises(DamagedData, match="settings have changed"):
        pack(settings)
