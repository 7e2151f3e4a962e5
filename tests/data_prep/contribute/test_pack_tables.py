"""`iconoclip pack` over the tables that museums have, through the real command."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openpyxl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_prep.contribute import table_mapping
from data_prep.harvest.report import kind_of_reason
from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from tests.data_prep.contribute.packing import CC0, pack, picture, records, refused

EXAMPLES = int(os.environ.get("DRY_RUN_EXAMPLES", "1"))


def a_workbook(museum: Path) -> Path:
    """A workbook as small museums write it: a title, a sheet of hints, umlauts, several keywords."""
    book = openpyxl.Workbook()
    book.active.title = "Hinweise"
    book.active.append(["Bitte nur die zweite Mappe ausfüllen"])
    sheet = book.create_sheet("Objekte")
    sheet.append(["Stadtmuseum Musterstadt, 3/2024"])
    sheet.append([])
    sheet.append(["Inv.-Nr.", "Bilddatei", "Titel", "Schlagwörter", "Künstler", "Rechte", "Standort"])
    for number in range(3):
        picture(museum / "scans" / f"Größe {number}.jpg", number)
        sheet.append(
            [number + 1, f"scans\\GRÖSSE {number}.JPG".replace("GRÖSSE", "Größe"), "Kirche; dahinter der Dom",
             "Stadt; Fluss", "Merian, M.", "CC0", "Depot 3"]
        )  # fmt: skip
    book.save(museum / "Objekte.xlsx")
    return museum / "Objekte.xlsx"


def test_where_only_the_files_are_named_the_rest_is_guessed(
    museum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(museum / "Inv 7.jpg", 7)
    table = museum / "short.csv"
    table.write_text("Inventarnr;Titel;Lizenz\n7;Kuh am Bach;CC0\n")
    named = ("--columns.file", "Inv {Inventarnr}.jpg", "--dry_run")
    assert pack(table, *named, "--yes") == 0
    assert "Kuh am Bach" in capsys.readouterr().out
    # Without a yes nothing is taken that nobody has confirmed, and what is left out is said.
    assert pack(table, *named) == 2
    assert "Titel (title), Lizenz (rights); --yes takes" in capsys.readouterr().err


def test_a_workbook_is_packed_with_what_was_guessed(museum: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = a_workbook(museum)
    assert pack(table, "--out", "set", "--yes") == 0
    shown = capsys.readouterr().err
    assert re.search(r"Bilddatei +file", shown)
    assert shown.count("title: Kirche; dahinter der Dom") == 3
    found = records()
    assert sorted(found) == ["1", "2", "3"]
    record = found["1"]
    texts = {caption.field: caption.text for caption in record.captions}  # type: ignore[attr-defined]
    assert texts["title"] == "Kirche; dahinter der Dom. Stadt; Fluss. M. Merian"
    assert "Depot" not in record.model_dump_json()  # type: ignore[attr-defined]
    # Another run with the written config reads the same.
    config = yaml.safe_load(Path("set.pack.yaml").read_text())
    assert config["columns"]["file"] == "Bilddatei"
    assert pack(table, "--config", "set.pack.yaml", "--out", "again") == 0
    assert ShardSet("again").manifest.shards[0].num_samples == 3


def test_without_a_terminal_the_guess_is_not_confirmed(
    museum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = a_workbook(museum)
    assert pack(table, "--out", "set") == 2
    assert "--yes accepts the guess" in capsys.readouterr().err
    assert not Path("set").exists()
    edited = Path("set.pack.yaml").read_text().replace("subject: Schlagwörter", "technique: Schlagwörter")
    Path("set.pack.yaml").write_text(edited)
    assert pack(table, "--out", "set") == 2
    assert "is kept as it is" in capsys.readouterr().err
    assert Path("set.pack.yaml").read_text() == edited
    assert pack(table, "--config", "set.pack.yaml", "--out", "set") == 0


def test_on_a_terminal_the_guess_can_be_corrected(museum: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        picture(museum / f"00{number}.tif", number)
    (museum / "liste.csv").write_text(
        "Nummer;Bild;Was;X\n0;0.jpg;Ein Hund im Garten;Tier\n1;1.jpg;Ein Haus;Bau\n"
    )
    answers = iter(["X = subject", "Was = nothing", "Nummer = -", "", "CC BY 4.0", "y"])
    monkeypatch.setattr(table_mapping, "_is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _="": next(answers))
    assert pack("liste.csv", "--out", "set") == 0
    found = records()
    assert sorted(found) == ["0.jpg", "1.jpg"]
    assert next(answers, None) is None
    config = yaml.safe_load(Path("set.pack.yaml").read_text())
    assert config["columns"]["captions"] == {"caption": "Was", "subject": "X"}
    assert config["rights"] == "CC BY 4.0"


def test_a_table_that_names_no_pictures_is_refused_with_its_columns(
    museum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (museum / "t.csv").write_text("Titel;Jahr\nKuh;1900\nHuhn;1901\n")
    assert pack("t.csv", "--out", "set", "--yes") == 2
    assert "the columns are Titel, Jahr" in capsys.readouterr().err


def test_files_are_found_in_other_spellings_and_similar_names_are_offered(museum: Path) -> None:
    picture(museum / unicodedata.normalize("NFD", "Öl.jpg"))
    picture(museum / "Scans" / "Karte 1.JPG", 1)
    picture(museum / "007.tif", 2)
    picture(museum / "Scans" / "Turm.jpg", 3)
    names = ["Öl.jpg", "scans\\karte 1.jpg", "7.jpg", "nirgends.jpg", "C:\\Bilder\\Turm.jpg"]
    lines = [f"{name},Eine Kuh,{CC0}" for name in names]
    (museum / "t.csv").write_text("\n".join(["file,caption,rights", *lines]))
    assert pack("t.csv", "--out", "set") == 3
    assert sorted(records()) == ["C:\\Bilder\\Turm.jpg", "scans\\karte 1.jpg", "Öl.jpg"]
    reasons = dict(refused())
    assert reasons["row 3: 7.jpg"] == (
        "no such file; near it is '007.tif' (leading zeros, another extension): --near_files use takes such"
        " files"
    )
    assert reasons["row 4: nirgends.jpg"] == "no such file"
    assert pack("t.csv", "--out", "near", "--near_files", "use") == 3
    assert len(records("near")) == 4


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(museum: Path) -> Iterator[str]:
    """The address of a server of the folder `www`."""
    (museum / "www").mkdir()
    handler = functools.partial(Quiet, directory=str(museum / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("kind", ["https folder", "s3 folder", "addresses"])
def test_pictures_of_a_public_folder_are_requested(
    museum: Path, address: str, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(museum / "www" / "bucket" / "scans" / "Größe 1.jpg")
    name = f"{address}/bucket/scans/Gr%C3%B6%C3%9Fe%201.jpg" if kind == "addresses" else "Größe 1.jpg"
    (museum / "t.csv").write_text(f"file,caption,rights\n{name},Eine Kuh,{CC0}\nnone.jpg,Ein Huhn,{CC0}\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    folder = {"https folder": f"{address}/bucket/scans/", "s3 folder": "s3://bucket/scans"}.get(kind)
    words = ["--images", folder] if folder else ["--network.allow_hosts", address.removeprefix("http://")]
    if kind == "addresses":
        assert pack("t.csv", *words, "--dry_run") == 3
        assert "have web addresses" in capsys.readouterr().err
    assert pack("t.csv", "--out", "set", *words) == 3
    (record,) = records().values()
    assert record.source.image == f"{address}/bucket/scans/Gr%C3%B6%C3%9Fe%201.jpg"  # type: ignore[attr-defined]


def test_several_files_in_a_cell_are_pictures_of_one_object(museum: Path) -> None:
    for number in range(3):
        picture(museum / f"{number}.jpg", number)
    (museum / "t.csv").write_text(
        f"Signatur;Datei;Titel;Lizenz\nA 1;0.jpg | 1.jpg;Ein Krug;{CC0}\nA 2;2.jpg;Ein Hut;{CC0}\n"
    )
    assert pack("t.csv", "--out", "set", "--yes") == 0
    found = records()
    assert sorted(found) == ["A 1", "A 1#1.jpg", "A 2"]
    assert found["A 1"].group == found["A 1#1.jpg"].group == "A 1"  # type: ignore[attr-defined]
    assert found["A 1"].num_images == 2  # type: ignore[attr-defined]


def test_files_that_are_named_after_a_column(museum: Path) -> None:
    for number in range(2):
        picture(museum / "bilder" / f"G {number}.png", number)
    (museum / "t.csv").write_text(f"Signatur;Titel;Lizenz\nG 0;Ein Krug;{CC0}\nG 1;Ein Hut;{CC0}\n")
    pattern = [
        "--columns.file",
        "bilder/{Signatur}.png",
        "--columns.rights",
        "Lizenz",
        "--columns.captions.title",
    ]
    assert pack("t.csv", "--out", "set", *pattern, "Titel") == 0
    assert sorted(records()) == ["bilder/G 0.png", "bilder/G 1.png"]


def test_records_in_lido_are_packed_as_they_are(museum: Path) -> None:
    picture(museum / "scans" / "a.jpg")
    (museum / "a.xml").write_text(
        '<lido xmlns="http://www.lido-schema.org"><lidoRecID>A 1</lidoRecID><descriptiveMetadata>'
        "<objectIdentificationWrap><titleWrap><titleSet><appellationValue xml:lang='de'>"
        "Eine Kuh auf der Weide"
        "</appellationValue></titleSet></titleWrap></objectIdentificationWrap></descriptiveMetadata>"
        "<administrativeMetadata><resourceWrap><resourceSet><resourceRepresentation><linkResource>scans/a.jpg"
        f"</linkResource></resourceRepresentation><rightsResource><rightsType><conceptID>{CC0}</conceptID>"
        "</rightsType></rightsResource></resourceSet></resourceWrap></administrativeMetadata></lido>"
    )
    assert pack("a.xml", "--out", "set") == 0
    (record,) = records().values()
    caption = record.captions[0]  # type: ignore[attr-defined]
    assert (caption.text, caption.language) == ("Eine Kuh auf der Weide", "de")


def test_settings_may_change_after_a_run_that_stored_nothing(museum: Path) -> None:
    picture(museum / "a.jpg")
    (museum / "t.csv").write_text("file,caption\na.jpg,Eine Kuh\n")
    assert pack("t.csv", "--out", "set") == 2
    assert pack("t.csv", "--out", "set", "--rights", CC0, "--max_side_pixels", "32") == 0
    assert len(records()) == 1


def test_a_large_file_is_refused_by_the_bound_that_is_set(museum: Path) -> None:
    picture(museum / "a.tif")
    (museum / "t.csv").write_text(f"file,caption,rights\na.tif,Eine Kuh,{CC0}\n")
    assert pack("t.csv", "--out", "small", "--max_file_bytes", "1000") == 2
    assert refused("small")[0][1] == "larger than 1000 bytes"
    assert pack("t.csv", "--out", "set") == 0


KINDS = ("good", "good", "missing", "broken", "page", "tiny", "near", "outside", "none")
RIGHTS = ("CC0", CC0, "CC BY-NC 4.0", "InC", "", "ask us", "All rights reserved")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from(RIGHTS), st.integers(0, 6), st.sampled_from("ab")),
        min_size=15, max_size=30,
    )
)  # fmt: skip
def test_the_dry_run_reports_what_the_run_does(
    museum: Path, capsys: pytest.CaptureFixture[str], rows: list[tuple[str, str, int, str]]
) -> None:
    """Equal counts, keys and reasons, whatever is wrong with a row."""
    folder = museum / f"in{len(list(museum.iterdir()))}"
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, "JPEG")
    lines = ["id,file,title,rights"]
    for number, (kind, rights, item, word) in enumerate(rows):
        name = f"{kind}{item}.jpg"
        if kind in ("good", "tiny"):
            picture(folder / name, item)
        if kind == "tiny":
            Image.new("RGB", (3, 3)).save(folder / name)
        if kind in ("broken", "page"):
            body = buffer.getvalue()[:-200] if kind == "broken" else b"<!doctype html><p>Login"
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(body)
        if kind == "near":
            picture(folder / f"near{item}.png", item)
        name = {"outside": "../../x.jpg", "none": ""}.get(kind, name)
        lines.append(f"{word}{item if word == 'a' else number},{name},Ein Bild {word},{rights}")
    folder.mkdir(exist_ok=True)
    (folder / "t.csv").write_text("\n".join(lines))
    words = [folder / "t.csv", "--columns.id", "id", "--harvested_at", "2026-01-02T03:04:05Z"]
    capsys.readouterr()
    before = sorted(museum.rglob("*"))
    dry_code = pack(*words, "--dry_run", "--json")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(museum.rglob("*")) == before
    out = museum / f"out{len(before)}"
    code = pack(*words, "--out", out)
    stored = [record for record, _ in ShardSet(out).samples()] if code in (0, 3) else []
    assert dry_code == code
    assert [line["record"] for line in told if "record" in line] == [
        record.model_dump(mode="json") for record in stored
    ]
    reasons = Counter(
        (line["refused"]["source"], line["refused"]["reason"]) for line in told if "refused" in line
    )
    assert reasons == Counter(refused(str(out)))
    assert all(kind_of_reason(reason) for _, reason in reasons)


def test_a_harvest_that_was_begun_is_not_forgotten(museum: Path) -> None:
    (museum / "empty.json").write_text("{}")
    assert main(["harvest", "empty.json", "--out", "set"]) == 2
    picture(museum / "a.jpg")
    (museum / "t.csv").write_text(f"file,caption,rights\na.jpg,Eine Kuh,{CC0}\n")
    assert pack("t.csv", "--out", "set") == 2


@pytest.mark.parametrize("word", ["{0}/bucket/t.csv", "{0}/bucket/", "s3://bucket/t.csv"])
def test_a_table_at_an_address_is_read_with_the_pictures_next_to_it(
    museum: Path, address: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        picture(museum / "www" / "bucket" / "scans" / f"{number}.jpg", number)
    rows = f"file,caption,rights\nscans/0.jpg,Eine Kuh,{CC0}\nscans/1.jpg,Ein Huhn,{CC0}\n"
    for name in ("t.csv", "metadata.csv"):
        (museum / "www" / "bucket" / name).write_text(rows)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    table = word.format(address)
    assert pack(table, "--dry_run") == 0
    assert pack(table, "--out", "set") == 0
    assert sorted(records()) == ["scans/0.jpg", "scans/1.jpg"]
    # Running the same command again has nothing to do.
    assert pack(table, "--out", "set") == 0


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("{0}/none.csv", 4, "no such file"),
        ("{0}/empty/", 4, "no table in this folder"),
        ("{0}/export", 2, "does not end with the name of a table"),
        ("http://127.0.0.1:9/t.csv", 75, "cannot be read"),
    ],
)
def test_a_table_that_is_not_at_its_address_is_a_clear_error(
    museum: Path, address: str, word: str, code: int, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("iconoclip.transfer.PAUSES_SECONDS", ())
    assert pack(word.format(address), "--out", "set") == code
    assert said in capsys.readouterr().err


def test_a_dry_run_prints_hostile_titles_as_text(museum: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(museum / "a.jpg")
    (museum / "t.csv").write_text(f"file,caption,rights\na.jpg,A ship \x1b[31m \u202etxet,{CC0}\n")
    assert pack("t.csv", "--dry_run") == 0
    said = capsys.readouterr()
    assert "A ship" in said.out
    assert not set("\x1b\u202e") & set(said.out + said.err)
