"""Pictures cut by the institution's image service, which has them at full resolution.

They are downloaded by the harvest's engine, so rate limits, robots.txt, retries and the checks of addresses
apply. The ledger contains what was downloaded and refused, so the same command resumes.

OUT/.segment/service-DIGEST/   the ledger and its spools, for one size and quality of pictures
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from data_prep.candidate import Candidate, ImageService
from data_prep.config_groups import Storage, Storing
from data_prep.harvest.lifecycle import fetch_everything
from data_prep.harvest.session import Session
from data_prep.images.crops import MIN_TILT_DEGREES, Cutting, cut_pictures
from data_prep.images.store import Wanted
from data_prep.institutions import profile_for
from data_prep.ledger.counts import num_items_waiting
from data_prep.ledger.database import LEDGER_NAME
from data_prep.ledger.holdings import progress_of
from data_prep.ledger.jobs import CANDIDATE, FACTS, ImageFacts, ItemRow
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import retry_not_known
from data_prep.ledger.selected import Selected, replace_selection
from data_prep.network.addresses import host_of
from data_prep.segment.config import SegmentConfig
from iconoclip.errors import TryAgainLater
from iconoclip.page_layout.inputs import MAX_PIXELS
from iconoclip.record import Caption, Image, Record, Region, sample_key

NO_SERVICE: Final = "the record of the page names no image service"
LOST: Final = "the stored bytes differ from the ledger; the same command downloads it again"
# Rounding at the edges makes a cut some pixels larger or smaller.
AS_LARGE: Final = 0.95
SMALLER: Final = "the service sends it smaller than the stored page has it"


@dataclass(frozen=True)
class WantedPicture:
    """A picture to ask for.

    Attributes:
        record: as it was cut from the stored page.
        page_size: width and height of the stored page, in pixels.
        tilt: clockwise turn of what the box shows, in degrees.
    """

    record: Record
    page_size: tuple[int, int]
    tilt: float = 0.0

    @property
    def candidate(self) -> Candidate | None:
        """What the harvest's engine requests; None if there is no image service."""
        source = self.record.source
        if source.image_service is None or source.region is None:
            return None
        return Candidate(
            institution=self.record.institution,
            source=source,
            group=self.record.group,
            # Its info.json tells the version, the level and the true size.
            service=ImageService(source.image_service, version=2),
            region=source.region,
            region_space=self.space,
        )

    @property
    def space(self) -> tuple[int, int]:
        """Width and height of the image in whose pixels the record measures: those that the source states,
        or those of the stored page."""
        width, height = self.record.image.source_width, self.record.image.source_height
        return (width, height) if width and height else self.page_size


@dataclass(frozen=True)
class Cut:
    """A picture as the service cut it."""

    record: Record
    jpeg: bytes


@dataclass(frozen=True)
class NotCut:
    """The reason why the picture is cut from the stored page instead. If `is_open`, another run may get
    it."""

    reason: str
    is_refused: bool = True
    is_open: bool = False


class ServicePictures:
    """The pictures of one set that image services cut. Use it as a context manager.

    Args:
        parts: the folder of the parts, in which the ledger gets a folder of its own.
        config: the size and quality of pictures, and the limits of the network.
        trusted: addresses whose hosts may be contacted even if they are private.

    Raises:
        BadInput: another process is working here.
    """

    def __init__(self, parts: Path, config: SegmentConfig, trusted: Sequence[str] = ()) -> None:
        settings = f"{config.max_side_pixels} {config.jpeg_quality}"
        self._folder = parts / f"service-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"
        self._config, self._trusted = config, trusted
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._ledger = self._stack.enter_context(Ledger(self._folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def download(self, pictures: Iterable[WantedPicture]) -> None:
        """Ask for what is not there yet.

        Raises:
            ConfigError: a server is not this machine, and no contact is given.
            TryAgainLater: servers ask to wait, or the disk is full.
        """
        ledger = self._ledger
        with ledger.transaction():
            replace_selection(ledger, _selected(pictures))
        retry_not_known(ledger)
        paused = fetch_everything(ledger, self._session(), "crops")
        if paused:
            num_left = num_items_waiting(ledger)
            hosts = "; ".join(f"{host}: {reason}" for host, reason in sorted(paused.items()))
            raise TryAgainLater(
                f"{num_left} pictures must wait: {hosts}",
                where=self._folder,
                remedy="run the same command again later, or with --crop_from page to do without the service",
            )

    def _session(self) -> Session:
        config = self._config
        storing = Storing(
            max_side_pixels=config.max_side_pixels,
            num_workers=config.num_workers or None,
            storage=Storage(jpeg_quality=config.jpeg_quality, max_pixels=MAX_PIXELS),
        )
        return Session(
            out=config.out,
            name="crops",
            sources=(),
            storing=storing,
            identity={},
            profile_of=profile_for,
            network=config.network,
            contact=config.contact,
            trusted=self._trusted,
        )

    def cut(self, picture: WantedPicture) -> Cut | NotCut:
        """The picture from the service, or why not."""
        row = progress_of(self._ledger, picture.record.key)
        if row is None:
            return NotCut(NO_SERVICE, is_refused=False)
        if row.facts_json is None or row.spool is None or row.offset is None or row.size is None:
            return NotCut(str(row.reason or row.state), is_open=row.state == "not-known")
        facts = FACTS.validate_json(row.facts_json)
        data = self._bytes(row.spool, row.offset, row.size)
        if hashlib.sha256(data).hexdigest() != facts.sha256:
            self._ledger.forget(picture.record.key)
            return NotCut(LOST, is_open=True)
        own = picture.record.image
        if max(facts.width, facts.height) < AS_LARGE * max(own.width, own.height):
            return NotCut(SMALLER, is_refused=False)
        return self._upright(picture, facts, data)

    def _bytes(self, spool: int, offset: int, size: int) -> bytes:
        assert self._ledger.spool is not None, "the ledger is in a folder"
        with self._ledger.spool.path(spool).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def _upright(self, picture: WantedPicture, facts: ImageFacts, data: bytes) -> Cut:
        """The record of what the service cut; a tilted picture is set upright."""
        record = placed(picture, facts)
        if abs(picture.tilt) < MIN_TILT_DEGREES:
            return Cut(record, data)
        wanted = Wanted(self._config.max_side_pixels, self._config.jpeg_quality, MAX_PIXELS)
        (turned,) = cut_pictures(data, [Cutting((0.0, 0.0, 1.0, 1.0), picture.tilt)], wanted)
        changes = {
            "width": turned.width, "height": turned.height, "sha256": turned.sha256, "phash": turned.phash,
        }  # fmt: skip
        return Cut(record.model_copy(update={"image": record.image.model_copy(update=changes)}), turned.jpeg)


def erase_pictures(parts: Path, keys: Iterable[str]) -> None:
    """Write zeros over what was downloaded of some pictures, at all sizes.

    Args:
        parts: the folder of the parts.

    Raises:
        BadInput: another process is working here.
    """
    for path in sorted(parts.glob(f"service-*/{LEDGER_NAME}")):
        with Ledger(path.parent) as ledger:
            for key in keys:
                row = progress_of(ledger, key)
                if row is None or row.spool is None or row.offset is None or row.size is None:
                    continue
                assert ledger.spool is not None, "the ledger is in a folder"
                with ledger.spool.path(row.spool).open("r+b") as file:
                    file.seek(row.offset)
                    file.write(bytes(row.size))
                ledger.forget(key)


def placed(picture: WantedPicture, facts: ImageFacts) -> Record:
    """The record of a picture from the service: its true place, the true size of the page, the size
    received."""
    record = picture.record
    region = facts.region or record.source.region
    rights = record.rights
    if missing := set(facts.opt_out) - set(rights.opt_out):
        rights = rights.model_copy(update={"opt_out": (*rights.opt_out, *sorted(missing))})
    width, height = facts.source_size or (record.image.source_width, record.image.source_height)
    return record.model_copy(
        update={
            "key": sample_key(record.institution.slug, record.source.id, region),
            "source": record.source.model_copy(update={"region": region, "image": facts.image}),
            "captions": tuple(_measured(one, picture.space, facts.source_size) for one in record.captions),
            "rights": rights,
            "image": Image(
                width=facts.width,
                height=facts.height,
                sha256=facts.sha256,
                source_width=width,
                source_height=height,
                requested=facts.requested,
                received=facts.received,
                source_sha256=facts.source_sha256,
                phash=facts.phash,
            ),
        }
    )


def _measured(caption: Caption, space: tuple[int, int], size: tuple[int, int] | None) -> Caption:
    """A caption whose box is in pixels of an image of one size, in pixels of one of the true size."""
    box = caption.box
    if box is None or size is None or size == space:
        return caption
    (left, right), (top, bottom) = (
        (round(start * true / stated), round((start + length) * true / stated))
        for start, length, true, stated in zip(
            (box.x, box.y), (box.width, box.height), size, space, strict=True
        )
    )
    true_box = Region(x=left, y=top, width=max(1, right - left), height=max(1, bottom - top))
    return caption.model_copy(update={"box": true_box})


def _selected(pictures: Iterable[WantedPicture]) -> Iterator[Selected]:
    """The pictures as items of the ledger, those of one object after the other."""
    ordinals: dict[str, int] = {}
    for number, picture in enumerate(pictures):
        candidate = picture.candidate
        if candidate is None or candidate.service is None:
            continue
        item = ItemRow(
            picture.record.key, host_of(candidate.service.id), CANDIDATE.dump_json(candidate).decode()
        )
        document = picture.record.source.manifest or picture.record.group
        yield Selected(document, ordinals.setdefault(document, len(ordinals)), number, (), item)
