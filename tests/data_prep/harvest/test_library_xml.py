"""METS, TEI and DIDL through the whole harvest, from an OAI-PMH server and from addresses of their own."""

from __future__ import annotations

import json

import pytest

from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.verb import harvest
from iconoclip.config import as_tree
from iconoclip.errors import BadInput
from iconoclip.shardset import ShardSet
from tests.data_prep.sources.library_documents import didl, mets, oai, tei

FAST = {
    "harvested_at": "2026-01-02T03:04:05Z", "network.retry_seconds": 0.01, "num_workers": 1,
    "max_side_pixels": 64,
}  # fmt: skip
XML = {"Content-Type": "application/xml"}


def harvested(server, source, out, **values):
    settings = as_tree(FAST | values)
    assert harvest(HarvestConfig(sources=[f"{server.origin}{source}"], out=out, **settings)) == 0
    return [record for record, _ in ShardSet(out).samples()]


def pictures(server, reply, picture, *paths):
    for number, path in enumerate(paths):
        server.routes[path] = reply(picture(number), headers={"Content-Type": "image/jpeg"})


def test_mets_from_an_oai_pmh_server(server, reply, picture, tmp_path):
    pictures(server, reply, picture, "/d/1.jpg", "/d/2.jpg", "/d/3.jpg")
    listing = oai(("oai:a:1", mets(server.origin))).replace(
        "https://ahausen.example/oai", f"{server.origin}/oai"
    )
    server.prefixes["/oai?"] = reply(listing.encode(), headers=XML)
    records = harvested(server, "/oai?verb=ListRecords&metadataPrefix=mets", tmp_path)
    assert [path for path in server.paths if path.startswith("/d/")] == ["/d/1.jpg", "/d/2.jpg", "/d/3.jpg"]
    assert [record.source.image for record in records] == [f"{server.origin}/d/{n}.jpg" for n in (1, 2, 3)]
    plate = records[1]
    assert {caption.text for caption in plate.captions if caption.level == "page"} == {
        "Der Sturm auf das Brüsseler Tor. Die Belagerung der Stadt : in zwölf Kupfern. Druckgraphik, Anna"
        " Merk, 1702",
        "Tafel mit Ansicht des Tores",
    }
    assert plate.rights.may_train
    assert (plate.creators, plate.iconclass, plate.group) == (("Merk, Anna",), ("45K2",), "oai:a:1")
    # What the source said is kept with the record.
    rows = ShardSet(tmp_path).table(["raw"])["raw"].to_pylist()
    assert ("mets:ORDERLABEL", "2r") in {(pair["label"], pair["value"]) for pair in rows[1]}


def test_mets_that_has_no_rights_statement_is_not_stored(server, reply, picture, tmp_path):
    pictures(server, reply, picture, "/d/1.jpg", "/d/2.jpg", "/d/3.jpg")
    server.routes["/doc.xml"] = reply(mets(server.origin, with_licence=False).encode(), headers=XML)
    with pytest.raises(BadInput):
        harvested(server, "/doc.xml", tmp_path)
    assert [path for path in server.paths if path.startswith("/d/")] == []


def test_the_volumes_of_a_work_are_followed(server, reply, picture, tmp_path):
    pictures(server, reply, picture, "/d/1.jpg")
    server.routes["/v1.xml"] = reply(mets(server.origin, num_pages=1).encode(), headers=XML)
    work = f"""<mets:mets xmlns:mets="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink">
      <mets:structMap TYPE="LOGICAL"><mets:div TYPE="multivolume_work"><mets:div>
      <mets:mptr LOCTYPE="URL" xlink:href="{server.origin}/v1.xml"/>
      </mets:div></mets:div></mets:structMap></mets:mets>"""
    server.routes["/work.xml"] = reply(work.encode(), headers=XML)
    (record,) = harvested(server, "/work.xml", tmp_path)
    assert record.title == "Die Belagerung der Stadt : in zwölf Kupfern. Namur. Druckgraphik, Anna Merk, 1702"


@pytest.mark.parametrize(
    ("document", "paths", "words"),
    [
        (tei, ("/tei/1-large.jpg", "/tei/2.jpg"), "Initial with the Nativity"),
        (didl, ("/didl/1.jpg", "/didl/2.jpg"), "Gezicht op de haven, blad twee"),
    ],
)
def test_tei_and_didl_behind_an_address(server, reply, picture, tmp_path, document, paths, words):
    pictures(server, reply, picture, *paths)
    server.routes["/doc.xml"] = reply(document(server.origin).encode(), headers=XML)
    first, second = harvested(server, "/doc.xml", tmp_path)
    assert words in "\n".join(caption.text for caption in second.captions)
    assert words not in "\n".join(caption.text for caption in first.captions)
    assert second.rights.may_train


def test_a_dry_run_over_a_file_lists_its_records(tmp_path, capsys):
    path = tmp_path / "mets.xml"
    path.write_text(mets("https://img.ahausen.example"))
    assert harvest(HarvestConfig(sources=[str(path)], dry_run=True, json=True, **as_tree(FAST))) == 0
    records = [json.loads(line)["record"] for line in capsys.readouterr().out.splitlines()]
    assert [record["source"]["image"] for record in records] == [
        f"https://img.ahausen.example/d/{number}.jpg" for number in (1, 2, 3)
    ]
