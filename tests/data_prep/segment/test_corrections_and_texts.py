"""What `iconoclip segment` knows before its engine: corrections, and the documents of the institution."""

from __future__ import annotations

import json

import pyarrow.parquet as pq

from data_prep.page_text.zones import PageText, Zone
from data_prep.segment.words import with_institution
from iconoclip.page_layout.findings import Finding
from iconoclip.record import Source
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.running import run


def test_a_correction_wins_over_the_engine(pages_set, tmp_path):
    pages = pages_set([page(PICTURE), page()])
    first, second = (record.key for record in pages.records())
    path = tmp_path / "corrections.jsonl"
    box = {"kind": "map", "box": [0.1, 0.1, 0.6, 0.5]}
    lines = [{"key": first, "kind": "text", "boxes": []}, {"key": second, "kind": "map", "boxes": [box]}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    run(pages, tmp_path / "out")
    (record,) = run(pages, tmp_path / "out", corrections=path).records()
    assert record.object_type == "map"
    assert (record.source.region.x, record.source.region.width) == (
        round(0.1 * WIDTH * 3),
        round(0.5 * WIDTH * 3),
    )
    rows = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    assert [row["origin"] for row in rows] == ["correction", "correction"]


def alto(width: int, height: int, *blocks: str) -> str:
    return (
        '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel'
        f'</MeasurementUnit></Description><Layout><Page ID="p" WIDTH="{width}" HEIGHT="{height}"><PrintSpace'
        f' HPOS="0" VPOS="0" WIDTH="{width}" HEIGHT="{height}">{"".join(blocks)}'
        "</PrintSpace></Page></Layout></alto>"
    )


def test_what_the_institution_marked_and_wrote_comes_first(pages_set, tmp_path):
    pages = pages_set([page(PICTURE), page(text=False), page(PICTURE)])
    keys = [record.key for record in pages.records()]
    folder = tmp_path / "alto"
    folder.mkdir()
    left, top, right, bottom = (2 * side for side in PICTURE)
    picture = (
        f'<Illustration ID="i" HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"/>'
    )
    below = bottom + 20
    caption = (
        f'<TextBlock ID="t" HPOS="{left}" VPOS="{below}" WIDTH="{right - left}" HEIGHT="30">'
        f'<TextLine HPOS="{left}" VPOS="{below}" WIDTH="{right - left}" HEIGHT="30">'
        f'<String CONTENT="Fig. 3. A heron" HPOS="{left}" VPOS="{below}" WIDTH="{right - left}" HEIGHT="30"/>'
        "</TextLine></TextBlock>"
    )
    # In pixels of an image twice as large as the stored page.
    (folder / f"{keys[0]}.xml").write_text(alto(2 * WIDTH, 2 * HEIGHT, picture, caption))
    (folder / f"{keys[1]}.xml").write_text(alto(2 * WIDTH, 2 * HEIGHT, picture))
    (folder / f"{keys[2]}.xml").write_text("<!DOCTYPE a [<!ENTITY b 'c'>]><alto>&b;</alto>")
    first, second, third = run(pages, tmp_path / "out", text_folder=folder).records()
    for record in (first, second):
        region = record.source.region
        assert (region.x, region.y) == (3 * PICTURE[0], 3 * PICTURE[1])
    (text, *others) = first.captions
    assert (text.text, text.level, text.origin) == ("Fig. 3. A heron", "region", "institution")
    assert tuple(others) == next(iter(pages.records())).captions == second.captions
    rows = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    # Nothing is drawn on the second page: the document alone knows of a picture.
    assert [row["origin"] for row in rows] == ["institution", "institution", "model"]
    assert rows[1]["kind"] == "mixed"
    assert "xml" in rows[2]["note"]
    assert third.key == rows[2]["boxes"][0]["key"]


def test_the_ranges_of_a_manifest_tell_kinds_of_pages(pages_set, tmp_path):
    canvases = [f"https://house.example/canvas/{number}" for number in range(4)]
    places = {
        f"page_{number}": {"source": Source(id=name, canvas=name)} for number, name in enumerate(canvases)
    }
    pages = pages_set([page(PICTURE), page(PICTURE), page(), page(PICTURE)], **places)
    folder = tmp_path / "texts"
    folder.mkdir()
    ranges = [("Title page", canvases[0]), ("Table of contents", canvases[2]), ("Colour chart", canvases[3])]
    structures = [
        {"id": f"r{number}", "type": "Range", "label": {"en": [label]},
         "items": [{"id": canvas, "type": "Canvas"}]}
        for number, (label, canvas) in enumerate(ranges)
    ]  # fmt: skip
    items = [{"id": name, "type": "Canvas", "label": {"none": ["-"]}} for name in canvases]
    document = {"id": "m", "type": "Manifest", "items": items, "structures": structures}
    (folder / "book.manifest.json").write_text(json.dumps(document))
    found = run(pages, tmp_path / "out", text_folder=folder)
    rows = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    assert [(row["kind"], row["origin"]) for row in rows] == [
        ("mixed", "institution"), ("mixed", "model"), ("text", "institution"), ("target", "institution"),
    ]  # fmt: skip
    assert len(found) == 2, "the title page and the page without a range keep their pictures"


def test_the_structure_of_a_volume_tells_kinds_of_pages(pages_set, tmp_path):
    places = {
        f"page_{number}": {"source": Source(id=f"https://house.example/iiif/book_f{number}")}
        for number in range(3)
    }
    pages = pages_set([page(PICTURE), page(PICTURE), page()], **places)
    folder = tmp_path / "texts"
    folder.mkdir()
    files = "".join(
        f'<file ID="F{number}"><FLocat xlink:href="file:///scans/book_f{number}.tif"/></file>'
        for number in range(3)
    )
    divs = "".join(
        f'<div TYPE="{kind}" LABEL="{label}"><fptr FILEID="F{number}"/></div>'
        for number, (kind, label) in enumerate(
            [("page", "Colour checker"), ("page", "1"), ("Illustration", "A heron")]
        )
    )
    head = '<mets xmlns="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink">'
    (folder / "volume.mets.xml").write_text(
        f"{head}<fileSec><fileGrp>{files}</fileGrp></fileSec><structMap>{divs}</structMap></mets>"
    )
    (folder / "broken.mets.xml").write_text("<mets")
    found = run(pages, tmp_path / "out", text_folder=folder)
    rows = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    assert [(row["kind"], row["origin"]) for row in rows] == [
        ("target", "institution"), ("mixed", "model"), ("mixed", "institution"),
    ]  # fmt: skip
    assert len(found) == 1, "a colour target holds no picture"


def test_what_ocr_marks_twice_and_specks_and_rules_are_no_pictures():
    zones = [
        Zone("illustration", (100, 100, 300, 200)),
        Zone("photograph", (101, 102, 297, 198)),
        Zone("illustration", (500, 900, 4, 5)),
        Zone("illustration", (50, 950, 500, 2)),
        Zone("initial", (60, 400, 12, 12)),
        Zone("ornament", (60, 600, 0.01, 80)),
        Zone("ornament", (60, 700, 300, -4)),
    ]
    found = with_institution(Finding("text", 0.9), PageText("ALTO", tuple(zones)), (600, 1000))
    assert [(box.kind, box.pixels(600, 1000)) for box in found.boxes] == [
        ("illustration", (100, 100, 300, 200)),
        ("initial", (60, 400, 12, 12)),
    ]
