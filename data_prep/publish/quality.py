"""The quality report of a shard set: one page with images (quality.html) that lets a curator assess the set.

It is self-contained: images, style and charts are in the file, and it loads nothing from a server. It shows
only images whose rights allow display. The same set gives the same bytes.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader

from data_prep.images.store import Wanted, store_image
from data_prep.publish.config import Described
from data_prep.publish.histogram import Histogram, edges_of_years
from iconoclip.files import atomic_write
from iconoclip.pictures import ImageRefused
from iconoclip.record import Record
from iconoclip.rights import statement
from iconoclip.shardset import QUALITY_NAME, ShardSet

REPORT_NAME: Final = "report.json"
NUM_PICTURES: Final = 48
THUMBNAIL: Final = Wanted(max_side=320, quality=78)
NUM_ROWS: Final = 30
SHORT_CAPTION_CHARS: Final = 20
SMALL_IMAGE_PIXELS: Final = 128
COLUMNS: Final = [
    "key", "shard", "image_offset", "image_size", "record_offset", "record_size", "institution", "captions",
    "split", "rights_uri", "train", "display", "opt_out", "earliest", "width", "height", "phash",
]  # fmt: skip
Row = dict[str, Any]


@dataclass
class Quality:
    """Counts over the samples that are not withdrawn."""

    num_samples: int = 0
    num_captions: int = 0
    num_trainable: int = 0
    num_reserved: int = 0
    num_without_caption: int = 0
    num_with_short_captions: int = 0
    num_without_date: int = 0
    num_small: int = 0
    institutions: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    rights: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    texts: Counter[int] = field(default_factory=Counter)
    hashes: Counter[str] = field(default_factory=Counter)
    years: Counter[int] = field(default_factory=Counter)
    caption_lengths: Histogram = field(
        default_factory=lambda: Histogram((1, 10, 20, 40, 60, 80, 120, 160, 240, 400, 800))
    )
    sides: Histogram = field(
        default_factory=lambda: Histogram((1, 64, 128, 192, 256, 320, 384, 448, 512, 768, 1024))
    )

    def add(self, row: Row) -> None:
        """Count a row of the index."""
        captions = row["captions"] or []
        self.num_samples += 1
        self.num_captions += len(captions)
        self.num_trainable += row["train"] == "yes" and not row["opt_out"]
        self.num_reserved += bool(row["opt_out"])
        self.num_without_caption += not captions
        self.num_with_short_captions += bool(captions) and all(
            len(caption["text"]) < SHORT_CAPTION_CHARS for caption in captions
        )
        self.num_without_date += row["earliest"] is None
        self.num_small += min(row["width"], row["height"]) < SMALL_IMAGE_PIXELS
        self.institutions[row["institution"]] += 1
        self.rights[row["rights_uri"] or ""] += 1
        self.splits[row["split"]] += 1
        self.hashes[row["phash"] or row["key"]] += 1
        self.sides.add(max(row["width"], row["height"]))
        if row["earliest"] is not None:
            self.years[row["earliest"]] += 1
        for caption in captions:
            self.languages[caption["language"]] += 1
            self.fields[caption["field"]] += 1
            self.caption_lengths.add(len(caption["text"]))
        if captions:
            self.texts[hash(captions[0]["text"])] += 1

    @property
    def num_twins(self) -> int:
        """Images whose perceptual hash occurs more than once."""
        return sum(count for count in self.hashes.values() if count > 1)

    @property
    def num_sharing_a_title(self) -> int:
        """Images whose first caption occurs more than once: a model cannot distinguish them by it."""
        return sum(count for count in self.texts.values() if count > 1)


@dataclass(frozen=True)
class SampledPicture:
    """One picture of the contact sheet."""

    data: str
    width: int
    height: int
    title: str
    language: str
    institution: str
    rights: str
    credit: str | None
    homepage: str | None


def write_quality(shardset: ShardSet, config: Described) -> Path:
    """Write quality.html into the set's folder. Returns its path."""
    quality, chosen = Quality(), _Chooser(NUM_PICTURES)
    for row in _rows(shardset):
        quality.add(row)
        chosen.offer(row)
    environment = Environment(
        loader=PackageLoader("data_prep.publish"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("quality.html").render(
        title=config.title or shardset.manifest.name,
        description=config.description,
        contact=config.contact,
        manifest=shardset.manifest,
        digest=shardset.digest,
        quality=quality,
        pictures=list(_pictures(shardset, chosen.rows())),
        num_hidden=chosen.num_hidden,
        tables=_tables(quality),
        years=edges_of_years(quality.years),
        refusals=_refusals(shardset.folder / REPORT_NAME),
        remarks=_remarks(quality),
    )
    path = shardset.folder / QUALITY_NAME
    with atomic_write(path) as file:
        file.write(page.encode())
    return path


def _rows(shardset: ShardSet) -> Iterator[Row]:
    for batch in shardset.table(COLUMNS).to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


class _Chooser:
    """Chooses images to show in one pass over the rows: the same number per institution,
    evenly spread over its samples.

    For each institution every `step`-th sample is kept; when there are too many, every other one is dropped
    and the step doubles. So memory is bounded, and the choice depends on the set alone.
    """

    def __init__(self, num_wanted: int) -> None:
        self._num_wanted = num_wanted
        self._kept: dict[str, list[Row]] = {}
        self._steps: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self.num_hidden = 0

    def offer(self, row: Row) -> None:
        """Consider a row. A row whose image may not be shown is only counted."""
        if row["display"] != "yes":
            self.num_hidden += 1
            return
        name = row["institution"]
        kept = self._kept.setdefault(name, [])
        step = self._steps[name] or 1
        if self._seen[name] % step == 0:
            kept.append(row)
            if len(kept) >= 2 * self._num_wanted:
                del kept[1::2]
                self._steps[name] = 2 * step
        self._seen[name] += 1

    def rows(self) -> list[Row]:
        """The chosen rows: institution by institution, in the order of the set."""
        if not self._kept:
            return []
        share = max(1, self._num_wanted // len(self._kept))
        chosen = []
        for kept in self._kept.values():
            num_taken = min(share, len(kept))
            chosen += [kept[number * len(kept) // num_taken] for number in range(num_taken)]
        return chosen[: self._num_wanted]


def _pictures(shardset: ShardSet, rows: Iterable[Row]) -> Iterator[SampledPicture]:
    for row in rows:
        image = shardset.read_bytes(row["shard"], row["image_offset"], row["image_size"])
        record = shardset.read_record(row["shard"], row["record_offset"], row["record_size"])
        try:
            small = store_image(image, THUMBNAIL)
        except ImageRefused:
            continue
        yield SampledPicture(
            data="data:image/jpeg;base64," + base64.b64encode(small.jpeg).decode(),
            width=small.width,
            height=small.height,
            title=record.title,
            language=record.captions[0].language if record.captions else "und",
            institution=record.institution.name,
            rights=statement(record.rights.uri) or "no statement",
            credit=record.rights.attribution,
            homepage=_homepage(record),
        )


def _homepage(record: Record) -> str | None:
    address = record.source.homepage or record.source.manifest
    return address if address and address.startswith(("https://", "http://")) else None


def _tables(quality: Quality) -> list[tuple[str, str, list[tuple[str, int, float]], int]]:
    """Title, unit, rows (name, count, share of the largest in percent), and how many rows are left out."""
    named = {uri: statement(uri) or uri or "no statement" for uri in quality.rights}
    rights = Counter[str]()
    for uri, count in quality.rights.items():
        rights[named[uri]] += count
    tables = (
        ("Institutions", "images", quality.institutions),
        ("Rights", "images", rights),
        ("Languages", "captions", quality.languages),
        ("Kinds of caption", "captions", quality.fields),
        ("Splits", "images", quality.splits),
    )
    return [(title, unit, *_ranked(counts)) for title, unit, counts in tables if counts]


def _ranked(counts: Counter[str]) -> tuple[list[tuple[str, int, float]], int]:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    most = ranked[0][1]
    return [(name, count, 100 * count / most) for name, count in ranked[:NUM_ROWS]], max(
        0, len(ranked) - NUM_ROWS
    )


def _remarks(quality: Quality) -> list[tuple[int, str]]:
    """Remarks that a person should check before publishing or training: the number
    of images, and the reason.
    """
    remarks = (
        (quality.num_without_caption, "have no caption, so a model learns nothing from them"),
        (
            quality.num_with_short_captions,
            (
                f"have only captions under {SHORT_CAPTION_CHARS} characters: a shelfmark may have slipped"
                " through"
            ),
        ),
        (
            quality.num_sharing_a_title,
            "share their first caption with another: no search can distinguish them by it",
        ),
        (
            quality.num_twins,
            "look like another one: they are in the same split, or are one object twice",
        ),
        (quality.num_small, f"are under {SMALL_IMAGE_PIXELS} pixels on their shorter side"),
        (quality.num_without_date, "have no date that could be read"),
        (quality.num_reserved, "carry a machine-readable reservation and are kept from training"),
    )
    return [(count, text) for count, text in remarks if count]


def _refusals(path: Path) -> list[tuple[str, int, list[str]]]:
    """Reason, count and examples of what the harvest refused; empty if there is no report of a harvest."""
    try:
        report = json.loads(path.read_bytes())
        examples = report.get("examples", {})
        return [
            (str(reason), int(count), [str(example) for example in examples.get(reason, [])])
            for reason, count in islice(report["by_reason"].items(), NUM_ROWS)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
