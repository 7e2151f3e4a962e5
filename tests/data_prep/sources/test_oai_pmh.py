"""Answers of OAI-PMH repositories, from the standard and from servers that violate it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.candidate import Found
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import InstitutionProfile, load_profile
from data_prep.sources.oai_pmh import read_oai_pmh

URI = "https://example.org/oai?verb=ListRecords&metadataPrefix=oai_dc&set=prints&apikey=k"
ANY = InstitutionProfile(slug="example", name="Example Library", language="fr")

DC = """<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/">{}</oai_dc:dc>"""


def answer(
    content: str, request: str = '<request verb="ListRecords">https://example.org/oai</request>'
) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>2026-01-01T00:00:00Z</responseDate>{request}{content}</OAI-PMH>"
    ).encode()


def record(dc: str, identifier: str = "oai:example.org:1") -> str:
    header = f"<header><identifier>{identifier}</identifier><datestamp>2026-01-01</datestamp></header>"
    return f"<record>{header}<metadata>{DC.format(dc)}</metadata></record>"


def listing(*records: str, token: str = "") -> bytes:
    return answer(f"<ListRecords>{''.join(records)}{token}</ListRecords>")


def read(
    document: bytes, profile: InstitutionProfile = ANY, context: dict[str, object] | None = None
) -> Found:
    return read_oai_pmh(document, URI, profile, context)


def test_a_record_with_an_image() -> None:
    found = read(
        listing(
            record(
                '<dc:title xml:lang="fre">Scène de théâtre</dc:title><dc:creator>Anna'
                " Graveur</dc:creator><dc:date>1650</dc:date>"
                "<dc:type>estampe</dc:type><dc:identifier>https://example.org/item/1</dc:identifier>"
                "<dc:relation>vignette : https://example.org/img/1.jpg.</dc:relation>"
                "<dc:rights>http://creativecommons.org/publicdomain/mark/1.0/</dc:rights>"
            )
        )
    )
    (candidate,) = found.candidates
    assert candidate.source.id == candidate.group == "oai:example.org:1"
    assert candidate.image_uri == "https://example.org/img/1.jpg"
    assert candidate.source.homepage == "https://example.org/item/1"
    assert candidate.rights_raw == "http://creativecommons.org/publicdomain/mark/1.0/"
    assert (candidate.creators, candidate.object_type) == (("Anna Graveur",), "estampe")
    assert [(c.text, c.language, c.field) for c in candidate.captions] == [
        ("Scène de théâtre. Estampe, Anna Graveur, 1650", "fr", "title")
    ]


def test_a_record_that_points_to_a_manifest_describes_it() -> None:
    found = read(
        listing(
            record(
                "<dc:title>Scène de théâtre</dc:title><dc:rights>http://creativecommons.org/publicdomain/zero/1.0/</dc:rights>"
                "<dc:relation>https://example.org/iiif/1/manifest.json</dc:relation>"
            )
        )
    )
    (link,) = found.links
    assert (link.uri, link.kind) == ("https://example.org/iiif/1/manifest.json", "presentation")
    assert link.context["record"]["id"] == "oai:example.org:1"
    manifest = b"""{"@context": "http://iiif.io/api/presentation/3/context.json",
      "id": "https://example.org/iiif/1/manifest.json",
      "type": "Manifest", "label": {"none": ["PRENT 0141"]},
      "items": [{"id": "https://example.org/c", "type": "Canvas", "items": [
      {"type": "AnnotationPage", "items": [{"type": "Annotation", "motivation": "painting", "body":
      {"id": "https://example.org/a.jpg", "type": "Image", "format": "image/jpeg"}}]}]}]}"""
    (candidate,) = read_presentation(manifest, link.uri, ANY, link.context).candidates
    assert candidate.rights_raw == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert [caption.text for caption in candidate.captions] == ["Scène de théâtre"]


def test_an_ark_of_gallica_leads_to_its_manifest() -> None:
    dc = (
        "<dc:identifier>https://gallica.bnf.fr/ark:/12148/btv1b10033406t</dc:identifier><dc:rights>domaine"
        " public</dc:rights>"
    )
    (link,) = read(listing(record(dc)), load_profile("gallica")).links
    assert link.uri == "https://gallica.bnf.fr/iiif/ark:/12148/btv1b10033406t/manifest.json"


def test_titles_of_the_armorial_are_blazons() -> None:
    dc = '<dc:title xml:lang="en">Azure, a chevron or</dc:title><dc:relation>http://127.0.0.1:9/iiif/m/1/manifest.json</dc:relation><dc:subject>46A122(LION)</dc:subject>'
    (link,) = read(listing(record(dc)), load_profile("armorial-valcendre")).links
    said = link.context["record"]["statements"][0]
    assert said == ["record-title", "Azure, a chevron or", "en", "dc:title"]
    assert load_profile("armorial-valcendre").titles_are == "blazon"


def test_deleted_records_are_withdrawn() -> None:
    deleted = (
        '<record><header status="deleted"><identifier>oai:x:1</identifier>'
        "<datestamp>2026-02-03</datestamp></header></record>"
    )
    (withdrawal,) = read(listing(deleted)).withdrawals
    assert (withdrawal.source_id, withdrawal.at) == ("oai:x:1", "2026-02-03")


def test_the_token_leads_to_the_next_page() -> None:
    token = '<resumptionToken completeListSize="9">a/b+c=</resumptionToken>'
    (link,) = read(listing(token=token)).links
    # The token is the only argument with the verb (section 3.5); the key of the API is not part of the
    # protocol and stays.
    assert parse_qs(urlsplit(link.uri).query) == {
        "verb": ["ListRecords"],
        "resumptionToken": ["a/b+c="],
        "apikey": ["k"],
    }
    assert link.kind == "oai-pmh"


@pytest.mark.parametrize("tokens", [["T1"], ["T1", "T2"]])
def test_a_token_that_comes_again_ends_the_walk(tokens: list[str]) -> None:
    found = read(listing(token="<resumptionToken>T1</resumptionToken>"), context={"tokens": tokens})
    assert found.links == ()
    assert "repeats its resumption token" in found.refusals[0].reason


def test_the_last_page_has_an_empty_token() -> None:
    assert read(listing(record(""), token="<resumptionToken/>")).links == ()


def test_records_of_identifiers_are_requested_one_by_one() -> None:
    document = answer(
        "<ListIdentifiers><header><identifier>oai:x:1</identifier></header>"
        '<header status="deleted"><identifier>oai:x:2</identifier></header></ListIdentifiers>'
    )
    found = read(document)
    assert parse_qs(urlsplit(found.links[0].uri).query)["identifier"] == ["oai:x:1"]
    assert [withdrawal.source_id for withdrawal in found.withdrawals] == ["oai:x:2"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (answer('<error code="noRecordsMatch">none</error>'), "noRecordsMatch: none"),
        (answer('<error code="badResumptionToken"/>'), "badResumptionToken"),
        (answer("<ListSets/>"), "ListSets, which has no records"),
        (answer(""), "without content"),
        (listing("<record><header/></record>"), "without an identifier"),
        (listing("<record><header><identifier>x</identifier></header></record>"), "without metadata"),
        (listing(record("<dc:title>Only words</dc:title>")), "without a manifest and without an image"),
        (b"<a/>", "<a>, not a response of OAI-PMH"),
        (b"broken xml", "not XML"),
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "declares entities"),
        (listing(record(""))[:-40], "not XML"),
    ],
)
def test_an_answer_without_records_gives_the_reason(document: bytes, reason: str) -> None:
    found = read(document)
    assert found.candidates == ()
    assert reason in found.refusals[0].reason


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
@pytest.mark.parametrize("declared", ["UTF-8", "iso-8859-1", ""])
def test_wrong_encodings_are_repaired(encoding: str, declared: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    body = DC.format(
        "<dc:title>Scène de théâtre</dc:title><dc:relation>https://example.org/a.jpg</dc:relation>"
    )
    (candidate,) = read((declaration + body).encode(encoding)).candidates
    assert candidate.captions[0].text == "Scène de théâtre"


@pytest.mark.parametrize("title", ["Sc&egrave;ne &amp; plus", "Scène & plus", "Scène\x0b &#11;& plus"])
def test_entities_of_html_and_forbidden_characters_are_repaired(title: str) -> None:
    body = DC.format(f"<dc:title>{title}</dc:title><dc:relation>https://example.org/a.jpg</dc:relation>")
    (candidate,) = read(body.encode()).candidates
    assert candidate.captions[0].text == "Scène & plus"


_PIECES = st.sampled_from(
    [
        "<record>",
        "</record>",
        "<header>",
        "</header>",
        "<identifier>x</identifier>",
        '<header status="deleted">',
        "<metadata>",
        "</metadata>",
        DC.format("<dc:title>T</dc:title>"),
        "<ListRecords>",
        "</ListRecords>",
        "<resumptionToken>t</resumptionToken>",
        "&",
        "é",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES, max_size=12), st.binary(max_size=20))
def test_no_answer_breaks_the_reader(pieces: list[str], tail: bytes) -> None:
    found = read(answer("".join(pieces)) + tail)
    assert (
        found.candidates
        or found.links
        or found.refusals
        or found.withdrawals
        or "record" not in "".join(pieces)
    )
