"""The OAI-PMH archive, read by an independent harvester, and by hand where requests break the protocol."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx2
import pytest
from oaipmh_scythe import Scythe
from oaipmh_scythe.exceptions import NoRecordsMatch

from builtin_collections.armorial.blazon.languages import blazon
from builtin_collections.armorial.collection import NUM_WITHDRAWN, Holdings
from builtin_collections.armorial.server.process import ServedArmorial

OAI = "{http://www.openarchives.org/OAI/2.0/}"
DC = "{http://purl.org/dc/elements/1.1/}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def test_a_harvester_reads_every_record(served: ServedArmorial, holdings: tuple[Holdings, ...]) -> None:
    held = holdings[2]
    with Scythe(served.valcendre_oai) as scythe:
        records = list(scythe.list_records(metadata_prefix="oai_dc"))
    deleted = [record for record in records if record.header.deleted]
    assert len(deleted) == NUM_WITHDRAWN
    assert len(records) == len(held.items) + NUM_WITHDRAWN
    assert len({record.header.identifier for record in records}) == len(records)
    for record in records:
        if record.header.deleted:
            continue
        item = held.by_identifier[record.header.identifier.rpartition(":")[2]]
        assert record.metadata["relation"] == [f"{served.valcendre}/iiif/{item.identifier}/manifest"]
        assert set(record.metadata["title"]) == {blazon(item.arms, tag) for tag in ("en", "fr", "de")}
        assert record.metadata.get("rights") == (None if item.rights is None else [item.rights])


def test_identify_formats_sets_headers(served: ServedArmorial, holdings: tuple[Holdings, ...]) -> None:
    with Scythe(served.valcendre_oai) as scythe:
        identify = scythe.identify()
        assert identify.repositoryName == holdings[2].archive.name
        assert identify.deletedRecord == "persistent"
        assert [each.metadataPrefix for each in scythe.list_metadata_formats()] == ["oai_dc"]
        sets = [each.setSpec for each in scythe.list_sets()]
        assert sets == [f"roll-{number}" for number in holdings[2].rolls]
        headers = list(scythe.list_identifiers(metadata_prefix="oai_dc", set_="roll-1"))
        expected = [item for item in holdings[2].by_modified if item.roll == 1]
        assert len(headers) == len(expected)


def test_from_and_until_select(served: ServedArmorial, holdings: tuple[Holdings, ...]) -> None:
    day = "2021-03-05"
    expected = [item for item in holdings[2].by_modified if item.modified.date().isoformat() == day]
    assert expected
    with Scythe(served.valcendre_oai) as scythe:
        headers = list(scythe.list_identifiers(metadata_prefix="oai_dc", from_=day, until=day))
        assert len(headers) == len(expected)
        with pytest.raises(NoRecordsMatch):
            list(scythe.list_identifiers(metadata_prefix="oai_dc", from_="2099-01-01"))


def test_post_is_get(served: ServedArmorial, client: httpx2.Client) -> None:
    answer = client.post(served.valcendre_oai, data={"verb": "ListSets"})
    assert ElementTree.fromstring(answer.content).find(f"{OAI}ListSets") is not None


def test_titles_carry_their_language(served: ServedArmorial, client: httpx2.Client) -> None:
    identifier = "oai:valcendre.example.org:vc-00001"
    parameters = {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": identifier}
    root = ElementTree.fromstring(client.get(served.valcendre_oai, params=parameters).content)
    assert {title.get(LANGUAGE) for title in root.iter(f"{DC}title")} == {"en", "fr", "de"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "badVerb"),
        ("verb=Steal", "badVerb"),
        ("verb=%00%01%3Cx%3E", "badArgument"),
        ("verb=%3Cx%3E%26", "badVerb"),
        ("verb=ListRecords", "badArgument"),
        ("verb=Identify&extra=1", "badArgument"),
        ("verb=Identify&verb=Identify", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=yesterday", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2021-13-45", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2022-01-01&until=2021-01-01", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2021-01-01&until=2022-01-01T00:00:00Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=marc21", "cannotDisseminateFormat"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=roll-99", "noRecordsMatch"),
        ("verb=ListRecords&resumptionToken=junk", "badResumptionToken"),
        ("verb=ListRecords&resumptionToken=%00junk", "badArgument"),
        ("verb=ListRecords&resumptionToken=oai_dc.100000000...", "badResumptionToken"),
        ("verb=ListRecords&resumptionToken=oai_dc.100...&set=roll-1", "badArgument"),
        ("verb=ListSets&resumptionToken=x", "badResumptionToken"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:elsewhere:1", "idDoesNotExist"),
        ("verb=ListMetadataFormats&identifier=nothing", "idDoesNotExist"),
    ],
)
def test_protocol_errors(served: ServedArmorial, client: httpx2.Client, query: str, code: str) -> None:
    answer = client.get(f"{served.valcendre_oai}?{query}")
    assert answer.status_code == 200
    error = ElementTree.fromstring(answer.content).find(f"{OAI}error")
    assert error is not None
    assert error.get("code") == code
    assert error.text
