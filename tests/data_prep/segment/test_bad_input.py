"""Bad pages and documents through the command line: a clear outcome, nothing lost."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from builtin_collections.emblems.drawing.photographs import photograph
from iconoclip.cli import main
from iconoclip.record import Region, Source
from iconoclip.shardset import ShardSet
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page, record_of

LEFT, TOP, RIGHT, BOTTOM = PICTURE


def segment(pages: ShardSet, out: Path, *options: str) -> int:
    return main(["segment", str(pages.folder), "--out", str(out), "--engine", "none", "--num_workers", "1",
                 *options])  # fmt: skip


def alto(unit: str, size: tuple[float, float], scale: float, caption: str = "Fig. 3. A heron") -> str:
    """A picture and the words below it, on a page of a size in its own units."""

    def place(left: float, top: float, right: float, bottom: float) -> str:
        values = (left, top, right - left, bottom - top)
        names = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
        return " ".join(f'{name}="{value * scale:.0f}"' for name, value in zip(names, values, strict=True))

    words = place(LEFT, BOTTOM + 10, RIGHT, BOTTOM + 24)
    return (
        '<alto xmlns="http://www.loc.gov/standards/alto/ns-v2#"><Description><MeasurementUnit>'
        f'{unit}</MeasurementUnit></Description><Layout><Page ID="p" WIDTH="{size[0]:.0f}"'
        f' HEIGHT="{size[1]:.0f}"><PrintSpace><Illustration ID="i" {place(*PICTURE)}/>'
        f'<TextBlock ID="t" {words}>'
        f'<TextLine {words}><String CONTENT="{caption}" {words}/></TextLine></TextBlock></PrintSpace></Page>'
        "</Layout></alto>"
    )


def hocr(caption: str) -> str:
    box = f"bbox {LEFT} {BOTTOM + 10} {RIGHT} {BOTTOM + 24}"
    return (
        '<!DOCTYPE html><html><body><div class="ocr_page" title="bbox 0 0 '
        f'{WIDTH} {HEIGHT}"><p class="ocr_par" title="{box}"><span class="ocr_line" title="{box}">{caption}'
        "</span></p></div></body></html>"
    )


# A document of a page, and either the caption that is read from it or why it cannot be used.
READ = {
    "tenths of millimetres": (alto("mm10", (WIDTH * 0.8467, HEIGHT * 0.8467), 0.8467), "Fig. 3. A heron"),
    "an image of another size": (alto("pixel", (WIDTH * 4, HEIGHT * 4), 4), "Fig. 3. A heron"),
    "hOCR with entities": (
        hocr("Fig.&nbsp;3. Un h&eacute;ron &amp; un&nbsp;&oelig;uf"), "Fig. 3. Un héron & un œuf",
    ),
}  # fmt: skip
BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(12))
REFUSED = {
    "another page": (alto("pixel", (HEIGHT * 2, WIDTH), 1), "in other proportions than the image"),
    "zones outside": (alto("pixel", (WIDTH, HEIGHT), 9), "lie outside of the image"),
    "entities that multiply": (f"<!DOCTYPE alto [{BOMB}]><alto>&a11;</alto>", "declares entities"),
    "an entity of a file": (
        '<!DOCTYPE alto [<!ENTITY f SYSTEM "file:///etc/passwd">]><alto>&f;</alto>', "declares entities",
    ),
    "entities after a long comment": (
        f"<!DOCTYPE alto [<!--{' ' * 200_000}--><!ENTITY f SYSTEM 'file:///etc/passwd'>]><alto><Layout><Page "
        'WIDTH="560" HEIGHT="800">&f;</Page></Layout></alto>', "",
    ),
    "deep": (f"{'<alto>' * 100_000}{'</alto>' * 100_000}", "not XML"),
    "another format": ("<tei/>", "neither ALTO"),
    "empty": ("", "empty"),
    "bytes": ("\x00\x01\x02", "not XML"),
}  # fmt: skip


def test_documents_are_read_or_refused_with_a_reason(
    pages_set: Callable[..., ShardSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [*READ.items(), *REFUSED.items()]
    pages = pages_set([page(PICTURE) for _ in range(len(cases) + 1)])
    records = list(pages.records())
    folder = tmp_path / "texts"
    folder.mkdir()
    for record, (name, (document, _)) in zip(records, cases, strict=False):
        ending = "html" if "hOCR" in name else "xml"
        (folder / f"{record.key}.{ending}").write_text(document)
    # A sparse file of two gigabytes; it is refused unread.
    with (folder / f"{records[-1].key}.xml").open("wb") as file:
        file.truncate(2_000_000_000)
    out = tmp_path / "out"
    assert segment(pages, out, "--text_folder", str(folder)) == 0
    said = capsys.readouterr().err
    rows = {row["key"]: row for row in pq.read_table(out / "pages.parquet").to_pylist()}
    pictures = {record.source.id: record for record in ShardSet(out).records()}
    assert len(pictures) == len(records), "every page keeps its picture"
    for record, (name, (_, expected)) in zip(records, cases, strict=False):
        first = pictures[record.source.id].captions[0]
        if name in READ:
            assert (first.text, first.origin, first.level) == (expected, "institution", "region"), name
            assert rows[record.key]["note"] is None, name
        else:
            assert first.text == "A book of herbs", name
            assert expected in (rows[record.key]["note"] or ""), (name, rows[record.key]["note"])
            assert "root:" not in json.dumps([one.text for one in pictures[record.source.id].captions])
    assert "larger than 100 MB" in rows[records[-1].key]["note"]
    report = json.loads((out / "segment.json").read_text())
    num_unused = sum(row["note"] is not None for row in rows.values())
    assert report["num_documents_unused"] == num_unused
    assert f"{num_unused} documents about pages could not be used" in said


@pytest.mark.parametrize(
    ("frame", "full_size"),
    [
        (None, (3 * WIDTH, 3 * HEIGHT)),
        (Region(x=2000, y=0, width=3 * WIDTH, height=3 * HEIGHT), (2000 + 3 * WIDTH, 3 * HEIGHT)),
        (Region(x=50, y=700, width=WIDTH, height=HEIGHT), (4000, 4000)),
    ],
)
def test_picture_and_caption_are_measured_on_the_whole_image(
    pages_set: Callable[..., ShardSet], tmp_path: Path, frame: Region | None, full_size: tuple[int, int]
) -> None:
    data = page(PICTURE)
    source = Source(id="https://house.example/spread", region=frame)
    image = record_of(0, data).image.model_copy(
        update={"source_width": full_size[0], "source_height": full_size[1]}
    )
    pages = pages_set([data], page_0={"source": source, "image": image})
    (tmp_path / "texts").mkdir()
    document = tmp_path / "texts" / f"{record_of(0, data).key}.xml"
    document.write_text(alto("pixel", (WIDTH, HEIGHT), 1))
    assert segment(pages, tmp_path / "out", "--text_folder", str(tmp_path / "texts")) == 0
    (found,) = ShardSet(tmp_path / "out").records()
    x, y, width = (frame.x, frame.y, frame.width) if frame else (0, 0, full_size[0])
    scale = width // WIDTH

    def placed(left: int, top: int, right: int, bottom: int) -> Region:
        return Region(x=x + left * scale, y=y + top * scale, width=(right - left) * scale,
                      height=(bottom - top) * scale)  # fmt: skip

    assert found.source.region == placed(*PICTURE)
    assert found.captions[0].box == placed(LEFT, BOTTOM + 10, RIGHT, BOTTOM + 24)


def encoded(image: PillowImage.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def big_page(width: int, height: int) -> bytes:
    """A white sheet of many pixels with the drawn page in the middle of it."""
    sheet = PillowImage.new("L", (width, height), 225)
    small = PillowImage.open(io.BytesIO(page(PICTURE))).convert("L")
    scale = min(width / WIDTH, height / HEIGHT) * 0.9
    small = small.resize((round(WIDTH * scale), round(HEIGHT * scale)))
    sheet.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return encoded(sheet)


@pytest.mark.parametrize("size", [(20_000, 1_000), pytest.param((14_000, 20_000), marks=pytest.mark.long)])
def test_a_page_of_twenty_thousand_pixels(
    pages_set: Callable[..., ShardSet], tmp_path: Path, size: tuple[int, int]
) -> None:
    pages = pages_set([big_page(*size)])
    code = segment(pages, tmp_path / "out")
    (row,) = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    assert code in (0, 2)
    assert row["refused"] is None
    assert (row["width"], row["height"]) == size
    if size[0] < size[1]:
        assert len(ShardSet(tmp_path / "out")) == 1


def test_empty_pages_are_a_valid_result(
    pages_set: Callable[..., ShardSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    white = PillowImage.new("L", (WIDTH, HEIGHT), 255)
    black, dot = PillowImage.new("L", (WIDTH, HEIGHT), 0), PillowImage.new("L", (9, 9), 200)
    beige, blue = (
        PillowImage.new("RGB", (WIDTH, HEIGHT), paper) for paper in ((225, 205, 170), (60, 80, 140))
    )
    pages = pages_set([encoded(white), encoded(black), encoded(dot), encoded(beige), encoded(blue)])
    assert segment(pages, tmp_path / "out") == 2
    assert "no picture was found on 5 pages" in capsys.readouterr().err
    assert main(["segment", str(pages.folder), "--out", str(tmp_path / "shipped")]) == 2
    rows = pq.read_table(tmp_path / "shipped" / "pages.parquet").to_pylist()
    assert [(row["kind"], row["refused"]) for row in rows] == [("blank", None)] * 5


def test_a_map_that_fills_the_sheet_is_one_picture(
    pages_set: Callable[..., ShardSet], tmp_path: Path
) -> None:
    pages = pages_set([page((16, 16, WIDTH - 16, HEIGHT - 16), text=False)])
    assert segment(pages, tmp_path / "out") == 0
    (record,) = ShardSet(tmp_path / "out").records()
    region = record.source.region
    assert region is not None
    assert region.width * region.height > 0.8 * (3 * WIDTH) * (3 * HEIGHT)


def sheet_of_photographs(count: int, mount: tuple[int, int, int]) -> bytes:
    """A sheet of card with drawn photographs in rows of six, each a little turned."""
    rng = random.Random(count)
    sheet = PillowImage.new("RGB", (1100, 800), mount)
    rows = -(-count // 6)
    for number in range(count):
        size = round(1100 / 6 * 0.72), round(800 / rows * 0.72)
        shot = photograph(size, rng).convert("RGBA").rotate(rng.uniform(-4, 4), expand=True)
        x, y = (number % 6 + 0.5) * 1100 / 6, (number // 6 + 0.5) * 800 / rows
        sheet.paste(shot, (round(x - shot.width / 2), round(y - shot.height / 2)), shot)
    return encoded(sheet)


def fan_of_photographs(count: int, mount: tuple[int, int, int]) -> bytes:
    """Photographs with white edges, each covering a part of the one before, along an arc."""
    rng = random.Random(count)
    sheet = PillowImage.new("RGB", (1100, 800), mount)
    for number in range(count):
        turn = -70 + 140 * number / (count - 1)
        shot = ImageOps.expand(photograph((80, 120), rng).convert("RGB"), 6, "white")
        turned = shot.convert("RGBA").rotate(-turn, expand=True)
        x, y = 550 + 576 * math.sin(math.radians(turn)), 840 - 576 * math.cos(math.radians(turn))
        sheet.paste(turned, (round(x - turned.width / 2), round(y - turned.height / 2)), turned)
    return encoded(sheet)


def test_thirty_photographs_on_a_sheet_are_thirty_pictures_and_a_fan_is_not_lost(
    pages_set: Callable[..., ShardSet], tmp_path: Path
) -> None:
    pages = pages_set([sheet_of_photographs(30, (250, 250, 248)), fan_of_photographs(30, (205, 198, 182))])
    assert main(["segment", str(pages.folder), "--out", str(tmp_path / "out"), "--num_workers", "1"]) == 0
    sheet, fan = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    cut = [sum(box["key"] is not None for box in row["boxes"]) for row in (sheet, fan)]
    assert 27 <= cut[0] <= 33
    assert cut[1] >= 1
    covered = max(box["width"] * box["height"] for box in fan["boxes"])
    assert covered > 0.4 * 1100 * 800, "photographs that cover each other may be one picture"
