"""The review sheet (report.html): pages with the boxes drawn on them, the most doubtful ones first.

It is self-contained and loads nothing from a server. A page whose rights do not allow display is drawn as an
empty sheet. The script in it only edits: it changes kinds, removes and draws boxes, and downloads
corrections.jsonl. The download also has the corrections that the pages were found with, whether the sheet
shows these pages or not: so it replaces the file of an earlier review.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from data_prep.images.store import Wanted, store_image
from data_prep.segment.parts import PageResult
from iconoclip.files import atomic_write
from iconoclip.page_layout.corrections import as_correction
from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.page_layout.kinds import BOX_KINDS, PAGE_KINDS
from iconoclip.pictures import ImageRefused
from iconoclip.shardset import ShardSet

THUMBNAIL: Final = Wanted(max_side=420, quality=72)
_PLACE: Final = ["key", "shard", "image_offset", "image_size", "record_offset", "record_size"]


@dataclass(frozen=True)
class Shown:
    """One page of the sheet; `image` is a data address, or None where the rights do not allow display.

    `boxes` are those of the finding that are not too thin for a correction, each with its caption.
    """

    key: str
    title: str
    image: str | None
    width: int
    height: int
    finding: Finding
    doubt: float
    boxes: list[tuple[FoundBox, str | None]]


def doubt_of(finding: Finding) -> float:
    """How unsure an engine is of a page, 0 to 1: of its kind, or of its least certain box near a half."""
    if finding.origin != "model":
        return 0.0
    boxes = max((1 - abs(2 * box.score - 1) for box in finding.boxes), default=0.0)
    return max(1 - finding.probability, boxes)


_Kept = tuple[float, int, PageResult, dict[int, str]]
"""Doubt, order, the page without its pictures, and its captions"""


class ReviewSheet:
    """Collects the most doubtful pages in bounded memory, and writes the sheet."""

    def __init__(self, num_pages: int) -> None:
        self._num_pages = num_pages
        self._kept: list[_Kept] = []
        self._kinds: Counter[str] = Counter()
        self._boxes: Counter[str] = Counter()
        self._corrected: list[dict[str, Any]] = []
        self._num_refused = self._num_seen = 0

    def add(self, result: PageResult) -> None:
        """Keep a page if it is among the most doubtful so far, and its boxes if a curator corrected them."""
        self._num_seen += 1
        if result.finding is None:
            self._num_refused += 1
            return
        self._kinds[result.finding.kind] += 1
        self._boxes.update(box.kind for box in result.finding.boxes)
        if result.finding.origin == "correction":
            self._corrected.append(as_correction(result.key, result.finding))
        captions = {
            number: one.text
            for number, record, _ in result.regions
            for one in record.captions[:1]
            if one.level == "region"
        }
        light = PageResult(result.key, result.size, result.finding)
        entry = doubt_of(result.finding), -self._num_seen, light, captions
        if len(self._kept) < self._num_pages:
            heapq.heappush(self._kept, entry)
        elif self._kept and entry[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, entry)

    def write(self, path: Path, pages: ShardSet, engine: str) -> None:
        """Write the sheet with pictures from the set of pages."""
        ranked = sorted(self._kept, key=lambda entry: (-entry[0], -entry[1]))
        environment = Environment(
            loader=PackageLoader("data_prep.segment"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        script = _script(environment)
        html = environment.get_template("review.html").render(
            title=pages.manifest.name,
            engine=engine,
            shown=list(_shown(ranked, pages)),
            num_seen=self._num_seen,
            num_refused=self._num_refused,
            kinds=self._kinds.most_common(),
            boxes=self._boxes.most_common(),
            page_kinds=PAGE_KINDS,
            box_kinds=BOX_KINDS,
            corrected=self._corrected,
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
        with atomic_write(path) as file:
            file.write(html.encode())


def _script(environment: Environment) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, "review.js")[0]


def _shown(ranked: list[_Kept], pages: ShardSet) -> Iterator[Shown]:
    wanted = {result.key for _, _, result, _ in ranked}
    table = pages.table(_PLACE)
    places = {
        row["key"]: row
        for batch in table.to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
        if row["key"] in wanted
    }
    for doubt, _, result, captions in ranked:
        row = places.get(result.key)
        if row is not None and result.finding is not None:
            image, title = _image(row, pages)
            boxes = [
                (box, captions.get(number))
                for number, box in enumerate(result.finding.boxes)
                if not box.is_thin
            ]
            yield Shown(result.key, title, image, *result.size, result.finding, doubt, boxes)


def _image(row: dict[str, Any], pages: ShardSet) -> tuple[str | None, str]:
    """The small picture of a page as a data address, if its rights allow display; and its title."""
    record = pages.read_record(row["shard"], row["record_offset"], row["record_size"])
    image = None
    if record.rights.display != "link":
        data = pages.read_bytes(row["shard"], row["image_offset"], row["image_size"])
        try:
            image = "data:image/jpeg;base64," + base64.b64encode(store_image(data, THUMBNAIL).jpeg).decode()
        except ImageRefused:
            image = None
    return image, record.title
