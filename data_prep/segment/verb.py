"""`iconoclip segment`: finds the pictures on the pages of a shard set, shard by shard, so that it can resume.

OUT/.segment/SHA-DIGEST.parquet   the findings and the pictures of one finished shard of pages
OUT/shardset.json ...             the shard set of pictures, written when every shard has its part
OUT/pages.parquet                 one row per page: its kind, its boxes, and the keys of its pictures
OUT/report.html                   the pages with their boxes drawn, the most doubtful ones first
OUT/segment.json                  what made the set, and what was refused; written last

With `--crop_from service` the pictures are then downloaded from the image services (from_service.py).

In a job array each task reads its share of the shards (`--task 3 --num_tasks 8`). A call without a task
reads the missing shards and writes the set. A page that is withdrawn later takes its pictures with it: the
same command writes the set again without them, from the parts.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_prep.candidate import Refusal
from data_prep.images.crops import Cutting, cut_pictures
from data_prep.images.store import Wanted
from data_prep.segment.config import SegmentConfig
from data_prep.segment.engines.choose import engine_called
from data_prep.segment.engines.interface import PageEngine
from data_prep.segment.outputs import (
    PAGES_NAME,
    PARTS,
    REVIEW_NAME,
    SEGMENT_NAME,
    Outputs,
    refuse_foreign_set,
)
from data_prep.segment.pages_table import PagesTable
from data_prep.segment.parts import PageResult, has_pages, read_part, write_part
from data_prep.segment.regions import region_record
from data_prep.segment.review import ReviewSheet
from data_prep.segment.withdrawals import digest_of_withdrawn, withdraw_at_once, withdrawn_pictures
from data_prep.segment.words import Words, with_institution, with_structure
from iconoclip.errors import BadInput, SomeRefused
from iconoclip.files import write_json
from iconoclip.machine import num_cores
from iconoclip.page_layout.corrections import digest_of, read_corrections
from iconoclip.page_layout.findings import Finding
from iconoclip.page_layout.inputs import MAX_PIXELS
from iconoclip.pictures import ImageRefused
from iconoclip.progress import Meter, progress
from iconoclip.record import Record
from iconoclip.shardset import Parent, Shard, ShardSet, Tombstone
from iconoclip.side_by_side import side_by_side
from iconoclip.verbs import resolve

if TYPE_CHECKING:
    from data_prep.segment.crops import Crops

TRAINER: Final = "training.pages.verb:train_page_model"
MAX_REFUSED_LISTED: Final = 10_000


def segment(config: SegmentConfig) -> int:
    """Run the verb; with `--train` it makes a page model instead.

    Raises:
        MissingRequirement: there is no such shard set, model or file of corrections.
        ConfigError: the output folder holds another shard set.
        BadInput: no picture was found at all.
        DamagedData: a shard differs from its checksum.
        SomeRefused: finished, but some pages could not be read, or an image service refused some pictures;
            `segment.json` lists them.
        TryAgainLater: the disk is full, or image services ask to wait.
    """
    if config.train:
        # Stages do not import each other; like the demo, this runs another stage through the table of verbs.
        return int(resolve(TRAINER)(config))
    # Imported here: the harvest takes a second to import, and pages on the disk do not need it.
    from data_prep.segment.catalogue_source import pages_folder, source_of

    pages = pages_folder(config)
    refuse_foreign_set(config.out, pages)
    if config.task is None and not config.dry_run:
        withdraw_at_once(config.out, pages)
    source = source_of(config)
    if source is None:
        return 0
    is_small = source.pages != config.shardset
    crop_from = config.crop_from or ("service" if is_small else "page")
    work = Work.of(
        config.model_copy(update={"shardset": source.pages, "crop_from": crop_from}), source.trusted
    )
    if work.outputs.are_of(work.summary()):
        print(f"segmented already: {len(ShardSet(config.out))} pictures in {config.out}")
        return 0
    todo = work.todo()
    if config.dry_run:
        num_pages = sum(shard.num_samples for shard in todo)
        print(f"would look at {num_pages} pages of {len(todo)} shards with {work.engine.name}")
        return 0
    work.look(todo)
    if config.task is None:
        return work.assemble()
    print(
        f"task {config.task} of {config.num_tasks} has read its shards; a call without --task writes the set"
    )
    return 0


@dataclass
class Work:
    """One run of the verb, with everything decided.

    Attributes:
        pages: the shard set of pages.
        identity: digest of the options that decide the pictures.
        keys: the keys of the pages of each shard.
        tombstones: those of the set of pictures, known when it is written.
    """

    config: SegmentConfig
    pages: ShardSet
    engine: PageEngine
    corrections: dict[str, Finding]
    words: Words
    identity: str
    keys: dict[str, list[str]] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)
    trusted: Sequence[str] = ()

    @classmethod
    def of(cls, config: SegmentConfig, trusted: Sequence[str] = ()) -> Work:
        """Open what the config names; private hosts of `trusted` addresses may be contacted."""
        assert config.shardset is not None
        pages = ShardSet(config.shardset)
        engine = engine_called(config.engine, config.model, config.least_score)
        corrections = read_corrections(config.corrections)
        words = Words(config.text_folder, ocr=config.ocr)
        options = (
            engine.digest,
            words.digest,
            sorted(config.kinds),
            config.max_side_pixels,
            config.jpeg_quality,
        )
        work = cls(
            config,
            pages,
            engine,
            corrections,
            words,
            hashlib.sha256(repr(options).encode()).hexdigest(),
            trusted=trusted,
        )
        table = pages.table(["key", "shard"])
        for key, shard in zip(table["key"].to_pylist(), table["shard"].to_pylist(), strict=True):
            work.keys.setdefault(shard, []).append(key)
        return work

    @property
    def parents(self) -> tuple[Parent, ...]:
        """The set of pages, as a parent of the new set."""
        return (Parent(name=self.pages.manifest.name, digest=self.pages.digest),)

    @property
    def name(self) -> str:
        """The name of the new set."""
        return self.config.name or f"{self.pages.manifest.name[:55]}-pictures"

    @property
    def outputs(self) -> Outputs:
        """What writes the set of this run, and tells whether the folder holds it already."""
        policy = self.pages.manifest.policy
        return Outputs(self.config.out, self.name, policy, self.parents, self.config.created_at)

    def summary(self) -> dict[str, Any]:
        """What makes two runs the same."""
        return {
            "engine": self.engine.name,
            "identity": self.identity,
            "corrections": digest_of(self.corrections, self.corrections),
            "parent": self.pages.digest,
            "withdrawn": digest_of_withdrawn(self.pages),
            "name": self.name,
            "crop_from": self.config.crop_from,
        }

    def part(self, shard: Shard) -> Path:
        """The path of the part of a shard."""
        corrected = digest_of(self.corrections, self.keys.get(shard.name, []))
        digest = hashlib.sha256(f"{self.identity} {corrected}".encode()).hexdigest()
        return self.config.out / PARTS / f"{shard.sha256[:32]}-{digest[:16]}.parquet"

    def todo(self) -> list[Shard]:
        """The shards of this task that have no part yet, or one without some of their pages."""
        shards = self.pages.manifest.shards
        own = shards if self.config.task is None else shards[self.config.task :: self.config.num_tasks]
        return [shard for shard in own if not has_pages(self.part(shard), self.keys.get(shard.name, ()))]

    def look(self, todo: list[Shard]) -> None:
        """Look at the pages of shards, and write their parts."""
        if not todo:
            return
        workers = num_cores() if self.config.num_workers is None else self.config.num_workers
        places = self._places()
        total = sum(len(places.get(shard.name, [])) for shard in todo)
        with progress("segment", total=total, unit="pages") as meter:
            meter.note(self.engine.name)
            for shard in todo:
                if self.config.verify_shards:
                    self.pages.verify_shard(shard)
                results = side_by_side(
                    self._read(shard, places.get(shard.name, [])), partial(_looked_at, self), workers
                )
                write_part(self.part(shard), _counted(results, meter))

    def _places(self) -> dict[str, list[tuple[int, ...]]]:
        names = ["image_offset", "image_size", "record_offset", "record_size"]
        table = self.pages.table(["shard", *names])
        places: dict[str, list[tuple[int, ...]]] = {}
        for shard, *place in zip(*(table[name].to_pylist() for name in ("shard", *names)), strict=True):
            places.setdefault(shard, []).append(tuple(place))
        return places

    def _read(self, shard: Shard, places: list[tuple[int, ...]]) -> Iterator[tuple[Record, bytes]]:
        for image_offset, image_size, record_offset, record_size in places:
            record = self.pages.read_record(shard.name, record_offset, record_size)
            yield record, self.pages.read_bytes(shard.name, image_offset, image_size)

    def assemble(self) -> int:
        """Write the set, the table and the sheet from the parts; first get the pictures from the image
        services, if asked to.

        Raises:
            BadInput: there is no picture.
            SomeRefused: some pages could not be read, or a service refused some pictures.
            TryAgainLater: image services ask to wait.
        """
        parts = self.config.out / PARTS
        self.tombstones = withdrawn_pictures(self.config.out, parts, self.pages)
        if self.config.crop_from == "page":
            return self._assemble(self._results)
        # Imported here for the same reason.
        from data_prep.segment.crops import Crops
        from data_prep.segment.from_service import ServicePictures

        with ServicePictures(parts, self.config, self.trusted) as service:
            crops = Crops(service, frozenset(one.key for one in self.tombstones))
            service.download(picture for result in self._results() for picture in crops.pictures(result))
            return self._assemble(lambda: map(crops.replaced, self._results()), crops)

    def _assemble(self, results: Callable[[], Iterable[PageResult]], crops: Crops | None = None) -> int:
        config, out = self.config, self.config.out
        outputs, sheet = self.outputs, ReviewSheet(config.report_pages)
        self._keep_an_earlier_set()
        outputs.clear()
        refused: list[dict[str, str]] = []
        unused: list[dict[str, str]] = self.words.problems()
        num_pages = num_pictures = 0
        with PagesTable(out / PAGES_NAME) as table:
            for result in results():
                num_pages += 1
                num_pictures += len(result.regions)
                if result.refused is not None:
                    refused.append({"key": result.key, "reason": result.refused})
                if result.note is not None:
                    unused.append({"key": result.key, "reason": result.note})
                table.add(result)
                sheet.add(result)
        sheet.write(out / REVIEW_NAME, self.pages, self.engine.name)
        if not num_pictures:
            raise self._no_picture(num_pages, len(refused))
        samples = ((record, image) for result in results() for _, record, image in result.regions)
        outputs.write_set(samples, self.tombstones, max_shard_bytes=config.storage.max_shard_bytes)
        summary = {**self.summary(), "num_pages": num_pages, "num_pictures": num_pictures}
        listed = {
            "num_refused": len(refused),
            "refused": refused[:MAX_REFUSED_LISTED],
            "num_documents_unused": len(unused),
            "documents_unused": unused[:MAX_REFUSED_LISTED],
        }
        said = {} if crops is None else {"service": crops.as_json()}
        write_json(out / SEGMENT_NAME, {**summary, **listed, **said})
        print(f"{num_pictures} pictures of {num_pages} pages in {out}", file=sys.stderr)
        self._tell(refused, unused, crops)
        return 0

    def _keep_an_earlier_set(self) -> None:
        """Refuse to replace the whole set of an earlier run by nothing; what is withdrawn must go, though."""
        if self.outputs.are_finished() and not (
            self.tombstones or any(result.regions for result in self._results())
        ):
            raise BadInput(
                f"no picture was found on {sum(map(len, self.keys.values()))} pages",
                where=self.config.out,
                remedy="the set of an earlier run stays as it was; a lower --least_score or other --kinds"
                " find more; with another --out, a sheet shows the pages",
            )

    def _tell(self, refused: list[dict[str, str]], unused: list[dict[str, str]], crops: Crops | None) -> None:
        """Say what could not be used, after everything is written."""
        out = self.config.out
        print(f"review sheet: {out / REVIEW_NAME}", file=sys.stderr)
        if unknown := set(self.corrections).difference(*self.keys.values()):
            print(
                f"{len(unknown)} corrections are of pages that {self.pages.folder} has not", file=sys.stderr
            )
        if unused:
            first = unused[0]["reason"]
            print(
                f"{len(unused)} documents about pages could not be used, the first: {first}; segment.json"
                " lists them",
                file=sys.stderr,
            )
        problems = [f"{len(refused)} pages could not be read"] if refused else []
        if crops is not None:
            print(crops.summary(), file=sys.stderr)
            problems += [f"image services refused {len(crops.refused)} pictures"] if crops.refused else []
        if problems:
            raise SomeRefused(
                "; ".join(problems),
                where=out / SEGMENT_NAME,
                remedy="the rest is done"
                + (", and what services refused was cut from the stored pages" if crops else ""),
            )

    def _no_picture(self, num_pages: int, num_refused: int) -> BadInput:
        """Write the set without pictures that withdrawals left, and say what is in the folder now."""
        what = f"no picture was found on {num_pages} pages"
        remedy = "the sheet shows the pages; a lower --least_score or other --kinds find more"
        if self.tombstones:
            self.outputs.write_empty_set(self.tombstones)
            what += f"; {len(self.tombstones)} pictures are withdrawn"
            remedy += "; the set is empty now, and names the withdrawn pictures, so that indexes drop them"
        if num_refused:
            what += f", {num_refused} refused"
        return BadInput(what, where=self.config.out / REVIEW_NAME, remedy=remedy)

    def _results(self) -> Iterator[PageResult]:
        """The results of all pages that are not withdrawn, without withdrawn pictures, none twice."""
        seen = {one.key for one in self.tombstones}
        for shard in self.pages.manifest.shards:
            current = set(self.keys.get(shard.name, []))
            for result in read_part(self.part(shard)):
                if result.key not in current:
                    continue
                # Two boxes of one page may be the same pixels; their keys are.
                new = tuple(one for one in result.regions if not (one[1].key in seen or seen.add(one[1].key)))  # type: ignore[func-returns-value]
                yield replace(result, regions=new)


def _counted(results: Iterator[PageResult], meter: Meter) -> Iterator[PageResult]:
    num_refused = 0
    for result in results:
        meter.advance()
        if result.refused is not None:
            num_refused += 1
            meter.note(f"{num_refused} refused")
        yield result


def _looked_at(work: Work, sample: tuple[Record, bytes]) -> PageResult:
    """Find the pictures on one page and cut them out."""
    page, image = sample
    size = page.image.width, page.image.height
    words = work.words.of(page)
    note = f"{words.source}: {words.reason}" if isinstance(words, Refusal) else None
    try:
        corrected = work.corrections.get(page.key)
        found = corrected or with_institution(work.engine.find(image), words, size)
        finding = with_structure(found, work.words.page_kind(page))
        chosen = [(n, box) for n, box in enumerate(finding.boxes) if box.kind in work.config.kinds]
        wanted = Wanted(work.config.max_side_pixels, work.config.jpeg_quality, MAX_PIXELS)
        cuttings = [Cutting(box.corners, box.tilt) for _, box in chosen]
        crops = cut_pictures(image, cuttings, wanted) if cuttings else []
    except ImageRefused as error:
        return PageResult(page.key, size, refused=str(error), note=note)
    captions = work.words.captions(page, image, [box for _, box in chosen], words) if chosen else {}
    regions = tuple(
        (n, region_record(page, box, crop, captions.get(place)), crop.jpeg)
        for place, ((n, box), crop) in enumerate(zip(chosen, crops, strict=True))
    )
    return PageResult(page.key, size, finding, regions=regions, note=note)
