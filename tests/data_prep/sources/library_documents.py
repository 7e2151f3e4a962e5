"""Small documents in the forms that libraries serve: METS with MODS, TEI, DIDL, and answers that carry them.

The forms: METS as Kitodo and Goobi write it for the DFG-Viewer (wiki of kitodo/kitodo-production, slub/dlf),
and as the Library of Congress does (records `loc.afc...` of its IHAS warehouse); TEI as e-codices and Trinity
College Cambridge do; DIDL as the Radboud repository and the KB's Delpher do. Words, numbers and addresses are
invented.
"""

from __future__ import annotations

PDM = "https://creativecommons.org/publicdomain/mark/1.0/"
_NAMES = (
    'xmlns:mets="http://www.loc.gov/METS/" xmlns:mods="http://www.loc.gov/mods/v3" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dv="http://dfg-viewer.de/"'
)

MODS = f"""
<mods:mods {_NAMES}>
  <mods:titleInfo><mods:nonSort>Die</mods:nonSort><mods:title>Belagerung der Stadt</mods:title>
    <mods:subTitle>in zwölf Kupfern</mods:subTitle></mods:titleInfo>
  <mods:name type="personal"><mods:displayForm>Merk, Anna</mods:displayForm>
    <mods:role><mods:roleTerm type="code" authority="marcrelator">egr</mods:roleTerm></mods:role></mods:name>
  <mods:name type="personal"><mods:namePart type="given">Otto</mods:namePart>
    <mods:namePart type="family">Drucker</mods:namePart>
    <mods:role><mods:roleTerm type="code" authority="marcrelator">prt</mods:roleTerm></mods:role></mods:name>
  <mods:originInfo><mods:dateIssued keyDate="yes">1702</mods:dateIssued></mods:originInfo>
  <mods:originInfo><mods:edition>[Electronic ed.]</mods:edition><mods:dateIssued>2011</mods:dateIssued>
  </mods:originInfo>
  <mods:genre>Druckgraphik</mods:genre>
  <mods:abstract lang="ger">Die Folge zeigt den Sturm auf die
  Mauern und die Übergabe der Stadt.</mods:abstract>
  <mods:subject authority="gnd"><mods:topic>Belagerung</mods:topic><mods:geographic>Namur</mods:geographic>
  </mods:subject>
  <mods:classification authority="iconclass">45K2</mods:classification>
  <mods:relatedItem type="host"><mods:titleInfo><mods:title>Eine Reihe</mods:title></mods:titleInfo>
  </mods:relatedItem>
  <mods:accessCondition type="use and reproduction" xlink:href="{PDM}">Public
  Domain Mark 1.0</mods:accessCondition>
  <mods:recordInfo><mods:recordIdentifier source="DE-99">123</mods:recordIdentifier></mods:recordInfo>
</mods:mods>
"""


def mets(origin: str, *, with_licence: bool = True, num_pages: int = 3) -> str:
    """A set of prints for the DFG-Viewer. Its pages are listed
    backwards, and a plate is described of its own."""
    pages = range(num_pages, 0, -1)

    def files(use: str, folder: str, media_type: str, ending: str) -> str:
        return (
            f'<mets:fileGrp USE="{use}">'
            + "".join(
                f'<mets:file ID="F{n}_{use}" MIMETYPE="{media_type}"><mets:FLocat LOCTYPE="URL" '
                f'xlink:href="{origin}/{folder}/{n}.{ending}"/></mets:file>'
                for n in pages
            )
            + "</mets:fileGrp>"
        )

    physical = "".join(
        f'<mets:div ID="P{n}" ORDER="{n}" ORDERLABEL="{n}r" TYPE="page">'
        + "".join(f'<mets:fptr FILEID="F{n}_{use}"/>' for use in ("THUMBS", "MAX", "DEFAULT", "FULLTEXT"))
        + "</mets:div>"
        for n in pages
    )
    rights = """<mets:amdSec ID="AMD"><mets:rightsMD ID="R">
    <mets:mdWrap MDTYPE="OTHER" OTHERMDTYPE="DVRIGHTS"><mets:xmlData>
      <dv:rights><dv:owner>Stadtbibliothek Ahausen</dv:owner><dv:license>pdm</dv:license></dv:rights>
    </mets:xmlData></mets:mdWrap></mets:rightsMD></mets:amdSec>""" if with_licence else ""  # fmt: skip
    description = MODS if with_licence else MODS.replace("accessCondition", "note")
    return f"""<mets:mets {_NAMES} OBJID="https://ahausen.example/1">
      <mets:dmdSec ID="D0"><mets:mdWrap MDTYPE="MODS"><mets:xmlData>{description}</mets:xmlData>
      </mets:mdWrap></mets:dmdSec>
      <mets:dmdSec ID="D2"><mets:mdWrap MDTYPE="MODS"><mets:xmlData><mods:mods>
        <mods:titleInfo><mods:title>Der Sturm auf das Brüsseler Tor</mods:title></mods:titleInfo>
      </mods:mods></mets:xmlData></mets:mdWrap></mets:dmdSec>
      {rights}
      <mets:fileSec>{files("THUMBS", "t", "image/jpeg", "jpg")}{files("MAX", "max", "image/jpeg", "jpg")}
        {files("DEFAULT", "d", "image/jpeg", "jpg")}{files("FULLTEXT", "ft", "text/xml", "xml")}
      </mets:fileSec>
      <mets:structMap TYPE="LOGICAL"><mets:div ID="L0" TYPE="monograph"
      DMDID="D0" LABEL="Belagerung" ADMID="AMD">
        <mets:div ID="L1" TYPE="chapter" LABEL="Vorbericht an den Leser"/>
        <mets:div ID="L2" TYPE="illustration" DMDID="D2" LABEL="Tafel mit Ansicht des Tores"/></mets:div>
        </mets:structMap>
      <mets:structMap TYPE="PHYSICAL"><mets:div ID="P0" TYPE="physSequence">{physical}</mets:div>
      </mets:structMap>
      <mets:structLink><mets:smLink xlink:from="L0" xlink:to="P0"/>
      <mets:smLink xlink:from="L1" xlink:to="P1"/>
        <mets:smLink xlink:from="L2" xlink:to="P2"/></mets:structLink></mets:mets>"""


def mets_of_congress(origin: str) -> str:
    """One structMap without a type, groups MASTER and SERVICE, rights in MODS."""
    return f"""<mets:mets {_NAMES} OBJID="loc.example.7">
      <mets:dmdSec ID="dmd1"><mets:mdWrap MDTYPE="MODS"><mets:xmlData><mods:mods>
        <mods:titleInfo><mods:title>Steam ferry on the river at night</mods:title></mods:titleInfo>
        <mods:originInfo><mods:dateCreated point="start">1888</mods:dateCreated>
        <mods:dateCreated point="end">1891</mods:dateCreated></mods:originInfo>
        <mods:accessCondition>No known restrictions on publication.</mods:accessCondition>
      </mods:mods></mets:xmlData></mets:mdWrap></mets:dmdSec>
      <mets:fileSec><mets:fileGrp USE="MASTER"><mets:file ID="m" MIMETYPE="image/tiff" GROUPID="G1">
          <mets:FLocat LOCTYPE="URL" xlink:href="{origin}/m/1.tif"/></mets:file></mets:fileGrp>
        <mets:fileGrp USE="SERVICE"><mets:file ID="z" MIMETYPE="image/tiff" GROUPID="G1">
          <mets:FLocat LOCTYPE="URL" xlink:href="{origin}/s/1.tif"/></mets:file>
          <mets:file ID="s" MIMETYPE="image/jpeg" GROUPID="G1">
          <mets:FLocat LOCTYPE="URL" xlink:href="{origin}/s/1v.jpg"/></mets:file></mets:fileGrp>
          </mets:fileSec>
      <mets:structMap><mets:div DMDID="dmd1"><mets:div TYPE="lc:image"><mets:fptr FILEID="m"/>
      <mets:fptr FILEID="z"/>
        <mets:fptr FILEID="s"/></mets:div></mets:div></mets:structMap></mets:mets>"""


def tei(origin: str) -> str:
    """A manuscript with two pages, one of them with a note on its initial."""
    return f"""<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:lang="en"><teiHeader><fileDesc>
      <titleStmt><title>Gradual of the nuns of Ahausen</title></titleStmt>
      <publicationStmt><availability><licence target="{PDM}">The images are free of copyright.</licence>
        <licence target="https://creativecommons.org/licenses/by-nc/4.0/">The
        transcription may be shared.</licence>
      </availability></publicationStmt>
      <sourceDesc><msDesc><msIdentifier><repository>Abbey Library Ahausen</repository><idno>Cod. 7</idno>
      </msIdentifier>
        <msContents><summary>A choir book with painted initials for the feasts of the year.</summary>
        </msContents>
        <physDesc><decoDesc><decoNote><locus from="2r" to="2r">f.
        2r</locus>: Initial with the Nativity</decoNote>
          <decoNote>Fleuronné throughout the volume.</decoNote></decoDesc></physDesc>
        <history><origin><origDate notBefore="1270" notAfter="1299">end of the 13th century</origDate>
        </origin></history>
      </msDesc></sourceDesc></fileDesc></teiHeader>
      <facsimile xml:base="{origin}/tei/">
        <surface xml:id="s1" n="1v"><graphic url="1-small.jpg" width="200px"/>
        <graphic url="1-large.jpg" width="1200px"/></surface>
        <surface xml:id="s2"><label>2r</label><graphic url="2.tif" width="5000px" mimeType="image/tiff"/>
          <graphic url="2.jpg" width="900px" mimeType="image/jpeg"/></surface></facsimile>
      <text><body><pb facs="#s2" n="2r"/></body></text></TEI>"""


def didl(origin: str) -> str:
    """A newspaper: metadata of the issue, then an item per page
    with its image in two forms, text and thumbnail."""

    def page(number: int) -> str:
        return f"""<didl:Item dc:identifier="ddd:1:p{number}">
          <didl:Component dc:identifier="ddd:1:p{number}:metadata"><didl:Resource mimeType="text/xml">
          <dcx:dcx>
            <dc:title>Gezicht op de haven, blad {("een", "twee")[number - 1]}</dc:title></dcx:dcx>
            </didl:Resource></didl:Component>
          <didl:Component dc:identifier="ddd:1:p{number}:image">
          <didl:Resource mimeType="image/jp2" ref="{origin}/didl/{number}.jp2"/>
            <didl:Resource mimeType="image/jpeg" ref="{origin}/didl/{number}.jpg"/></didl:Component>
          <didl:Component dc:identifier="ddd:1:p{number}:thumbnail">
          <didl:Resource mimeType="image/jpeg" ref="{origin}/didl/t{number}.jpg"/></didl:Component>
          <didl:Component dc:identifier="ddd:1:p{number}:alto">
          <didl:Resource mimeType="text/xml" ref="{origin}/didl/{number}.xml"/></didl:Component>
        </didl:Item>"""

    return f"""<didl:DIDL xmlns:didl="urn:mpeg:mpeg21:2002:02-DIDL-NS"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:dcx="http://krait.kb.nl/coop/tel/handbook/telterms.html"
        xmlns:dcterms="http://purl.org/dc/terms/">
      <didl:Item dc:identifier="ddd:1"><didl:Descriptor><didl:Statement mimeType="application/xml">
          <dcterms:license>{PDM}</dcterms:license></didl:Statement></didl:Descriptor>
        <didl:Component><didl:Resource mimeType="text/xml"><dcx:dcx>
        <dc:title>De Ahauser Courant met prenten</dc:title>
          <dc:date>1871</dc:date><dc:creator>Piet Prent</dc:creator></dcx:dcx></didl:Resource>
          </didl:Component>
        {page(1)}{page(2)}</didl:Item></didl:DIDL>"""


def oai(*records: tuple[str, str]) -> str:
    """An answer to ListRecords with these identifiers and metadata."""
    items = "".join(
        f"<record><header><identifier>{name}</identifier></header><metadata>{content}</metadata></record>"
        for name, content in records
    )
    return f"""<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><request verb="ListRecords"
      metadataPrefix="mets">https://ahausen.example/oai</request><ListRecords>{items}</ListRecords></OAI-PMH>"""
