"""Tables as museums export them: every program's file gives the same rows."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import itertools
import json
import os
import random
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.sources.tables import workbooks
from data_prep.sources.tables.files import rows, table_files
from data_prep.sources.tables.rows import Reading, Spoken
from iconoclip.errors import BadInput, ConfigError, IconoclipError, MissingRequirement

FUZZ_CASES = int(os.environ.get("FUZZ_CASES", "35"))
HEADER = ["Inv.-Nr.", "Bild", "Titel", "Schlagwörter"]
LINES = [
    ["A 1", "scans/a 1.jpg", "Öl auf Holz: „Schöne Grüße“, 1900", "Kühe; Bäume"],
    ["A 2", "scans/b.TIF", 'Ein "Zitat", ein Komma; ein Strichpunkt', ""],
    ["A 3", "scans/ç.jpg", "Zwei\nZeilen über Äpfel", "Äpfel"],
    ["A 4", "scans/d.jpg", "Tête de garçon à l’épée", "Épées"],
]
WANTED = [dict(zip(HEADER, line, strict=True)) for line in LINES]


def written(separator: str, lines: list[list[str]], end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(lines)
    return text.getvalue()


def read(path: Path, **reading: object) -> list[object]:
    return [row for _, row in rows(path, Reading(**reading))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "mac_roman", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_encoding_and_separator_gives_the_same_rows(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(written(separator, [HEADER, *LINES]).encode(encoding))
    assert read(path) == WANTED


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1250", "Žena s květinou, Dvořák;Kůň u řeky"),
        ("cp1251", "Красная корова;Вид города с реки"),
        ("cp1253", "Κόκκινη αγελάδα;Άποψη της πόλης"),
        ("mac_roman", "Niño con pájaro;Día de otoño en la montaña"),
    ],
)
def test_a_code_page_of_another_language_is_recognised(tmp_path: Path, encoding: str, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(
        f"file;title\na.jpg;{words.split(';')[0]}\nb.jpg;{words.split(';')[1]}\n".encode(encoding)
    )
    assert [row["title"] for row in read(path)] == words.split(";")  # type: ignore[index]


TITLE = ["Export der Sammlung vom 12.03.2024"]
EMPTY: list[str] = []
SHAPES = {
    "a title above": [TITLE, EMPTY, HEADER, *LINES],
    "two lines above": [["Museum Musterstadt"], TITLE, HEADER, *LINES],
    "empty columns at the end": [[*line, "", ""] for line in [HEADER, *LINES]],
    "empty lines between": [
        HEADER,
        EMPTY,
        *(line for one in LINES for line in (one, EMPTY)),
        ["", "", "", ""],
    ],
    "the names again": [HEADER, *LINES[:2], HEADER, *LINES[2:]],
    "spaces around the names": [[f" {name} " for name in HEADER], *LINES],
    "short rows": [HEADER, *([*line[:3]] if not line[3] else line for line in LINES)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_exports_add_is_left_out(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(written(";", SHAPES[shape]), encoding="utf-8", newline="")
    assert read(path) == WANTED


def test_a_name_that_comes_twice_is_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("file,Titel,Titel,\na.jpg,Kuh,Cow,\n")
    assert read(path) == [{"file": "a.jpg", "Titel": "Kuh", "Titel (2)": "Cow"}]


def test_a_table_without_names_of_columns_is_read_from_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a.jpg;Eine Kuh\nb.jpg;Zwei Kühe\n")
    assert [list(row.values()) for row in read(path)] == [["a.jpg", "Eine Kuh"], ["b.jpg", "Zwei Kühe"]]  # type: ignore[attr-defined]


def test_cells_beyond_the_header_are_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("file,title\na.jpg,Kuh\nb.jpg,Kuh, und noch eine\nc.jpg,Huhn\n")
    found = read(path)
    assert [isinstance(row, str) for row in found] == [False, True, False]
    assert "1 cells more" in str(found[1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text("abcÄéø ,;|\t\n\"'x1", max_size=12), min_size=3, max_size=3), min_size=1, max_size=8
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8-sig", "utf-16"]),
)
def test_a_written_table_reads_back(lines: list[list[str]], separator: str, encoding: str) -> None:
    """With a given separator, any text of cells survives; rows without a text are not rows."""
    path = Path(f"/tmp/iconoclip-test-{id(lines)}.csv")
    path.write_bytes(written(separator, [["file", "title", "rights"], *lines]).encode(encoding))
    try:
        found = read(path, separator=separator)
    finally:
        path.unlink()
    wanted = [
        dict(zip(("file", "title", "rights"), line, strict=True))
        for line in lines
        if any(map(str.strip, line))
    ]
    assert found == wanted


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    book.save(path)
    return path


def ods(path: Path, lines: list[list[object]]) -> Path:
    """The smallest OpenDocument spreadsheet (OASIS OpenDocument 1.2, parts 1 and 3)."""
    office = "urn:oasis:names:tc:opendocument:xmlns"
    cells = "".join(
        "<table:table-row>"
        + "".join(
            '<table:table-cell office:value-type="string">'
            f"<text:p>{escape(str(cell))}</text:p></table:table-cell>"
            for cell in line
        )
        + "</table:table-row>"
        for line in lines
    )
    content = (
        f'<office:document-content xmlns:office="{office}:office:1.0" xmlns:table="{office}:table:1.0"'
        f' xmlns:text="{office}:text:1.0" office:version="1.2"><office:body><office:spreadsheet>'
        f'<table:table table:name="Tabelle1">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        parts.writestr("content.xml", content)
        parts.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
    return path


def test_a_workbook_is_read_as_it_is_displayed(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "table.xlsx",
        {
            "Objekte": [
                ["file", "Jahr", "erfasst", "Höhe"],
                ["a.jpg", 1900, datetime.date(2024, 3, 12), 2.5],
            ]
        },
    )
    assert read(path) == [{"file": "a.jpg", "Jahr": "1900", "erfasst": "2024-03-12", "Höhe": "2.5"}]


def test_a_cell_merged_over_several_rows_holds_for_each_of_them(tmp_path: Path) -> None:
    lines: list[list[object]] = [
        ["Grafische Sammlung", "", ""],
        ["Datei", "Titel", "Fotograf"],
        ["a.jpg", "Kuh", "Ada Fenn"],
        ["b.jpg", "Huhn", ""],
        ["c.jpg", "Hund", ""],
    ]
    path = workbook(tmp_path / "table.xlsx", {"Objekte": lines})
    book = openpyxl.load_workbook(path)
    book["Objekte"].merge_cells("A1:C1")
    book["Objekte"].merge_cells("C3:C4")
    book.save(path)
    assert [row["Fotograf"] for row in read(path)] == ["Ada Fenn", "Ada Fenn", ""]  # type: ignore[index]


def test_opendocument_and_a_workbook_under_the_name_of_a_csv(tmp_path: Path) -> None:
    lines: list[list[object]] = [["file", "title"], ["a.jpg", "Eine Kuh"], ["b.jpg", "Müller & Sohn"]]
    wanted = [{"file": "a.jpg", "title": "Eine Kuh"}, {"file": "b.jpg", "title": "Müller & Sohn"}]
    assert read(ods(tmp_path / "table.ods", lines)) == wanted
    assert read(ods(tmp_path / "table.csv", lines)) == wanted


def test_the_sheet_of_the_catalogue_is_read_and_others_like_it(tmp_path: Path) -> None:
    year = [["Datei", "Titel", "Lizenz"], ["a.jpg", "Kuh", "CC0"]]
    sheets = {
        "Hinweise": [["Bitte nichts löschen!"]],
        "2023": year,
        "2024": [year[0], ["b.jpg", "Huhn", "CC0"]],
    }
    path = workbook(tmp_path / "table.xlsx", {**sheets, "Leihgeber": [["Name", "Telefon"], ["Meier", "123"]]})  # type: ignore[dict-item]
    assert [row["Datei"] for row in read(path)] == ["a.jpg", "b.jpg"]  # type: ignore[index]
    assert [row["Datei"] for row in read(path, sheets=("2024",))] == ["b.jpg"]  # type: ignore[index]
    with pytest.raises(ConfigError, match="no sheet '2025'"):
        read(path, sheets=("2025",))


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 1_000)
    path = workbook(tmp_path / "table.xlsx", {"a": [["file"], ["a.jpg"]]})
    with pytest.raises(BadInput, match="unpacks to"):
        read(path)
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 nothing else")
    with pytest.raises(BadInput):
        read(tmp_path / "broken.xlsx")


@pytest.mark.parametrize(
    "value",
    [
        [{"file": "a.jpg", "title": {"de": "Kuh"}}],
        {"count": 1, "records": [{"file": "a.jpg", "title": {"de": "Kuh"}}]},
        {"data": {"objects": [{"file": "a.jpg", "title": {"de": "Kuh"}}]}},
    ],
)
def test_json_in_its_usual_shapes(tmp_path: Path, value: object) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(value), encoding="utf-8-sig")
    assert read(path) == [{"file": "a.jpg", "title.de": "Kuh"}]


def test_objects_in_a_list_are_lists_of_their_parts(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    images = [{"file": "a.jpg", "size": {"width": 3}}, {"file": "b.jpg"}, {"label": "back"}]
    path.write_text(json.dumps([{"id": 1, "images": images, "tags": ["x", "y"], "none": []}]))
    assert read(path) == [
        {
            "id": 1, "images": images,
            "images.file": ["a.jpg", "b.jpg"], "images.size.width": [3], "images.label": ["back"],
            "tags": ["x", "y"], "none": [],
        }
    ]  # fmt: skip


def test_json_of_lines_or_of_objects_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('{"file": "a.jpg"}\n{"file": "b.jpg"}\n')
    assert read(path) == [{"file": "a.jpg"}, {"file": "b.jpg"}]
    path.write_text(json.dumps({"A 1": {"file": "a.jpg"}, "A 2": {"file": "b.jpg"}}))
    assert read(path) == [{"id": "A 1", "file": "a.jpg"}, {"id": "A 2", "file": "b.jpg"}]
    path.write_text("[1, 2]")
    with pytest.raises(BadInput, match="no list of objects"):
        read(path)


LIDO = """<lido:lidoWrap xmlns:lido="http://www.lido-schema.org"><lido:lido>
<lido:lidoRecID lido:type="local">A 1</lido:lidoRecID>
<lido:descriptiveMetadata xml:lang="de"><lido:objectIdentificationWrap><lido:titleWrap><lido:titleSet>
<lido:appellationValue xml:lang="de">Kuh auf der Weide</lido:appellationValue></lido:titleSet>
</lido:titleWrap></lido:objectIdentificationWrap></lido:descriptiveMetadata>
<lido:administrativeMetadata xml:lang="de"><lido:resourceWrap>
<lido:resourceSet><lido:resourceRepresentation><lido:linkResource>scans/a.jpg</lido:linkResource>
</lido:resourceRepresentation><lido:rightsResource><lido:rightsType><lido:conceptID>
http://creativecommons.org/publicdomain/zero/1.0/</lido:conceptID></lido:rightsType></lido:rightsResource>
</lido:resourceSet>
<lido:resourceSet><lido:resourceRepresentation><lido:linkResource>scans/a_back.jpg</lido:linkResource>
</lido:resourceRepresentation></lido:resourceSet></lido:resourceWrap></lido:administrativeMetadata>
</lido:lido></lido:lidoWrap>"""
MODS = """<modsCollection xmlns="http://www.loc.gov/mods/v3"><mods>
<titleInfo><title>Vue de la ville</title></titleInfo>
<accessCondition type="use and reproduction">CC0</accessCondition><location><url>b.tif</url></location>
<recordInfo><recordIdentifier>B 2</recordIdentifier></recordInfo></mods></modsCollection>"""


def test_records_in_xml_are_rows_with_a_row_per_picture(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(LIDO)
    (tmp_path / "b.mods").write_text(MODS)
    found = [row for _, row in rows(table_files(tmp_path))]
    assert [(row["id"], row["file"]) for row in found if not isinstance(row, str)] == [
        ("A 1", "scans/a.jpg"), ("A 1#2", "scans/a_back.jpg"), ("B 2", "b.tif"),
    ]  # fmt: skip
    title = found[0]["title"][0]  # type: ignore[index]
    assert title == "Kuh auf der Weide"
    assert isinstance(title, Spoken)
    assert title.language == "de"
    assert found[2]["rights"] == ["CC0"]  # type: ignore[index]


def test_damaged_tables_are_read_or_refused_in_words(tmp_path: Path) -> None:
    """FUZZ_CASES=2000 damages as many tables; whatever comes out, it is rows or an error for a person."""
    chance = random.Random(11)
    whole = {
        "a.csv": written(";", [HEADER, *LINES]).encode("cp1252"),
        "a.tsv": written("\t", [HEADER, *LINES]).encode("utf-16"),
        "a.json": json.dumps([{"file": "a.jpg", "title": {"de": "Kuh"}}] * 3).encode(),
        "a.jsonl": b'{"file": "a.jpg", "n": [1, {"b": null}]}\n' * 3,
        "a.xlsx": workbook(tmp_path / "b.xlsx", {"a": [list(line) for line in LINES]}).read_bytes(),
        "a.ods": ods(tmp_path / "b.ods", [list(line) for line in LINES]).read_bytes(),
        "a.xml": LIDO.encode(),
    }
    for name, data in (*whole.items(), *itertools.islice(itertools.cycle(whole.items()), FUZZ_CASES)):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            start = chance.randrange(len(damaged) or 1)
            damaged[start : start + chance.randint(0, 40)] = chance.randbytes(chance.randint(0, 40))
        (tmp_path / name).write_bytes(damaged)
        with contextlib.suppress(IconoclipError):
            for row in read(tmp_path / name):
                assert isinstance(row, str | dict)


def test_which_file_is_the_table(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement):
        table_files(tmp_path)
    for name in ("table.xlsx", "~$table.xlsx", ".~lock.table.ods#", "readme.txt"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in table_files(tmp_path)] == ["table.xlsx"]
    (tmp_path / "notes.csv").write_text("x")
    with pytest.raises(BadInput, match="2 tables"):
        table_files(tmp_path)
