"""Documents about one page of 1,000 x 1,500 pixels in every format: a picture, its caption, a text."""

from __future__ import annotations

import json

SIZE = (1000, 1500)
PICTURE, CAPTION, TEXT = (200, 300, 600, 500), (350, 820, 300, 30), (150, 900, 700, 400)
CAPTION_WORDS = "Fig. 3. Un navire & une tour"


def alto(
    version: int = 4, *, unit: str = "pixel", scale: float = 1.0, size: tuple[float, float] | None = SIZE,
    picture: str = "Illustration", extra: str = "", caption_tag: str = "", tags: str = "",
) -> bytes:  # fmt: skip
    """ALTO in which coordinates are pixels times `scale`."""
    namespace = f"http://www.loc.gov/standards/alto/ns-v{version}#" if version > 1 else ""

    def place(box: tuple[int, int, int, int]) -> str:
        x, y, w, h = (value * scale for value in box)
        return f'HPOS="{x:g}" VPOS="{y:g}" WIDTH="{w:g}" HEIGHT="{h:g}"'

    page = f'WIDTH="{size[0] * scale:g}" HEIGHT="{size[1] * scale:g}"' if size else ""
    words = "".join(f'<String CONTENT="{w}" WC="0.8"/>' for w in CAPTION_WORDS.replace("&", "&amp;").split())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="{namespace}"><Description><MeasurementUnit>{unit}</MeasurementUnit>
<sourceImageInformation><fileName>p_0007.tif</fileName></sourceImageInformation></Description>{tags}
<Layout><Page ID="P7" PHYSICAL_IMG_NR="7" {page}><PrintSpace>
<{picture} ID="I1" {place(PICTURE)}/>
<TextBlock ID="T1" LANG="fr" {caption_tag} {place(CAPTION)}><TextLine {place(CAPTION)}>{
        words
    }</TextLine></TextBlock>
<TextBlock ID="T2" LANG="fr" {place(TEXT)}>
<TextLine {
        place((150, 900, 700, 40))
    }><String CONTENT="Le prince conduit le na"/><HYP CONTENT="-"/></TextLine>
<TextLine {place((150, 950, 700, 40))}><String CONTENT="vire"/><SP/><String CONTENT="toujours"/></TextLine>
<TextLine {place((150, 1000, 700, 40))}><String CONTENT="et la tour demeure"/></TextLine>
<TextLine {place((150, 1050, 700, 40))}><String CONTENT="dans le monde"/></TextLine></TextBlock>{extra}
</PrintSpace></Page></Layout></alto>""".encode()


def page_xml(*, year: str = "2019-07-15", caption_type: str = "caption", relation: str = "") -> bytes:
    """PAGE XML; that of 2010 lists the points of a polygon as elements."""

    def coords(box: tuple[int, int, int, int]) -> str:
        x, y, w, h = box
        corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
        if year.startswith("2010"):
            return "<Coords>" + "".join(f'<Point x="{a}" y="{b}"/>' for a, b in corners) + "</Coords>"
        return f'<Coords points="{" ".join(f"{a},{b}" for a, b in corners)}"/>'

    words = CAPTION_WORDS.replace("&", "&amp;")
    return f"""<?xml version="1.0"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{year}">
<Page imageFilename="p_0007.tif" imageWidth="{SIZE[0]}" imageHeight="{SIZE[1]}" primaryLanguage="French">
<GraphicRegion id="g1" type="decoration">{coords((150, 900, 120, 120))}</GraphicRegion>
<ImageRegion id="i1">{coords(PICTURE)}</ImageRegion>
<TextRegion id="t1" type="{caption_type}">{coords(CAPTION)}<TextLine id="l1">{coords(CAPTION)}
<TextEquiv index="1"><Unicode>Fig. 8. Vn nauire</Unicode></TextEquiv>
<TextEquiv index="0" conf="0.9"><Unicode>{words}</Unicode></TextEquiv></TextLine></TextRegion>
<TextRegion id="t2" type="paragraph">{coords(TEXT)}
<TextEquiv><Unicode>Le prince conduit</Unicode></TextEquiv></TextRegion>
<TextRegion id="t3" type="drop-capital">{coords((150, 900, 60, 60))}</TextRegion>{relation}
</Page></PcGts>""".encode()


def hocr(
    *, photo: str = "ocr_photo", head: str = "<!DOCTYPE html>", page: str = "bbox 0 0 1000 1500"
) -> bytes:
    """hOCR with entities of HTML in its text."""

    def place(box: tuple[int, int, int, int]) -> str:
        x, y, w, h = box
        return f"bbox {x} {y} {x + w} {y + h}"

    words = "".join(f"<span class='ocrx_word' title='x_wconf 80'>{w}</span> " for w in
                    CAPTION_WORDS.replace("&", "&amp;").replace(" tour",
                                                            "&nbsp;tour").split(" "))  # fmt: skip
    return f"""{head}<html lang="fr"><head><meta charset="utf-8"></head><body>
<div class="ocr_page" id="page_1" title='image "scans/p_0007.tif"; {page}; ppageno 6'>
<div class="{photo}" id="photo_1" title="{place(PICTURE)}"></div>
<div class="ocr_carea" title="{place(CAPTION)}"><p class="ocr_par" title="{place(CAPTION)}">
<span class="ocr_caption" title="{place(CAPTION)}">{words}</span></p></div>
<div class="ocr_carea" title="{place(TEXT)}"><p class="ocr_par" title="{place(TEXT)}">
<span class="ocr_line" title="{place((150, 900, 700, 40))}">L&rsquo;&eacute;cole du prin-</span>
<span class="ocr_line" title="{place((150, 950, 700, 40))}">ce</span></p></div></div>
</body></html>""".encode()


CANVAS = "https://example.org/iiif/b1/canvas/7"


def annotations(*, version: int = 3, canvas: str = CANVAS) -> bytes:
    """An annotation page (3) or list (2) of lines."""
    lines = [((350, 820, 300, 30), CAPTION_WORDS), ((150, 900, 700, 40), "Le prince conduit"),
             ((150, 950, 700, 40), "le navire")]  # fmt: skip
    if version == 3:
        items = [
            {"type": "Annotation", "id": f"https://example.org/a/{n}", "motivation": "supplementing",
             "textGranularity": "line", "target": f"{canvas}#xywh={','.join(map(str, box))}",
             "body": {"type": "TextualBody", "value": text, "language": "fr", "format": "text/plain"}}
            for n, (box, text) in enumerate(lines)
        ]  # fmt: skip
        return json.dumps({"type": "AnnotationPage", "id": "https://example.org/a", "items": items}).encode()
    resources = [
        {"@type": "oa:Annotation", "motivation": "sc:painting",
         "on": f"{canvas}#xywh={','.join(map(str, box))}",
         "resource": {"@type": "cnt:ContentAsText", "chars": text, "language": "fr", "format": "text/plain"}}
        for box, text in lines
    ]  # fmt: skip
    return json.dumps({"@context": "http://iiif.io/api/presentation/2/context.json",
                       "@type": "sc:AnnotationList",
                       "@id": "https://example.org/a", "resources": resources}).encode()  # fmt: skip
