"""Marked pages: one JSON object per line, with the zones that people drew on each page.

A row has `file` (relative to the folder of the JSONL), `document`, `width`, `height`, and one of

- `boxes` with our kinds (and `kind` of the page), as drawn books and corrections have them;
- `zones` with labels of SegmOnto, whose GraphicZone does not separate ornaments from illustrations:
  `judged_kinds.jsonl` next to this module does, else their size and shape;
- `regions` with French labels and percentages, as the Gallica Images data set has them.
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from iconoclip.errors import BadInput, MissingRequirement, RightsForbid
from iconoclip.page_layout.corrections import read_corrections
from iconoclip.page_layout.kinds import BOX_KINDS, PAGE_KINDS, PICTURE_KINDS
from iconoclip.shardset import ShardSet
from iconoclip.vocabulary import PolicyName
from training.data.selection import allows

Row = dict[str, Any]
JUDGED_NAME: Final = "judged_kinds.jsonl"
# Zones of text as the model learns them: whatever holds lines.
_TEXT_LABELS: Final = ("MainZone", "MarginTextZone", "TitlePageZone", "RunningTitleZone", "TableZone",
                       "MusicZone", "GraphicZone:figDesc")  # fmt: skip
_SEGMONTO: Final = {"DropCapitalZone": "initial", "StampZone": "stamp"}
_GALLICA: Final = {
    "photographie": "photograph", "dessin": "illustration", "estampe": "illustration", "schema": "map",
    "plan": "map", "carte": "map", "tampon": "stamp", "écriture manuscrite": "text",
    "écriture typographique": "text",
}  # fmt: skip
# An ornament without a judgement: lower than a line or two, or a band.
MAX_LINE_SHARE: Final = 0.03
MIN_BAND_RATIO: Final = 3.0
# On pages of these kinds is no text, whether somebody has marked text or not.
_WITHOUT_TEXT: Final = ("blank", "binding", "target")
# A page whose pictures cover this share of what is on it is a picture.
PICTURE_SHARE: Final = 0.6
# An image wider than high with two blocks of text of this share of its width is of an open book.
WIDE: Final = 0.12


@dataclass(frozen=True)
class Zone:
    """A rectangle on a page: left, top, right, bottom in pixels of the file. `kind` is a box kind or
    `text`."""

    kind: str
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """The area in square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True)
class Page:
    """A marked page. `kind` is None where the marks do not determine it."""

    path: Path
    document: str
    group: str
    width: int
    height: int
    zones: tuple[Zone, ...]
    kind: str | None
    span: tuple[int, int] | None = None
    """offset and size of the image's bytes in a shard; None: the whole file"""
    has_text_marks: bool = True
    """whether what lies outside of its zones is no text; corrections say only where pictures are"""

    def read(self) -> bytes:
        """The bytes of the page's image."""
        if self.span is None:
            return self.path.read_bytes()
        with self.path.open("rb") as file:
            file.seek(self.span[0])
            return file.read(self.span[1])

    def shares(self, zone: Zone) -> tuple[float, float, float, float]:
        """The corners of a zone in shares of the page, cut at its edges."""
        left, top, right, bottom = (
            min(max(value / side, 0.0), 1.0)
            for value, side in zip(zone.box, (self.width, self.height) * 2, strict=True)
        )
        return left, top, right, bottom

    def of_kinds(self, kinds: Iterable[str]) -> list[Zone]:
        """The zones of these kinds."""
        wanted = frozenset(kinds)
        return [zone for zone in self.zones if zone.kind in wanted]


def read_pages(path: Path) -> list[Page]:
    """The pages of a JSONL file, the same page under two names only once.

    Raises:
        MissingRequirement: no such file, or a page's image is not there.
        BadInput: a line that is no marked page.
    """
    if not path.is_file():
        raise MissingRequirement("no such file of marked pages", where=path, remedy="check the path")
    pages: dict[tuple[str, str], Page] = {}
    num_unmarked = 0
    for number, line in enumerate(_lines(path), 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError("it is no object")
            if not ({"boxes", "zones", "regions"} & set(row)):
                num_unmarked += 1
                continue
            page = _page(row, path.parent)
        except (
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise BadInput(
                f"line {number} is no marked page: {error}", where=path, remedy="correct or remove the line"
            ) from error
        if not page.path.is_file():
            raise MissingRequirement(
                "a page's image is not there", where=page.path, remedy="check the folder"
            )
        pages.setdefault((page.document, _name(row)), page)
    if num_unmarked:
        print(f"{path}: {num_unmarked} lines without marks left out", file=sys.stderr)
    return list(pages.values())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except ValueError as error:
        raise BadInput(f"not UTF-8: {error}", where=path, remedy="write the file again as UTF-8") from error


def is_corrections(path: Path) -> bool:
    """Whether a JSONL file names pages by their keys, as corrections do, and not by their files."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "key" in row and "file" not in row


def corrected_pages(folder: Path, corrections: Path, policy: PolicyName) -> list[Page]:
    """The pages of a shard set that a curator corrected, that are not withdrawn, and whose rights allow it.

    Raises:
        MissingRequirement: no such set or file.
        BadInput: a line is no correction, or no corrected page is in the set.
        RightsForbid: the policy allows to train on none of them.
    """
    found, shardset = read_corrections(corrections), ShardSet(folder)
    rights = ["rights_raw", "rights_uri", "train", "opt_out"]
    columns = ["key", "shard", "image_offset", "image_size", "width", "height", "group", *rights]
    rows = [row for row in shardset.table(columns).to_pylist() if row["key"] in found]
    if not rows:
        raise BadInput(
            "none of the corrected pages is in the set of pages",
            where=corrections,
            remedy=f"give the set that was segmented, not {folder}",
        )
    allowed = [row for row in rows if allows(*_rights(row), policy)]
    if len(allowed) < len(rows):
        print(
            f"{len(rows) - len(allowed)} corrected pages left out: rights, policy '{policy}'", file=sys.stderr
        )
    if not allowed:
        raise RightsForbid(
            f"the policy '{policy}' leaves none of the {len(rows)} corrected pages",
            where=folder,
            remedy="correct pages with open rights, or choose another --policy",
        )
    pages = []
    for row in allowed:
        finding = found[row["key"]]
        width, height = row["width"], row["height"]
        zones = tuple(
            Zone(box.kind, (box.left * width, box.top * height, box.right * width, box.bottom * height))
            for box in finding.boxes
        )
        span = row["image_offset"], row["image_size"]
        path = shardset.path_of(row["shard"])
        page = Page(path, row["group"], "corrections", width, height, zones, finding.kind, span)
        pages.append(replace(page, has_text_marks=finding.kind in _WITHOUT_TEXT))
    return pages


def _rights(row: Row) -> tuple[str | None, str | None, str, tuple[str, ...]]:
    return row["rights_raw"], row["rights_uri"], row["train"], tuple(row["opt_out"] or ())


def _name(row: Row) -> str:
    """The page's name; data sets hold pages twice, under the names of two steps of their making."""
    return str(row.get("page") or row["file"]).replace(".chocomufin", "")


def _page(row: Row, folder: Path) -> Page:
    path = folder / row["file"]
    if not path.is_file() and len(Path(row["file"]).parts) > 1:
        path = folder.joinpath(*Path(row["file"]).parts[1:])
    width, height = int(row["width"]), int(row["height"])
    if min(width, height) < 1:
        raise ValueError(f"no page is {width} x {height} pixels")
    zones = tuple(_zones(row, width, height))
    document = str(row.get("document") or Path(row["file"]).stem.partition("-")[0])
    group = str(row.get("century") or row.get("group") or row.get("institution") or "")
    kind = row.get("kind")
    if kind not in (None, *PAGE_KINDS):
        raise ValueError(f"'{kind}' is no kind of page")
    has_text_marks = bool({"zones", "regions"} & set(row)) or kind in _WITHOUT_TEXT
    page = Page(path, document, group, width, height, zones, kind, has_text_marks=has_text_marks)
    return page if page.kind else replace(page, kind=kind_of(page))


def _zones(row: Row, width: int, height: int) -> Iterator[Zone]:
    for region in row.get("regions", ()):
        left, top, right, bottom = _corners(region["xywh_percent"])
        box = left * width / 100, top * height / 100, right * width / 100, bottom * height / 100
        for label in region["label"]:
            if label in _GALLICA:
                yield Zone(_GALLICA[label], box)
    for one in row.get("boxes", ()):
        if one["kind"] not in BOX_KINDS:
            raise ValueError(f"'{one['kind']}' is no kind of box")
        yield Zone(one["kind"], _corners(one["xywh"]))
    for zone in row.get("zones", ()):
        label, box = zone["label"].partition("#")[0], _corners(zone["xywh"])
        if label in _TEXT_LABELS:
            yield Zone("text", box)
        elif "boxes" in row:
            continue
        elif label in _SEGMONTO:
            yield Zone(_SEGMONTO[label], box)
        elif label == "GraphicZone":
            yield Zone(_graphic_kind(row, zone["xywh"], width, height), box)


def _corners(xywh: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = map(float, xywh)
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) < 0:
        raise ValueError(f"{xywh} is no box")
    return x, y, x + width, y + height


def _graphic_kind(row: Row, xywh: list[int], width: int, height: int) -> str:
    judged = _judged().get((str(row.get("document")), _name(row), tuple(xywh)))
    if judged:
        return judged
    is_line = xywh[3] < MAX_LINE_SHARE * height
    return "ornament" if is_line or xywh[2] > MIN_BAND_RATIO * xywh[3] else "illustration"


@functools.cache
def _judged() -> dict[tuple[str, str, tuple[int, ...]], str]:
    """The kinds of zones that were looked at, by document, page and box."""
    text = Path(__file__).with_name(JUDGED_NAME).read_text(encoding="utf-8")
    rows = map(json.loads, text.splitlines())
    return {(row["document"], row["page"], tuple(row["xywh"])): row["kind"] for row in rows}


def kind_of(page: Page) -> str | None:
    """The kind of page that its zones imply; None where nothing is marked."""
    pictures, text = page.of_kinds(PICTURE_KINDS), page.of_kinds(("text",))
    covered = sum(zone.area for zone in pictures)
    if not page.zones:
        return None
    if covered and covered >= PICTURE_SHARE * (covered + sum(zone.area for zone in text)):
        return "map" if all(zone.kind == "map" for zone in pictures) else "picture"
    # Two columns of one page are higher than wide.
    if page.width > page.height and _is_on_both_sides(page):
        return "spread"
    # A page of text with an ornament or an initial is a page of text.
    return "mixed" if pictures else "text"


def _is_on_both_sides(page: Page) -> bool:
    """Whether two wide blocks of text lie next to each other."""
    boxes = [zone.box for zone in page.of_kinds(("text",)) if zone.box[2] - zone.box[0] >= WIDE * page.width]
    return any(one[2] <= other[0] for one in boxes for other in boxes)
