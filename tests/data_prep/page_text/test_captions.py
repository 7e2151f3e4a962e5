"""Captions go to the right pictures: tables of layouts, and drawn pages whose captions are known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image as PillowImage

from builtin_collections.emblems import book
from data_prep.candidate import Refusal
from data_prep.page_text import ocr
from data_prep.page_text.captions import tie_captions
from data_prep.page_text.ocr_captions import read_captions
from data_prep.page_text.ocr_strips import side_strips
from data_prep.page_text.zones import PageText, TextLine, Zone
from tests.data_prep.page_text.printed import print_lines, printed_page

PICTURE = (200.0, 200.0, 600.0, 400.0)
BODY = Zone(
    "text",
    (150.0, 800.0, 700.0, 360.0),
    "Le prince conduit le navire",
    "fr",
    lines=tuple(TextLine("Le prince conduit le navire dans la mer", (150.0, 800.0 + 60 * n, 700.0,
                                                            40.0)) for n in range(6)),
)  # fmt: skip


def block(text: str, x: float, y: float, width: float, *, height: float = 28.0, kind: str = "text") -> Zone:
    """A block of text that has one line."""
    return Zone(kind, (x, y, width, height), text, "fr", lines=(TextLine(text, (x, y, width, height)),))


def tied(*zones: Zone, pictures: tuple = (PICTURE,)) -> dict[int, str]:
    found = tie_captions(pictures, PageText("ALTO", zones, (1000.0, 1500.0)))
    return {number: caption.text for number, caption in found.items()}


@pytest.mark.parametrize(
    "text",
    ["Fig. 3. Un navire", "Abb. 12: Der Turm", "Planche XII", "Taf. II. Die Stadt", "Tav. IV", "PL. 7",
     "Embleme III. VIRTVS", "Vue du village de Lussigny"],
)  # fmt: skip
def test_a_short_centred_line_below_a_picture_is_its_caption(text):
    assert tied(block(text, 400, 612, 200), BODY) == {0: text}


@pytest.mark.parametrize(
    "zones",
    [
        pytest.param((BODY,), id="only a text far below"),
        pytest.param((block("12", 480, 612, 40),), id="a page number"),
        pytest.param((block("xij.", 480, 612, 40),), id="a folio"),
        pytest.param((block("Apud Marbeck, in officina typographica", 300, 640, 400),), id="an imprint"),
        pytest.param((block("Fig. 3. Un navire", 400, 1300, 200),), id="a caption elsewhere on the page"),
        pytest.param((block("Lussigny", 400, 300, 90),), id="a name within the picture"),
        pytest.param((block("LES EMBLEMES", 300, 20, 400, kind="running"),), id="a running title"),
    ],
)
def test_what_is_no_caption(zones):
    assert tied(*zones) == {}


def test_of_two_pictures_each_has_its_own_caption():
    pictures = ((100.0, 100.0, 350.0, 300.0), (550.0, 100.0, 350.0, 300.0))
    zones = (block("Fig. 1. Un lion", 180, 410, 190), block("Fig. 2. Une tour", 630, 410, 190))
    assert tied(*zones, pictures=pictures) == {0: "Fig. 1. Un lion", 1: "Fig. 2. Une tour"}
    assert tied(*zones, pictures=pictures[::-1]) == {1: "Fig. 1. Un lion", 0: "Fig. 2. Une tour"}


def test_of_pictures_one_above_the_other_a_caption_belongs_to_the_one_above_it():
    pictures = ((200.0, 100.0, 500.0, 300.0), (200.0, 460.0, 500.0, 300.0))
    zones = (block("Fig. 1. Un lion", 350, 408, 200), block("Fig. 2. Une tour", 350, 768, 200))
    assert tied(*zones, pictures=pictures) == {0: "Fig. 1. Un lion", 1: "Fig. 2. Une tour"}


def test_a_caption_that_ocr_joined_with_the_text_below_it_is_cut_out():
    lines = (TextLine("Fig. 3. Un navire.", (400.0, 612.0, 200.0, 26.0)), *BODY.lines)
    zone = Zone("text", (150.0, 612.0, 700.0, 550.0), "Fig. 3. Un navire. Le prince", "fr", lines=lines)
    assert tied(zone) == {0: "Fig. 3. Un navire."}


def test_a_caption_keeps_its_origin_its_box_and_its_confidence():
    page = PageText("ALTO", (block("Fig. 3. Un navire", 400, 612, 200),), (1000.0, 1500.0))
    found = tie_captions([PICTURE], page)[0].as_caption("la")
    assert (found.text, found.language, found.origin) == ("Fig. 3. Un navire", "fr", "institution")
    assert (found.level, found.field, str(found.box)) == ("region", "caption", "400,612,200,28")
    assert 0.5 <= found.confidence <= 1


def _read(confidence: float, *, text: str = "Fig. 3. Un navire", y: float = 612.0) -> Zone:
    """A line below the picture, as a program read it."""
    line = TextLine(text, (400.0, y, 200.0, 28.0), confidence)
    return Zone("text", line.box, text, lines=(line,))


def test_a_caption_that_ocr_read_says_how_certain_its_letters_are():
    page = PageText("OCR", (_read(0.8), BODY))
    whole = tie_captions([PICTURE], page)[0].confidence
    assert tie_captions([PICTURE], page, least_read=0.5)[0].confidence == pytest.approx(
        0.8 * whole, abs=0.002
    )


def test_what_ocr_could_hardly_read_is_no_caption_nor_is_the_text_after_it():
    page = PageText("OCR", (_read(0.4), _read(0.9, text="Vue de Lussigny", y=680)))
    assert tie_captions([PICTURE], page)[0].text == "Fig. 3. Un navire"
    assert tie_captions([PICTURE], page, least_read=0.5) == {}


def test_a_title_counts_with_its_label_by_the_number_of_their_letters():
    page = PageText("OCR", (_read(0.9, text="Fig. 3."), _read(0.3, text="Un navire sur la mer", y=646)))
    assert tie_captions([PICTURE], page)[0].text == "Fig. 3. Un navire sur la mer"
    assert tie_captions([PICTURE], page, least_read=0.5) == {}
    assert 0 in tie_captions([PICTURE], page, least_read=0.4)


def _drawn_pages() -> list[tuple[PageText, list, list]]:
    """Pages of the drawn book as an institution's ALTO describes them: no text is marked as a caption."""
    kinds = {"heading": "heading", "running": "running", "number": "running", "signature": "running"}
    found = []
    for number in range(22):
        volume = book.volume(11, number, num_pages=12)
        sheet = next(
            (each for each in volume.sheets if each.sorts[0] in ("plate", "emblem", "illustrated")), None
        )
        if sheet is None or len(sheet.sorts) > 1:
            continue
        leaf, truth = book.leaf_of(volume, sheet, random.Random(f"captions {number}"), 400)
        zones = tuple(
            Zone(kinds.get(text.kind, "text"), text.box, text.text, text.language,
                 lines=tuple(TextLine(line.text, line.box) for line in text.lines))
            for text in truth.texts
        )  # fmt: skip
        pictures = [picture for picture in truth.pictures if picture.kind in ("illustration", "photograph")]
        found.append((PageText("ALTO", zones, truth.size), pictures, leaf))
    return found


def test_captions_of_the_drawn_book_are_tied_to_their_pictures():
    num_right = num_captions = num_wrong = 0
    for page, pictures, _ in _drawn_pages():
        found = tie_captions([picture.box for picture in pictures], page)
        for number, picture in enumerate(pictures):
            given = found[number].text if number in found else None
            num_captions += picture.caption is not None
            num_right += picture.caption is not None and given == picture.caption.text
            num_wrong += given is not None and (picture.caption is None or given != picture.caption.text)
    assert num_captions >= 12
    assert num_right >= 0.95 * num_captions
    assert num_wrong <= 0.05 * num_captions


def test_without_the_program_there_is_a_reason_and_no_text(monkeypatch):
    monkeypatch.setattr(ocr, "program", lambda: None)
    found = ocr.read_around(np.full((400, 300, 3), 255, np.uint8), [(50, 50, 200, 150)], ["fr"])
    assert "not installed" in found.reason


@pytest.mark.skipif(
    ocr.program() is None, reason="Tesseract is not installed (apt-get install tesseract-ocr)"
)
def test_tesseract_reads_the_caption_below_a_picture_and_where_it_is():
    page, picture = printed_page("Fig. 3. View of the harbour", 535.0)
    read = ocr.read_around(page, [picture], ["en"])
    assert isinstance(read, PageText), read
    found = tie_captions([picture], read, origin=ocr.ORIGIN)[0]
    assert "View of the harbour" in found.text
    assert found.origin == "machine:tesseract"
    # The line's letters are between 20 pixels above its baseline and 8 below it.
    assert 505 <= found.box[1] <= 535
    assert found.box[1] + found.box[3] <= 552
    # Print as clean as this is read with more confidence than is asked of captions.
    assert tie_captions([picture], read, least_read=0.8)


@pytest.mark.skipif(
    ocr.program() is None, reason="Tesseract is not installed (apt-get install tesseract-ocr)"
)
def test_a_second_line_of_low_letters_belongs_to_the_caption():
    page, picture = printed_page("Fig. 3: A heron on a|moon", 525.0)
    read = ocr.read_around(page, [picture], ["en"])
    assert isinstance(read, PageText), read
    assert [zone.text for zone in read.zones] == ["Fig. 3: A heron on a moon"]


@pytest.mark.skipif(
    ocr.program() is None, reason="Tesseract is not installed (apt-get install tesseract-ocr)"
)
def test_tesseract_that_takes_too_long_is_ended_with_a_reason():
    page, picture = printed_page("Fig. 3.", 535.0)
    assert "took longer" in ocr.read_around(page, [picture], ["en"], timeout=0.001).reason


@pytest.mark.skipif(
    ocr.program() is None, reason="Tesseract is not installed (apt-get install tesseract-ocr)"
)
def test_a_caption_at_the_side_is_read_where_there_is_none_above_or_below():
    page = PillowImage.new("L", (700, 1000), 235)
    page.paste(120, (150, 200, 550, 500))
    print_lines(page, "Fig. 3.|A ship", 565.0, 340.0)
    found = read_captions(np.asarray(page.convert("RGB")), [(150.0, 200.0, 400.0, 300.0)], ["en"])
    assert not isinstance(found, Refusal)
    assert found[0].text == "Fig. 3. A ship"


def _lined_page(num_lines: int, *, x: int = 460) -> np.ndarray:
    """A page with a picture at the left and bars as tall as lines of text next to it."""
    page = np.full((1000, 800, 3), 235, np.uint8)
    for number in range(num_lines):
        page[210 + 24 * number : 224 + 24 * number, x : x + 120] = 30
    return page


@pytest.mark.parametrize(
    ("page", "pictures", "expected"),
    [
        pytest.param(_lined_page(3), [(100, 200, 340, 400)], 1, id="three lines"),
        pytest.param(_lined_page(0), [(100, 200, 340, 400)], 0, id="paper"),
        pytest.param(_lined_page(16), [(100, 200, 340, 400)], 0, id="a column of text"),
        pytest.param(
            _lined_page(3), [(100, 200, 340, 400), (460, 200, 300, 400)], 0, id="no room before a picture"
        ),
        pytest.param(_lined_page(3), [(100, 700, 340, 200)], 0, id="lines that are higher up"),
        pytest.param(_lined_page(3), [(0, 0, 800, 1000)], 0, id="a picture of the whole page"),
        pytest.param(_lined_page(3), [(-50, -50, 2000, 20)], 0, id="a box beyond the page"),
    ],
)
def test_sides_are_read_where_there_is_room_and_a_few_lines(page, pictures, expected):
    assert len(list(side_strips(page, pictures, 0))) == expected


def test_languages_are_asked_for_as_far_as_they_are_installed(monkeypatch):
    monkeypatch.setattr(ocr, "installed_languages", lambda: frozenset({"eng", "fra", "lat"}))
    assert ocr.languages_for(["fr-FR", "la", "de"]) == ["fra", "lat"]
    assert ocr.languages_for(["de"]) == ["eng"]
