"""METS, MODS, TEI and DIDL: the images in their order, and the description of the whole and of each page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.candidate import Candidate, Found
from data_prep.institutions import InstitutionProfile
from data_prep.sources.library_xml import read_library_xml
from data_prep.sources.oai_pmh import read_oai_pmh
from data_prep.sources.registry import look, read
from data_prep.sources.sru import read_sru
from iconoclip.rights import judge
from tests.data_prep.sources.library_documents import MODS, PDM, didl, mets, mets_of_congress, oai, tei

ORIGIN = "https://img.ahausen.example"
ANY = InstitutionProfile(slug="ahausen", name="Ahausen")
CARRIED = [mets(ORIGIN), mets_of_congress(ORIGIN), tei(ORIGIN), didl(ORIGIN)]


def found_in(document: str, uri: str = "https://ahausen.example/doc.xml") -> Found:
    return read_library_xml(document.encode(), uri, ANY)


def images(found: Found) -> list[str]:
    return [str(candidate.image_uri).removeprefix(ORIGIN) for candidate in found.candidates]


def said(candidate: Candidate, level: str) -> list[str]:
    return [caption.text for caption in candidate.captions if caption.level == level]


def test_pages_of_mets_come_in_their_physical_order_from_the_group_for_the_screen() -> None:
    found = found_in(mets(ORIGIN))
    assert images(found) == ["/d/1.jpg", "/d/2.jpg", "/d/3.jpg"]
    assert found.refusals == ()
    assert {candidate.group for candidate in found.candidates} == {"https://ahausen.example/1"}


def test_mods_describes_the_work_and_the_linked_structure_its_page() -> None:
    first, plate, last = found_in(mets(ORIGIN)).candidates
    for candidate in (first, plate, last):
        assert "Die Belagerung der Stadt : in zwölf Kupfern. Namur. Druckgraphik, Anna Merk, 1702" in said(
            candidate, "work"
        )
        assert "Die Folge zeigt den Sturm auf die Mauern und die Übergabe der Stadt." in said(
            candidate, "work"
        )
        assert "Eine Reihe" not in {caption.text for caption in candidate.captions}
    heading = (
        "Vorbericht an den Leser. Die Belagerung der Stadt : in zwölf Kupfern. Druckgraphik, Anna Merk, 1702"
    )
    assert said(first, "page") == [heading]
    work = "Die Belagerung der Stadt : in zwölf Kupfern. Druckgraphik, Anna Merk, 1702"
    assert set(said(plate, "page")) == {
        f"Der Sturm auf das Brüsseler Tor. {work}",
        "Tafel mit Ansicht des Tores",
    }
    assert said(last, "page") == []


def test_mods_gives_makers_dates_types_and_notations() -> None:
    candidate = found_in(mets(ORIGIN)).candidates[0]
    assert candidate.creators == ("Merk, Anna",)  # not the printer
    assert candidate.date is not None
    assert (candidate.date.earliest, candidate.date.latest) == (1702, 1702)  # not of the scan
    assert candidate.object_type == "Druckgraphik"
    assert candidate.iconclass == ("45K2",)


def test_rights_are_those_of_the_access_condition_and_of_the_administration() -> None:
    candidate = found_in(mets(ORIGIN)).candidates[0]
    assert candidate.attribution == "Stadtbibliothek Ahausen"
    assert judge(candidate.rights_raw, policy="open", attribution=None, opt_out=()).may_train
    without = found_in(mets(ORIGIN, with_licence=False)).candidates[0]
    assert without.rights_raw is None


@pytest.mark.parametrize(
    ("condition", "may_train"),
    [
        (f'<mods:accessCondition type="use and reproduction" xlink:href="{PDM}"/>', True),
        (
            f'<mods:accessCondition type="use and reproduction" xlink:href="{PDM}"/>'
            '<mods:accessCondition type="restriction on access">Open Access</mods:accessCondition>',
            True,
        ),
        (
            f'<mods:accessCondition type="use and reproduction" xlink:href="{PDM}"/>'
            '<mods:accessCondition type="restriction on access">Reading room only</mods:accessCondition>',
            False,
        ),
        (
            '<mods:accessCondition type="use and reproduction">All rights reserved</mods:accessCondition>',
            False,
        ),
    ],
)
def test_a_restriction_next_to_a_licence_counts(condition: str, may_train: bool) -> None:
    document = mets(ORIGIN, with_licence=False).replace("<mods:recordInfo>", condition + "<mods:recordInfo>")
    candidate = found_in(document).candidates[0]
    assert judge(candidate.rights_raw, policy="open", attribution=None, opt_out=()).may_train == may_train


def test_mets_of_the_library_of_congress() -> None:
    (candidate,) = found_in(mets_of_congress(ORIGIN)).candidates
    assert candidate.image_uri == f"{ORIGIN}/s/1v.jpg"  # neither the master nor a TIFF
    assert candidate.captions[0].text == "Steam ferry on the river at night. 1888-1891"
    assert candidate.date is not None
    assert (candidate.date.earliest, candidate.date.latest) == (1888, 1891)
    assert candidate.rights_raw == "No known restrictions on publication."


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_mets_with_dublin_core_in_place_of_mods(is_wrapped: bool) -> None:
    names = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    core = f"<dc:title {names}>Steam ferry on the river at dawn</dc:title>"
    core += f"<dc:creator {names}>Ida Lens</dc:creator>"
    core = (
        f'<x:dc xmlns:x="http://www.openarchives.org/OAI/2.0/oai_dc/">{core}</x:dc>' if is_wrapped else core
    )
    document = re.sub(r"<mods:mods>.*?</mods:mods>", core, mets_of_congress(ORIGIN), flags=re.DOTALL)
    (candidate,) = found_in(document).candidates
    assert candidate.image_uri == f"{ORIGIN}/s/1v.jpg"
    assert candidate.captions[0].text == "Steam ferry on the river at dawn. Ida Lens"
    assert candidate.creators == ("Ida Lens",)


def test_an_address_of_the_image_api_is_sized_by_its_service() -> None:
    document = mets(ORIGIN, num_pages=1).replace(
        f"{ORIGIN}/d/1.jpg", f"{ORIGIN}/iiif/x%2F1/full/full/0/color.jpg"
    )
    (candidate,) = found_in(document).candidates
    assert candidate.service is not None
    assert candidate.service.id == f"{ORIGIN}/iiif/x%2F1"


def test_a_work_in_volumes_leads_to_the_mets_of_each() -> None:
    document = """<mets:mets xmlns:mets="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink">
      <mets:structMap TYPE="LOGICAL"><mets:div TYPE="multivolume_work">
        <mets:div><mets:mptr LOCTYPE="URL" xlink:href="https://ahausen.example/v1.xml"/></mets:div>
        <mets:div><mets:mptr LOCTYPE="URL" xlink:href="/v2.xml"/></mets:div>
        <mets:div><mets:mptr LOCTYPE="URL" xlink:href="file:///etc/passwd"/></mets:div></mets:div></mets:structMap></mets:mets>"""
    links = found_in(document).links
    assert [(link.uri, link.kind) for link in links] == [
        ("https://ahausen.example/v1.xml", "library-xml"),
        ("https://ahausen.example/v2.xml", "library-xml"),
    ]


def test_thumbnails_and_texts_alone_are_refused_with_the_reason() -> None:
    document = re.sub(r'USE="(?:DEFAULT|MAX)"', 'USE="THUMBS"', mets(ORIGIN))
    found = found_in(document)
    assert found.candidates == ()
    assert "METS without files without a manifest and without an image" in found.refusals[0].reason


def test_tei_gives_the_graphics_of_its_surfaces_and_notes_on_a_page() -> None:
    first, second = found_in(tei(ORIGIN)).candidates
    assert images(found_in(tei(ORIGIN))) == ["/tei/1-large.jpg", "/tei/2.jpg"]
    told = "A choir book with painted initials for the feasts of the year"
    assert f"A page from “Gradual of the nuns of Ahausen”. {told}. 1270-1299" in said(first, "work")
    assert f"{told}." in said(second, "work")
    heading = "Initial with the Nativity. Gradual of the nuns of Ahausen. 1270-1299"
    assert (said(first, "page"), said(second, "page")) == ([], [heading])
    assert first.date is not None
    assert (first.date.earliest, first.date.latest) == (1270, 1299)
    # The licence of the transcription is not that of the images.
    assert first.rights_raw == PDM
    assert first.institution.name == "Abbey Library Ahausen"


@pytest.mark.parametrize("document", [tei(""), mets("")])
def test_relative_addresses_lead_from_the_document_and_nowhere_from_a_file(document: str) -> None:
    relative = re.sub(r'="/(?=[a-z])', '="pages/', document)
    found = found_in(relative, "https://ahausen.example/books/1.xml")
    addresses = [one.source.image or "" for one in found.candidates]
    assert addresses
    assert all(address.startswith("https://ahausen.example/books/pages/") for address in addresses)
    in_a_file = found_in(relative, "/srv/books/1.xml")
    assert not in_a_file.candidates
    assert [refusal.reason for refusal in in_a_file.refusals] == [
        "the addresses of its images are relative: harvest the document from its address on the web"
    ]


def test_tei_of_a_service_described_by_json() -> None:
    document = f"""<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader/><facsimile><surface n="1r">
      <graphic mimeType="application/json" url="{ORIGIN}/iiif/2/a%2F1.jp2"/></surface></facsimile></TEI>"""
    (candidate,) = found_in(document).candidates
    assert candidate.service is not None
    assert candidate.service.id == f"{ORIGIN}/iiif/2/a%2F1.jp2"


def test_didl_gives_an_image_per_page_with_the_words_of_its_item() -> None:
    found = found_in(didl(ORIGIN))
    assert images(found) == ["/didl/1.jpg", "/didl/2.jpg"]
    first, second = found.candidates
    work = "De Ahauser Courant met prenten. 1871"
    assert (said(first, "page"), said(second, "page")) == (
        [f"Gezicht op de haven, blad een. {work}"],
        [f"Gezicht op de haven, blad twee. {work}"],
    )
    assert (first.creators, first.rights_raw) == (("Piet Prent",), PDM)
    assert first.date is not None
    assert first.date.earliest == 1871


@pytest.mark.parametrize("document", CARRIED)
def test_every_format_is_recognised_by_its_content_and_read_from_oai_pmh(document: str) -> None:
    alone = found_in(document)
    assert look(document.encode()) == "library-xml"
    assert look(b"<?xml version='1.0'?>" + oai(("oai:a:1", document)).encode()) == "oai-pmh"
    carried = read_oai_pmh(
        oai(("oai:a:1", document)).encode(), "https://ahausen.example/oai?verb=ListRecords", ANY
    )
    assert images(carried) == images(alone)
    assert {candidate.group for candidate in carried.candidates} == {"oai:a:1"}
    assert [candidate.captions for candidate in carried.candidates] == [
        candidate.captions for candidate in alone.candidates
    ]


def test_mods_in_sru_leads_to_what_its_locations_name() -> None:
    located = MODS.replace(
        "<mods:recordInfo>",
        f"<mods:location><mods:url>{ORIGIN}/plate.jpg</mods:url></mods:location><mods:recordInfo>",
    )
    answer = f"""<searchRetrieveResponse xmlns="http://www.loc.gov/zing/srw/"><numberOfRecords>1</numberOfRecords><records>
      <record><recordData>{located}</recordData></record></records></searchRetrieveResponse>"""
    found = read_sru(answer.encode(), "https://ahausen.example/sru?operation=searchRetrieve", ANY)
    assert images(found) == ["/plate.jpg"]
    assert found.candidates[0].creators == ("Merk, Anna",)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('<!DOCTYPE mets [<!ENTITY x SYSTEM "file:///etc/passwd">]><mets>&x;</mets>', "declares entities"),
        ("<mets><mets>", "not XML"),
        ("<mets:mets xmlns:mets='http://www.loc.gov/METS/'/>", "METS without files"),
        ("<modsCollection/>", "empty modsCollection"),
        ("<other/>", "none of METS, MODS, TEI and DIDL"),
        ("<DIDL/>", "without an image"),
        ("<TEI/>", "without an image"),
    ],
)
def test_an_answer_without_records_gives_the_reason(document: str, reason: str) -> None:
    found = found_in(document)
    assert found.candidates == ()
    assert reason in found.refusals[0].reason


def test_structures_that_never_end_are_bounded() -> None:
    deep = "<mets:div>" * 200 + "</mets:div>" * 200
    document = mets(ORIGIN).replace(
        '<mets:structMap TYPE="PHYSICAL">',
        f'<mets:structMap TYPE="LOGICAL">{deep}</mets:structMap><mets:structMap TYPE="PHYSICAL">',
    )
    assert len(found_in(document).candidates) == 3
    many = mets(ORIGIN, num_pages=5_001)
    assert "more than 5000 pages" in found_in(many).refusals[0].reason


@settings(max_examples=150, deadline=None)
@given(
    source=st.sampled_from(CARRIED),
    cuts=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 60)), max_size=4),
    swaps=st.lists(
        st.tuples(
            st.sampled_from(["ID", "FILEID", "ORDER", "url", "ref", "locus", "mods:"]),
            st.sampled_from(["", "x", "-1", "9" * 30]),
        ),
        max_size=3,
    ),
)
def test_no_document_breaks_the_readers(source: str, cuts: list[tuple[int, int]], swaps: Any) -> None:
    for old, new in swaps:
        source = source.replace(old, new)
    for start, length in cuts:
        source = source[:start] + source[start + length :]
    found = read("library-xml", source.encode(), "https://ahausen.example/a.xml", ANY, {})
    assert not any("a bug in" in refusal.reason for refusal in found.refusals)


def _facts(found: Found) -> dict[str, list[str]]:
    pairs = [pair for candidate in found.candidates for pair in candidate.raw]
    named = ("place", "technique", "creator")
    return {name: list(dict.fromkeys(one.value for one in pairs if one.field == name)) for name in named}


def test_mods_gives_the_place_in_words_and_the_technique() -> None:
    more = (
        '<mods:originInfo><mods:place><mods:placeTerm type="code">gw</mods:placeTerm>'
        '<mods:placeTerm type="text">Augsburg</mods:placeTerm></mods:place></mods:originInfo>'
        '<mods:physicalDescription><mods:form type="technique">Radierung</mods:form>'
        "<mods:form>electronic</mods:form></mods:physicalDescription>"
    )
    found = found_in(mets(ORIGIN).replace("</mods:genre>", f"</mods:genre>{more}", 1))
    assert _facts(found) == {"place": ["Augsburg"], "technique": ["Radierung"], "creator": ["Merk, Anna"]}
    assert any(
        "Druckgraphik, Radierung, Anna Merk, Augsburg, 1702" in one
        for one in said(found.candidates[0], "work")
    )


TEI_OF_A_MANUSCRIPT = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt>
<title>Liber avium</title></titleStmt><sourceDesc><msDesc><msContents>ITEMS</msContents><physDesc><objectDesc>
<supportDesc material="perg"/></objectDesc></physDesc><history><origin><origDate when="1401"/>
<origPlace>Brno</origPlace></origin></history></msDesc></sourceDesc></fileDesc></teiHeader><facsimile><surface>
<graphic url="https://img.ahausen.example/1.jpg"/></surface></facsimile></TEI>"""
ONE_AUTHOR = "<msItem><author>Ioannes Merk</author></msItem><msItem><author>Ioannes Merk</author></msItem>"


@pytest.mark.parametrize(
    ("items", "creators"),
    [(ONE_AUTHOR, ["Ioannes Merk"]), (ONE_AUTHOR + "<msItem><author>Otto</author></msItem>", []), ("", [])],
)
def test_tei_gives_place_and_material_and_the_author_if_there_is_one(items: str, creators: list[str]) -> None:
    found = found_in(TEI_OF_A_MANUSCRIPT.replace("ITEMS", items))
    assert _facts(found) == {"place": ["Brno"], "technique": ["Parchment"], "creator": creators}


def test_didl_with_dublin_core_under_another_name() -> None:
    metadata = f"<any><dc:title>Gezicht op de haven</dc:title><dc:rights>{PDM}</dc:rights></any>"
    found = found_in(f"""<didl:DIDL xmlns:didl="urn:mpeg:mpeg21:2002:02-DIDL-NS"
      xmlns:dc="http://purl.org/dc/elements/1.1/"><didl:Item><didl:Component>
      <didl:Resource mimeType="text/xml">{metadata}</didl:Resource></didl:Component><didl:Component>
      <didl:Resource mimeType="image/jpeg" ref="{ORIGIN}/1.jpg"/></didl:Component></didl:Item></didl:DIDL>""")
    (only,) = found.candidates
    assert [one.text for one in only.captions] == ["Gezicht op de haven"]
    assert judge(only.rights_raw).train == "yes"
