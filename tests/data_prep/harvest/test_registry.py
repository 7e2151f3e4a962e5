"""Which reader reads what, recognised by the address or the document."""

from __future__ import annotations

import pytest

from data_prep.institutions import profile_for
from data_prep.sources.address_list import first_request
from data_prep.sources.registry import look, read, roots
from iconoclip.errors import BadInput, MissingRequirement


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'<?xml version="1.0"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">', "oai-pmh"),
        (b"<oai_dc:dc xmlns:oai_dc='x'>", "oai-pmh"),
        (b"<srw:searchRetrieveResponse xmlns:srw='x'>", "sru"),
        (b"<lido:lidoWrap xmlns:lido='x'>", "lido"),
        (b"<rdf:RDF xmlns:rdf='x'>", "europeana"),
        (b'{"apikey": "k", "success": true, "itemsCount": 1}', "europeana"),
        (b'\xef\xbb\xbf{"type": "OrderedCollectionPage"}', "discovery"),
        (b'{"id": "x", "type": "AnnotationPage", "items": []}', "annotations"),
        (b'{"@id": "x", "@type": "sc:AnnotationList"}', "annotations"),
        (b'{"type": "Manifest", "annotations": [{"type": "AnnotationPage"}]}', "presentation"),
        (b'{"@type": "sc:Collection"}', "presentation"),
        (b"not anything", "presentation"),
    ],
)
def test_look(body, kind):
    assert look(body) == kind


def test_a_base_address_asks_for_all_records():
    assert (
        first_request("https://h.example/oai", "oai-pmh")
        == "https://h.example/oai?verb=ListRecords&metadataPrefix=oai_dc"
    )
    full = "https://h.example/oai?verb=ListIdentifiers&metadataPrefix=edm"
    assert first_request(full, "oai-pmh") == full
    assert first_request("https://h.example/top.json", "iiif") == "https://h.example/top.json"


def test_folders_files_and_addresses(tmp_path):
    (tmp_path / "b" / ".git").mkdir(parents=True)
    for name in ("b/2.json", "a.json", "b/.git/config", ".hidden"):
        (tmp_path / name).write_text("{}")
    found = roots(
        [str(tmp_path), f"file://{tmp_path}/a.json", "https://h.example:81/oai?verb=Identify"], "auto"
    )
    names = [row.uri.removeprefix(str(tmp_path)) for row in found]
    assert names == ["/a.json", "/b/2.json", "/a.json", "https://h.example:81/oai?verb=Identify"]
    assert [row.host for row in found] == ["", "", "", "h.example:81"]
    assert found[-1].kind == "oai-pmh"


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(MissingRequirement):
        roots([str(tmp_path / "nowhere")], "auto")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no files"):
        roots([str(tmp_path / "empty")], "auto")


def test_a_reader_that_fails_refuses_its_document(monkeypatch):
    from data_prep.sources import registry

    def stumble(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setitem(registry.READERS, "presentation", stumble)
    found = read("presentation", b"{}", "https://h.example/m", profile_for("https://h.example/m"), {})
    assert found.refusals[0].source == "https://h.example/m"
    assert "RecursionError: too deep" in found.refusals[0].reason
