"""Parts of pages in TEI, METS and MODS: a region, a picture of its own, or a refusal with a reason."""

from __future__ import annotations

from data_prep.candidate import Candidate, Found
from data_prep.description.raw import Describer
from data_prep.institutions import InstitutionProfile
from data_prep.sources.library_xml import read_library_xml
from iconoclip.record import Region
from tests.data_prep.sources.library_documents import PDM

ORIGIN = "https://img.ahausen.example"
ANY = InstitutionProfile(slug="ahausen", name="Ahausen")
_NAMES = (
    'xmlns:mets="http://www.loc.gov/METS/" xmlns:mods="http://www.loc.gov/mods/v3"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def found_in(document: str) -> Found:
    return read_library_xml(document.encode(), "https://ahausen.example/doc.xml", ANY)


def tei(surfaces: str, body: str = "") -> str:
    return f"""<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:lang="en"><teiHeader><fileDesc><titleStmt>
      <title>A herbal of the sisters of Ahausen</title></titleStmt><publicationStmt><availability>
      <licence target="{PDM}">The images are free.</licence></availability></publicationStmt></fileDesc>
      </teiHeader><facsimile xml:base="{ORIGIN}/">{surfaces}</facsimile>
      <text><body>{body}</body></text></TEI>"""


PAGE = '<surface xml:id="s1" n="1r" ulx="0" uly="0" lrx="1000" lry="1500"><graphic url="1.jpg"/>{}</surface>'


def part(found: Found, number: int = 1) -> Candidate:
    return found.candidates[number]


def said(candidate: Candidate, level: str = "region") -> list[str]:
    return [caption.text for caption in candidate.captions if caption.level == level]


def test_a_zone_with_a_description_is_a_region() -> None:
    zone = '<zone ulx="100" uly="200" lrx="600" lry="900"><figDesc>A mandrake like a man</figDesc></zone>'
    found = found_in(tei(PAGE.format(zone)))
    assert len(found.candidates) == 2
    assert said(part(found)) == ["A mandrake like a man"]
    assert part(found).drawn == Region(x=100, y=200, width=500, height=700)
    assert part(found).drawn_on == (1000, 1500)
    assert part(found).rights_raw == PDM
    assert part(found).group == found.candidates[0].group
    assert said(found.candidates[0]) == []
    assert found.refusals == ()


def test_a_figure_of_the_text_describes_the_zone_that_it_names() -> None:
    zone = '<zone xml:id="z1" points="100,200 600,210 590,900 110,880"/>'
    figure = '<figure facs="#z1"><head>Mandragora</head><figDesc>A mandrake like a man</figDesc></figure>'
    found = found_in(tei(PAGE.format(zone), figure))
    assert said(part(found))[-1] == "A mandrake like a man"
    assert part(found).drawn == Region(x=100, y=200, width=500, height=700)


def test_a_surface_that_does_not_begin_at_zero_and_one_without_a_size() -> None:
    shapes = (
        ('ulx="50" uly="20" lrx="450" lry="620"', "", '150" uly="120" lrx="250" lry="320', "A swan"),
        ("", 'width="800px" height="600px"', '10" uly="20" lrx="110" lry="220', "A heron"),
        ("", "", '10" uly="20" lrx="110" lry="220', "A stork"),
    )
    surface = "".join(
        f'<surface {corners}><graphic url="{number}.jpg" {size}/><zone ulx="{box}">'
        f"<desc>{words}</desc></zone></surface>"
        for number, (corners, size, box, words) in enumerate(shapes)
    )
    _, swan, _, heron, _, stork = found_in(tei(surface)).candidates
    assert (swan.drawn, swan.drawn_on) == (Region(x=100, y=100, width=100, height=200), (400, 600))
    assert (heron.drawn, heron.drawn_on) == (Region(x=10, y=20, width=100, height=200), (800, 600))
    # Without any size the numbers are pixels of the picture.
    assert (stork.region, stork.region_space) == (Region(x=10, y=20, width=100, height=200), None)


def test_a_figure_without_a_place_describes_the_page_before_it() -> None:
    body = '<pb facs="#s1"/><figure><figDesc>A mandrake like a man</figDesc></figure>'
    found = found_in(tei(PAGE.format(""), body))
    (page,) = found.candidates
    assert said(page, "page") == ["A mandrake like a man"]


def test_figures_with_pictures_of_their_own_are_pictures() -> None:
    figure = f'<figure><graphic url="{ORIGIN}/fig1.jpg"/><figDesc>A still for oils</figDesc></figure>'
    found = found_in(tei("", figure))
    assert [candidate.image_uri for candidate in found.candidates] == [f"{ORIGIN}/fig1.jpg"]
    assert said(found.candidates[0], "page") == ["A still for oils. A herbal of the sisters of Ahausen"]
    inner = '<zone><graphic url="detail.jpg"/><figDesc>The root alone</figDesc></zone>'
    found = found_in(tei(PAGE.format(inner)))
    assert [candidate.image_uri for candidate in found.candidates] == [
        f"{ORIGIN}/1.jpg",
        f"{ORIGIN}/detail.jpg",
    ]


def test_a_zone_that_is_called_an_illustration_has_the_words_of_its_page() -> None:
    zone = '<zone type="illustration" ulx="100" uly="200" lrx="600" lry="900"/>'
    zone += '<zone ulx="0" uly="0" lrx="100" lry="900"/>'
    found = found_in(tei(PAGE.format(zone)))
    assert len(found.candidates) == 2  # a block of text is none
    assert part(found).captions == found.candidates[0].captions


def test_what_gives_no_region_is_refused_with_the_reason() -> None:
    cases = {
        "<zone><figDesc>A mandrake</figDesc></zone>": "without coordinates",
        '<zone ulx="2000" uly="0" lrx="2100" lry="90"><desc>A mandrake</desc></zone>': "outside of its page",
        '<zone ulx="10" uly="10" lrx="20" lry="20"><desc>A mandrake</desc></zone>': "only 10 x 10",
        '<zone ulx="0" uly="0" lrx="500" lry="500"><desc>p. 12</desc></zone>': "nothing that is a caption",
    }
    for zone, reason in cases.items():
        found = found_in(tei(PAGE.format(zone)))
        assert len(found.candidates) == 1
        assert [reason in refusal.reason for refusal in found.refusals] == [True], (zone, found.refusals)
    figures = {
        '<figure facs="#nowhere"><figDesc>A mandrake</figDesc></figure>': "'#nowhere'",
        "<figure><figDesc>A mandrake</figDesc></figure>": "on no page with a picture",
    }
    for figure, reason in figures.items():
        found = found_in(tei(PAGE.format(""), figure))
        assert [reason in refusal.reason for refusal in found.refusals] == [True], found.refusals


def mets(logical: str, pages: str = "12") -> str:
    files = "".join(
        f'<mets:file ID="I{n}" MIMETYPE="image/jpeg"><mets:FLocat xlink:href="{ORIGIN}/{n}.jpg"/></mets:file>'
        for n in pages
    )
    texts = "".join(
        f'<mets:file ID="A{n}" MIMETYPE="text/xml"><mets:FLocat xlink:href="{ORIGIN}/{n}.xml"/></mets:file>'
        for n in pages
    )
    divs = "".join(
        f'<mets:div ID="P{n}" ORDER="{n}" TYPE="page"><mets:fptr FILEID="I{n}"/><mets:fptr FILEID="A{n}"/>'
        "</mets:div>"
        for n in pages
    )
    return f"""<mets:mets {_NAMES} OBJID="paper-7"><mets:dmdSec ID="D"><mets:mdWrap MDTYPE="MODS">
      <mets:xmlData>
      <mods:mods><mods:titleInfo><mods:title>The Ahausen Messenger, with pictures</mods:title>
      </mods:titleInfo>
      </mods:mods></mets:xmlData></mets:mdWrap></mets:dmdSec><mets:fileSec>
      <mets:fileGrp USE="DEFAULT">{files}</mets:fileGrp><mets:fileGrp USE="FULLTEXT">{texts}</mets:fileGrp>
      </mets:fileSec><mets:structMap TYPE="PHYSICAL"><mets:div TYPE="physSequence">{divs}</mets:div>
      </mets:structMap><mets:structMap TYPE="LOGICAL">
      <mets:div ID="L0" TYPE="issue" DMDID="D">{logical}</mets:div>
      </mets:structMap></mets:mets>"""


def illustration(area: str) -> str:
    return (
        '<mets:div ID="L1" TYPE="illustration" LABEL="The flood of 1882 at the mill"><mets:fptr>'
        f"{area}</mets:fptr></mets:div>"
    )


def test_a_part_is_described_again_from_what_its_record_keeps() -> None:
    """So a remapped set equals a fresh harvest."""
    zone = (
        '<zone xml:id="z1" type="illustration" ulx="0" uly="0" lrx="500" lry="700"><desc>A swan</desc></zone>'
    )
    figure = '<pb facs="#s1"/><figure><figDesc>A mandrake like a man</figDesc></figure>'
    area = illustration('<mets:area FILEID="I1" SHAPE="RECT" COORDS="100,200,600,900"/>')
    documents = (tei(PAGE.format(zone), figure), mets(area))
    candidates = [one for document in documents for one in found_in(document).candidates]
    assert len(candidates) == 5
    for one in candidates:
        again = Describer(ANY).described(one.raw, one.num_images, one.raw_num_dropped)
        assert {name: getattr(one, name) for name in again.fields} == again.fields


def test_an_area_of_mets_is_a_region() -> None:
    shapes = {
        'SHAPE="RECT" COORDS="100,200,600,900"': Region(x=100, y=200, width=500, height=700),
        'SHAPE="POLY" COORDS="100,200,600,210,590,900,110,880"': Region(x=100, y=200, width=500, height=700),
        'SHAPE="CIRCLE" COORDS="300,400,100"': Region(x=200, y=300, width=200, height=200),
    }
    for shape, region in shapes.items():
        found = found_in(mets(illustration(f'<mets:area FILEID="I1" {shape}/>')))
        first, cut, second = found.candidates
        assert (cut.region, cut.image_uri) == (region, first.image_uri)
        assert said(cut) == ["The flood of 1882 at the mill"]
        assert "The flood of 1882 at the mill" not in {
            one.text for one in (*first.captions, *second.captions)
        }


def test_an_area_in_the_text_of_a_page_describes_the_page() -> None:
    """Newspapers name blocks of the page's ALTO, which is a document of its own."""
    found = found_in(mets(illustration('<mets:area FILEID="A2" BETYPE="IDREF" BEGIN="P2_IL1"/>')))
    first, second = found.candidates
    assert "The flood of 1882 at the mill" in " ".join(said(second, "page"))
    assert said(first, "page") == []


def test_the_plates_of_mods_have_their_own_texts() -> None:
    plates = "".join(
        f"<mods:relatedItem type='constituent'><mods:titleInfo><mods:title>{title}</mods:title>"
        "</mods:titleInfo>"
        f"<mods:location><mods:url>{ORIGIN}/{number}.jpg</mods:url></mods:location></mods:relatedItem>"
        for number, title in enumerate(("The mill in the morning", "The mill on fire at night"), 1)
    )
    found = found_in(
        f"<mods:mods {_NAMES}><mods:titleInfo><mods:title>Views of the mill</mods:title>"
        f"</mods:titleInfo>{plates}"
        f"<mods:accessCondition type='use and reproduction' xlink:href='{PDM}'/></mods:mods>"
    )
    assert [candidate.image_uri for candidate in found.candidates] == [f"{ORIGIN}/1.jpg", f"{ORIGIN}/2.jpg"]
    mornings = [said(candidate, "page")[0] for candidate in found.candidates]
    assert mornings == [
        "The mill in the morning. Views of the mill",
        "The mill on fire at night. Views of the mill",
    ]
    assert {candidate.rights_raw for candidate in found.candidates} == {PDM}
