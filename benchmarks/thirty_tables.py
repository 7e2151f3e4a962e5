"""Thirty drawn institutions, each with its pictures and its own kind of table.

CSV with several separators and encodings, workbooks, JSON, Parquet, LIDO, MODS, tars of others, IIIF
manifests, and tables on a server. thirty_institutions.py makes one corpus of them.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
COLOURS = {"rot": "#b3202c", "blau": "#2450a4", "grün": "#2c7a3d", "gelb": "#e0b020", "schwarz": "#222222"}
SHAPES = ("Kreis", "Quadrat", "Dreieck", "Kreuz", "Raute")
HEADERS = {
    "de": ("Inventarnummer", "Datei", "Titel", "Datierung", "Künstler", "Rechte"),
    "fr": ("Cote", "Fichier", "Titre", "Date", "Auteur", "Droits"),
    "en": ("Identifier", "Image file", "Title", "Date", "Artist", "Rights"),
    "pl": ("Sygnatura", "Plik", "Tytuł", "Datowanie", "Autor", "Prawa"),
    "it": ("Inventario", "File", "Titolo", "Data", "Autore", "Diritti"),
}


@dataclass(frozen=True)
class Item:
    """An object with its picture."""

    number: str
    file: str
    title: str
    date: str
    artist: str

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The row of a table, in the order of `HEADERS`."""
        return self.number, self.file, self.title, self.date, self.artist, CC0


@dataclass
class Institution:
    """An institution: its folder, its objects, and the options it uses."""

    slug: str
    folder: Path
    items: list[Item]
    address: str
    source: str = ""
    words: list[str] = field(default_factory=list)
    verb: str = "pack"

    @property
    def scans(self) -> Path:
        """The folder of its pictures."""
        return self.folder / "scans"


def draw(path: Path, colour: str, shape: str, number: int) -> None:
    """A sign in a colour on paper; size and place differ, so no two pictures are copies."""
    image = Image.new("RGB", (320, 240), (236 - number % 17, 226 - number % 13, 205 - number % 23))
    brush = ImageDraw.Draw(image)
    left, top, size = 20 + number * 37 % 120, 15 + number * 53 % 80, 90 + number * 29 % 60
    box = (left, top, left + size, top + size)
    middle = (left + size // 2, top + size // 2)
    if shape == "Kreis":
        brush.ellipse(box, fill=COLOURS[colour])
    elif shape == "Quadrat":
        brush.rectangle(box, fill=COLOURS[colour])
    elif shape == "Dreieck":
        brush.polygon([(left, box[3]), (box[2], box[3]), (middle[0], top)], fill=COLOURS[colour])
    elif shape == "Raute":
        corners = [(middle[0], top), (box[2], middle[1]), (middle[0], box[3]), (left, middle[1])]
        brush.polygon(corners, fill=COLOURS[colour])
    else:
        brush.line([(left, middle[1]), (box[2], middle[1])], fill=COLOURS[colour], width=22)
        brush.line([(middle[0], top), (middle[0], box[3])], fill=COLOURS[colour], width=22)
    for line in range(6):
        brush.line([(0, 30 * line + number % 30), (320, 20 * line + number * 7 % 60)], fill="#9a8f7d")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def items_of(folder: Path, place: int, count: int) -> list[Item]:
    """The objects of one institution, with their scans."""
    items = []
    for number in range(count):
        whole = place * count + number
        colour, shape = [*COLOURS][whole % 5], SHAPES[whole // 5 % 5]
        file = f"{place:02d}-{number:03d}.{('jpg', 'png', 'tif')[place % 3]}"
        draw(folder / "scans" / file, colour, shape, whole)
        title = f"Ein Zeichen in der Farbe {colour}, ein {shape}, Blatt {whole}"
        items.append(
            Item(f"{place}/{number:03d}", file, title, f"um {1500 + whole % 400}", f"Meister {whole % 7}")
        )
    return items


def written(institution: Institution, name: str, data: bytes) -> None:
    """Write the table and name it as the source."""
    (institution.folder / name).write_bytes(data)
    institution.source = name
    institution.words += ["--images", str(institution.scans)]


def delimited(
    institution: Institution, *, separator: str = ",", encoding: str = "utf-8", language: str = "de",
    end: str = "\r\n", above: str = "", tail: str = "", start: bytes = b"",
) -> None:  # fmt: skip
    """A text table as some program exports it."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter=separator, lineterminator=tail + end)
    rows.writerow(HEADERS[language])
    rows.writerows(item.cells for item in institution.items)
    written(institution, "katalog.csv", start + (above + text.getvalue()).encode(encoding))


def workbook(institution: Institution, *, sheets: int = 1) -> None:
    """An Excel file; the first sheet of several says how to fill it in."""
    book = openpyxl.Workbook()
    if sheets > 1:
        book.active.append(["Bitte nur die zweite Mappe ausfüllen"])
        book.create_sheet("Objekte")
    sheet = book.worksheets[-1]
    sheet.append(HEADERS["de"])
    for item in institution.items:
        sheet.append(item.cells)
    data = io.BytesIO()
    book.save(data)
    written(institution, "katalog.xlsx", data.getvalue())


def opendocument(institution: Institution) -> None:
    """A workbook of LibreOffice (.ods)."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = "".join(
        f"<table:table-row>{''.join(cell.format(escape(text)) for text in row)}</table:table-row>"
        for row in (HEADERS["de"], *(item.cells for item in institution.items))
    )
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("office", "table", "text")
    )
    table = f'<table:table table:name="O">{rows}</table:table>'
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    head = f'<?xml version="1.0"?><office:document-content {names} office:version="1.3">'
    content = f"{head}{body}</office:document-content>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    names = 'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
    entry = f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
    manifest = f'<?xml version="1.0"?><manifest:manifest {names}>{entry}</manifest:manifest>'
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    written(institution, "katalog.ods", data.getvalue())


def rows_of(institution: Institution, language: str = "de") -> list[dict[str, str]]:
    """The rows of the table with their columns."""
    return [dict(zip(HEADERS[language], item.cells, strict=True)) for item in institution.items]


def json_file(institution: Institution, *, wraps: bool = False) -> None:
    """A JSON file: a list, or an object that holds it."""
    value = {"export": "2026-01-01", "records": rows_of(institution)} if wraps else rows_of(institution)
    written(institution, "katalog.json", json.dumps(value, ensure_ascii=False).encode())


def json_lines(institution: Institution) -> None:
    """A file with one JSON object per line."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows_of(institution, "en"))
    written(institution, "katalog.jsonl", "\n".join(lines).encode())


def parquet(institution: Institution) -> None:
    """The same rows as a Parquet file."""
    data = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows_of(institution, "it")), data)
    written(institution, "katalog.parquet", data.getvalue())


def lido(institution: Institution) -> None:
    """One XML file with records in LIDO 1.0."""
    records = "".join(
        f"<lido:lido><lido:lidoRecID lido:type='local'>{item.number}</lido:lidoRecID>"
        "<lido:descriptiveMetadata xml:lang='de'><lido:objectIdentificationWrap><lido:titleWrap>"
        "<lido:titleSet>"
        f"<lido:appellationValue>{escape(item.title)}</lido:appellationValue></lido:titleSet></lido:titleWrap>"
        "</lido:objectIdentificationWrap></lido:descriptiveMetadata>"
        "<lido:administrativeMetadata xml:lang='de'>"
        "<lido:resourceWrap><lido:resourceSet><lido:resourceRepresentation><lido:linkResource>"
        f"{item.file}</lido:linkResource></lido:resourceRepresentation><lido:rightsResource><lido:rightsType>"
        f"<lido:conceptID lido:type='URI'>{CC0}</lido:conceptID></lido:rightsType></lido:rightsResource>"
        "</lido:resourceSet></lido:resourceWrap></lido:administrativeMetadata></lido:lido>"
        for item in institution.items
    )
    name = 'xmlns:lido="http://www.lido-schema.org"'
    written(institution, "export.xml", f"<lido:lidoWrap {name}>{records}</lido:lidoWrap>".encode())


def mods(institution: Institution) -> None:
    """One XML file with records in MODS 3."""
    records = "".join(
        f"<mods><identifier>{item.number}</identifier><titleInfo><title>{escape(item.title)}</title></titleInfo>"
        f"<originInfo><dateCreated>{item.date}</dateCreated></originInfo><location><url access='raw object'>"
        f"{item.file}</url></location><accessCondition>{CC0}</accessCondition></mods>"
        for item in institution.items
    )
    text = f'<modsCollection xmlns="http://www.loc.gov/mods/v3">{records}</modsCollection>'
    written(institution, "export.xml", text.encode())


def tar(institution: Institution, *, with_json: bool) -> None:
    """A WebDataset tar, plain or as img2dataset writes it."""
    with tarfile.open(institution.folder / "00000.tar", "w") as file:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))

        for number, item in enumerate(institution.items):
            key = f"{number:09d}"
            add(f"{key}.{item.file.rpartition('.')[2]}", (institution.scans / item.file).read_bytes())
            add(f"{key}.txt", item.title.encode())
            if with_json:
                facts = {
                    "caption": item.title,
                    "key": key,
                    "url": f"https://a.example/{item.file}",
                    "rights": CC0,
                }
                add(f"{key}.json", json.dumps(facts).encode())
    institution.source = "00000.tar"
    institution.words += [] if with_json else ["--rights", CC0]


def manifests(institution: Institution) -> None:
    """IIIF manifests of whole images on a server."""
    folder = institution.folder / "iiif"
    folder.mkdir(exist_ok=True)
    for number, item in enumerate(institution.items):
        base = f"{institution.address}/iiif/{number}"
        image = f"{institution.address}/scans/{item.file}"
        body = {"id": image, "type": "Image", "format": "image/jpeg", "width": 320, "height": 240}
        painting = {
            "id": f"{base}/a",
            "type": "Annotation",
            "motivation": "painting",
            "target": f"{base}/c",
            "body": body,
        }
        page = {"id": f"{base}/p", "type": "AnnotationPage", "items": [painting]}
        manifest = {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": f"{base}.json", "type": "Manifest",
            "label": {"de": [item.title]}, "rights": CC0.replace("https:", "http:"),
            "items": [{"id": f"{base}/c", "type": "Canvas", "width": 320, "height": 240, "items": [page]}],
        }  # fmt: skip
        (folder / f"{number}.json").write_text(json.dumps(manifest))
    institution.verb, institution.source = "harvest", "iiif"
    institution.words = ["--network.allow_hosts", institution.address.split("/")[2]]


def at_an_address(institution: Institution) -> None:
    """A table on a server, with the pictures next to it."""
    delimited(institution, separator=";")
    institution.words, institution.source = (
        ["--images", f"{institution.address}/scans/"],
        f"{institution.address}/katalog.csv",
    )


def addresses_in_cells(institution: Institution) -> None:
    """A table on this disk whose pictures are on a server."""
    institution.items = [
        Item(one.number, f"{institution.address}/scans/{one.file}", one.title, one.date, one.artist)
        for one in institution.items
    ]
    delimited(institution)
    institution.words = ["--network.allow_hosts", institution.address.split("/")[2]]


def other_names(institution: Institution, change: Callable[[str], str]) -> None:
    """A table that spells the names of the files in another way than the disk does."""
    institution.items = [
        Item(one.number, change(one.file), one.title, one.date, one.artist) for one in institution.items
    ]
    delimited(institution)


def two_pictures_per_row(institution: Institution) -> None:
    """A table with two files in a cell."""
    pairs = zip(institution.items[::2], institution.items[1::2], strict=False)
    institution.items = [
        Item(one.number, f"{one.file} | {two.file}", one.title, one.date, one.artist) for one, two in pairs
    ]
    delimited(institution, separator=";")


KINDS: tuple[tuple[str, Callable[[Institution], None]], ...] = (
    ("comma", delimited),
    ("windows", functools.partial(delimited, separator=";", encoding="cp1252")),
    ("excel-text", functools.partial(delimited, separator="\t", encoding="utf-16")),
    ("pipe", functools.partial(delimited, separator="|")),
    ("mac", functools.partial(delimited, separator=";", encoding="mac_roman", end="\r")),
    ("bom", functools.partial(delimited, separator=";", encoding="utf-8-sig")),
    ("sep-line", functools.partial(delimited, separator=";", above="sep=;\r\n")),
    ("title-row", functools.partial(delimited, separator=";", above="Stadtarchiv, Export 3/2026;;;;;\r\n")),
    ("trailing", functools.partial(delimited, separator=";", tail=";;")),
    ("french", functools.partial(delimited, separator=";", encoding="cp1252", language="fr")),
    ("english", functools.partial(delimited, language="en", end="\n")),
    ("polish", functools.partial(delimited, separator=";", encoding="cp1250", language="pl")),
    ("italian", functools.partial(delimited, separator="\t", language="it")),
    ("utf16-be", functools.partial(delimited, separator=";", encoding="utf-16-be", start=b"\xfe\xff")),
    ("workbook", workbook),
    ("sheets", functools.partial(workbook, sheets=2)),
    ("ods", opendocument),
    ("json", json_file),
    ("json-object", functools.partial(json_file, wraps=True)),
    ("json-lines", json_lines),
    ("parquet", parquet),
    ("lido", lido),
    ("mods", mods),
    ("tar", functools.partial(tar, with_json=False)),
    ("img2dataset", functools.partial(tar, with_json=True)),
    ("iiif", manifests),
    ("address", at_an_address),
    ("addresses", addresses_in_cells),
    ("backslashes", functools.partial(other_names, change=lambda name: f"D:\\Scans\\{name.upper()}")),
    ("pairs", two_pictures_per_row),
)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Keep the output for the steps."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of a folder."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def institutions(folder: Path, address: str, count: int) -> list[Institution]:
    """The thirty institutions, with their tables and pictures."""
    found = []
    for place, (kind, write) in enumerate(KINDS):
        own = folder / "institutions" / kind
        own.mkdir(parents=True, exist_ok=True)
        institution = Institution(kind, own, items_of(own, place, count), f"{address}/institutions/{kind}")
        write(institution)
        profile = f"slug: {kind}\nname: Museum {kind}\nlanguage: de\n"
        (own / "profile.yaml").write_text(profile)
        found.append(institution)
    return found
