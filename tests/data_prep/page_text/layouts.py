"""Pages with pictures and texts, and which text is the caption of which picture: the answers in `layouts.tsv`
were written before the code that finds them. Each page is available in every format.

A layout is a row for each picture (its `words` are the right caption; `-` is none, and ` | ` divides answers
that are all right) and then a row for each block of text, in pixels:

- `text`, or `caption` where the document calls it that: lines divided by `|`, as are their widths where these
  differ, `step` pixels apart, from `x` or centred on a page of 1,000 pixels (`c`);
- `body`: a paragraph of so many lines, the last one half as long, with the first line if that matters;
- `+text` and `+body` continue the block before;
- `page` is the size of the page if it is not 1,000 x 1,500.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels"""
Line = tuple[str, Box]
Block = tuple[str, list[Line]]
"""What the document calls the block (`text` or `caption`), and its lines"""
CANVAS = "https://example.org/canvas"
PROSE = (
    "Le prince conduit le navire dans la mer profonde et",
    "la tour demeure debout au milieu des vagues qui",
    "montent vers le ciel comme il a esté dit plus haut",
    "par les anciens auteurs de ceste histoire du monde",
)


@dataclass(frozen=True)
class Layout:
    """A page; `wanted` are the right answers, of which one must come: number of a picture -> its caption."""

    name: str
    wanted: tuple[dict[int, str], ...]
    blocks: tuple[Block, ...]
    pictures: tuple[Box, ...]
    size: tuple[int, int]


def _layouts() -> Iterator[Layout]:
    """The layouts of the table."""
    rows: dict[str, list[list[str]]] = {}
    name = ""
    for line in Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[1:]:
        cells = [*line.split("\t"), *[""] * 8][:8]
        name = cells[0] or name
        rows.setdefault(name, []).append(cells[1:])
    for name, cells_of_rows in rows.items():
        size = (1000, 1500)
        pictures: list[Box] = []
        answers: list[list[str]] = []
        blocks: list[Block] = []
        for what, *place, words in cells_of_rows:
            if what == "page":
                size = int(place[2]), int(place[3])
            elif what == "picture":
                pictures.append((int(place[0]), int(place[1]), int(place[2]), int(place[3])))
                answers.append(words.split(" | "))
            elif what.startswith("+"):
                blocks[-1][1].extend(_lines(what[1:], place, words))
            else:
                blocks.append(("text" if what == "body" else what, _lines(what, place, words)))
        yield Layout(name, _wanted(answers), tuple(blocks), tuple(pictures), size)


def _wanted(answers: list[list[str]]) -> tuple[dict[int, str], ...]:
    """Each choice of an answer per picture; no caption at all is right only if nothing else is."""
    every = [
        {number: words for number, words in enumerate(choice) if words != "-"}
        for choice in itertools.product(*answers)
    ]
    return tuple(each for each in every if each or len(every) == 1)


def _lines(what: str, place: list[str], words: str) -> list[Line]:
    """What a row of text says, each line with its box."""
    x, y, widths, height, step = place
    if what == "body":
        count, _, first = words.partition(" lines: ")
        number = int(count.split()[0])
        lines = [first or PROSE[0], *(PROSE[place % 4] for place in range(1, number))]
        wide = [int(widths)] * (number - 1) + [int(widths) // 2]
    else:
        lines = words.split("|")
        wide = [int(width) for width in widths.split("|")]
        wide *= len(lines) if len(wide) == 1 else 1
    lefts = [500 - width // 2 if x == "c" else int(x) for width in wide]
    tops = [int(y) + place * int(step or 0) for place in range(len(lines))]
    return [
        (line, (left, top, width, int(height)))
        for line, left, top, width in zip(lines, lefts, tops, wide, strict=True)
    ]


LAYOUTS: tuple[Layout, ...] = tuple(_layouts())


def around(lines: list[Line]) -> Box:
    """The box around all lines."""
    left, top = min(box[0] for _, box in lines), min(box[1] for _, box in lines)
    right, bottom = max(box[0] + box[2] for _, box in lines), max(box[1] + box[3] for _, box in lines)
    return left, top, right - left, bottom - top


def as_alto(page: Layout) -> str:
    """The page in ALTO, where text in a margin is a running head: all of it is in the print space here."""

    def place(box: Box) -> str:
        return " ".join(
            f'{name}="{side}"' for name, side in zip(("HPOS", "VPOS", "WIDTH", "HEIGHT"), box, strict=True)
        )

    blocks = ""
    for kind, lines in page.blocks:
        tag = ' TYPE="caption"' if kind == "caption" else ""
        words = "".join(
            f"<TextLine {place(box)}>"
            + "".join(f'<String CONTENT="{escape(word)}"/>' for word in line.split())
            + "</TextLine>"
            for line, box in lines
        )
        blocks += f"<TextBlock{tag} {place(around(lines))}>{words}</TextBlock>"
    width, height = page.size
    return (
        '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Layout>'
        f'<Page WIDTH="{width}" HEIGHT="{height}"><PrintSpace>{blocks}</PrintSpace></Page></Layout></alto>'
    )


def as_hocr(page: Layout) -> str:
    """The page in hOCR, a paragraph for each block."""

    def place(box: Box) -> str:
        return f'title="bbox {box[0]} {box[1]} {box[0] + box[2]} {box[1] + box[3]}"'

    blocks = ""
    for kind, lines in page.blocks:
        name = "ocr_caption" if kind == "caption" else "ocr_line"
        words = "".join(f'<span class="{name}" {place(box)}>{escape(line)}</span>' for line, box in lines)
        blocks += f'<p class="ocr_par" {place(around(lines))}>{words}</p>'
    whole = place((0, 0, *page.size))
    return f'<!DOCTYPE html><html><body><div class="ocr_page" {whole}>{blocks}</div></body></html>'


def as_page_xml(page: Layout) -> str:
    """The page in PAGE XML, a region for each block."""

    def place(box: Box) -> str:
        left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
        return f'<Coords points="{left},{top} {right},{top} {right},{bottom} {left},{bottom}"/>'

    blocks = ""
    for number, (kind, lines) in enumerate(page.blocks):
        words = "".join(
            f"<TextLine>{place(box)}<TextEquiv><Unicode>{escape(line)}</Unicode></TextEquiv></TextLine>"
            for line, box in lines
        )
        name = "caption" if kind == "caption" else "paragraph"
        blocks += f'<TextRegion id="t{number}" type="{name}">{place(around(lines))}{words}</TextRegion>'
    return (
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
        f'<Page imageWidth="{page.size[0]}" imageHeight="{page.size[1]}">{blocks}</Page></PcGts>'
    )


def as_annotations(page: Layout) -> str:
    """The page as annotations of lines."""
    items = [
        {
            "type": "Annotation",
            "motivation": "supplementing",
            "textGranularity": "line",
            "label": {"fr": [kind]} if kind == "caption" else None,
            "target": f"{CANVAS}#xywh={','.join(map(str, box))}",
            "body": {"type": "TextualBody", "value": line},
        }
        for kind, lines in page.blocks
        for line, box in lines
    ]
    return json.dumps({"type": "AnnotationPage", "id": "https://example.org/a", "items": items})


FORMATS: tuple[Callable[[Layout], str], ...] = (as_alto, as_hocr, as_page_xml, as_annotations)
