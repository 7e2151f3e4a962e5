"""SRU, Europeana (Search, Record, EDM) and LIDO."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from data_prep.institutions import InstitutionProfile, load_profile
from data_prep.sources.europeana import read_europeana
from data_prep.sources.lido import read_lido
from data_prep.sources.sru import read_sru

ANY = InstitutionProfile(slug="example", name="Example Library")
SRU = "https://example.org/SRU?operation=searchRetrieve&version=1.2&query=dc.type%20all%20%22estampe%22&maximumRecords=50"
API = "https://api.europeana.eu/record/v2/search.json?wskey=k&query=arms&rows=100"


def query_of(uri: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(uri).query).items()}


def sru(*records: str, total: int = 3, following: str = "") -> bytes:
    inside = "".join(f"<record><recordData>{record}</recordData></record>" for record in records)
    return (
        '<searchRetrieveResponse xmlns="http://www.loc.gov/zing/srw/"><numberOfRecords>'
        f"{total}</numberOfRecords><records>{inside}</records>{following}</searchRetrieveResponse>"
    ).encode()


DC = '<dc xmlns="http://purl.org/dc/elements/1.1/"><title>Une estampe</title><identifier>https://example.org/1</identifier><relation>https://example.org/1.jpg</relation></dc>'


def test_sru_pages_link_to_the_next() -> None:
    found = read_sru(sru(DC, DC), SRU, ANY)
    assert [candidate.image_uri for candidate in found.candidates] == ["https://example.org/1.jpg"] * 2
    assert found.candidates[0].source.id == "https://example.org/1"
    (link,) = found.links
    assert query_of(link.uri) == {**query_of(SRU), "startRecord": "3"}
    stated = read_sru(sru(DC, total=99, following="<nextRecordPosition>51</nextRecordPosition>"), SRU, ANY)
    assert query_of(stated.links[0].uri)["startRecord"] == "51"


@pytest.mark.parametrize(
    "following",
    ["", "<nextRecordPosition>1</nextRecordPosition>", "<nextRecordPosition>4</nextRecordPosition>"],
)
def test_sru_ends(following: str) -> None:
    assert read_sru(sru(DC, total=1, following=following), SRU, ANY).links == ()


def test_sru_records_packed_as_text() -> None:
    packed = DC.replace("<", "&lt;").replace(">", "&gt;")
    assert read_sru(sru(packed), SRU, ANY).candidates[0].image_uri == "https://example.org/1.jpg"


def test_sru_of_the_kb_names_images_by_their_resolver() -> None:
    record = (
        '<dc xmlns="http://purl.org/dc/elements/1.1/" xmlns:dcx="http://krait.kb.nl/coop/tel/handbook/telterms.html">'
        "<dcx:recordIdentifier>KONB01:582</dcx:recordIdentifier><title>t Fort van Griet-Zyl</title>"
        "<identifier>http://resolver.kb.nl/resolve?urn=urn:gvn:KONB01:133_28B</identifier></dc>"
    )
    (candidate,) = read_sru(sru(record), SRU, load_profile("kb")).candidates
    assert candidate.source.id == "KONB01:582"
    assert candidate.image_uri == "http://resolver.kb.nl/resolve?urn=urn:gvn:KONB01:133_28B&size=large"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (sru(), "without records"),
        (
            (
                b"<searchRetrieveResponse><diagnostics><diagnostic><message>Query syntax"
                b" error</message></diagnostic></diagnostics></searchRetrieveResponse>"
            ),
            "Query syntax error",
        ),
        (b"<a/>", "not a response of SRU"),
        (sru("<x>&lt;broken</x>")[:-9], "not XML"),
    ],
)
def test_sru_gives_the_reason_for_an_empty_answer(document: bytes, reason: str) -> None:
    found = read_sru(document, SRU, ANY)
    assert found.candidates == ()
    assert reason in found.refusals[0].reason


ITEM: dict[str, Any] = {
    "id": "/9200/item_1",
    "type": "IMAGE",
    "title": ["Armorial"],
    "dcTitleLangAware": {"en": ["Armorial of Saint-Quentin"], "fr": ["Armorial de Saint-Quentin"]},
    "dcCreator": ["http://data.europeana.eu/agent/1", "Anna Painter"],
    "rights": ["http://creativecommons.org/licenses/by/4.0/"],
    "dataProvider": ["Library of Somewhere"],
    "edmIsShownBy": ["https://example.org/full/1.jpg"],
    "edmIsShownAt": ["https://example.org/item/1"],
    "year": ["1650"],
}


def search(*items: Any, **more: Any) -> bytes:
    return json.dumps(
        {
            "apikey": "k",
            "success": True,
            "itemsCount": len(items),
            "totalResults": 2000,
            "items": items,
            **more,
        }
    ).encode()


def test_europeana_search() -> None:
    (candidate,) = read_europeana(search(ITEM), API, load_profile("europeana")).candidates
    assert candidate.source.id == "http://data.europeana.eu/item/9200/item_1"
    assert (candidate.image_uri, candidate.source.homepage) == (
        "https://example.org/full/1.jpg",
        "https://example.org/item/1",
    )
    assert candidate.rights_raw == "http://creativecommons.org/licenses/by/4.0/"
    assert candidate.attribution == candidate.institution.name == "Library of Somewhere"
    assert candidate.creators == ("Anna Painter",)
    assert candidate.date is not None
    assert candidate.date.earliest == 1650
    assert [(c.text, c.language) for c in candidate.captions] == [
        ("Armorial of Saint-Quentin. Anna Painter, 1650", "en"),
        ("Armorial de Saint-Quentin. Anna Painter, 1650", "fr"),
    ]


def test_europeana_search_without_an_image_uses_the_manifest() -> None:
    found = read_europeana(
        search({"id": "/9200/item_1", "rights": ["http://creativecommons.org/publicdomain/zero/1.0/"]}),
        API,
        ANY,
    )
    assert found.links[0].uri == "https://iiif.europeana.eu/presentation/9200/item_1/manifest"
    assert found.links[0].context["record"]["rights"] == ["http://creativecommons.org/publicdomain/zero/1.0/"]


def test_europeana_pages_by_cursor_and_by_start() -> None:
    by_cursor = read_europeana(search(ITEM, nextCursor="abc=="), API + "&cursor=*", ANY)
    assert query_of(by_cursor.links[0].uri) == {**query_of(API), "cursor": "abc=="}
    repeated = read_europeana(search(ITEM, nextCursor="abc"), API + "&cursor=abc", ANY)
    assert repeated.links == ()
    assert "repeats its cursor" in repeated.refusals[0].reason
    last = read_europeana(search(ITEM), API + "&cursor=abc", ANY)
    assert last.links == ()
    by_start = read_europeana(search(*[ITEM] * 3), API, ANY)
    assert query_of(by_start.links[0].uri)["start"] == "4"
    beyond = read_europeana(search(ITEM), API + "&start=1000", ANY)
    assert beyond.links == ()
    assert "cursor=*" in beyond.refusals[0].reason


def test_europeana_record_in_json() -> None:
    record = {
        "about": "/9200/item_1",
        "proxies": [
            {
                "europeanaProxy": True,
                "dcSubject": {"def": ["http://iconclass.org/46A122", "http://data.europeana.eu/concept/1"]},
            },
            {
                "europeanaProxy": False,
                "dcTitle": {"en": ["Armorial of Saint-Quentin"]},
                "dctermsCreated": {"def": ["ca. 1650"]},
            },
        ],
        "concepts": [{"about": "http://data.europeana.eu/concept/1", "prefLabel": {"de": ["Wappenkunde"]}}],
        "aggregations": [
            {
                "edmDataProvider": {"def": ["Library of Somewhere"]},
                "edmRights": {"def": ["http://creativecommons.org/publicdomain/mark/1.0/"]},
                "edmIsShownBy": "https://example.org/iiif/1/full/full/0/default.jpg",
                "webResources": [
                    {
                        "about": "https://example.org/iiif/1/full/full/0/default.jpg",
                        "ebucoreHasMimeType": "image/jpeg",
                        "ebucoreWidth": 3000,
                        "ebucoreHeight": 2000,
                        "svcsHasService": ["https://example.org/iiif/1"],
                    }
                ],
            }
        ],
        "services": [
            {
                "about": "https://example.org/iiif/1",
                "doapImplements": ["http://iiif.io/api/image/2/level1.json"],
            }
        ],
    }
    found = read_europeana(json.dumps({"success": True, "object": record}).encode(), API, ANY)
    (candidate,) = found.candidates
    assert candidate.service is not None
    assert (candidate.service.id, candidate.service.level, candidate.source_size) == (
        "https://example.org/iiif/1",
        1,
        (3000, 2000),
    )
    assert candidate.iconclass == ("46A122",)
    assert [(c.text, c.language) for c in candidate.captions if c.origin == "institution"] == [
        ("Armorial of Saint-Quentin. ca. 1650", "en"),
        ("Wappenkunde. ca. 1650", "de"),
    ]
    assert candidate.date is not None
    assert candidate.date.edtf == "1650~"


def test_europeana_errors_are_reported() -> None:
    found = read_europeana(b'{"success": false, "error": "Invalid API key"}', API, ANY)
    assert "Invalid API key" in found.refusals[0].reason


EDM = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:dcterms="http://purl.org/dc/terms/" xmlns:edm="http://www.europeana.eu/schemas/edm/" xmlns:ore="http://www.openarchives.org/ore/terms/"
 xmlns:skos="http://www.w3.org/2004/02/skos/core#" xmlns:svcs="http://rdfs.org/sioc/services#" xmlns:doap="http://usefulinc.com/ns/doap#">
 <edm:ProvidedCHO rdf:about="#cho"><dc:title xml:lang="nl">Wapenboek</dc:title>
 <dc:creator rdf:resource="#maker"/><dc:type>tekening</dc:type>
  <edm:type>IMAGE</edm:type><dc:subject rdf:resource="http://iconclass.org/46A122"/></edm:ProvidedCHO>
 <edm:Agent rdf:about="#maker"><skos:prefLabel xml:lang="nl">Anna Schilder</skos:prefLabel></edm:Agent>
 <ore:Aggregation rdf:about="#agg"><edm:aggregatedCHO rdf:resource="#cho"/>
 <edm:dataProvider>Museum</edm:dataProvider>
  <edm:rights rdf:resource="http://creativecommons.org/licenses/by/4.0/"/><edm:isShownBy rdf:resource="https://example.org/1.jpg"/>
  <edm:hasView rdf:resource="https://example.org/2.jpg"/></ore:Aggregation>
 <edm:WebResource rdf:about="https://example.org/2.jpg"><edm:rights rdf:resource="http://creativecommons.org/licenses/by-nc/4.0/"/>{view}</edm:WebResource>
</rdf:RDF>"""


def test_edm_images_have_rights_of_their_own() -> None:
    first, second = read_europeana(EDM.format(view="").encode(), API, ANY).candidates
    assert (first.rights_raw, second.rights_raw) == (
        "http://creativecommons.org/licenses/by/4.0/",
        "http://creativecommons.org/licenses/by-nc/4.0/",
    )
    assert (first.creators, first.object_type, first.iconclass) == (
        ("Anna Schilder",),
        "tekening",
        ("46A122",),
    )
    assert first.group == second.group
    assert first.source.id != second.source.id


def test_edm_with_a_manifest_uses_it() -> None:
    view = '<dcterms:isReferencedBy rdf:resource="https://example.org/iiif/1/manifest"/>'
    found = read_europeana(EDM.format(view=view).encode(), API, ANY)
    assert found.candidates == ()
    assert [link.uri for link in found.links] == ["https://example.org/iiif/1/manifest"]


def test_edm_of_a_film_is_refused_as_one() -> None:
    found = read_europeana(EDM.format(view="").replace(">IMAGE<", ">VIDEO<").encode(), API, ANY)
    assert "type VIDEO" in found.refusals[0].reason


LIDO = """<lido:lidoWrap xmlns:lido="http://www.lido-schema.org"><lido:lido><lido:lidoRecID>DE-1/2</lido:lidoRecID>
<lido:descriptiveMetadata xml:lang="de">
 <lido:objectWorkType><lido:term>Gemälde</lido:term></lido:objectWorkType>
 <lido:titleSet><lido:appellationValue>Wappen der Stadt</lido:appellationValue></lido:titleSet>
 <lido:repositoryName><lido:legalBodyName><lido:appellationValue>Stadtmuseum</lido:appellationValue></lido:legalBodyName></lido:repositoryName>
 <lido:event><lido:eventType><lido:term>Herstellung</lido:term></lido:eventType>
  <lido:eventActor><lido:nameActorSet><lido:appellationValue>Anna Malerin</lido:appellationValue>
  </lido:nameActorSet></lido:eventActor>
  <lido:eventActor><lido:nameActorSet><lido:appellationValue>Ein Vorbild</lido:appellationValue>
  </lido:nameActorSet><lido:roleActor><lido:term>nach</lido:term></lido:roleActor></lido:eventActor>
  <lido:eventDate><lido:displayDate>um 1650</lido:displayDate></lido:eventDate></lido:event>
 <lido:event><lido:eventType><lido:term>Erwerb</lido:term></lido:eventType><lido:eventDate><lido:displayDate>1900</lido:displayDate></lido:eventDate></lido:event>
 <lido:subjectSet><lido:subjectConcept><lido:conceptID lido:source="Iconclass">46A122</lido:conceptID>
 <lido:term>Heraldik und Wappenkunde</lido:term></lido:subjectConcept></lido:subjectSet>
</lido:descriptiveMetadata>
<lido:administrativeMetadata xml:lang="de">
 <lido:recordRights><lido:rightsType><lido:term>CC0</lido:term></lido:rightsType></lido:recordRights>
 <lido:resourceSet>
  <lido:resourceRepresentation lido:type="image_thumb"><lido:linkResource>https://example.org/thumb.jpg</lido:linkResource></lido:resourceRepresentation>
  <lido:resourceRepresentation lido:type="image_master"><lido:linkResource>https://example.org/master.jpg</lido:linkResource></lido:resourceRepresentation>
  <lido:rightsResource><lido:rightsType><lido:conceptID>http://creativecommons.org/licenses/by-sa/4.0/</lido:conceptID></lido:rightsType></lido:rightsResource>
 </lido:resourceSet>
</lido:administrativeMetadata></lido:lido></lido:lidoWrap>"""


def test_lido() -> None:
    (candidate,) = read_lido(LIDO.encode(), "file.xml", ANY).candidates
    assert candidate.source.id == "DE-1/2"
    assert candidate.image_uri == "https://example.org/master.jpg"
    assert candidate.institution.name == "Stadtmuseum"
    assert (candidate.creators, candidate.object_type, candidate.iconclass) == (
        ("Anna Malerin",),
        "Gemälde",
        ("46A122",),
    )
    assert candidate.date is not None
    assert candidate.date.edtf == "1650~"
    assert [c.text for c in candidate.captions if c.origin == "institution"] == [
        "Wappen der Stadt. Heraldik und Wappenkunde. Gemälde, Anna Malerin, um 1650",
    ]
    # The text of the record may be copied by anybody; the picture may not.
    assert candidate.rights_raw == "http://creativecommons.org/licenses/by-sa/4.0/"


def test_lido_gives_technique_and_place_of_making() -> None:
    more = """<lido:eventPlace><lido:displayPlace/><lido:place><lido:namePlaceSet><lido:appellationValue>Ulm
      </lido:appellationValue></lido:namePlaceSet></lido:place></lido:eventPlace><lido:eventMaterialsTech>
      <lido:materialsTech><lido:termMaterialsTech><lido:term>Öl auf Leinwand</lido:term>
      </lido:termMaterialsTech></lido:materialsTech></lido:eventMaterialsTech>"""
    document = LIDO.replace("<lido:eventDate>", f"{more}<lido:eventDate>", 1)
    (candidate,) = read_lido(document.encode(), "file.xml", ANY).candidates
    expected = "Heraldik und Wappenkunde. Gemälde, Öl auf Leinwand, Anna Malerin, Ulm, um 1650"
    assert candidate.captions[0].text == f"Wappen der Stadt. {expected}"


def test_lido_without_rights_of_the_image_has_none() -> None:
    start, end = LIDO.index("<lido:rightsResource>"), LIDO.index("</lido:resourceSet>")
    (candidate,) = read_lido((LIDO[:start] + LIDO[end:]).encode(), "file.xml", ANY).candidates
    assert candidate.rights_raw is None
