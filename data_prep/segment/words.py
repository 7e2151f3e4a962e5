"""What is known of a page besides its pixels: the pictures its institution marked, and the captions.

The institution's documents come first (ALTO, hOCR, PAGE XML, IIIF annotations in a folder). Where there is
none, Tesseract reads around the pictures, if asked to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import numpy as np

from data_prep.candidate import Refusal
from data_prep.page_text.captions import TiedCaption, institution_pictures, tie_captions
from data_prep.page_text.folder import TextFolder
from data_prep.page_text.ocr import VERSION
from data_prep.page_text.ocr_captions import read_captions
from data_prep.page_text.zones import FloatBox, PageText
from data_prep.segment.regions import full_size
from iconoclip import pictures
from iconoclip.page_layout.findings import MAX_BOXES, Finding, FoundBox
from iconoclip.page_layout.inputs import MAX_PIXELS
from iconoclip.page_layout.kinds import BOX_KINDS, PICTURE_KINDS, BoxKind, PageKind
from iconoclip.page_layout.measure import overlap
from iconoclip.pictures import ImageRefused
from iconoclip.record import Caption, Record, Region

# A box of the model that overlaps one of the institution by this much is the same picture.
SAME: Final = 0.3
# Or that lies in it by this share of its own area.
INSIDE: Final = 0.7
# Raised whenever the same texts would give other boxes or captions: the pages are then read again.
WORDS_VERSION: Final = 3
# Two boxes of the institution that overlap by this much are one picture.
TWICE: Final = 0.8
# Sides of the smallest picture, in shares of the longer side of the page.
LEAST_LONG_SIDE: Final = 0.02
LEAST_SHORT_SIDE: Final = 0.005


class Words:
    """Knows the texts of pages.

    Args:
        folder: documents about pages, named as their images; None knows none.
        ocr: whether Tesseract reads the captions of pages without a document.

    Raises:
        MissingRequirement: no such folder.
    """

    def __init__(self, folder: Path | None, *, ocr: bool) -> None:
        self._folder = None if folder is None else TextFolder(folder)
        self._ocr = ocr
        self.digest = _digest(folder, ocr)

    def of(self, page: Record) -> PageText | Refusal | None:
        """The institution's text of a page, in pixels of the stored image; None if it has none."""
        size = page.image.width, page.image.height
        return None if self._folder is None else self._folder.of_record(page, size)

    def problems(self) -> list[dict[str, str]]:
        """Documents about whole volumes that could not be read, with the reasons."""
        refusals = () if self._folder is None else self._folder.refusals
        return [{"key": "", "reason": f"{each.source}: {each.reason}"} for each in refusals]

    def page_kind(self, page: Record) -> PageKind | None:
        """The kind of page that the institution's structure of the volume tells, if any."""
        return None if self._folder is None else self._folder.page_kind(page)

    def captions(
        self, page: Record, image: bytes, boxes: Sequence[FoundBox], text: PageText | Refusal | None
    ) -> dict[int, Caption]:
        """The captions of pictures on a page, by the number of the picture in `boxes`."""
        width, height = page.image.width, page.image.height
        places: list[FloatBox] = [tuple(map(float, box.pixels(width, height))) for box in boxes]  # type: ignore[misc]
        languages = [one.language for one in page.captions if one.language != "und"]
        tied: dict[int, TiedCaption] = {}
        if isinstance(text, PageText):
            tied = tie_captions(places, text)
        elif self._ocr and places:
            try:
                decoded = pictures.decode(image, max_pixels=MAX_PIXELS)
            except ImageRefused:
                return {}
            read = read_captions(np.asarray(decoded), places, languages)
            tied = {} if isinstance(read, Refusal) else read
        language = languages[0] if languages else "und"
        # Records measure in pixels of the full-size source image; the zones are in those of the stored one,
        # which may be a part of it.
        frame = page.source.region or Region(x=0, y=0, width=full_size(page)[0], height=full_size(page)[1])
        scale = frame.width / width, frame.height / height
        return {number: _moved(one.as_caption(language, scale), frame) for number, one in tied.items()}


def _moved(caption: Caption, frame: Region) -> Caption:
    """A caption whose box is measured from the corner of a frame, measured from that of the whole image."""
    box = caption.box
    if box is None:
        return caption
    return caption.model_copy(
        update={"box": box.model_copy(update={"x": box.x + frame.x, "y": box.y + frame.y})}
    )


def with_institution(finding: Finding, text: PageText | Refusal | None, size: tuple[int, int]) -> Finding:
    """A finding in which the pictures that the institution marked replace the model's in their places."""
    if not isinstance(text, PageText):
        return finding
    theirs: list[FoundBox] = []
    for zone in institution_pictures(text):
        if zone.kind not in BOX_KINDS or zone.box is None or _is_speck(zone.kind, zone.box, size):
            continue
        box = _box(cast(BoxKind, zone.kind), zone.box, size)
        # OCR marks some pictures twice.
        if box is not None and not any(overlap(box.corners, one.corners) >= TWICE for one in theirs):
            theirs.append(box)
    if not theirs:
        return finding
    kept = [box for box in finding.boxes if not any(_is_same(box, other) for other in theirs)]
    is_text = finding.kind in ("text", "blank") and any(box.kind in PICTURE_KINDS for box in theirs)
    return replace(
        finding,
        kind="mixed" if is_text else finding.kind,
        probability=1.0 if is_text else finding.probability,
        boxes=(*theirs, *kept)[:MAX_BOXES],
        origin="institution",
    )


def with_structure(finding: Finding, kind: PageKind | None) -> Finding:
    """A finding in which the institution's word for the kind of page counts, if it has one.

    A target or a blank page holds no picture. A part called an illustration may be a page of text with one,
    and a title page may have one.
    """
    if kind is None or finding.origin == "correction":
        return finding
    if kind == "text" and any(box.kind in PICTURE_KINDS for box in finding.boxes):
        kind = "mixed"
    if kind == "picture":
        if finding.kind not in ("text", "blank"):
            return finding
        kind = "mixed"
    boxes = () if kind in ("target", "blank") else finding.boxes
    return replace(finding, kind=kind, probability=1.0, boxes=boxes, origin="institution")


def _is_speck(kind: str, box: FloatBox, size: tuple[int, int]) -> bool:
    """Whether a "picture" is a speck or a rule, as OCR marks them: no picture of 6 mm is on a sheet of A4."""
    side = max(size)
    return kind in PICTURE_KINDS and (
        max(box[2:]) < LEAST_LONG_SIDE * side or min(box[2:]) < LEAST_SHORT_SIDE * side
    )


def _box(kind: BoxKind, box: FloatBox, size: tuple[int, int]) -> FoundBox | None:
    x, y, width, height = box
    left, right = (min(max(value / size[0], 0.0), 1.0) for value in (x, x + width))
    top, bottom = (min(max(value / size[1], 0.0), 1.0) for value in (y, y + height))
    found = FoundBox(kind, left, top, right, bottom, 1.0)
    return None if found.is_thin else found


def _is_same(box: FoundBox, other: FoundBox) -> bool:
    if (box.kind in PICTURE_KINDS) != (other.kind in PICTURE_KINDS):
        return overlap(box.corners, other.corners) >= 0.5
    across = min(box.right, other.right) - max(box.left, other.left)
    down = min(box.bottom, other.bottom) - max(box.top, other.top)
    area = (box.right - box.left) * (box.bottom - box.top)
    inside = max(across, 0.0) * max(down, 0.0) / area if area else 1.0
    return overlap(box.corners, other.corners) >= SAME or inside >= INSIDE


def _digest(folder: Path | None, ocr: bool) -> str:
    """Of the names, sizes and times of the documents, and of how captions are read."""
    files = [] if folder is None else sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr((listed, ocr and VERSION, WORDS_VERSION)).encode()).hexdigest()
