"""Whatever kind of document a set was harvested from: mapped again offline, it has the bytes of a fresh
harvest with that mapping, and nobody is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from iconoclip.shardset import ShardSet
from tests import commands
from tests.data_prep.harvest.cataloguing import FAST, HARVEST
from tests.data_prep.harvest.conftest import PDM, Server
from tests.data_prep.sources.library_documents import didl, mets, mets_of_congress, oai, tei

PLAIN: dict[str, Any] = {"slug": "marsh", "name": "Museum of Marshes"}
# Another reading of the same texts: what titles are, which parts are captions, and how they are joined.
OTHER = {
    **PLAIN,
    "language": "de",
    "titles_are": "description",
    "iconclass_captions": False,
    "trim": [r",? [^ ]+ [^ ]+"],
    "composition": {
        "captions": ["descriptive", "title", "note"],
        "max_title_words": 0,
        "templates": {"default": {"sentences": ["{creator}: {subject}; {person} ({date})"]}},
    },
}


def in_oai(name: str, document: Callable[[str], str]) -> Callable[[str], str]:
    """A document as the metadata of the only record of an OAI-PMH server."""
    return lambda origin: oai((f"oai:marsh:{name}", document(origin))).replace(
        "https://ahausen.example/oai", f"{origin}/doc.xml"
    )


def dublin_core(origin: str) -> str:
    return f"""<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"
      xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Coots on the ice</dc:title>
      <dc:creator>Fenn, Ann (1610-1671)</dc:creator><dc:subject>Coots; Winter</dc:subject>
      <dc:date>1655</dc:date>
      <dc:description>Two coots cross a frozen ditch</dc:description><dc:type>Drawing</dc:type>
      <dc:rights>{PDM}</dc:rights><dc:identifier>{origin}/d/1.jpg</dc:identifier></oai_dc:dc>"""


def sru(origin: str) -> str:
    return f"""<searchRetrieveResponse xmlns="http://www.loc.gov/zing/srw/"><numberOfRecords>1</numberOfRecords>
      <records><record><recordData>{dublin_core(origin)}</recordData></record></records>
      </searchRetrieveResponse>"""


def lido(origin: str) -> str:
    return f"""<lido:lidoWrap xmlns:lido="http://www.lido-schema.org"><lido:lido>
      <lido:lidoRecID>marsh/7</lido:lidoRecID><lido:descriptiveMetadata xml:lang="de">
      <lido:objectWorkType><lido:term>Zeichnung</lido:term></lido:objectWorkType>
      <lido:titleSet><lido:appellationValue>Die Reiher am Wehr</lido:appellationValue></lido:titleSet>
      <lido:event><lido:eventType><lido:term>Herstellung</lido:term></lido:eventType>
      <lido:eventActor><lido:nameActorSet><lido:appellationValue>Anna Fenn</lido:appellationValue>
      </lido:nameActorSet></lido:eventActor>
      <lido:eventDate><lido:displayDate>um 1650</lido:displayDate></lido:eventDate></lido:event>
      <lido:subjectSet><lido:subjectConcept>
      <lido:conceptID lido:source="Iconclass">25F36</lido:conceptID>
      <lido:term>Reiher</lido:term></lido:subjectConcept></lido:subjectSet></lido:descriptiveMetadata>
      <lido:administrativeMetadata xml:lang="de"><lido:resourceSet>
      <lido:resourceRepresentation lido:type="image_master">
      <lido:linkResource>{origin}/d/1.jpg</lido:linkResource>
      </lido:resourceRepresentation><lido:rightsResource><lido:rightsType><lido:conceptID>{PDM}</lido:conceptID>
      </lido:rightsType></lido:rightsResource></lido:resourceSet></lido:administrativeMetadata></lido:lido>
      </lido:lidoWrap>"""


def edm(origin: str) -> str:
    return f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
      xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:ore="http://www.openarchives.org/ore/terms/"
      xmlns:edm="http://www.europeana.eu/schemas/edm/" xmlns:skos="http://www.w3.org/2004/02/skos/core#">
      <edm:ProvidedCHO rdf:about="#cho"><dc:title xml:lang="nl">Reigers bij de stuw</dc:title>
      <dc:creator rdf:resource="#maker"/><dc:subject xml:lang="nl">reigers</dc:subject>
      <dc:type xml:lang="nl">tekening</dc:type><edm:type>IMAGE</edm:type></edm:ProvidedCHO>
      <edm:Agent rdf:about="#maker"><skos:prefLabel xml:lang="nl">Anna Fenn</skos:prefLabel></edm:Agent>
      <ore:Aggregation rdf:about="#agg"><edm:aggregatedCHO rdf:resource="#cho"/>
      <edm:dataProvider>Museum of Marshes</edm:dataProvider><edm:rights rdf:resource="{PDM}"/>
      <edm:isShownBy rdf:resource="{origin}/d/1.jpg"/></ore:Aggregation></rdf:RDF>"""


SOURCES: dict[str, tuple[Callable[[str], str], int]] = {
    "METS and MODS, as the DFG has them": (mets, 3),
    "METS and MODS, as the Library of Congress has them": (mets_of_congress, 1),
    "METS from OAI-PMH": (in_oai("mets", mets), 3),
    "TEI": (tei, 2),
    "DIDL": (didl, 2),
    "DIDL from OAI-PMH": (in_oai("didl", didl), 2),
    "Dublin Core from OAI-PMH": (in_oai("dc", dublin_core), 1),
    "Dublin Core from SRU": (sru, 1),
    "LIDO": (lido, 1),
    "EDM": (edm, 1),
}


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of what a reader of the set sees."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix in (".tar", ".parquet") or path.name == "shardset.json"
    }


def records(folder: Path) -> dict[str, str]:
    """The records of a set, by their keys."""
    return {record.key: record.model_dump_json() for record in ShardSet(folder).records()}


@pytest.fixture
def sources(server: Server, reply: Any, picture: Callable[..., bytes]) -> list[str]:
    """The addresses of a document of each kind, which the server has."""
    for number, folder in enumerate(("/d/", "/tei/", "/didl/", "/s/")):
        server.prefixes[folder] = reply(picture(number), headers={"Content-Type": "image/jpeg"})
    addresses = []
    for number, (name, (document, _)) in enumerate(SOURCES.items()):
        # The Library of Congress speaks of restrictions; here its document is free.
        text = document(server.origin).replace("No known restrictions on publication.", PDM)
        if "OAI" in name:
            # Other objects than those of the same kind that are documents of their own.
            text = text.replace("ahausen.example/1", "ahausen.example/2").replace("ddd:1", "ddd:2")
            text = text.replace(f"{server.origin}/doc.xml", f"{server.origin}/{number}.xml")
        answer = reply(text.encode(), headers={"Content-Type": "application/xml"})
        path = f"/{number}.xml"
        server.routes[path] = server.prefixes[f"{path}?"] = answer
        addresses.append(f"{server.origin}{path}{'?verb=ListRecords&metadataPrefix=x' * ('OAI' in name)}")
    return addresses


def test_a_remapped_set_of_any_source_is_a_fresh_harvest(
    sources: list[str], server: Server, tmp_path: Path
) -> None:
    """All kinds in one set, because starting a command costs a second."""
    profiles = {}
    for slug, values in (("plain", PLAIN), ("other", OTHER)):
        profiles[slug] = tmp_path / f"{slug}.yaml"
        profiles[slug].write_text(yaml.safe_dump(values))
        words = ["harvest", *sources, "--out", tmp_path / slug, "--institution", profiles[slug]]
        done = commands.run([*words, *HARVEST, *FAST, "--max_side_pixels", 64])
        assert done.returncode == 0, done.stderr
    plain, other = tmp_path / "plain", tmp_path / "other"
    assert len(ShardSet(plain)) == sum(number for _, number in SOURCES.values())
    fresh = {"plain": files(plain), "other": files(other)}
    told = {"plain": records(plain), "other": records(other)}
    # The other mapping changes every record, so that each kind is tried.
    assert [key for key, text in told["plain"].items() if told["other"].get(key) == text] == []
    num_asked = len(server.requests)
    for slug in ("other", "plain"):
        done = commands.run(["remap", plain, "--institution", profiles[slug], "--yes"])
        assert done.returncode == 0, done.stderr
        assert records(plain) == told[slug]
        assert files(plain) == fresh[slug]
    assert len(server.requests) == num_asked
