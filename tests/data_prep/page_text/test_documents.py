"""Every format gives the same zones of a page, in pixels of its image, or a refusal with the reason."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from data_prep.candidate import Refusal
from data_prep.page_text.documents import format_of, read_page_text, references
from data_prep.page_text.structure import mets_page_types
from data_prep.page_text.zones import PageText, Zone, kind_of
from tests.data_prep.page_text import documents as made

URI = "https://example.org/text/7"
SIZE = made.SIZE


def read(document: bytes, size: tuple[int, int] = SIZE, **options: object) -> PageText:
    found = read_page_text(document, URI, size, canvas=made.CANVAS, **options)
    assert isinstance(found, PageText), found
    return found


def reason(document: bytes, size: tuple[int, int] = SIZE) -> str:
    found = read_page_text(document, URI, size, canvas=made.CANVAS)
    assert isinstance(found, Refusal), found
    return found.reason


def only(page: PageText, kind: str) -> Zone:
    (zone,) = [zone for zone in page.zones if zone.kind == kind]
    return zone


@pytest.mark.parametrize(
    "document",
    [
        *(made.alto(version) for version in (1, 2, 3, 4)),
        made.page_xml(),
        made.page_xml(year="2013-07-15"),
        made.page_xml(year="2010-03-19"),
        made.hocr(photo="ocr_image"),
        made.hocr(photo="ocr_linedrawing", head='<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE html>'),
    ],
)
def test_every_format_gives_the_picture_and_the_text_of_its_caption(document):
    page = read(document)
    assert only(page, "illustration").pixels == made.PICTURE
    (caption,) = [zone for zone in page.zones if zone.text and "Fig. 3" in zone.text]
    assert " ".join(caption.text.split()) == made.CAPTION_WORDS
    assert caption.pixels == made.CAPTION


@pytest.mark.parametrize("version", [2, 3])
def test_annotations_of_lines_become_blocks_of_text(version):
    page = read(made.annotations(version=version))
    assert [(zone.text, zone.pixels) for zone in page.zones] == [
        (made.CAPTION_WORDS, made.CAPTION),
        ("Le prince conduit le navire", (150, 900, 700, 90)),
    ]
    assert {zone.language for zone in page.zones} == {"fr"}


@pytest.mark.parametrize("motivation", [
    "supplementing", "sc:painting", "oa:transcribing", "http://iiif.io/api/presentation/3#supplementing",
    "http://www.w3.org/ns/oa#transcribing", ["http://www.w3.org/ns/oa#tagging", "transcribing"],
])  # fmt: skip
def test_motivations_are_words_names_or_addresses(motivation):
    document = json.loads(made.annotations())
    for item in document["items"]:
        item["motivation"] = motivation
    assert read(json.dumps(document).encode()).zones[0].text == made.CAPTION_WORDS


def test_a_tag_of_a_line_is_not_its_text():
    document = json.loads(made.annotations())
    for item in document["items"]:
        item["body"] = [
            {"type": "TextualBody", "purpose": "tagging", "value": "line"},
            {**item["body"], "purpose": "oa:transcribing"},
        ]
    assert read(json.dumps(document).encode()).zones[0].text == made.CAPTION_WORDS


def test_annotations_of_another_canvas_are_not_used():
    assert reason(made.annotations(canvas="https://example.org/iiif/b1/canvas/8")) == (
        "no annotation with text on this canvas"
    )


def test_what_alto_says_of_language_confidence_and_broken_words():
    page = read(made.alto())
    caption, text = (zone for zone in page.zones if zone.text)
    assert (caption.language, caption.confidence) == ("fr", 0.8)
    assert text.text == "Le prince conduit le navire toujours et la tour demeure dans le monde"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ('<String CONTENT="na"{0}/><HYP CONTENT="-"/>', '<String CONTENT="vire"{1}/>', "navire"),
        ('<String CONTENT="na"{0}/>', '<String CONTENT="vire"{1}/>', "navire"),
        ('<String CONTENT="na-"{0}/>', '<String CONTENT="vire"{1}/>', "navire"),
        ('<String CONTENT="na-"/><HYP CONTENT="-"/>', '<String CONTENT="vire"/>', "navire"),
        ('<String CONTENT="na¬"/><HYP CONTENT="¬"/>', '<String CONTENT="vire"/>', "navire"),
        # What is said to be the whole is not: no text is lost.
        ('<String CONTENT="le beau na"{0}/><HYP/>', '<String CONTENT="vire"{1}/>', "le beau navire"),
        ('<String CONTENT="un"/>', '<String CONTENT="vire"{1}/>', "un vire"),
        # Without the whole word, a capital may begin another one.
        ('<String CONTENT="NA"/><HYP/>', '<String CONTENT="VIRE"/>', "NA- VIRE"),
        (
            '<String CONTENT="NA" SUBS_TYPE="HypPart1" SUBS_CONTENT="NAVIRE"/><HYP/>',
            '<String CONTENT="VIRE" SUBS_TYPE="HypPart2" SUBS_CONTENT="NAVIRE"/>',
            "NAVIRE",
        ),
        (
            '<String CONTENT="St" SUBS_TYPE="Abbreviation" SUBS_CONTENT="Saint"/>',
            '<String CONTENT="Jean"/>',
            "St Jean",
        ),
    ],
)
def test_a_word_on_two_lines_of_alto_is_one_word(first, second, words):
    parts = [f' SUBS_TYPE="HypPart{number}" SUBS_CONTENT="navire"' for number in (1, 2)]
    place = 'HPOS="200" VPOS="1350" WIDTH="300" HEIGHT="40"'
    lines = "".join(f"<TextLine {place}>{line.format(*parts)}</TextLine>" for line in (first, second))
    page = read(made.alto(extra=f'<TextBlock ID="X" {place}>{lines}</TextBlock>'))
    assert [zone.text for zone in page.zones if zone.identity == "X"] == [words]


# Tenths of a millimetre at 300 dots per inch: 254 / 300 of a pixel. 1/1200 inch: 4 of them make a pixel.
@pytest.mark.parametrize(("unit", "scale"), [("mm10", 254 / 300), ("inch1200", 4.0), ("pixel", 2.5)])
def test_coordinates_in_other_units_or_of_another_size_are_scaled_by_the_page(unit, scale):
    assert only(read(made.alto(unit=unit, scale=scale)), "illustration").pixels == made.PICTURE


@pytest.mark.parametrize(
    ("document", "size", "words"),
    [
        (made.alto(), (1500, 1000), "turned by a quarter"),
        (made.alto(), (1000, 1000), "in other proportions"),
        (made.alto(unit="mm10", size=None), SIZE, "states no size of its page"),
        (made.alto(size=None), (300, 200), "lie outside"),
        (made.alto(scale=3, size=(333, 500)), SIZE, "lie outside"),
        (b"", SIZE, "empty"),
        (b"<html><body>Please log in</body></html>", SIZE, "without a page of hOCR"),
        (b"<mets/>", SIZE, "neither ALTO"),
        (b"<alto/>", SIZE, "ALTO without a page"),
        (b"{}", SIZE, "no annotation"),
        (b"{", SIZE, "JSON"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><alto>&x;</alto>', SIZE, "declares entities"),
    ],
)
def test_a_document_that_cannot_belong_to_the_page_is_refused_with_the_reason(document, size, words):
    assert words in reason(document, size)


@pytest.mark.parametrize(
    "document",
    [
        gzip.compress(made.alto(), mtime=0),
        made.alto().decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        made.hocr().decode().encode("utf-16"),
        made.annotations().decode().encode("utf-16"),
        made.hocr().replace(b"navire", "navire \u00e9".encode("cp1252")),
        made.hocr().replace(b"utf-8", b"iso-8859-5").replace(b"navire", b"navire \xf1"),
        # Coordinates with decimals, and with the comma of other languages.
        made.hocr().replace(b"bbox 350 820 650 850", b"bbox 350.2 819.9 650.0 850.125"),
        made.alto().replace(b'HPOS="350"', b'HPOS="350,25"'),
        # The size of the page is that of its print space alone.
        made.alto(scale=2, size=None).replace(
            b"<PrintSpace>", b'<PrintSpace HPOS="0" VPOS="0" WIDTH="2000" HEIGHT="3000">'
        ),
        made.hocr().replace(b"&amp;", b"&amp;<script>alert(1)</script><style>p {}</style>"),
    ],
)
def test_a_document_is_read_however_it_was_packed_encoded_and_measured(document):
    (caption,) = [zone for zone in read(document).zones if zone.text and "Fig. 3" in zone.text]
    assert re.sub("navire [\u00e9\u0451]", "navire", " ".join(caption.text.split())) == made.CAPTION_WORDS
    assert caption.pixels == made.CAPTION


def entities_late(document: bytes) -> bytes:
    """The document with an entity that is declared after a long comment."""
    return document.replace(
        b"<alto", b"<!DOCTYPE alto [<!--" + b" " * 200_000 + b'--><!ENTITY a "b">]>\n<alto', 1
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (gzip.compress(made.alto(), mtime=0)[:-9], "cut off"),
        (b"\x1f\x8bzip", "not gzip"),
        (made.alto().replace(b"</Page>", b'</Page><Page ID="P8"/>'), "ALTO of 2 pages"),
        (made.hocr().replace(b"</body>", b"<div class='ocr_page'></div></body>"), "hOCR of 2 pages"),
        (entities_late(made.alto()), "declares entities"),
        (
            entities_late(made.alto()).replace(b"UTF-8", b"UTF-16").decode().encode("utf-16"),
            "declares entities",
        ),
    ],
)
def test_what_could_be_an_attack_or_several_pages_is_refused_with_the_reason(document, words):
    assert words in reason(document)


def test_alto_without_the_size_of_its_page_is_taken_as_pixels_if_it_fits():
    assert only(read(made.alto(size=None)), "illustration").pixels == made.PICTURE


def test_depth_entities_and_size_are_bounded(monkeypatch):
    deep = b"<alto>" + b"<ComposedBlock>" * 100_000 + b"</alto>"
    assert "not XML" in reason(deep)
    blocks = "".join(f'<ComposedBlock ID="c{n}">' for n in range(100)) + "</ComposedBlock>" * 100
    assert len(read(made.alto(extra=blocks)).zones) == 3
    lol = b"""<!DOCTYPE html [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>"""
    assert "haha" not in (read(made.hocr(photo="ocr_image", head=lol.decode())).zones[1].text or "")
    monkeypatch.setattr("data_prep.page_text.documents.MAX_XML_BYTES", 10)
    assert "larger than" in reason(made.alto())
    assert "larger than" in reason(gzip.compress(made.alto(), mtime=0))


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ('<OtherTag ID="G" TYPE="block" LABEL="GraphicZone:illustration"/>', "illustration"),
        ('<StructureTag ID="G" LABEL="Photographie"/>', "photograph"),
        ('<LayoutTag ID="G" LABEL="DropCapitalZone"/>', "initial"),
        ('<LayoutTag ID="G" LABEL="StampZone"/>', "stamp"),
        ('<LayoutTag ID="G" LABEL="Vignette"/>', "ornament"),
        ('<LayoutTag ID="G" LABEL="MusicZone"/>', "music"),
    ],
)
def test_tags_of_alto_name_the_kind_of_a_block(tag, kind):
    block = '<Illustration ID="X" TAGREFS="G" HPOS="10" VPOS="10" WIDTH="50" HEIGHT="60"/>'
    page = read(made.alto(extra=block, tags=f"<Tags>{tag}</Tags>"))
    assert (kind, (10, 10, 50, 60)) in [(zone.kind, zone.pixels) for zone in page.zones]


def test_a_named_entity_says_nothing_of_its_block():
    tags = '<NamedEntityTag ID="N" TYPE="person" LABEL="Bild, Hans"/><LayoutTag ID="L" LABEL="Text"/>'
    page = read(made.alto(caption_tag='TAGREFS="N L"', tags=f"<Tags>{tags}</Tags>"))
    assert [zone.kind for zone in page.zones] == ["illustration", "text", "text"]


@pytest.mark.parametrize(
    ("region", "attributes", "kind"),
    [
        ("TextRegion", 'custom="structure {type:GraphicZone;}"', "illustration"),
        ("TextRegion", 'custom="readingOrder {index:3;} structure {type:MapZone;}"', "map"),
        ("TextRegion", 'custom="structure {id:a; type:StampZone;}"', "stamp"),
        ("TextRegion", 'type="drop-capital"', "initial"),
        ("TextRegion", 'custom="structure {type:MainZone;}"', "text"),
        ("TextRegion", 'type="signature-mark"', "running"),
        ("CustomRegion", 'type="photograph"', "photograph"),
        ("CustomRegion", 'type="fold"', "separator"),
        ("UnknownRegion", 'custom="structure {type:Illustration;}"', "illustration"),
        ("GraphicRegion", 'type="signature"', "separator"),
        ("GraphicRegion", 'type="paper-grow"', "separator"),
        ("GraphicRegion", 'type="other"', "illustration"),
    ],
)
def test_regions_of_page_xml_are_what_their_types_say(region, attributes, kind):
    extra = f'<{region} id="x" {attributes}><Coords points="20,20 90,20 90,80"/></{region}></Page>'
    page = read(made.page_xml().replace(b"</Page>", extra.encode()))
    assert [(zone.kind, zone.pixels) for zone in page.zones if zone.identity == "x"] == [
        (kind, (20, 20, 70, 60))
    ]


def test_the_text_in_a_composed_block_of_a_picture_is_its_caption():
    block = """<ComposedBlock ID="C" TYPE="Illustration" HPOS="100" VPOS="100" WIDTH="400" HEIGHT="180">
    <TextBlock ID="C1" HPOS="120" VPOS="250" WIDTH="300" HEIGHT="30"><TextLine>
    <String CONTENT="Vue de Lussigny"
    HPOS="120" VPOS="250" WIDTH="300" HEIGHT="30"/></TextLine></TextBlock></ComposedBlock>"""
    page = read(made.alto(extra=block))
    (caption,) = [zone for zone in page.zones if zone.kind == "caption"]
    (picture,) = [zone for zone in page.zones if zone.identity == "C"]
    assert (caption.text, caption.about) == ("Vue de Lussigny", "C")
    # The picture ends where its caption begins.
    assert picture.pixels == (100, 100, 400, 150)


def test_page_xml_ties_by_relations_and_names_types():
    relation = """<Relations><Relation type="link"><SourceRegionRef regionRef="i1"/>
    <TargetRegionRef regionRef="t1"/>
    </Relation></Relations>"""
    page = read(made.page_xml(caption_type="paragraph", relation=relation))
    (caption,) = [zone for zone in page.zones if zone.about]
    assert (caption.kind, caption.about, caption.text) == ("caption", "i1", made.CAPTION_WORDS)
    assert only(page, "initial").pixels == (150, 900, 60, 60)
    assert only(page, "ornament").pixels == (150, 900, 120, 120)


def test_hocr_knows_the_entities_of_html_and_the_file_it_describes():
    page = read(made.hocr())
    assert only(page, "photograph").pixels == made.PICTURE
    assert only(page, "text").text == "L’école du prince"
    assert only(page, "caption").confidence == 0.8
    assert page.image == "scans/p_0007.tif"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("GraphicZone:figDesc", "caption"), ("Légende", "caption"), ("Bildunterschrift", "caption"),
        ("Abbildung", "illustration"), ("planche", "illustration"), ("Karte", "map"), ("carte", "map"),
        ("photographie", "photograph"), ("cul-de-lampe", "ornament"), ("lettrine", "initial"),
        ("RunningTitleZone", "running"), ("paragraph", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_types_in_the_languages_of_institutions(words, kind):
    assert kind_of(words) == kind


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({"id": "https://x.org/1", "profile": "http://www.loc.gov/standards/alto/v4/alto.xsd"}, "alto"),
        ({"id": "https://x.org/1", "format": "application/xml+alto"}, "alto"),
        ({"id": "https://x.org/1", "label": {"en": ["ALTO of page 3"]}, "format": "text/xml"}, "alto"),
        ({"id": "https://x.org/b/alto/7.xml", "format": "text/xml"}, "alto"),
        ({"id": "https://x.org/1", "format": "text/vnd.hocr+html"}, "hocr"),
        ({"id": "https://x.org/1", "format": "application/vnd.prima.page+xml"}, "page-xml"),
        ({"id": "https://x.org/1.pdf", "format": "application/pdf"}, None),
        ({"id": "https://x.org/salto/1", "format": "text/html"}, None),
    ],
)
def test_links_to_text_are_recognised_in_each_of_their_forms(link, expected):
    assert format_of(link) == expected


def test_the_references_of_a_canvas_come_with_the_richest_format_first():
    canvas = {
        "id": made.CANVAS,
        "annotations": [
            {"id": "https://x.org/a", "type": "AnnotationPage"},
            {"id": "https://x.org/b", "items": [1]},
        ],
        "rendering": [
            {"id": "https://x.org/7.hocr", "format": "text/vnd.hocr+html"},
            {"id": "https://x.org/7.pdf"},
        ],
        "seeAlso": [{"id": "alto/7.xml"}, {"id": "javascript:alto"}, {"format": "alto"}],
    }
    assert [(each.uri, each.format) for each in references(canvas, "https://x.org/m/manifest")] == [
        ("https://x.org/m/alto/7.xml", "alto"),
        ("https://x.org/7.hocr", "hocr"),
        ("https://x.org/a", "iiif"),
    ]


def test_mets_says_which_files_belong_to_an_illustration():
    root = etree.fromstring("""<mets xmlns="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink">
      <structMap TYPE="PHYSICAL"><div TYPE="physSequence"><div ID="p1" TYPE="page"><fptr FILEID="f1"/></div>
      <div ID="p2" TYPE="page"><fptr FILEID="f2"/></div></div></structMap>
      <structMap TYPE="LOGICAL"><div ID="l0" TYPE="monograph">
      <div ID="l1" TYPE="illustration" LABEL="Taf. II"/></div>
      </structMap><structLink><smLink xlink:from="l1" xlink:to="p2"/></structLink></mets>""")
    found = mets_page_types(root)
    assert ("illustration", "Taf. II") in found["f2"]
    assert ("illustration", "Taf. II") not in found["f1"]


@given(
    st.sampled_from(["alto", "page_xml", "hocr", "annotations"]),
    st.integers(0, 3000),
    st.integers(0, 60),
    st.binary(max_size=12),
)
@settings(max_examples=40, deadline=None)
def test_no_damaged_document_breaks_a_reader(name, start, length, junk):
    document = getattr(made, name)()
    mangled = document[:start] + junk + document[start + length :]
    found = read_page_text(mangled, URI, SIZE, canvas=made.CANVAS)
    assert isinstance(found, (PageText, Refusal))
    for zone in found.zones if isinstance(found, PageText) else ():
        x, y, width, height = zone.pixels or (0, 0, 1, 1)
        assert 0 <= x <= SIZE[0]
        assert 0 <= y <= SIZE[1]
        assert x + width <= SIZE[0] + 1
        assert y + height <= SIZE[1] + 1
