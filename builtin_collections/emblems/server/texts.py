"""The text of a drawn page in the formats of institutions: ALTO, hOCR, annotations of lines.

What an institution's OCR does not know is left out: a caption is a block of text like any other, and pictures
are marked in some volumes only.
"""

from __future__ import annotations

from typing import Any, Literal
from xml.etree import ElementTree

from builtin_collections.emblems.truth import Box, TextBlock, Truth

TextFormat = Literal["alto", "alto-mm10", "hocr", "annotations"]
FORMATS: tuple[TextFormat, ...] = ("alto", "hocr", "alto-mm10", "annotations")
_DOTS_PER_INCH = 300
_ALTO_2, _ALTO_4 = "http://www.loc.gov/standards/alto/ns-v2#", "http://www.loc.gov/standards/alto/ns-v4#"


def alto(truth: Truth, file_name: str, *, tenths_of_millimetres: bool = False) -> bytes:
    """ALTO 4 in pixels; or ALTO 2 in tenths of a millimetre, which also marks illustrations."""
    namespace = _ALTO_2 if tenths_of_millimetres else _ALTO_4
    scale = 254 / _DOTS_PER_INCH if tenths_of_millimetres else 1.0
    root = ElementTree.Element("alto", {"xmlns": namespace})
    description = ElementTree.SubElement(root, "Description")
    ElementTree.SubElement(description, "MeasurementUnit").text = "mm10" if tenths_of_millimetres else "pixel"
    source = ElementTree.SubElement(description, "sourceImageInformation")
    ElementTree.SubElement(source, "fileName").text = file_name
    page = ElementTree.SubElement(
        ElementTree.SubElement(root, "Layout"),
        "Page",
        {"ID": "P1", "WIDTH": f"{truth.size[0] * scale:.0f}", "HEIGHT": f"{truth.size[1] * scale:.0f}"},
    )
    space = ElementTree.SubElement(page, "PrintSpace", _place((0, 0, *truth.size), scale))
    if tenths_of_millimetres:
        for number, picture in enumerate(truth.pictures):
            if picture.kind in ("illustration", "photograph", "map"):
                attributes = {"ID": f"I{number}", **_place(picture.box, scale)}
                ElementTree.SubElement(space, "Illustration", attributes)
    for number, text in enumerate(truth.texts):
        _alto_block(space, f"T{number}", text, scale)
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded


def _alto_block(parent: ElementTree.Element, identity: str, text: TextBlock, scale: float) -> None:
    attributes = {"ID": identity, "LANG": text.language, **_place(text.box, scale)}
    block = ElementTree.SubElement(parent, "TextBlock", attributes)
    for line in text.lines:
        element = ElementTree.SubElement(block, "TextLine", _place(line.box, scale))
        for word, box in line.words or ((line.text, line.box),):
            content = {"CONTENT": word.replace("ſ", "s"), "WC": "0.9"}
            ElementTree.SubElement(element, "String", {**content, **_place(box, scale)})


def _place(box: Box, scale: float) -> dict[str, str]:
    x, y, width, height = (f"{value * scale:.0f}" for value in box)
    return {"HPOS": x, "VPOS": y, "WIDTH": width, "HEIGHT": height}


def hocr(truth: Truth, file_name: str) -> bytes:
    """A page of hOCR whose blocks of text are paragraphs."""
    html = ElementTree.Element("html")
    head = ElementTree.SubElement(html, "head")
    ElementTree.SubElement(head, "meta", {"charset": "utf-8"})
    ElementTree.SubElement(head, "title").text = file_name
    whole = f'image "{file_name}"; {_bbox((0, 0, *truth.size))}; ppageno 0'
    page = ElementTree.SubElement(
        ElementTree.SubElement(html, "body"), "div", {"class": "ocr_page", "title": whole}
    )
    for text in truth.texts:
        area = ElementTree.SubElement(page, "div", {"class": "ocr_carea", "title": _bbox(text.box)})
        paragraph = ElementTree.SubElement(
            area, "p", {"class": "ocr_par", "lang": text.language, "title": _bbox(text.box)}
        )
        for line in text.lines:
            element = ElementTree.SubElement(
                paragraph, "span", {"class": "ocr_line", "title": _bbox(line.box)}
            )
            element.text = line.text.replace("ſ", "s")
            element.tail = "\n"
    encoded: bytes = ElementTree.tostring(html, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + encoded


def _bbox(box: Box) -> str:
    x, y, width, height = box
    return f"bbox {x} {y} {x + width} {y + height}"


def text_annotations(truth: Truth, address: str, canvas: str) -> dict[str, Any]:
    """An annotation page with one supplementing annotation for each line."""
    items: list[dict[str, Any]] = []
    for text in truth.texts:
        for line in text.lines:
            body = {
                "type": "TextualBody",
                "value": line.text.replace("ſ", "s"),
                "language": text.language,
                "format": "text/plain",
            }
            items.append(
                {
                    "id": f"{address}/{len(items) + 1}",
                    "type": "Annotation",
                    "motivation": "supplementing",
                    "textGranularity": "line",
                    "body": body,
                    "target": f"{canvas}#xywh={','.join(map(str, line.box))}",
                }
            )
    context = ["http://iiif.io/api/extension/text-granularity/context.json",
               "http://iiif.io/api/presentation/3/context.json"]  # fmt: skip
    return {"@context": context, "id": address, "type": "AnnotationPage", "items": items}
