"""The table of a measurement: what engines find on marked pages, by group of documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from iconoclip.page_layout.findings import Finding
from iconoclip.page_layout.kinds import BOX_KINDS, GRAPHIC_KINDS, PICTURE_KINDS
from iconoclip.page_layout.measure import Corners, Score, box_score, f1_interval, match

# Name, kinds, least overlap.
_BOXES: Final = (
    ("graphic boxes at 0.5", GRAPHIC_KINDS, 0.5),
    ("graphic boxes at 0.75", GRAPHIC_KINDS, 0.75),
    ("pictures at 0.5", PICTURE_KINDS, 0.5),
    ("ornaments at 0.5", frozenset({"ornament"}), 0.5),
    ("initials at 0.5", frozenset({"initial"}), 0.5),
)
_PAGES: Final = (("pages with a graphic", GRAPHIC_KINDS), ("pages with a picture", PICTURE_KINDS))


@dataclass(frozen=True)
class Measured:
    """One page: what people marked on it, and what was found."""

    group: str
    name: str
    wanted: Sequence[tuple[str, Corners]]
    kind: str | None
    finding: Finding
    document: str = ""
    """what the page is one of; pages of a document are alike, so intervals are by document"""


@dataclass
class TableRow:
    """The scores of one group of documents."""

    num_pages: int = 0
    scores: dict[str, Score] = field(default_factory=dict)
    by_document: dict[str, dict[str, Score]] = field(default_factory=dict)
    num_kinds: int = 0
    num_right_kinds: int = 0

    def add(self, page: Measured) -> None:
        """Count the boxes of a page that were found, missed or invented."""
        self.num_pages += 1
        for name, kinds in _PAGES:
            found = any(box.kind in kinds for box in page.finding.boxes)
            wanted = any(kind in kinds for kind, _ in page.wanted)
            score = Score(int(found and wanted), int(found and not wanted), int(wanted and not found))
            self._count(page.document, name, score)
        for name, kinds, least in _BOXES:
            boxes = [box.corners for box in page.finding.boxes if box.kind in kinds]
            marked = [corners for kind, corners in page.wanted if kind in kinds]
            self._count(page.document, name, box_score(boxes, marked, least))
        if page.kind is not None:
            self.num_kinds += 1
            self.num_right_kinds += page.kind == page.finding.kind

    def _count(self, document: str, name: str, score: Score) -> None:
        self.scores[name] = self.scores.get(name, Score()) + score
        own = self.by_document.setdefault(document, {})
        own[name] = own.get(name, Score()) + score

    def interval(self, name: str) -> tuple[float, float] | None:
        """The 95 % interval of a score's F1 by document; None for a single document."""
        if len(self.by_document) < 2:
            return None
        return f1_interval([own[name] for own in self.by_document.values()])


def rows_of(pages: Iterable[Measured]) -> dict[str, TableRow]:
    """The scores by group, and of all pages under the name `all`."""
    rows: dict[str, TableRow] = {}
    whole = TableRow()
    for page in pages:
        rows.setdefault(page.group, TableRow()).add(page)
        whole.add(page)
    return {**dict(sorted(rows.items())), "all": whole}


def as_markdown(rows: dict[str, TableRow]) -> str:
    """The scores as a table: F1, its 95 % interval by document, and in brackets precision and recall."""
    names = [name for name, _ in _PAGES] + [name for name, _, _ in _BOXES]
    lines = [
        "| documents | pages | " + " | ".join(names) + " | kind of page |",
        "|---" * (len(names) + 3) + "|",
    ]
    for group, row in rows.items():
        cells = [_cell(row.scores.get(name, Score()), row.interval(name)) for name in names]
        kinds = f"{row.num_right_kinds / row.num_kinds:.3f}" if row.num_kinds else ""
        lines.append(f"| {group} | {row.num_pages} | " + " | ".join(cells) + f" | {kinds} |")
    return "\n".join(lines)


def kinds_as_markdown(pages: Sequence[Measured]) -> str:
    """A table by kind of box: how many are marked, how many of them any graphic box finds, F1 of boxes of the
    same kind at two overlaps, and the kinds that marked boxes are found as."""
    lines = ["| kind | marked | found as any kind | F1 at 0.5 | F1 at 0.75 | found as |", "|---" * 6 + "|"]
    for kind in BOX_KINDS:
        exact, strict, found_as = Score(), Score(), Counter[str]()
        for page in pages:
            marked = [corners for name, corners in page.wanted if name == kind]
            same = [box.corners for box in page.finding.boxes if box.kind == kind]
            exact, strict = exact + box_score(same, marked, 0.5), strict + box_score(same, marked, 0.75)
            every = [box.corners for box in page.finding.boxes]
            found_as.update(page.finding.boxes[n].kind for n, _ in match(every, marked, 0.5))
        num_marked = exact.num_right + exact.num_missed
        if not (num_marked or exact.num_wrong):
            continue
        share = f"{found_as.total() / num_marked:.2f}" if num_marked else ""
        said = ", ".join(f"{name} {count}" for name, count in found_as.most_common())
        lines.append(
            f"| {kind} | {num_marked} | {share} | {_cell(exact, None)} | {_cell(strict, None)} | {said} |"
        )
    return "\n".join(lines)


def _cell(score: Score, interval: tuple[float, float] | None) -> str:
    if not (score.num_right or score.num_wrong or score.num_missed):
        return ""
    between = f" [{interval[0]:.2f}-{interval[1]:.2f}]" if interval else ""
    return f"{score.f1:.3f}{between} ({score.precision:.2f}, {score.recall:.2f})"
